//! Commands as name and arguments.
//!
//! **Obfuscated arguments.** A stock MessagePack worker does not know them: it would run the literal
//! text of the list and print the secret. So the form `["obfuscated", real, shown]` goes only to a
//! worker whose info has `obfuscated_args`; a stock worker gets the plain `real`, which runs correctly
//! but appears in its headers. Whoever needs secrecy with stock workers passes them by environment.

use super::fields::{boolean, display, get, given, key, number, optional, seconds, text, texts};
use super::paths;
use crate::command::{
    Arg, Block, Command, CommandLine, Compression, EnvValue, Limits, LogFile, Shell,
};
use crate::info::WorkerInfo;
use rmpv::Value;

/// How the worker wants a command's arguments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target<'a> {
    /// The builder's absolute directory on the worker.
    pub base: &'a str,
    /// `posix` or `nt`.
    pub system: &'a str,
    /// The home directory that `~` stands for.
    pub home: Option<&'a str>,
    /// Whether obfuscated arguments may be sent as such.
    pub obfuscated_args: bool,
}

impl Command {
    /// The command for a worker of which only directory and system are known.
    pub fn to_msgpack(&self, base: &str, system: &str) -> (&'static str, Value) {
        self.to_msgpack_for(&Target { base, system, home: None, obfuscated_args: false })
    }

    /// The command for the worker that sent `info`; `base` is the builder's absolute directory there.
    pub fn to_msgpack_with(&self, base: &str, info: &WorkerInfo) -> (&'static str, Value) {
        self.to_msgpack_for(&Target {
            base,
            system: &info.system,
            home: info.home().as_deref(),
            obfuscated_args: info.obfuscated_args,
        })
    }

    /// Command name and arguments, paths absolute.
    pub fn to_msgpack_for(&self, target: &Target<'_>) -> (&'static str, Value) {
        let absolute = |path: &str| paths::join(target.base, path, target.system);
        let path = |path: &str| vec![(key("path"), Value::from(absolute(path)))];
        let absolutes = |dirs: &[String]| {
            (key("paths"), texts(&dirs.iter().map(|dir| absolute(dir)).collect::<Vec<_>>()))
        };
        let (name, args) = match self {
            Command::Shell(shell) => ("shell", shell_args(shell, target)),
            Command::MakeDirectory { dir } => ("mkdir", vec![absolutes(std::slice::from_ref(dir))]),
            Command::MakeDirectories { dirs } => ("mkdir", vec![absolutes(dirs)]),
            Command::RemoveDirectory { dirs, limits } => {
                let mut args = limit_args(limits);
                args.push(absolutes(dirs));
                ("rmdir", args)
            }
            Command::CopyDirectory { from, to, limits } => {
                let mut args = limit_args(limits);
                args.push((key("from_path"), Value::from(absolute(from))));
                args.push((key("to_path"), Value::from(absolute(to))));
                ("cpdir", args)
            }
            Command::Stat { file } => ("stat", path(file)),
            Command::Glob { path: pattern } => ("glob", path(pattern)),
            Command::ListDirectory { dir } => ("listdir", path(dir)),
            Command::RemoveFile { path: file } => {
                ("rmfile", path(&paths::expand_home(file, target.home)))
            }
            Command::UploadFile { source, block, keep_stamp } => {
                let mut args = block_args(block, "workersrc", source, target);
                args.push((key("keepstamp"), Value::from(*keep_stamp)));
                ("upload_file", args)
            }
            Command::UploadDirectory { source, block, compress } => {
                let mut args = block_args(block, "workersrc", source, target);
                args.push((key("compress"), optional(compress.name())));
                ("upload_directory", args)
            }
            Command::DownloadFile { dest, block, mode } => {
                let mut args = block_args(block, "workerdest", dest, target);
                args.push((key("mode"), optional(*mode)));
                ("download_file", args)
            }
        };
        (name, Value::Map(args))
    }

