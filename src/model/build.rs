//! A build: one run of a builder's steps on a worker.

use super::{BuildId, BuildRequestId, BuilderId, MasterId, Results, Timestamp, WorkerId};

/// A stored build.
#[derive(Debug, Clone, PartialEq)]
pub struct Build {
    pub id: BuildId,
    /// Counted per builder from 1: the number people see.
    pub number: i64,
    pub builder: BuilderId,
    pub request: BuildRequestId,
    pub worker: Option<WorkerId>,
    pub master: MasterId,
    pub started_at: Timestamp,
    /// `None` while running.
    pub complete_at: Option<Timestamp>,
    /// Whole seconds spent waiting for locks.
    pub locks_duration_s: i64,
    pub state_string: String,
    /// `None` while running.
    pub results: Option<Results>,
}

/// How far a build is: what the build's head line shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildProgress {
    Running,
    Finished(Results),
}

impl Build {
    pub fn progress(&self) -> BuildProgress {
        match (self.complete_at, self.results) {
            (Some(_), Some(results)) => BuildProgress::Finished(results),
            (Some(_), None) => BuildProgress::Finished(Results::Exception),
            (None, _) => BuildProgress::Running,
        }
    }
}
