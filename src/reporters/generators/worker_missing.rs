//! `WorkerMissingGenerator`: tells those whom a worker names in `notify_on_missing`.

use serde_json::Value;

use crate::config::fields::{Fields, FromRaw};
use crate::config::raw::{Raw, RawValue};
use crate::db::facts::FactKind;

use super::super::formatters::{Formatter, worker_formatter};
use super::super::{Report, Site};
use super::{Case, Generator};

#[derive(Debug)]
pub struct WorkerMissing {
    workers: Workers,
    formatter: Formatter,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Workers {
    All,
    Named(Vec<String>),
}

impl FromRaw for Workers {
    fn from_raw(raw: &Raw) -> Result<Workers, String> {
        match (&raw.value, raw.as_text()) {
            (_, Some("all")) => Ok(Workers::All),
            (RawValue::List(_), _) => Vec::from_raw(raw).map(Workers::Named),
            _ => Err(format!("must be \"all\" or a list of worker names, not {}", raw.kind())),
        }
    }
}

impl WorkerMissing {
    /// Of all workers, with this formatter.
    pub fn standard(formatter: Formatter) -> WorkerMissing {
        WorkerMissing { workers: Workers::All, formatter }
    }

    pub(super) fn read(fields: &mut Fields<'_>, formatter: fn() -> Formatter) -> WorkerMissing {
        WorkerMissing {
            workers: fields.or("workers", Workers::All),
            formatter: worker_formatter(fields, "message_formatter", formatter),
        }
    }

    fn takes(&self, worker: &Value) -> bool {
        let name = worker["name"].as_str().unwrap_or_default();
        let named = match &self.workers {
            Workers::All => true,
            Workers::Named(names) => names.iter().any(|known| known == name),
        };
        named && !notified(worker).is_empty()
    }
}

fn notified(worker: &Value) -> Vec<String> {
    let addresses = worker["notify"].as_array().into_iter().flatten();
    addresses.filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Generator for WorkerMissing {
    fn wants(&self, fact: FactKind) -> bool {
        matches!(fact, FactKind::WorkerMissing(_))
    }

    fn generate(&self, case: &Case, site: &Site) -> Result<Vec<Report>, String> {
        let Case::WorkersMissing(workers) = case else { return Ok(Vec::new()) };
        let wanted = workers.iter().filter(|worker| self.takes(worker));
        wanted
            .map(|worker| {
                let formatted = self.formatter.worker(worker, site)?;
                let name = worker["name"].as_str().unwrap_or_default();
                let subject = || format!("Buildbot worker {name} missing");
                Ok(Report {
                    body: formatted.body,
                    subject: Some(formatted.subject.unwrap_or_else(subject)),
                    users: notified(worker),
                    worker: Some(name.to_owned()),
                    ..Report::default()
                })
            })
            .collect()
    }
}
