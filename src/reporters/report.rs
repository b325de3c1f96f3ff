//! What a generator answers.

use std::sync::Arc;

use serde_json::Value;

use crate::db::listing::BuildCase;
use crate::model::Results;

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Html,
    Json,
}

impl Kind {
    /// Stock's name: `plain`, `html` or `json`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Plain => "plain",
            Kind::Html => "html",
            Kind::Json => "json",
        }
    }
}

/// The text of a report, or the value of one of kind [`Kind::Json`].
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    pub kind: Kind,
    pub value: Value,
}

impl Body {
    pub fn text(kind: Kind, text: String) -> Body {
        Body { kind, value: Value::String(text) }
    }

    /// As text; a value is written as JSON.
    pub fn to_text(&self) -> String {
        match &self.value {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        }
    }

    /// Appends another body where that makes sense; one of another kind or shape is left out.
    fn append(&mut self, other: Body) {
        match (&mut self.value, other.value) {
            (Value::String(text), Value::String(more)) if self.kind == other.kind => {
                text.push_str(&more);
            }
            (Value::Array(items), Value::Array(more)) if self.kind == other.kind => {
                items.extend(more);
            }
            _ => {
                tracing::warn!(
                    "two reports of different kinds cannot be one; the second is left out"
                );
            }
        }
    }
}

/// A patch that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    pub id: i64,
}

/// What a generator has to say about a fact.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    pub body: Option<Body>,
    pub subject: Option<String>,
    /// `None` for what has not ended and for workers.
    pub results: Option<Results>,
    pub builds: Vec<Arc<BuildCase>>,
    /// The entity of the REST interface, with `sourcestamps`.
    pub buildset: Option<Value>,
    /// Who is responsible, as written in changes; for a worker the addresses to notify.
    pub users: Vec<String>,
    pub patches: Vec<Patch>,
    /// Logs to attach: entities of the REST interface with `stepname` and `buildername`.
    pub logs: Vec<Value>,
    /// The name of the worker it is about.
    pub worker: Option<String>,
}

/// Several reports of one fact as one, as stock's reporters do: bodies one after another, the
/// first subject, everybody's builds, people, patches and logs. `None` of no report.
pub fn merged(reports: Vec<Report>) -> Option<Report> {
    let mut reports = reports.into_iter();
    let mut all = reports.next()?;
    for report in reports {
        match (&mut all.body, report.body) {
            (Some(body), Some(more)) => body.append(more),
            (body @ None, more) => *body = more,
            (Some(_), None) => {}
        }
        all.subject = all.subject.or(report.subject);
        all.results = all.results.or(report.results);
        all.buildset = all.buildset.or(report.buildset);
        all.worker = all.worker.or(report.worker);
        let new = report.builds.into_iter().filter(|build| !all.builds.contains(build));
        let new: Vec<_> = new.collect();
        all.builds.extend(new);
        all.users.extend(report.users);
        all.patches.extend(report.patches);
        all.logs.extend(report.logs);
    }
    all.users.sort();
    all.users.dedup();
    Some(all)
}