    /// The reverse, on the worker. An error is the stock text to answer with, without the
    /// `(command <id>): ` that precedes it for an unknown name.
    pub fn from_msgpack(name: &str, args: &Value) -> Result<Command, String> {
        match name {
            "shell" => {
                need("WorkerShellCommand", args, &["workdir", "command"])?;
                shell_from(args).map(Command::Shell)
            }
            "mkdir" => {
                let mut dirs = paths_from("MakeDirectory", args)?;
                Ok(match dirs.len() {
                    1 => Command::MakeDirectory { dir: dirs.remove(0) },
                    _ => Command::MakeDirectories { dirs },
                })
            }
            "rmdir" => Ok(Command::RemoveDirectory {
                dirs: paths_from("RemoveDirectory", args)?,
                limits: limits_from(args, Some(120.0))?,
            }),
            "cpdir" => {
                need("CopyDirectory", args, &["to_path", "from_path"])?;
                Ok(Command::CopyDirectory {
                    from: text_arg(args, "from_path")?,
                    to: text_arg(args, "to_path")?,
                    limits: limits_from(args, Some(120.0))?,
                })
            }
            "stat" => Ok(Command::Stat { file: path_from("StatFile", args)? }),
            "glob" => Ok(Command::Glob { path: path_from("GlobPath", args)? }),
            "listdir" => Ok(Command::ListDirectory { dir: path_from("ListDir", args)? }),
            "rmfile" => Ok(Command::RemoveFile { path: path_from("RemoveFile", args)? }),
            "upload_file" => Ok(Command::UploadFile {
                source: path_from("WorkerFileUploadCommand", args)?,
                block: block_from("WorkerFileUploadCommand", args, None)?,
                keep_stamp: flag(args, "keepstamp", false),
            }),
            "upload_directory" => {
                let class = "WorkerDirectoryUploadCommand";
                let source = path_from(class, args)?;
                let block = block_from(class, args, Some("compress"))?;
                let name = given(args, "compress").and_then(text);
                let compress = Compression::from_name(name.as_deref())
                    .ok_or("argument 'compress' must be nil, 'gz' or 'bz2'")?;
                Ok(Command::UploadDirectory { source, block, compress })
            }
            "download_file" => Ok(Command::DownloadFile {
                dest: path_from("WorkerFileDownloadCommand", args)?,
                block: block_from("WorkerFileDownloadCommand", args, Some("mode"))?,
                mode: number_arg(args, "mode")?.map(|mode| mode as u32),
            }),
            other => Err(format!("unrecognized WorkerCommand '{other}'")),
        }
    }
}

fn shell_args(shell: &Shell, target: &Target<'_>) -> Vec<(Value, Value)> {
    let workdir = paths::join(target.base, &shell.workdir, target.system);
    let mut args = vec![
        (key("workdir"), Value::from(workdir)),
        (key("env"), env_value(&shell.env)),
        (key("want_stdout"), Value::from(shell.want_stdout)),
        (key("want_stderr"), Value::from(shell.want_stderr)),
        (key("logfiles"), logfiles_value(&shell.logfiles)),
    ];
    args.extend(limit_args(&shell.limits));
    args.push((key("max_lines"), optional(shell.max_lines)));
    args.push((key("sigtermTime"), optional(shell.sigterm_time.map(seconds))));
    args.push((key("usePTY"), Value::from(shell.use_pty)));
    args.push((key("initial_stdin"), optional(shell.initial_stdin.as_deref())));
    if let Some(signal) = &shell.interrupt_signal {
        args.push((key("interruptSignal"), Value::from(signal.as_str())));
    }
    args.push((key("command"), command_value(&shell.command, target.obfuscated_args)));
    args
}

/// Stock's three path arguments, of which its worker reads `path`.
fn block_args(block: &Block, name: &str, path: &str, target: &Target<'_>) -> Vec<(Value, Value)> {
    let workdir = paths::join(target.base, &block.workdir, target.system);
    let absolute = paths::join(&workdir, &paths::expand_home(path, target.home), target.system);
    vec![
        (key("workdir"), Value::from(block.workdir.as_str())),
        (key(name), Value::from(path)),
        (key("path"), Value::from(absolute)),
        (key("maxsize"), optional(block.max_size)),
        (key("blocksize"), Value::from(block.size)),
    ]
}

