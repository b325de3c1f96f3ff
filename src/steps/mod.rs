//! What a build does: properties in, worker commands out, results back.
//!
//! A step knows neither actors nor the database. It works on a [`Workbench`], which the build
//! actor provides and tests fake.

pub mod registry;
mod plan;
mod render;
mod line;
mod interruption;
mod python_json;
mod command;
mod shell;
mod shell_sequence;
mod warnings;
mod set_property;
mod set_property_from_command;
mod set_properties_from_env;
mod master_shell;
mod source;
mod git;
mod svn;
mod mercurial;
mod directories;
mod file_exists;
mod upload;
mod multiple_upload;
mod download;
mod string_download;
pub mod transfer;
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

pub use plan::{Condition, StepOptions, StepPlan};

use crate::flow::interpolate::InterpolateError;
use crate::model::{Change, LogType, Properties, Results, SourceStamp};

/// What one configured step does. The options all steps share live beside it in the plan.
#[async_trait(?Send)]
pub trait Step: std::fmt::Debug + Send + Sync {
    /// Runs to its result. An interrupt reaches the running command by itself; the step sees
    /// [`Finished::interrupted`] and returns CANCELLED.
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError>;

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
