//! The closed list of facts: everything that can have happened, past tense.
//!
//! A fact is committed to the database before it is announced. It carries ids and the few values
//! that every listener needs; who wants more reads the row.

use std::sync::Arc;

use crate::model::{
    BuildId, BuildRequestId, BuilderId, BuildsetId, Change, LogId, ProblemId, Results, SchedulerId,
    StepId, TestResultSetId, WorkerId,
};

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    ChangeAdded(Arc<Change>),
    BuildsetSubmitted {
        buildset: BuildsetId,
        /// Name of the scheduler that submitted it; `None` for a rebuild.
        scheduler: Option<String>,
        requests: Vec<(BuilderId, BuildRequestId)>,
    },
    BuildsetCompleted {
        buildset: BuildsetId,
        results: Results,
    },
    RequestClaimed {
        request: BuildRequestId,
        builder: BuilderId,
        buildset: BuildsetId,
    },
    /// The request went back to the queue, as after a lost worker.
    RequestUnclaimed {
        request: BuildRequestId,
        builder: BuilderId,
        buildset: BuildsetId,
    },
    RequestCompleted {
        request: BuildRequestId,
        builder: BuilderId,
        buildset: BuildsetId,
        results: Results,
    },
    BuildStarted {
        build: BuildId,
        builder: BuilderId,
        number: i64,
        worker: WorkerId,
    },
    /// A new state string.
    BuildUpdated {
        build: BuildId,
        builder: BuilderId,
        number: i64,
        worker: WorkerId,
    },
    BuildFinished {
        build: BuildId,
        builder: BuilderId,
        number: i64,
        worker: WorkerId,
        request: BuildRequestId,
        results: Results,
    },
    /// Names of the properties that were set or changed.
    PropertiesChanged {
        build: BuildId,
        names: Vec<String>,
    },
    StepAdded {
        step: StepId,
        build: BuildId,
    },
    StepStarted {
        step: StepId,
        build: BuildId,
    },
    StepUpdated {
        step: StepId,
        build: BuildId,
    },
    StepFinished {
        step: StepId,
        build: BuildId,
        results: Results,
    },
    TestSetAdded {
        set: TestResultSetId,
        build: BuildId,
    },
    TestSetCompleted {
        set: TestResultSetId,
        build: BuildId,
    },
    LogAdded {
        log: LogId,
        step: StepId,
        slug: String,
    },
    LogAppended {
        log: LogId,
        step: StepId,
        slug: String,
        num_lines: i64,
    },
    LogFinished {
        log: LogId,
        step: StepId,
        slug: String,
        num_lines: i64,
    },
    WorkerConnected {
        worker: WorkerId,
    },
    WorkerDisconnected {
        worker: WorkerId,
    },
    /// It has been away for its `missing_timeout`.
    WorkerMissing {
        worker: WorkerId,
    },
    /// Paused, unpaused, or asked to shut down.
    WorkerStateChanged {
        worker: WorkerId,
    },
    BuilderUpdated {
        builder: BuilderId,
    },
    SchedulerUpdated {
        scheduler: SchedulerId,
    },
    /// A problem was opened or closed, or somebody was told of it or does something about it.
    ProblemChanged {
        problem: ProblemId,
        builder: BuilderId,
    },
    Reconfigured,
}
