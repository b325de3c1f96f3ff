//! Commands for workers of any age.
//!
//! What an old worker does not know is left out, said in another way, or refused, each as a stock
//! master does it.

use super::super::versions::Versions;
use super::key;
use crate::command::{Arg, Block, Command, CommandLine, EnvValue, Limits, LogFile, Shell};
use crate::jelly::Value;

/// The worker that is to run a command.
pub(in crate::pb) struct Peer<'a> {
    pub(in crate::pb) worker: &'a str,
    pub(in crate::pb) versions: &'a Versions,
    /// The builder's absolute directory there.
    pub(in crate::pb) base: &'a str,
    /// `posix` or `nt`.
    pub(in crate::pb) system: &'a str,
}

/// A command in this worker's words.
#[derive(Debug, PartialEq)]
pub(in crate::pb) struct Told {
    pub(in crate::pb) name: &'static str,
    pub(in crate::pb) args: Vec<(Value, Value)>,
    /// What the worker cannot do, for the log of the step; each ends with a newline.
    pub(in crate::pb) notes: Vec<&'static str>,
}

const NO_PTY: &str = "NOTE: worker does not allow master to override usePTY\n";
const NO_SIGNAL: &str = "NOTE: worker does not allow master to specify interruptSignal\n";

/// The command for a worker; `transfer` is the number of its reader or writer.
///
/// # Errors
/// A text for people: the worker is too old for the command.
pub(in crate::pb) fn encode(
    command: Command,
    peer: &Peer<'_>,
    transfer: i64,
) -> Result<Told, String> {
    if let Command::RemoveFile { path } = &command
        && peer.versions.older("rmfile", 3, 1)
    {
        return remove_file_by_rmdir(path, peer);
    }
    let name = command.name();
    if name != "shell" && !peer.versions.has(name) {
        return Err(too_old(name));
    }
    let mut notes = Vec::new();
    let args = match command {
        Command::Shell(shell) => shell_args(shell, peer.versions, &mut notes),
        Command::MakeDirectory { dir } => vec![(key("dir"), Value::from(dir))],
        Command::MakeDirectories { dirs } => match <[String; 1]>::try_from(dirs) {
            Ok([dir]) => vec![(key("dir"), Value::from(dir))],
            Err(_) => return Err("this worker makes one directory at a time".to_owned()),
        },
        Command::RemoveDirectory { dirs, limits } => {
            let mut args = vec![(key("dir"), dirs_value(dirs, peer.versions)?)];
            args.extend(limit_args(&limits));
            args
        }
        Command::CopyDirectory { from, to, limits } => {
            let mut args =
                vec![(key("fromdir"), Value::from(from)), (key("todir"), Value::from(to))];
            args.extend(limit_args(&limits));
            args
        }
        Command::Stat { file } => vec![(key("file"), Value::from(file))],
        Command::Glob { path } | Command::RemoveFile { path } => {
            vec![(key("path"), Value::from(path))]
        }
        Command::ListDirectory { dir } => vec![(key("dir"), Value::from(dir))],
        Command::UploadFile { source, block, keep_stamp } => {
            if keep_stamp && peer.versions.older(name, 2, 13) {
                return Err(format!(
                    "This worker ({}) does not support preserving timestamps. Please upgrade the \
                     worker.",
                    peer.worker
                ));
            }
            let mut args = block_args(block, "writer", transfer);
            args.push((key("keepstamp"), Value::from(keep_stamp)));
            args.push(path_arg(name, "src", source, peer.versions));
            args
        }
        Command::UploadDirectory { source, block, compress } => {
            let mut args = block_args(block, "writer", transfer);
            args.push((key("compress"), Value::from(compress.name())));
            args.push(path_arg(name, "src", source, peer.versions));
            args
        }
        Command::DownloadFile { dest, block, mode } => {
            let mut args = block_args(block, "reader", transfer);
            args.push((key("mode"), Value::from(mode.map(i64::from))));
            args.push(path_arg(name, "dest", dest, peer.versions));
            args
        }
    };
    Ok(Told { name, args, notes })
}

fn too_old(command: &str) -> String {
    format!("worker is too old, does not know about {command}")
}

/// `rm -rf` removes a file as well.
fn remove_file_by_rmdir(path: &str, peer: &Peer<'_>) -> Result<Told, String> {
    if !peer.versions.has("rmdir") {
        return Err(too_old("rmfile"));
    }
    let absolute = crate::msgpack::join(peer.base, path, peer.system);
    let args = vec![(key("dir"), Value::from(absolute)), (key("path"), Value::from(path))];
    Ok(Told { name: "rmdir", args, notes: Vec::new() })
}

