//! What a master does with a worker that has just connected, in stock's order.
//!
//! Greet, ask for its info, tell it its builders, greet once per builder. A MessagePack worker does
//! not know builders: there the master sets its output buffering, looks into its base directory,
//! deletes what is left over when the worker wants that, and makes missing builder directories.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use protocol::command::{Command, Limits};
use protocol::info::WorkerInfo;
use protocol::msgpack::WorkerSettings;
use protocol::order::{BuilderDir, Order, Reply};
use protocol::update::Update;

use super::link::{ANSWER, CommandEvent, LinkError, Wire};
use crate::config::checked::WorkerProtocol;

/// The directory of a worker's own texts, never a leftover.
const INFO: &str = "info";

/// What a worker prints into its log; its start helper waits for it.
const ATTACHED: &str = "attached";

/// For a worker that makes directories, and may delete others first.
const MAKING_DIRECTORIES: Duration = Duration::from_secs(60);

/// Type bits of a file mode, and the value that says directory.
const FILE_TYPE: (i64, i64) = (0o170000, 0o040000);

/// Why a worker cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttachError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("{0}")]
    Info(String),
    #[error("{command} failed: {reason}")]
    Command { command: &'static str, reason: String },
}

/// The whole sequence. `builders` are those of the worker, as configured.
pub(super) async fn attach(
    wire: &Wire,
    builders: &[BuilderDir],
) -> Result<Arc<WorkerInfo>, AttachError> {
    wire.print(ATTACHED, ANSWER).await?;
    let Reply::Info(info) = wire.call(Order::GetWorkerInfo, ANSWER).await? else {
        return Err(AttachError::Info("it told nothing about itself".to_owned()));
    };
    match wire.protocol() {
        WorkerProtocol::PerspectiveBroker => tell_builders(wire, builders).await?,
        WorkerProtocol::MessagePack => {
            wire.call(Order::Settings(settings()), ANSWER).await?;
            let present = list(wire, &info).await?;
            let dirs = dirs(builders);
            if info.delete_leftover_dirs {
                delete_leftovers(wire, &info, &present, &dirs).await?;
            }
            make_missing(wire, &info, &present, &dirs).await?;
        }
    }
    greet(wire, builders.len()).await?;
    Ok(Arc::from(info))
}

/// For a worker that is attached already: all its `builders`, of which it did not have the `new` ones.
pub(super) async fn change_builders(
    wire: &Wire,
    info: &WorkerInfo,
    builders: &[BuilderDir],
    new: &[BuilderDir],
) -> Result<(), AttachError> {
    match wire.protocol() {
        WorkerProtocol::PerspectiveBroker => tell_builders(wire, builders).await?,
        WorkerProtocol::MessagePack => {
            let present = list(wire, info).await?;
            make_missing(wire, info, &present, &dirs(new)).await?;
        }
    }
    greet(wire, new.len()).await
}

async fn tell_builders(wire: &Wire, builders: &[BuilderDir]) -> Result<(), AttachError> {
    let order = Order::SetBuilderList { builders: builders.to_vec() };
    wire.call(order, MAKING_DIRECTORIES).await?;
    Ok(())
}

/// Several builders may share a directory.
fn dirs(builders: &[BuilderDir]) -> Vec<String> {
    builders.iter().map(|builder| builder.dir.clone()).collect()
}

async fn list(wire: &Wire, info: &WorkerInfo) -> Result<Vec<String>, AttachError> {
    let command = Command::ListDirectory { dir: info.basedir.clone() };
    let updates = run(wire, info, "listdir", &command).await?;
    let files = updates.into_iter().find_map(|update| match update {
        Update::Files(files) => Some(files),
        _ => None,
    });
    Ok(files.unwrap_or_default())
}

async fn delete_leftovers(
    wire: &Wire,
    info: &WorkerInfo,
    present: &[String],
    builddirs: &[String],
) -> Result<(), AttachError> {
    let mut dirs = Vec::new();
    for name in leftovers(present, builddirs) {
        let path = info.path(name);
        // A file that vanishes meanwhile is no leftover.
        let stat = run(wire, info, "stat", &Command::Stat { file: path.clone() }).await;
        if stat.is_ok_and(|updates| updates.iter().any(is_directory)) {
            dirs.push(path);
        }
    }
    if dirs.is_empty() {
        return Ok(());
    }
    let limits = Limits { timeout: Some(120.0), max_time: None, log_environ: false };
    run(wire, info, "rmdir", &Command::RemoveDirectory { dirs, limits }).await.map(drop)
}

