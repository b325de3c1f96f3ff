//! Runs what a master asks for.
//!
//! [`run`] drives one command from its first header to `complete`. Its output goes through [`output`];
//! a [`Stop`] ends it early.

pub mod environment;
pub mod output;

mod batch;
mod files;
mod glob;
mod orphans;
mod program;
mod python;
mod text;
mod transfer;

use std::sync::Arc;
use std::time::Instant;

use protocol::command::{Command, CommandLine, Limits, Shell};
use protocol::msgpack::{WorkerRequest, WorkerSettings};
use protocol::update::Update;
use tokio::sync::mpsc;

use crate::link::Link;
use environment::Environment;
pub use orphans::adopt_orphans;
use output::Output;
use transfer::Transfer;

/// Names and versions of the commands this worker knows, as `get_worker_info` reports them.
pub const COMMANDS: [(&str, &str); 14] = [
    ("shell", "3.3"),
    ("uploadFile", "3.3"),
    ("upload_file", "3.3"),
    ("uploadDirectory", "3.3"),
    ("upload_directory", "3.3"),
    ("downloadFile", "3.3"),
    ("download_file", "3.3"),
    ("mkdir", "3.3"),
    ("rmdir", "3.3"),
    ("cpdir", "3.3"),
    ("stat", "3.3"),
    ("glob", "3.3"),
    ("listdir", "3.3"),
    ("rmfile", "3.3"),
];

/// Why a command is to end early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The master asked for it.
    Interrupt,
    /// The connection is gone or the worker ends: nobody listens any more.
    Lost,
}

/// What every command of a connection shares.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Absolute base directory.
    pub basedir: String,
    /// The worker's own environment.
    pub environment: Arc<Environment>,
    pub settings: WorkerSettings,
}

/// How a command ended.
pub(crate) struct Ended {
    /// Text of an unexpected failure.
    failure: Option<String>,
    /// An interrupted command does not report its duration.
    interrupted: bool,
}

impl Ended {
    const WELL: Ended = Ended { failure: None, interrupted: false };
}

/// Runs one command and reports its end. Returns when everything was handed to the link.
pub async fn run(
    command: Command,
    command_id: String,
    surroundings: Surroundings,
    link: Link,
    mut stop: mpsc::Receiver<Stop>,
) {
    let (mut output, report) =
        Output::new(link.clone(), command_id.clone(), &surroundings.settings);
    let work = async {
        let begun = Instant::now();
        let ended =
            execute(command, &command_id, &surroundings, &link, &mut output, &mut stop).await;
        if !ended.interrupted {
            output.value(Update::Elapsed(begun.elapsed().as_secs_f64()));
        }
        output.drain().await;
        drop(output);
        ended.failure
    };
    // The reporter ends unfinished lines last, behind the duration, as stock workers do.
    let (failure, ()) = tokio::join!(work, report);
    let _ = link.report(WorkerRequest::Complete { command_id, failure }).await;
}

async fn execute(
    command: Command,
    command_id: &str,
    surroundings: &Surroundings,
    link: &Link,
    output: &mut Output,
    stop: &mut mpsc::Receiver<Stop>,
) -> Ended {
    match command {
        Command::UploadFile { source, block, keep_stamp } => {
            Transfer { link, command_id, output, stop }.upload_file(source, block, keep_stamp).await
        }
        Command::UploadDirectory { source, block, compress } => {
            Transfer { link, command_id, output, stop }
                .upload_directory(source, block, compress)
                .await
        }
        Command::DownloadFile { dest, block, mode } => {
            Transfer { link, command_id, output, stop }.download_file(dest, block, mode).await
        }
        Command::Shell(shell) => shell_command(shell, surroundings, output, stop).await,
        Command::RemoveDirectory { dirs, limits } => {
            remove_directories(&dirs, limits, surroundings, output, stop).await
        }
        Command::CopyDirectory { from, to, limits } => {
            copy_directory(&from, &to, limits, surroundings, output, stop).await
        }
        other => {
            let report = tokio::task::spawn_blocking(move || file_command(&other)).await;
            match report {
                Ok(report) => {
                    put_all(output, report);
                    Ended::WELL
                }
                Err(error) => Ended { failure: Some(error.to_string()), interrupted: false },
            }
        }
    }
}

