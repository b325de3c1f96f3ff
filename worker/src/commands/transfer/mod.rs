//! Moves files between the worker and its master.
//!
//! Data goes in blocks, each sent or fetched only after the master has answered for the one before.
//! Files are read and archives written on a thread of their own that is at most two blocks ahead, so
//! a transfer of any size costs a few blocks of memory.

mod archive;
mod blocks;
mod download;
mod partial;
mod upload;

use std::io;
use std::path::Path;

use protocol::msgpack::WorkerRequest;
use protocol::report::Answer;
use protocol::update::Update;
use tokio::sync::mpsc;

use super::output::{Item, Output, Stream};
use super::python::os_error;
use super::{Ended, Stop};
use crate::link::{AskError, Link};

/// Bytes of the largest block, whatever a master asks for: the longest string of Perspective Broker.
const LONGEST_BLOCK: u64 = 640 * 1024;

/// One transfer under way.
pub(super) struct Transfer<'a> {
    pub(super) link: &'a Link,
    pub(super) command_id: &'a str,
    pub(super) output: &'a mut Output,
    pub(super) stop: &'a mut mpsc::Receiver<Stop>,
}

/// Why a transfer ended before its data did.
#[derive(Debug)]
enum Broken {
    /// The master wants no more of it.
    Interrupted,
    /// Nobody listens any more.
    Lost,
    /// The text of an unexpected failure.
    Failed(String),
    /// The text of an ordinary failure, for the log.
    Problem(String),
}

impl From<AskError> for Broken {
    fn from(error: AskError) -> Broken {
        match error {
            AskError::Lost => Broken::Lost,
            AskError::Refused(text) => Broken::Failed(text),
        }
    }
}

impl From<Stop> for Broken {
    fn from(stop: Stop) -> Broken {
        match stop {
            Stop::Interrupt => Broken::Interrupted,
            Stop::Lost => Broken::Lost,
        }
    }
}

/// A thread that was to read or write ended by a panic.
impl From<tokio::task::JoinError> for Broken {
    fn from(error: tokio::task::JoinError) -> Broken {
        Broken::Failed(error.to_string())
    }
}

impl Transfer<'_> {
    async fn ask(&self, request: WorkerRequest) -> Result<Answer, Broken> {
        Ok(self.link.ask(request).await?)
    }

    fn id(&self) -> String {
        self.command_id.to_owned()
    }

    /// Tells the log what is about to happen, now and not with the end.
    async fn announce(&mut self, path: &str) {
        self.output.header(format!("sending {path}\n"));
        self.output.drain().await;
    }

    /// Reports exit status and reason. The text has no newline, as stock's has none: it comes last.
    fn report(self, result: Result<(), Broken>) -> Ended {
        self.output.value(Update::Rc(i64::from(result.is_err())));
        let (mut failure, mut interrupted) = (None, false);
        match result {
            Ok(()) => {}
            Err(Broken::Interrupted | Broken::Lost) => interrupted = true,
            Err(Broken::Failed(text)) => failure = Some(text),
            Err(Broken::Problem(text)) => {
                self.output.put(Item::Bytes(Stream::Stderr, text.into_bytes()));
            }
        }
        Ended { failure, interrupted }
    }
}

/// What happens to a file that is larger than allowed.
fn too_large(path: &str) -> String {
    format!("Maximum filesize reached, truncating file '{path}'")
}

fn cannot_read_directory(root: &str, path: &Path, error: &io::Error) -> String {
    format!("Cannot read directory '{root}' for upload: {}", os_error(path, error))
}