async fn make_missing(
    wire: &Wire,
    info: &WorkerInfo,
    present: &[String],
    builddirs: &[String],
) -> Result<(), AttachError> {
    let dirs: Vec<String> = missing(present, builddirs).map(|dir| info.path(dir)).collect();
    if dirs.is_empty() {
        return Ok(());
    }
    run(wire, info, "mkdir", &Command::MakeDirectories { dirs }).await.map(drop)
}

async fn greet(wire: &Wire, builders: usize) -> Result<(), AttachError> {
    let greetings = (0..builders).map(|_| wire.print(ATTACHED, ANSWER));
    futures_util::future::try_join_all(greetings).await?;
    Ok(())
}

/// Runs a command outside any builder; anything but success is an error.
async fn run(
    wire: &Wire,
    info: &WorkerInfo,
    name: &'static str,
    command: &Command,
) -> Result<Vec<Update>, AttachError> {
    let failed = |reason: String| AttachError::Command { command: name, reason };
    let mut running = wire.start(None, info.basedir.clone(), command.clone())?;
    let (mut updates, mut rc) = (Vec::new(), None);
    loop {
        match running.next().await {
            CommandEvent::Update(Update::Rc(value)) => rc = Some(value),
            CommandEvent::Update(update) => updates.push(update),
            CommandEvent::Transfer { .. } => {} // none of these commands transfers anything
            CommandEvent::Complete(Some(text)) => return Err(failed(text)),
            CommandEvent::Complete(None) => break,
            CommandEvent::Lost => return Err(LinkError::Lost.into()),
        }
    }
    match rc {
        Some(0) => Ok(updates),
        Some(rc) => Err(failed(format!("error number {rc}"))),
        None => Err(failed("no exit status arrived".to_owned())),
    }
}

/// Entries of the base directory that no builder wants.
fn leftovers<'a>(present: &'a [String], builddirs: &[String]) -> impl Iterator<Item = &'a str> {
    let wanted: BTreeSet<String> = builddirs
        .iter()
        .filter_map(|dir| dir.split(['/', '\\']).find(|part| !matches!(*part, "" | ".")))
        .map(str::to_owned)
        .collect();
    present.iter().map(String::as_str).filter(move |name| *name != INFO && !wanted.contains(*name))
}

/// Directories to make, sorted, each once.
fn missing<'a>(present: &[String], builddirs: &'a [String]) -> impl Iterator<Item = &'a str> {
    let wanted: BTreeSet<&str> = builddirs.iter().map(String::as_str).chain([INFO]).collect();
    let present: BTreeSet<String> = present.iter().cloned().collect();
    wanted.into_iter().filter(move |dir| !present.contains(*dir))
}

fn is_directory(update: &Update) -> bool {
    matches!(update, Update::Stat([mode, ..]) if mode & FILE_TYPE.0 == FILE_TYPE.1)
}

/// Stock's settings, but output reaches viewers after half a second instead of five: a page that
/// follows a log feels alive, and batches are still large.
fn settings() -> WorkerSettings {
    WorkerSettings { buffer_timeout: 0.5, ..WorkerSettings::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn missing_directories_are_sorted_and_unique() {
        let present = texts(&["b", "twistd.log"]);
        let wanted = texts(&["c", "b", "a", "c", "d/e"]);
        let expected = ["a", "c", "d/e", "info"];
        assert_eq!(missing(&present, &wanted).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_nested_builder_directory_protects_its_top() {
        let present = texts(&["info", "deep", "old", "flat"]);
        let wanted = texts(&["deep/er", "./flat"]);
        assert_eq!(leftovers(&present, &wanted).collect::<Vec<_>>(), ["old"]);
    }

    #[test]
    fn only_directories_are_directories() {
        let stat = |mode| Update::Stat([mode, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert!(is_directory(&stat(0o040755)));
        assert!(!is_directory(&stat(0o100644)));
        assert!(!is_directory(&stat(0o120777)));
    }
}
