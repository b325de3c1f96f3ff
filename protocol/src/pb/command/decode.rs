//! Commands as a worker receives them, from masters of any age.

use crate::broker::type_error;
use crate::command::{
    Arg, Block, Command, CommandLine, Compression, EnvValue, Limits, LogFile, Shell,
};
use crate::jelly::{Failure, Value};

/// The command that a master asks for; a failure is the stock answer to one that cannot be run.
pub(in crate::pb) fn decode(id: &str, name: &str, args: &Value) -> Result<Command, Failure> {
    if args.pairs().is_none() {
        return Err(type_error("the arguments of a command are not a dictionary"));
    }
    Ok(match name {
        "shell" => Command::Shell(shell(args)?),
        "mkdir" => make_directory(args)?,
        "rmdir" => Command::RemoveDirectory {
            dirs: texts(args, "dir")?,
            limits: limits(args, Some(120.0))?,
        },
        "cpdir" => Command::CopyDirectory {
            from: text(args, "fromdir")?,
            to: text(args, "todir")?,
            limits: limits(args, Some(120.0))?,
        },
        "stat" => Command::Stat { file: stat_file(args)? },
        "glob" => Command::Glob { path: text(args, "path")? },
        "listdir" => Command::ListDirectory { dir: text(args, "dir")? },
        "rmfile" => Command::RemoveFile { path: text(args, "path")? },
        "uploadFile" | "upload_file" => Command::UploadFile {
            source: renamed(args, "workersrc", "slavesrc")?,
            block: block(args)?,
            keep_stamp: flag(args, "keepstamp", false),
        },
        "uploadDirectory" | "upload_directory" => Command::UploadDirectory {
            source: renamed(args, "workersrc", "slavesrc")?,
            block: block(args)?,
            compress: compression(args)?,
        },
        "downloadFile" | "download_file" => Command::DownloadFile {
            dest: renamed(args, "workerdest", "slavedest")?,
            block: block(args)?,
            mode: {
                need(args, "mode")?;
                number(args, "mode")?.map(|mode| mode as u32)
            },
        },
        other => return Err(unknown_command(id, other)),
    })
}

fn unknown_command(id: &str, name: &str) -> Failure {
    let text = format!("(command {id}): unrecognized WorkerCommand '{name}'");
    Failure::new("buildbot_worker.base.UnknownCommand", &["twisted.spread.pb.Error"], text)
}

fn shell(args: &Value) -> Result<Shell, Failure> {
    let workdir = text(args, "workdir")?;
    let Some(command) = args.given("command") else {
        let text = "WorkerShellCommand is missing args: command";
        return Err(Failure::new("builtins.ValueError", &[], text));
    };
    Ok(Shell {
        workdir,
        command: command_line(command)?,
        env: environment(args)?,
        want_stdout: flag(args, "want_stdout", true),
        want_stderr: flag(args, "want_stderr", true),
        limits: limits(args, None)?,
        max_lines: number(args, "max_lines")?.map(|lines| lines as u64),
        sigterm_time: number(args, "sigtermTime")?,
        interrupt_signal: args.given("interruptSignal").and_then(Value::text),
        initial_stdin: args.given("initial_stdin").and_then(Value::text),
        logfiles: logfiles(args)?,
        use_pty: use_pty(args)?,
    })
}

/// Masters of slaves say `slave-config` when the step has not chosen.
fn use_pty(args: &Value) -> Result<bool, Failure> {
    match args.get("usePTY") {
        None => Ok(false),
        Some(value) if value.is_text("slave-config") => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::Int(number @ 0..=1)) => Ok(*number == 1),
        Some(other) => {
            let text =
                format!("Unexpected usePTY argument value: {}. Expected boolean.", other.display());
            Err(Failure::new("builtins.AssertionError", &[], text))
        }
    }
}

/// An element that is no text is shown as text, only a tuple can be an obfuscated one.
fn command_line(command: &Value) -> Result<CommandLine, Failure> {
    let arg = |value: &Value| match value {
        Value::Tuple(parts) => match parts.as_slice() {
            [tag, real, shown] if tag.is_text("obfuscated") => {
                Ok(Arg::Obfuscated { real: real.display(), shown: shown.display() })
            }
            _ => Err(type_error("an element of 'command' is a tuple")),
        },
        Value::List(_) => Err(type_error("an element of 'command' is a list")),
        other => Ok(Arg::Plain(other.display())),
    };
    match command.items() {
        Some(items) => Ok(CommandLine::Args(items.iter().map(arg).collect::<Result<_, _>>()?)),
        None => {
            let text = command.text().ok_or_else(|| wrong("command", "text or a list"))?;
            Ok(CommandLine::Text(text))
        }
    }
}

