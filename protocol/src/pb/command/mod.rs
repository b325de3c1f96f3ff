//! Commands as a name and a dictionary of arguments.

mod decode;
mod encode;

pub(super) use decode::decode;
pub(super) use encode::{Peer, encode};

use crate::command::Command;

/// What a command moves, and so which calls its reader or writer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transfer {
    UploadFile,
    UploadDirectory,
    DownloadFile,
}

impl Transfer {
    /// Of a command that moves something.
    pub(super) fn of(command: &Command) -> Option<Transfer> {
        match command {
            Command::UploadFile { .. } => Some(Transfer::UploadFile),
            Command::UploadDirectory { .. } => Some(Transfer::UploadDirectory),
            Command::DownloadFile { .. } => Some(Transfer::DownloadFile),
            _ => None,
        }
    }
}

/// A dictionary key.
fn key(name: &str) -> crate::jelly::Value {
    crate::jelly::Value::from(name)
}

#[cfg(test)]
mod tests;
