//! What a build does: properties in, worker commands out, results back.
//!
//! A step knows neither actors nor the database. It works on a [`Workbench`], which the build
//! actor provides and tests fake.

pub mod registry;
mod plan;
mod render;
mod line;
mod interruption;
mod observe;
mod python_json;
mod command;
mod warnings;
mod children;
mod source;
pub mod transfer;

/// Declares the file of each step class, or of a few that belong together, and gathers what it has
/// in its `TYPES`.
macro_rules! step_files {
    ($($file:ident),* $(,)?) => {
        $(mod $file;)*
        /// The step classes of every file.
        const FILES: &[&[registry::StepType]] = &[$($file::TYPES),*];
    };
}

// A new step is its file and its line here.
step_files! {
    shell,
    shell_sequence,
    warning_counting,
    cmake,
    set_property_from_command,
    master_shell,
    set_property,
    set_properties_from_env,
    git,
    svn,
    mercurial,
    upload,
    multiple_upload,
    download,
    string_download,
    directories,
    file_exists,
    sphinx,
    rpm_build,
    rpm_lint,
    assert,
    log_renderable,
    tree_size,
    test_results,
    http,
    trigger,
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use indexmap::IndexMap;
use protocol::command::Command;
use protocol::update::Update;
use serde_json::Value;

use transfer::TransferEnd;

pub use children::{ChildBuild, ChildRequest, TriggerOrder, Triggers};
pub use observe::{LineObserver, Observing};
pub use plan::{Condition, StepOptions, StepPlan};

use crate::flow::interpolate::InterpolateError;
use crate::model::{
    BuildRequestId, Change, LogType, Properties, Results, SourceStamp, TestResult, TestResultSetId,
    TestSet,
};

/// What one configured step does. The options all steps share live beside it in the plan.
#[async_trait(?Send)]
pub trait Step: std::fmt::Debug + Send + Sync {
    /// Runs to its result. An interrupt reaches the running command by itself; the step sees
    /// [`Finished::interrupted`] and returns CANCELLED.
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError>;

    /// What it would do in the master itself, for `buildbot simulate`; `None` for a step that acts
    /// through its bench alone.
    fn in_master(&self, bench: &dyn Workbench) -> Option<Result<String, StepError>> {
        let _ = bench;
        None
    }

    /// Whom a Trigger step asks; `None` for every other step.
    fn triggers(&self) -> Option<Triggers> {
        None
    }

    /// What a source step checks out, and where; `None` for every other step.
    fn checks_out(&self) -> Option<CheckOut<'_>> {
        None
    }
}

/// What the configuration can know of a source step without a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckOut<'a> {
    pub codebase: &'a str,
    /// `None` when it depends on the build.
    pub workdir: Option<&'a str>,
    /// It builds nothing without a source stamp of its codebase.
    pub needs_stamp: bool,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub results: Results,
    /// What the step's line shows, without the result word, when the step insists on it:
    /// `'make test'`. Empty leaves it to the options; see [`StepPlan::done_text`].
    pub summary: String,
    /// The worker ended the command because of a limit.
    pub limit: Option<LimitReached>,
}

/// The limit that ended a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitReached {
    Time,
    Lines,
}

impl Outcome {
    /// An outcome whose line is told by the step's description.
    pub fn plain(results: Results) -> Outcome {
        Outcome { results, summary: String::new(), limit: None }
    }

    pub fn new(results: Results, summary: impl Into<String>) -> Outcome {
        Outcome { results, summary: summary.into(), limit: None }
    }
}

/// Why a step could not do its work. Ends the step as EXCEPTION, or RETRY for a lost worker.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error("lost connection")]
    WorkerLost,
    #[error(transparent)]
    Interpolate(#[from] InterpolateError),
    #[error("{0}")]
    Failed(String),
}

/// What a build offers its steps.
#[async_trait(?Send)]
pub trait Workbench {
    fn properties(&self) -> &Properties;
    /// These properties were asked for and are not set; told when the step fails.
    fn note_unset(&self, _names: &[String]) {}
    /// Sets a build property; it is stored and announced when the step ends.
    fn set_property(&mut self, name: &str, value: Value, source: &str);
    fn sources(&self) -> &[SourceStamp];
    fn changes(&self) -> &[Change];
    fn worker(&self) -> &WorkerFacts;
    fn builder(&self) -> &BuilderFacts;
    /// `%(secret:…)s`. The bench masks every secret it has handed out in all that it stores or
    /// shows of the step ([`mask`](crate::flow::interpolate::mask)).
    fn secret(&self, name: &str) -> Option<String>;

    /// Runs `command` on the worker to its end. Output goes to the log `stdio` (and to one log per
    /// followed file) as it arrives, and into [`Finished`] as far as `capture` asks.
    async fn command(&mut self, command: Command, capture: Capture) -> Result<Finished, StepError>;

    /// As [`Workbench::command`]; `observer` hears each whole line of the output, as it comes.
    async fn observed(
        &mut self,
        command: Command,
        capture: Capture,
        observer: &mut dyn LineObserver,
    ) -> Result<Finished, StepError>;