fn limit_args(limits: &Limits) -> Vec<(Value, Value)> {
    vec![
        (key("timeout"), optional(limits.timeout.map(seconds))),
        (key("maxTime"), optional(limits.max_time.map(seconds))),
        (key("logEnviron"), Value::from(limits.log_environ)),
    ]
}

fn env_value(env: &[(String, Option<EnvValue>)]) -> Value {
    let value = |value: &Option<EnvValue>| match value {
        None => Value::Nil,
        Some(EnvValue::Text(text)) => Value::from(text.as_str()),
        Some(EnvValue::Paths(paths)) => texts(paths),
    };
    Value::Map(env.iter().map(|(name, text)| (key(name), value(text))).collect())
}

fn logfiles_value(logfiles: &[(String, LogFile)]) -> Value {
    let value = |file: &LogFile| match file.follow {
        false => Value::from(file.filename.as_str()),
        true => Value::Map(vec![
            (key("filename"), Value::from(file.filename.as_str())),
            (key("follow"), Value::from(true)),
        ]),
    };
    Value::Map(logfiles.iter().map(|(name, file)| (key(name), value(file))).collect())
}

fn command_value(command: &CommandLine, obfuscated_args: bool) -> Value {
    let arg = |arg: &Arg| match arg {
        Arg::Plain(text) => Value::from(text.as_str()),
        Arg::Obfuscated { real, .. } if !obfuscated_args => Value::from(real.as_str()),
        Arg::Obfuscated { real, shown } => Value::Array(vec![
            Value::from("obfuscated"),
            Value::from(real.as_str()),
            Value::from(shown.as_str()),
        ]),
    };
    match command {
        CommandLine::Text(text) => Value::from(text.as_str()),
        CommandLine::Args(args) => Value::Array(args.iter().map(arg).collect()),
    }
}

fn need(class: &str, args: &Value, names: &[&str]) -> Result<(), String> {
    let missing: Vec<&str> =
        names.iter().copied().filter(|name| get(args, name).is_none()).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(format!("{class} is missing args: {}", missing.join(", "))),
    }
}

fn text_arg(args: &Value, name: &str) -> Result<String, String> {
    get(args, name).and_then(text).ok_or_else(|| format!("argument '{name}' is not text"))
}

fn path_from(class: &str, args: &Value) -> Result<String, String> {
    need(class, args, &["path"])?;
    text_arg(args, "path")
}

fn paths_from(class: &str, args: &Value) -> Result<Vec<String>, String> {
    need(class, args, &["paths"])?;
    let paths = get(args, "paths").and_then(Value::as_array);
    let paths = paths.and_then(|paths| paths.iter().map(text).collect());
    paths.ok_or_else(|| "argument 'paths' is not a list of texts".to_owned())
}

/// Paths are absolute here, so there is no `workdir` to see them from.
fn block_from(class: &str, args: &Value, further: Option<&str>) -> Result<Block, String> {
    let names: Vec<&str> = ["maxsize", "blocksize"].into_iter().chain(further).collect();
    need(class, args, &names)?;
    let size = number_arg(args, "blocksize")?.filter(|size| *size >= 1.0);
    Ok(Block {
        workdir: String::new(),
        max_size: number_arg(args, "maxsize")?.map(|size| size as u64),
        size: size.ok_or("argument 'blocksize' must be at least 1")? as u64,
    })
}

fn number_arg(args: &Value, name: &str) -> Result<Option<f64>, String> {
    let Some(value) = given(args, name) else { return Ok(None) };
    match number(value).filter(|number| number.is_finite() && *number >= 0.0) {
        Some(number) => Ok(Some(number)),
        None => Err(format!("argument '{name}' is not a number of at least 0")),
    }
}

