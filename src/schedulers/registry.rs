//! The table of scheduler classes and the reader of one scheduler's table.
//!
//! A new scheduler is one file and one line in [`REGISTRY`].

use std::sync::Arc;

use super::{
    Scheduler, basic, dependent, force, nightly, nightly_triggerable, options, periodic,
    triggerable, try_jobs,
};
use crate::config::checked::{SchedulerConfig, SchedulerOptions};
use crate::config::fields::Fields;
use crate::config::problems::Problems;
use crate::config::raw::Raw;
use crate::config::values::{identifier, non_empty};

/// A scheduler class.
pub struct SchedulerType {
    /// What stands in `type`.
    pub class: &'static str,
    /// What is wrong with a name.
    pub name: fn(&String) -> Option<String>,
    pub shared: Shared,
    /// Reads the class's own keys; may still change the shared options.
    pub parse: fn(&mut Fields<'_>, &mut SchedulerOptions) -> Arc<dyn Scheduler>,
}

/// Which of the shared options a class has, besides `name` and `builderNames`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// `properties`, `priority`, `codebases`, `reason`.
    All,
    /// The same without `reason`.
    WithoutReason,
    /// None: the class reads these keys in its own way.
    Names,
}

/// Every scheduler class.
pub const REGISTRY: &[SchedulerType] = &[
    SchedulerType {
        class: "SingleBranchScheduler",
        name: non_empty,
        shared: Shared::All,
        parse: basic::single_branch,
    },
    SchedulerType {
        class: "AnyBranchScheduler",
        name: non_empty,
        shared: Shared::All,
        parse: basic::any_branch,
    },
    SchedulerType {
        class: "Dependent",
        name: non_empty,
        shared: Shared::WithoutReason,
        parse: dependent::parse,
    },
    SchedulerType {
        class: "Periodic",
        name: non_empty,
        shared: Shared::All,
        parse: periodic::parse,
    },
    SchedulerType { class: "Nightly", name: non_empty, shared: Shared::All, parse: nightly::parse },
    SchedulerType {
        class: "Triggerable",
        name: non_empty,
        shared: Shared::All,
        parse: triggerable::parse,
    },
    SchedulerType {
        class: "NightlyTriggerable",
        name: non_empty,
        shared: Shared::All,
        parse: nightly_triggerable::parse,
    },
    SchedulerType {
        class: "ForceScheduler",
        name: identifier,
        shared: Shared::Names,
        parse: force::parse,
    },
    SchedulerType {
        class: "Try_Jobdir",
        name: non_empty,
        shared: Shared::All,
        parse: try_jobs::jobdir,
    },
    SchedulerType {
        class: "Try_Userpass",
        name: non_empty,
        shared: Shared::All,
        parse: try_jobs::userpass,
    },
];

/// Reads one scheduler: a table with `type`, the options that all share, and the class's own.
/// `None` when the class is not known; other mistakes are reported and read as defaults.
pub fn parse(raw: &Raw, path: &str, problems: &mut Problems) -> Option<SchedulerConfig> {
    let mut fields = Fields::of(raw, path, problems);
    let known: Vec<&'static str> = REGISTRY.iter().map(|of| of.class).collect();
    let class = fields.class(None, &known, &[])?;
    let of = REGISTRY.iter().find(|of| of.class == class)?;
    let mut options = options::read(&mut fields, of);
    let plan = (of.parse)(&mut fields, &mut options);
    fields.finish();
    Some(SchedulerConfig { options, plan, written: raw.to_json() })
}
