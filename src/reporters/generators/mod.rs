//! Generators: which facts are reported, in Buildbot's terms.

mod build;
mod build_request;
mod build_start_end;
mod buildset;
mod buildset_combined;
pub mod registry;
mod selection;
mod worker_missing;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

pub use build::BuildStatus;
pub use build_request::BuildRequests;
pub use build_start_end::BuildStartEnd;
pub use selection::Selection;
pub use worker_missing::WorkerMissing;

use super::formatters::{Formatter, LogChoice};
use super::{Patch, Report, Site};
use crate::db::facts::FactKind;
use crate::db::listing::{BuildCase, BuildsetCase, Details};
use crate::flow::report::Modes;
use crate::model::Results;

/// A fact with what the tables say about it.
#[derive(Debug, Clone)]
pub enum Case {
    /// Requests came in, or were cancelled (by their results): a build each that has not begun.
    Requested(Vec<Arc<BuildCase>>),
    BuildStarted(Arc<BuildCase>),
    BuildFinished(Arc<BuildCase>),
    BuildsetCompleted(Arc<BuildsetCase>),
    /// Workers that are missing: entities of the REST interface, with `notify` (addresses), and
    /// for people `last_connection`, `ago`, `building` (texts) and `never_connected`.
    WorkersMissing(Vec<Value>),
    /// Workers that were reported as missing and are back.
    WorkersReturned(Vec<Value>),
}

/// A configured generator.
pub trait Generator: Debug + Send + Sync {
    /// Is this a kind of fact that it may report?
    fn wants(&self, fact: FactKind) -> bool;

    /// How long facts about workers settle before they are told together.
    fn gather(&self) -> Duration {
        Duration::ZERO
    }

    /// How much of builds it needs to know.
    fn details(&self) -> Details {
        Details::default()
    }

    /// The logs whose text its templates use.
    fn contents(&self) -> LogChoice {
        LogChoice::None
    }

    /// The builders it names, for a check of the configuration.
    fn builders(&self) -> &[String] {
        &[]
    }

    /// What it has to say.
    ///
    /// # Errors
    /// What a template asks for in vain, for people.
    fn generate(&self, case: &Case, site: &Site) -> Result<Vec<Report>, String>;
}

/// What the generators of builds have in common.
#[derive(Debug, Clone, PartialEq)]
struct Telling {
    selection: Selection,
    modes: Modes,
    /// Stock's `%(result)s`, `%(title)s`, `%(builder)s` for a formatter without a subject.
    subject: Option<String>,
    add_logs: LogChoice,
    add_patch: bool,
}

impl Telling {
    fn report(
        &self,
        case: &Arc<BuildCase>,
        formatter: &Formatter,
        is_buildset: bool,
        site: &Site,
    ) -> Result<Report, String> {
        let formatted = formatter.build(case, &self.modes, is_buildset, site)?;
        let builder = case.entity["builder"]["name"].as_str().unwrap_or_default();
        Ok(Report {
            // That of a buildset is known when all its builds are.
            subject: formatted.subject.or_else(|| {
                if is_buildset { None } else { self.subject(case.results, builder, site) }
            }),
            body: formatted.body,
            results: case.results,
            builds: vec![case.clone()],
            buildset: Some(case.entity["buildset"].clone()),
            users: case.users.clone(),
            patches: if self.add_patch { patches(case) } else { Vec::new() },
            logs: self.logs(case, formatter),
            ..Report::default()
        })
    }

    fn subject(&self, results: Option<Results>, builder: &str, site: &Site) -> Option<String> {
        let result = results.map_or("not finished", Results::name);
        let subject = self.subject.as_ref()?;
        let table = [
            ("%(result)s", result),
            ("%(projectName)s", &site.title),
            ("%(title)s", &site.title),
            ("%(builder)s", builder),
        ];
        Some(table.iter().fold(subject.clone(), |text, (name, value)| text.replace(name, value)))
    }

    fn logs(&self, case: &BuildCase, formatter: &Formatter) -> Vec<Value> {
        let chosen = if self.add_logs.is_none() { formatter.contents() } else { &self.add_logs };
        let steps = case.entity["steps"].as_array().into_iter().flatten();
        let logs = steps.filter_map(|step| step["logs"].as_array()).flatten();
        let taken = logs.filter(|log| {
            let name = |key: &str| log[key].as_str().unwrap_or_default();
            chosen.takes(name("stepname"), name("name"))
        });
        taken
            .map(|log| {
                let mut log = log.clone();
                log["buildername"] = case.entity["builder"]["name"].clone();
                log
            })
            .collect()
    }

    fn details(&self, formatter: &Formatter) -> Details {
        let logs = !self.add_logs.is_none();
        formatter.details().or(Details { steps: logs, logs })
    }
}

fn patches(case: &BuildCase) -> Vec<Patch> {
    let stamps = case.entity["buildset"]["sourcestamps"].as_array().into_iter().flatten();
    stamps.filter_map(|stamp| stamp["patch"]["patchid"].as_i64()).map(|id| Patch { id }).collect()
}