/// One directory is text to all workers.
fn dirs_value(mut dirs: Vec<String>, versions: &Versions) -> Result<Value, String> {
    match dirs.len() {
        1 => Ok(Value::from(dirs.remove(0))),
        _ if versions.older("rmdir", 2, 14) => {
            Err("worker is too old, removes only one directory at a time".to_owned())
        }
        _ => Ok(Value::List(dirs.into_iter().map(Value::from).collect())),
    }
}

/// The path of a transfer under the name that the worker knows.
fn path_arg(command: &str, what: &str, path: String, versions: &Versions) -> (Value, Value) {
    let who = if versions.older(command, 3, 0) { "slave" } else { "worker" };
    (key(&format!("{who}{what}")), Value::from(path))
}

fn block_args(block: Block, object: &str, transfer: i64) -> Vec<(Value, Value)> {
    vec![
        (key("workdir"), Value::from(block.workdir)),
        (key(object), Value::Remote(transfer)),
        (key("maxsize"), Value::from(block.max_size.map(count))),
        (key("blocksize"), Value::Int(count(block.size))),
    ]
}

fn shell_args(
    shell: Shell,
    versions: &Versions,
    notes: &mut Vec<&'static str>,
) -> Vec<(Value, Value)> {
    let mut args = vec![(key("workdir"), Value::from(shell.workdir.as_str()))];
    if !versions.has("shell") {
        args.push((key("dir"), Value::from(shell.workdir)));
    }
    args.push((key("env"), env_value(shell.env)));
    args.push((key("want_stdout"), Value::from(shell.want_stdout)));
    args.push((key("want_stderr"), Value::from(shell.want_stderr)));
    args.push((key("logfiles"), logfiles_value(shell.logfiles)));
    args.extend(limit_args(&shell.limits));
    args.push((key("max_lines"), Value::from(shell.max_lines.map(count))));
    if !versions.older("shell", 2, 16) {
        args.push((key("sigtermTime"), Value::from(shell.sigterm_time.map(seconds))));
    }
    if let Some(value) = pty_value(shell.use_pty, versions, notes) {
        args.push((key("usePTY"), value));
    }
    args.push((key("initial_stdin"), Value::from(shell.initial_stdin)));
    if let Some(signal) = shell.interrupt_signal {
        match versions.older("shell", 2, 15) {
            true => notes.push(NO_SIGNAL),
            false => args.push((key("interruptSignal"), Value::from(signal))),
        }
    }
    args.push((key("command"), command_value(shell.command, !versions.older("shell", 2, 16))));
    args
}

/// Slaves have a setting of their own, which counts unless the step wants a terminal.
fn pty_value(use_pty: bool, versions: &Versions, notes: &mut Vec<&'static str>) -> Option<Value> {
    match use_pty {
        true if versions.older("shell", 2, 7) => {
            notes.push(NO_PTY);
            None
        }
        false if versions.older("shell", 3, 0) => Some(Value::from("slave-config")),
        chosen => Some(Value::from(chosen)),
    }
}

fn limit_args(limits: &Limits) -> [(Value, Value); 3] {
    [
        (key("timeout"), Value::from(limits.timeout.map(seconds))),
        (key("maxTime"), Value::from(limits.max_time.map(seconds))),
        (key("logEnviron"), Value::from(limits.log_environ)),
    ]
}

fn env_value(env: Vec<(String, Option<EnvValue>)>) -> Value {
    let value = |value| match value {
        None => Value::None,
        Some(EnvValue::Text(text)) => Value::from(text),
        Some(EnvValue::Paths(paths)) => Value::List(paths.into_iter().map(Value::from).collect()),
    };
    Value::Dict(env.into_iter().map(|(name, text)| (Value::from(name), value(text))).collect())
}

fn logfiles_value(logfiles: Vec<(String, LogFile)>) -> Value {
    let value = |file: LogFile| match file.follow {
        false => Value::from(file.filename),
        true => Value::Dict(vec![
            (key("filename"), Value::from(file.filename)),
            (key("follow"), Value::from(true)),
        ]),
    };
    Value::Dict(logfiles.into_iter().map(|(name, file)| (Value::from(name), value(file))).collect())
}

/// The tuple makes a worker recognise an obfuscated argument.
fn command_value(command: CommandLine, obfuscated: bool) -> Value {
    let arg = |arg| match arg {
        Arg::Plain(text) => Value::from(text),
        Arg::Obfuscated { real, .. } if !obfuscated => Value::from(real),
        Arg::Obfuscated { real, shown } => {
            Value::Tuple(vec![Value::from("obfuscated"), Value::from(real), Value::from(shown)])
        }
    };
    match command {
        CommandLine::Text(text) => Value::from(text),
        CommandLine::Args(args) => Value::List(args.into_iter().map(arg).collect()),
    }
}

/// Seconds: whole numbers as integers, as stock masters write them.
fn seconds(value: f64) -> Value {
    match value.fract() == 0.0 && value.abs() < 1e15 {
        true => Value::Int(value as i64),
        false => Value::Float(value),
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
