//! What a master asks of a worker, and what a worker answers: the same over every transport.

use crate::command::Command;
use crate::info::WorkerInfo;
use crate::msgpack::WorkerSettings;

/// One thing a master asks. Each is answered by a [`Reply`] or refused with a text.
#[allow(clippy::large_enum_variant)] // orders are few and never stored in numbers
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// A line for the worker's log. `attached` tells it that it is in use.
    Print {
        message: String,
    },
    /// Proves that the worker still answers, without a trace in its log.
    Keepalive,
    /// Answered with [`Reply::Info`].
    GetWorkerInfo,
    /// How to cut and batch output. Only MessagePack knows it; elsewhere it is done at once.
    Settings(WorkerSettings),
    /// The builders of this worker, all of them. Only Perspective Broker knows it: there the worker
    /// itself makes the directories and deletes leftovers; elsewhere it is done at once.
    SetBuilderList {
        builders: Vec<BuilderDir>,
    },
    /// A build of that builder begins. Only Perspective Broker knows it.
    StartBuild {
        builder: String,
    },
    StartCommand {
        /// Unique among the commands of a connection.
        command_id: String,
        /// Absent for what a master does while attaching.
        builder: Option<String>,
        /// The builder's directory: absolute when a master sends it; relative to the worker's base
        /// directory, absolute or empty when a worker receives it.
        base: String,
        command: Command,
    },
    InterruptCommand {
        command_id: String,
        builder: Option<String>,
        why: String,
    },
    /// The worker's process is to end.
    Shutdown,
}

/// A builder and its directory below the worker's base directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuilderDir {
    pub name: String,
    pub dir: String,
}

/// The answer to an [`Order`].
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Done,
    Info(Box<WorkerInfo>),
}
