//! The answer of a simulation.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

/// Everything that would happen.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Report {
    pub changes: Vec<ChangeReport>,
    /// In the order of submission.
    pub buildsets: Vec<BuildsetReport>,
    /// What the simulation left out, or could not find out.
    pub notes: Vec<String>,
}

/// A change and what each scheduler makes of it.
#[derive(Debug, PartialEq, Serialize)]
pub struct ChangeReport {
    pub revision: Option<String>,
    pub branch: Option<String>,
    pub repository: String,
    pub codebase: String,
    pub author: String,
    /// First line of the message.
    pub subject: String,
    pub schedulers: Vec<SchedulerReport>,
}

/// Does a scheduler take a change?
#[derive(Debug, PartialEq, Serialize)]
pub struct SchedulerReport {
    pub scheduler: String,
    #[serde(rename = "type")]
    pub class: &'static str,
    pub takes: bool,
    pub why: String,
}

/// A buildset that would be submitted.
#[derive(Debug, PartialEq, Serialize)]
pub struct BuildsetReport {
    /// Its place in the report, from 1.
    pub number: usize,
    pub scheduler: String,
    pub reason: String,
    /// Seconds after the changes.
    pub after_s: i64,
    /// `builder, step` of the Trigger step that asks for it.
    pub triggered_by: Option<String>,
    /// The buildset on whose success it depends.
    pub depends_on: Option<usize>,
    pub sourcestamps: Vec<StampReport>,
    pub builds: Vec<BuildReport>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct StampReport {
    pub codebase: String,
    pub repository: String,
    pub branch: Option<String>,
    /// `None` is the newest one.
    pub revision: Option<String>,
}

/// A build that would run.
#[derive(Debug, PartialEq, Serialize)]
pub struct BuildReport {
    pub builder: String,
    pub priority: i64,
    /// Whoever of them is free builds; the simulation takes the first.
    pub workers: Vec<String>,
    /// Why it ends without a step (`do_build_if`).
    pub skipped: Option<String>,
    /// What it must hold from start to end.
    pub locks: Vec<String>,
    /// Properties that the build begins with.
    pub properties: IndexMap<String, Value>,
    pub steps: Vec<StepReport>,
}

/// A step of it.
#[derive(Debug, PartialEq, Serialize)]
pub struct StepReport {
    pub name: String,
    #[serde(rename = "type")]
    pub class: &'static str,
    pub runs: bool,
    /// Why it does not run, or what goes wrong.
    pub why: Option<String>,
    pub locks: Vec<String>,
    /// What it does, if every command succeeds without a word.
    pub acts: Vec<String>,
    /// Properties that it sets, then.
    pub sets: IndexMap<String, Value>,
}
