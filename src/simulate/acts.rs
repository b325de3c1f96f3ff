//! What a worker is asked for, in a line for people. Secrets do not show.

use protocol::command::{Arg, Command, CommandLine, Shell};

/// `make test  (in build)`
pub(super) fn line(command: &Command) -> String {
    match command {
        Command::Shell(shell) => run(shell),
        Command::MakeDirectory { dir } => format!("mkdir {dir}"),
        Command::MakeDirectories { dirs } => format!("mkdir {}", dirs.join(" ")),
        Command::RemoveDirectory { dirs, .. } => format!("rmdir {}", dirs.join(" ")),
        Command::CopyDirectory { from, to, .. } => format!("cpdir {from} {to}"),
        Command::Stat { file } => format!("stat {file}"),
        Command::Glob { path } => format!("glob {path}"),
        Command::ListDirectory { dir } => format!("listdir {dir}"),
        Command::RemoveFile { path } => format!("rmfile {path}"),
        Command::UploadFile { source, block, .. } => {
            format!("upload the file {source}{}", place(&block.workdir))
        }
        Command::UploadDirectory { source, block, .. } => {
            format!("upload the directory {source}{}", place(&block.workdir))
        }
        Command::DownloadFile { dest, block, .. } => {
            format!("download to the file {dest}{}", place(&block.workdir))
        }
    }
}

fn run(shell: &Shell) -> String {
    let line = match &shell.command {
        CommandLine::Text(text) => text.clone(),
        CommandLine::Args(args) => args.iter().map(word).collect::<Vec<_>>().join(" "),
    };
    format!("{line}{}", place(&shell.workdir))
}

/// Quoted as a shell wants it.
fn word(arg: &Arg) -> String {
    let shown = match arg {
        Arg::Plain(text) => text,
        Arg::Obfuscated { shown, .. } => shown,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%".contains(c);
    if !shown.is_empty() && shown.chars().all(plain) {
        return shown.clone();
    }
    format!("'{}'", shown.replace('\'', r"'\''"))
}

fn place(workdir: &str) -> String {
    if workdir.is_empty() { String::new() } else { format!("  (in {workdir})") }
}