    /// Runs a transfer command on the worker to its end; what it sends or fetches goes through `end`.
    async fn transfer(
        &mut self,
        command: Command,
        end: &mut dyn TransferEnd,
        capture: Capture,
    ) -> Result<Finished, StepError>;

    /// Runs a command that takes away what the step must not leave behind, also when somebody has
    /// stopped the step. It gets one minute; output goes to the log.
    async fn clean_up(&mut self, command: Command) -> Result<Finished, StepError>;

    /// Appends whole or partial lines to a log, which is created at the first call even if `text`
    /// is empty.
    async fn log(
        &mut self,
        name: &str,
        kind: LogType,
        stream: Stream,
        text: &str,
    ) -> Result<(), StepError>;

    /// Sends the output of the following commands of this step to another log than `stdio`.
    fn set_output_log(&mut self, name: &str) {
        let _ = name;
    }

    /// Asks a triggerable scheduler for builds, whose parent is this one; answers at once, with the
    /// requests that were made.
    ///
    /// # Errors
    /// No such scheduler, one that cannot be triggered, or a chain of triggers without an end.
    async fn trigger(&mut self, order: TriggerOrder) -> Result<Vec<ChildRequest>, StepError>;

    /// Waits until more than `complete` of these requests are complete, and answers how all of them
    /// stand; `None` when the step is stopped before.
    async fn await_children(
        &mut self,
        requests: &[BuildRequestId],
        complete: usize,
    ) -> Result<Option<Vec<ChildRequest>>, StepError>;

    /// Cancels those of the requests that are pending, and stops their builds.
    async fn cancel_children(
        &mut self,
        requests: &[BuildRequestId],
        reason: &str,
    ) -> Result<(), StepError>;

    /// Keeps bytes at the build under a name; they are replaced when it is set again.
    async fn set_build_data(
        &mut self,
        name: &str,
        value: Vec<u8>,
        source: &str,
    ) -> Result<(), StepError> {
        let _ = (value, source);
        Err(StepError::Failed(format!("no place to keep the build data '{name}'")))
    }

    /// Opens a set of test results. It is complete when the step ends.
    async fn open_test_set(&mut self, set: TestSet) -> Result<TestResultSetId, StepError>;

    /// Adds results to a set of this step; a few hundred at once.
    async fn add_test_results(
        &mut self,
        set: TestResultSetId,
        results: Vec<TestResult>,
    ) -> Result<(), StepError>;

    /// What the step's line shows while it runs.
    fn set_summary(&mut self, text: &str);
    fn add_url(&mut self, name: &str, url: &str);
    /// Fires when somebody stops the build or the step while this step runs; carries the reason.
    /// An `alwaysRun` step of a stopped build begins with a channel that has not fired.
    fn interruption(&self) -> tokio::sync::watch::Receiver<Option<String>>;
    /// The master's base directory: where commands of the master itself run.
    fn master_basedir(&self) -> &std::path::Path;
}

/// Which stream of a stdio log a line belongs to; ignored for other log types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    Stdout,
    Stderr,
    Header,
}

impl Stream {
    /// The letter that begins a stored line.
    pub fn letter(self) -> char {
        match self {
            Stream::Stdout => 'o',
            Stream::Stderr => 'e',
            Stream::Header => 'h',
        }
    }
}

/// What of a command's output the step itself wants to read. Bounded: at most
/// [`CAPTURE_LIMIT`] bytes of each stream are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capture {
    pub stdout: bool,
    pub stderr: bool,
    /// Keep the output out of the log altogether (stock's `logEnviron`-free helper commands).
    pub quiet: bool,
}

/// Bytes of captured output per stream; what exceeds it is cut off.
pub const CAPTURE_LIMIT: usize = 1 << 20;

/// A command that ended.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Finished {
    /// `None` when the worker never sent one; counts as failed.
    pub rc: Option<i64>,
    pub stdout: String,
    pub stderr: String,
    /// `timeout`, `timeout_without_output`, `max_lines_failure`.
    pub failure_reason: Option<String>,
    /// Somebody stopped the build or the step while it ran; carries the reason.
    pub interrupted: Option<String>,
    /// `files`, `stat` and other updates in order of arrival.
    pub updates: Vec<Update>,
    /// What went wrong at the master's end of a transfer. The worker does not know of it.
    pub transfer_error: Option<String>,
}

impl Finished {
    pub fn ok(&self) -> bool {
        self.rc == Some(0) && self.interrupted.is_none() && self.transfer_error.is_none()
    }

    /// The limit that ended it, if one did.
    pub fn limit(&self) -> Option<LimitReached> {
        match self.failure_reason.as_deref() {
            Some("timeout" | "timeout_without_output") => Some(LimitReached::Time),
            Some("max_lines_failure") => Some(LimitReached::Lines),
            _ => None,
        }
    }
}

/// The worker that a build runs on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkerFacts {
    pub name: String,
    pub basedir: String,
    /// `posix` or `nt`.
    pub system: String,
    pub version: String,
    pub environ: IndexMap<String, String>,
    /// For `%(worker:…)s`.
    pub info: Properties,
}

/// The builder whose steps run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BuilderFacts {
    pub name: String,
    /// Directory below the worker's base directory.
    pub workerbuilddir: String,
    /// Environment of every command of the builder.
    pub env: IndexMap<String, Value>,
}