/// Zero seconds mean no limit, as on a stock worker.
fn limits_from(args: &Value, default_timeout: Option<f64>) -> Result<Limits, String> {
    let timeout = match get(args, "timeout") {
        None => default_timeout,
        Some(_) => number_arg(args, "timeout")?,
    };
    Ok(Limits {
        timeout: timeout.filter(|seconds| *seconds > 0.0),
        max_time: number_arg(args, "maxTime")?.filter(|seconds| *seconds > 0.0),
        log_environ: flag(args, "logEnviron", true),
    })
}

fn flag(args: &Value, name: &str, default: bool) -> bool {
    get(args, name).map_or(default, super::fields::truthy)
}

fn shell_from(args: &Value) -> Result<Shell, String> {
    Ok(Shell {
        workdir: text_arg(args, "workdir")?,
        command: command_from(args)?,
        env: env_from(args)?,
        want_stdout: flag(args, "want_stdout", true),
        want_stderr: flag(args, "want_stderr", true),
        limits: limits_from(args, None)?,
        max_lines: number_arg(args, "max_lines")?.map(|lines| lines as u64),
        sigterm_time: number_arg(args, "sigtermTime")?,
        interrupt_signal: given(args, "interruptSignal").and_then(text),
        initial_stdin: given(args, "initial_stdin").and_then(text),
        logfiles: logfiles_from(args)?,
        use_pty: use_pty_from(args)?,
    })
}

fn use_pty_from(args: &Value) -> Result<bool, String> {
    let Some(value) = get(args, "usePTY") else { return Ok(false) };
    let wrong = || format!("Unexpected usePTY argument value: {}", display(value.clone()));
    boolean(value).ok_or_else(wrong)
}

fn command_from(args: &Value) -> Result<CommandLine, String> {
    match get(args, "command") {
        Some(Value::Array(items)) => {
            Ok(CommandLine::Args(items.iter().map(arg_from).collect::<Result<_, _>>()?))
        }
        _ => Ok(CommandLine::Text(text_arg(args, "command")?)),
    }
}

fn arg_from(value: &Value) -> Result<Arg, String> {
    let Value::Array(parts) = value else { return Ok(Arg::Plain(display(value.clone()))) };
    match parts.as_slice() {
        [tag, real, shown] if tag.as_str() == Some("obfuscated") => {
            Ok(Arg::Obfuscated { real: display(real.clone()), shown: display(shown.clone()) })
        }
        _ => Err("an element of argument 'command' is a list".to_owned()),
    }
}

fn env_from(args: &Value) -> Result<Vec<(String, Option<EnvValue>)>, String> {
    let Some(env) = given(args, "env") else { return Ok(Vec::new()) };
    let map = env.as_map().ok_or("argument 'env' is not a map")?;
    map.iter().map(|(name, value)| env_entry(display(name.clone()), value)).collect()
}

fn env_entry(name: String, value: &Value) -> Result<(String, Option<EnvValue>), String> {
    let paths = |items: &Vec<Value>| items.iter().map(text).collect::<Option<_>>();
    let value = match value {
        Value::Nil => Some(None),
        Value::Array(items) => paths(items).map(|paths| Some(EnvValue::Paths(paths))),
        other => text(other).map(|text| Some(EnvValue::Text(text))),
    };
    match value {
        Some(value) => Ok((name, value)),
        None => Err(format!("'env' values must be strings or lists; key '{name}' is incorrect")),
    }
}

fn logfiles_from(args: &Value) -> Result<Vec<(String, LogFile)>, String> {
    let Some(files) = given(args, "logfiles") else { return Ok(Vec::new()) };
    let map = files.as_map().ok_or("argument 'logfiles' is not a map")?;
    map.iter()
        .map(|(name, file)| {
            let name = display(name.clone());
            let filename = text(file).or_else(|| get(file, "filename").and_then(text));
            let follow = get(file, "follow").is_some_and(super::fields::truthy);
            match filename {
                Some(filename) => Ok((name, LogFile { filename, follow })),
                None => Err(format!("the log file '{name}' has no 'filename'")),
            }
        })
        .collect()
}
