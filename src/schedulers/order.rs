//! What somebody may ask a scheduler for, and why it is refused.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::config::checked::SchedulerOptions;
use crate::db::DbError;
use crate::flow::sources::PartialStamp;
use crate::flow::try_job::TryJob;
use crate::flow::validation::Validation;
use crate::model::{BuildId, Properties};

/// Something asked of a scheduler.
#[derive(Debug, Clone)]
pub enum Order {
    /// A person filled in the form of a ForceScheduler.
    Force(ForceRequest),
    /// A try job has come.
    Try(Box<TryRequest>),
    /// A Trigger step starts a Triggerable, or charges a NightlyTriggerable.
    Trigger(Trigger),
}

/// A try job, and how it came.
#[derive(Debug, Clone)]
pub struct TryRequest {
    pub job: TryJob,
    /// The identity of the file that it came in; it is never done twice.
    pub file: Option<String>,
}

/// What a Trigger step asks for.
#[derive(Debug, Clone, Default)]
pub struct Trigger {
    /// What to build, at most one per codebase; the scheduler's codebases fill up what is left open.
    pub stamps: Vec<PartialStamp>,
    /// They go over the scheduler's own. `reason` among them is the buildset's reason.
    pub properties: Properties,
    /// The step waits for the end: such requests are not merged with others.
    pub waited_for: bool,
    pub parent_build: Option<BuildId>,
    /// What the child is to its parent: `Triggered from`.
    pub parent_relationship: Option<String>,
}

/// What a person asks for.
#[derive(Debug, Clone, Default)]
pub struct ForceRequest {
    /// Names of builders; empty means all of the scheduler. Others than the scheduler's are ignored.
    pub builders: Vec<String>,
    /// The form: `fullName` of the field -> a scalar or a list.
    pub values: Map<String, Value>,
    /// Who is logged in; empty or `anonymous` asks the form's `username`.
    pub owner: String,
    /// The master's rules, which it puts in itself.
    pub validation: Arc<Validation>,
}

/// Why nothing was submitted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refused {
    /// There is no scheduler that could do it.
    #[error("there is no {0}")]
    NotFound(String),
    /// `fullName` of the field -> why its value is refused.
    #[error("{}", told(.0))]
    Invalid(IndexMap<String, String>),
    /// Builds have triggered each other so often that they would hardly ever end by themselves.
    #[error(
        "a chain of {length} builds has led here, from build {first} to build {last}; does a \
         builder trigger its own scheduler?"
    )]
    TooDeep { length: usize, first: BuildId, last: BuildId },
    #[error("the scheduler has none of the builders {0}")]
    NoBuilder(String),
    /// For people.
    #[error("{0}")]
    Idle(&'static str),
    #[error(transparent)]
    Db(#[from] DbError),
}

fn told(refusals: &IndexMap<String, String>) -> String {
    let lines: Vec<String> = refusals.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    lines.join("; ")
}

impl Order {
    /// The class of scheduler that such an order needs.
    fn wanted(&self) -> &'static str {
        match self {
            Order::Force(_) => "force scheduler",
            Order::Try(_) => "try scheduler",
            Order::Trigger(_) => "triggerable scheduler",
        }
    }

    /// The refusal of a scheduler that does something else.
    pub fn not_for(&self, options: &SchedulerOptions) -> Refused {
        self.missing(&options.name)
    }

    /// The refusal when no scheduler of that name is there.
    pub fn missing(&self, name: &str) -> Refused {
        Refused::NotFound(format!("{} '{name}'", self.wanted()))
    }
}
