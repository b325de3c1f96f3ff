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
mod trees;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use protocol::command::{Command, Shell};
use protocol::msgpack::{WorkerRequest, WorkerSettings};
use protocol::update::Update;
use tokio::sync::mpsc;

use crate::link::Link;
use environment::Environment;
pub use orphans::adopt_orphans;
use output::{Item, Output, Stream};
use python::os_error;
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

    fn failed(text: String) -> Ended {
        Ended { failure: Some(text), interrupted: false }
    }
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
            trees::remove_directories(&dirs, limits, surroundings, output, stop).await
        }
        Command::CopyDirectory { from, to, limits } => {
            trees::copy_directory(&from, &to, limits, surroundings, output, stop).await
        }
        other => {
            let report = tokio::task::spawn_blocking(move || file_command(&other)).await;
            match report {
                Ok(report) => {
                    put_all(output, report);
                    Ended::WELL
                }
                Err(error) => Ended::failed(error.to_string()),
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
        let error = os_error(Path::new(&shell.workdir), &error);
        let text = format!("error in RunProcess._startCommand ({error})\n");
        output.put(Item::Bytes(Stream::Stderr, text.into_bytes()));
        return Ended::failed(error);
    }
    let outcome = program::run(shell, &surroundings.environment, true, output, stop).await;
    Ended { failure: outcome.failure, interrupted: outcome.interrupted }
}