fn environment(args: &Value) -> Result<Vec<(String, Option<EnvValue>)>, Failure> {
    let Some(env) = args.given("env") else { return Ok(Vec::new()) };
    let pairs = env.pairs().ok_or_else(|| wrong("env", "a dictionary"))?;
    let entry = |(name, value): &(Value, Value)| {
        let name = name.display();
        let value = match value {
            Value::None => Some(None),
            other => match other.items() {
                Some(paths) => {
                    let paths: Option<_> = paths.iter().map(Value::text).collect();
                    paths.map(|paths| Some(EnvValue::Paths(paths)))
                }
                None => other.text().map(|text| Some(EnvValue::Text(text))),
            },
        };
        match value {
            Some(value) => Ok((name, value)),
            None => {
                let text =
                    format!("'env' values must be strings or lists; key '{name}' is incorrect");
                Err(Failure::new("builtins.RuntimeError", &[], text))
            }
        }
    };
    pairs.iter().map(entry).collect()
}

fn logfiles(args: &Value) -> Result<Vec<(String, LogFile)>, Failure> {
    let Some(files) = args.given("logfiles") else { return Ok(Vec::new()) };
    let pairs = files.pairs().ok_or_else(|| wrong("logfiles", "a dictionary"))?;
    let entry = |(name, file): &(Value, Value)| {
        let filename = file.text().or_else(|| file.get("filename").and_then(Value::text));
        let filename = filename.ok_or_else(|| key_error("filename"))?;
        let follow = file.get("follow").is_some_and(Value::truthy);
        Ok((name.display(), LogFile { filename, follow }))
    };
    pairs.iter().map(entry).collect()
}

/// Zero seconds mean no limit, as on a stock worker.
fn limits(args: &Value, default_timeout: Option<f64>) -> Result<Limits, Failure> {
    let timeout = match args.get("timeout") {
        None => default_timeout,
        Some(_) => number(args, "timeout")?,
    };
    Ok(Limits {
        timeout: timeout.filter(|seconds| *seconds > 0.0),
        max_time: number(args, "maxTime")?.filter(|seconds| *seconds > 0.0),
        log_environ: flag(args, "logEnviron", true),
    })
}

fn block(args: &Value) -> Result<Block, Failure> {
    need(args, "maxsize")?;
    need(args, "blocksize")?;
    let size = number(args, "blocksize")?.filter(|size| *size >= 1.0);
    Ok(Block {
        workdir: text(args, "workdir")?,
        max_size: number(args, "maxsize")?.map(|size| size as u64),
        size: size.ok_or_else(|| wrong("blocksize", "a number of at least 1"))? as u64,
    })
}

fn compression(args: &Value) -> Result<Compression, Failure> {
    need(args, "compress")?;
    let name = args.given("compress").map(Value::display);
    Compression::from_name(name.as_deref()).ok_or_else(|| wrong("compress", "None, 'gz' or 'bz2'"))
}

fn make_directory(args: &Value) -> Result<Command, Failure> {
    let mut dirs = texts(args, "dir")?;
    Ok(match dirs.len() {
        1 => Command::MakeDirectory { dir: dirs.remove(0) },
        _ => Command::MakeDirectories { dirs },
    })
}

/// The file may be given as seen from a directory.
fn stat_file(args: &Value) -> Result<String, Failure> {
    let file = text(args, "file")?;
    let absolute = file.starts_with(['/', '\\']) || file.get(1..2) == Some(":");
    Ok(match args.given("workdir").and_then(Value::text) {
        Some(workdir) if !absolute && !workdir.is_empty() => format!("{workdir}/{file}"),
        _ => file,
    })
}

fn need<'a>(args: &'a Value, name: &str) -> Result<&'a Value, Failure> {
    args.get(name).ok_or_else(|| key_error(name))
}

fn text(args: &Value, name: &str) -> Result<String, Failure> {
    need(args, name)?.text().ok_or_else(|| wrong(name, "text"))
}

/// One text, or a list of them.
fn texts(args: &Value, name: &str) -> Result<Vec<String>, Failure> {
    let value = need(args, name)?;
    let texts = match value.items() {
        Some(items) => items.iter().map(Value::text).collect(),
        None => value.text().map(|text| vec![text]),
    };
    texts.ok_or_else(|| wrong(name, "text or a list of texts"))
}

/// An argument that masters of slaves call otherwise.
fn renamed(args: &Value, name: &str, old: &str) -> Result<String, Failure> {
    match args.get(name).is_none() && args.get(old).is_some() {
        true => text(args, old),
        false => text(args, name),
    }
}

fn number(args: &Value, name: &str) -> Result<Option<f64>, Failure> {
    let Some(value) = args.given(name) else { return Ok(None) };
    match value.number().filter(|number| number.is_finite() && *number >= 0.0) {
        Some(number) => Ok(Some(number)),
        None => Err(wrong(name, "a number of at least 0")),
    }
}

fn flag(args: &Value, name: &str, default: bool) -> bool {
    args.get(name).map_or(default, Value::truthy)
}

fn key_error(name: &str) -> Failure {
    Failure::new("builtins.KeyError", &["builtins.LookupError"], format!("'{name}'"))
}

fn wrong(name: &str, expected: &str) -> Failure {
    type_error(format!("argument '{name}' is not {expected}"))
}
