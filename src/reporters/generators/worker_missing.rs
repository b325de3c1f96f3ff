//! `WorkerMissingGenerator`: tells those whom a worker names in `notify_on_missing` that it is
//! missing, and that it is back.

use std::time::Duration;

use serde_json::Value;

use crate::config::fields::{Fields, FromRaw};
use crate::config::raw::{Raw, RawValue};
use crate::db::facts::FactKind;
use crate::flow::digest;

use super::super::formatters::{Formatted, Formatter, returned_formatter, worker_formatter};
use super::super::{Report, Site};
use super::{Case, Generator};

/// `gather`: workers that go within a minute have a reason in common.
const GATHER: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct WorkerMissing {
    workers: Workers,
    formatter: Formatter,
    /// Present when workers that are back are told, too.
    returned: Option<Formatter>,
    gather: Duration,
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
        let returned = Some(Formatter::returned_worker(formatter.kind()));
        WorkerMissing { workers: Workers::All, formatter, returned, gather: GATHER }
    }

    pub(super) fn read(fields: &mut Fields<'_>, formatter: fn() -> Formatter) -> WorkerMissing {
        let workers = fields.or("workers", Workers::All);
        let formatter = worker_formatter(fields, "message_formatter", formatter);
        let own = || Formatter::returned_worker(formatter.kind());
        let returned = returned_formatter(fields, "returned_formatter", own);
        let report_returned = fields.or("report_returned", true);
        WorkerMissing {
            workers,
            formatter,
            returned: report_returned.then_some(returned),
            gather: fields.or("gather", GATHER),
        }
    }

    fn takes(&self, worker: &Value) -> bool {
        let named = match &self.workers {
            Workers::All => true,
            Workers::Named(names) => names.iter().any(|known| known == name(worker)),
        };
        named && !notified(worker).is_empty()
    }

    /// A report for each set of people: one about a worker alone, or one that lists several.
    fn reports(
        &self,
        workers: &[Value],
        formatter: &Formatter,
        words: &Words,
        site: &Site,
    ) -> Result<Vec<Report>, String> {
        let workers: Vec<&Value> = workers.iter().filter(|worker| self.takes(worker)).collect();
        let wanted: Vec<Vec<String>> = workers.iter().map(|worker| notified(worker)).collect();
        let letters = digest::letters(&wanted).into_iter();
        let reports = letters.map(|(told, users)| {
            let told: Vec<&Value> = told.into_iter().map(|index| workers[index]).collect();
            report(&told, users, formatter, words, site)
        });
        reports.collect()
    }
}

/// What a subject says of one worker and of several.
struct Words {
    one: &'static str,
    several: &'static str,
}

const MISSING: Words = Words { one: "missing", several: "missing" };
const RETURNED: Words = Words { one: "is back", several: "are back" };

fn report(
    workers: &[&Value],
    users: Vec<String>,
    formatter: &Formatter,
    words: &Words,
    site: &Site,
) -> Result<Report, String> {
    let names: Vec<&str> = workers.iter().map(|worker| name(worker)).collect();
    let texts: Result<Vec<Formatted>, String> =
        workers.iter().map(|worker| formatter.worker(worker, site)).collect();
    let mut texts = texts?;
    let (subject, body) = match texts.len() {
        1 => {
            let only = texts.remove(0);
            let subject = || format!("Buildbot worker {} {}", names.join(""), words.one);
            (only.subject.unwrap_or_else(subject), only.body)
        }
        many => {
            let listed = digest::names(&names);
            let bodies = texts.into_iter().filter_map(|text| text.body);
            (
                format!("{many} Buildbot workers {}: {listed}", words.several),
                Formatter::list(bodies),
            )
        }
    };
    Ok(Report {
        body,
        subject: Some(subject),
        users,
        worker: Some(names.join(", ")),
        ..Report::default()
    })
}

fn name(worker: &Value) -> &str {
    worker["name"].as_str().unwrap_or_default()
}