fn put_all(output: &mut Output, report: files::Report) {
    for update in report {
        match update {
            Update::Header(text) => output.header(text),
            other => output.value(other),
        }
    }
}

fn file_command(command: &Command) -> files::Report {
    match command {
        Command::MakeDirectory { dir } => files::make_directories(std::slice::from_ref(dir)),
        Command::MakeDirectories { dirs } => files::make_directories(dirs),
        Command::Stat { file } => files::stat(file),
        Command::Glob { path } => files::glob_paths(path),
        Command::ListDirectory { dir } => files::list_directory(dir),
        Command::RemoveFile { path } => files::remove_file(path),
        _ => Vec::new(), // these run a program or move data and never come here
    }
}

async fn shell_command(
    shell: Shell,
    surroundings: &Surroundings,
    output: &mut Output,
    stop: &mut mpsc::Receiver<Stop>,
) -> Ended {
    let workdir = shell.workdir.clone();
    let made = tokio::task::spawn_blocking(move || files::make_directory(&workdir)).await;
    if let Ok(Err(error)) = made {
        put_all(output, files::failure("mkdir", &shell.workdir, &error));
        return Ended::WELL;
    }
    let outcome = program::run(shell, &surroundings.environment, true, output, stop).await;
    Ended { failure: outcome.failure, interrupted: outcome.interrupted }
}

/// `rm -rf`, and once more after making everything writable. The last failure counts.
async fn remove_directories(
    dirs: &[String],
    limits: Limits,
    surroundings: &Surroundings,
    output: &mut Output,
    stop: &mut mpsc::Receiver<Stop>,
) -> Ended {
    let mut rc = 0;
    for dir in dirs {
        let attempts: [&[&str]; 3] =
            [&["rm", "-rf", dir], &["chmod", "-Rf", "u+rwx", dir], &["rm", "-rf", dir]];
        let mut last = 0;
        for (number, command) in attempts.into_iter().enumerate() {
            let shell = helper(command, limits.clone(), surroundings);
            let outcome = program::run(shell, &surroundings.environment, false, output, stop).await;
            last = outcome.rc;
            if outcome.failure.is_some() || outcome.interrupted {
                output.value(Update::Rc(last));
                return Ended { failure: outcome.failure, interrupted: outcome.interrupted };
            }
            if number == 0 && last == 0 {
                break;
            }
        }
        if last != 0 {
            rc = last;
        }
    }
    output.value(Update::Rc(rc));
    Ended::WELL
}

/// `cp -R -P -p -v`; the parent of the new directory is made first.
async fn copy_directory(
    from: &str,
    to: &str,
    limits: Limits,
    surroundings: &Surroundings,
    output: &mut Output,
    stop: &mut mpsc::Receiver<Stop>,
) -> Ended {
    let parent = std::path::Path::new(to).parent().map(|path| path.to_string_lossy().into_owned());
    if let Some(parent) = parent {
        let made = parent.clone();
        let made = tokio::task::spawn_blocking(move || files::make_directory(&made)).await;
        if let Ok(Err(error)) = made {
            put_all(output, files::failure("cpdir", &parent, &error));
            return Ended::WELL;
        }
    }
    let shell = helper(&["cp", "-R", "-P", "-p", "-v", from, to], limits, surroundings);
    let outcome = program::run(shell, &surroundings.environment, false, output, stop).await;
    output.value(Update::Rc(outcome.rc));
    Ended { failure: outcome.failure, interrupted: outcome.interrupted }
}

fn helper(command: &[&str], limits: Limits, surroundings: &Surroundings) -> Shell {
    let args = command.iter().map(|arg| protocol::command::Arg::Plain((*arg).to_owned()));
    Shell {
        workdir: surroundings.basedir.clone(),
        command: CommandLine::Args(args.collect()),
        env: Vec::new(),
        want_stdout: true,
        want_stderr: true,
        limits,
        max_lines: None,
        sigterm_time: None,
        interrupt_signal: Some("KILL".to_owned()),
        initial_stdin: None,
        logfiles: Vec::new(),
        use_pty: false,
    }
}
