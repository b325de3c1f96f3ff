//! What a worker asks of a master, and what a master answers: the same over every transport.

use crate::update::TimedUpdate;

/// One thing a worker asks. Each is answered by an [`Answer`] or refused with a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// Something about a running command.
    Command(WorkerRequest),
    /// Proves that the master still answers. Only Perspective Broker knows it.
    Keepalive,
    /// No new builds, and when the last one has ended the master is to shut this worker down. Only
    /// Perspective Broker knows it.
    Shutdown,
}

/// The answer to a [`Report`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Done,
    /// What [`WorkerRequest::ReadFile`] asked for; nothing at the end of the file.
    Data(Vec<u8>),
}

/// What a worker tells and asks about a running command.
#[derive(Debug, Clone, PartialEq)]
pub enum WorkerRequest {
    /// The order of the updates is that of the output.
    Update {
        command_id: String,
        updates: Vec<TimedUpdate>,
    },
    /// The command is over; a text tells of an unexpected failure.
    Complete {
        command_id: String,
        failure: Option<String>,
    },
    UploadFileWrite {
        command_id: String,
        data: Vec<u8>,
    },
    UploadFileClose {
        command_id: String,
    },
    /// Unix seconds.
    UploadFileUtime {
        command_id: String,
        access_time: f64,
        modified_time: f64,
    },
    UploadDirectoryWrite {
        command_id: String,
        data: Vec<u8>,
    },
    UploadDirectoryUnpack {
        command_id: String,
    },
    /// Answered with at most `length` bytes, none at the end.
    ReadFile {
        command_id: String,
        length: u64,
    },
    ReadFileClose {
        command_id: String,
    },
}

impl WorkerRequest {
    /// The command this is about.
    pub fn command_id(&self) -> &str {
        match self {
            WorkerRequest::Update { command_id, .. }
            | WorkerRequest::Complete { command_id, .. }
            | WorkerRequest::UploadFileWrite { command_id, .. }
            | WorkerRequest::UploadFileClose { command_id }
            | WorkerRequest::UploadFileUtime { command_id, .. }
            | WorkerRequest::UploadDirectoryWrite { command_id, .. }
            | WorkerRequest::UploadDirectoryUnpack { command_id }
            | WorkerRequest::ReadFile { command_id, .. }
            | WorkerRequest::ReadFileClose { command_id } => command_id,
        }
    }
}