fn notified(worker: &Value) -> Vec<String> {
    let addresses = worker["notify"].as_array().into_iter().flatten();
    addresses.filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Generator for WorkerMissing {
    fn wants(&self, fact: FactKind) -> bool {
        match fact {
            FactKind::WorkerMissing(_) => true,
            FactKind::WorkerReturned(_) => self.returned.is_some(),
            _ => false,
        }
    }

    fn gather(&self) -> Duration {
        self.gather
    }

    fn generate(&self, case: &Case, site: &Site) -> Result<Vec<Report>, String> {
        match (case, &self.returned) {
            (Case::WorkersMissing(workers), _) => {
                self.reports(workers, &self.formatter, &MISSING, site)
            }
            (Case::WorkersReturned(workers), Some(formatter)) => {
                self.reports(workers, formatter, &RETURNED, site)
            }
            _ => Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::{Kind, samples};
    use super::*;

    fn worker(name: &str, notify: &[&str]) -> Value {
        json!({
            "name": name, "notify": notify, "last_connection": "Thu Jan  1 00:00:00 1970",
            "ago": "1 hour", "never_connected": false, "building": ["linux #7"],
            "workerinfo": { "admin": "Ann <ann@example.org>", "host": "rack 4", "version": "4.3" },
        })
    }

    fn told(case: &Case, kind: Kind) -> Vec<Report> {
        let generator = WorkerMissing::standard(Formatter::missing_worker(kind));
        generator.generate(case, &samples::site()).unwrap()
    }

    fn text(report: &Report) -> String {
        report.body.as_ref().map(|body| body.to_text()).unwrap_or_default()
    }

    #[test]
    fn one_worker_is_told_as_in_stock_and_a_little_more() {
        let case =
            Case::WorkersMissing(vec![worker("w1", &["ops@example.org"]), worker("w2", &[])]);
        let reports = told(&case, Kind::Plain);
        let [report] = reports.as_slice() else { panic!("{reports:?}") };
        assert_eq!(report.subject.as_deref(), Some("Buildbot Pyflakes worker w1 missing"));
        assert_eq!(report.users, ["ops@example.org"]);
        let expected = "The Buildbot worker named w1 went away.\n\n\
            It last disconnected at Thu Jan  1 00:00:00 1970 (1 hour ago).\n\
            It was working on linux #7.\n\n\
            The admin on record (as reported by WORKER:info/admin) was Ann <ann@example.org>.\n\
            Host: rack 4\nVersion: 4.3\nMore: http://ci.example.org/workers/w1\n";
        assert_eq!(text(report).trim_end(), expected.trim_end());
        let html = text(&told(&case, Kind::Html)[0]);
        assert!(html.contains("was Ann &lt;ann@example.org&gt;."), "{html}");
    }

    #[test]
    fn several_workers_are_one_list_for_those_who_are_told_of_them() {
        let case = Case::WorkersMissing(vec![worker("a", &["x"]), worker("b", &["x", "y"])]);
        let reports = told(&case, Kind::Plain);
        let seen: Vec<_> =
            reports.iter().map(|r| (r.subject.as_deref(), r.users.join(" "))).collect();
        let expected = [
            (Some("2 Buildbot workers missing: a, b"), "x".to_owned()),
            (Some("Buildbot Pyflakes worker b missing"), "y".to_owned()),
        ];
        assert_eq!(seen, expected);
        for name in ["named a went", "named b went"] {
            assert!(text(&reports[0]).contains(name), "{}", text(&reports[0]));
        }
    }

    #[test]
    fn workers_that_are_back_are_told_unless_nobody_wants_that() {
        let one = Case::WorkersReturned(vec![worker("a", &["x"])]);
        assert_eq!(
            told(&one, Kind::Plain)[0].subject.as_deref(),
            Some("Buildbot Pyflakes worker a is back")
        );
        let two = Case::WorkersReturned(vec![worker("a", &["x"]), worker("b", &["x"])]);
        assert_eq!(
            told(&two, Kind::Html)[0].subject.as_deref(),
            Some("2 Buildbot workers are back: a, b")
        );
        let mut silent = WorkerMissing::standard(Formatter::missing_worker(Kind::Plain));
        silent.returned = None;
        assert!(!silent.wants(FactKind::WorkerReturned(crate::model::WorkerId(1))));
        assert_eq!(silent.generate(&one, &samples::site()), Ok(Vec::new()));
    }
}
