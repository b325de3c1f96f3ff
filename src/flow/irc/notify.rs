//! Which events a channel or a person hears of.

use std::collections::BTreeSet;

use crate::model::Results::{self, Cancelled, Exception, Failure, Skipped, Success, Warnings};

/// The events by name, but for the turns such as `successToFailure`.
pub const EVENTS: [&str; 12] = [
    "started",
    "finished",
    "success",
    "warnings",
    "failure",
    "exception",
    "cancelled",
    "problem",
    "recovery",
    "worse",
    "better",
    "worker",
];

/// Results that a turn goes between.
const TURNING: [Results; 4] = [Success, Warnings, Failure, Exception];

/// Stock's order of severity; a retried build says nothing about better or worse.
const SEVERITY: [Results; 6] = [Skipped, Success, Warnings, Failure, Cancelled, Exception];

/// A set of events, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Events(BTreeSet<String>);

/// What is wrong with the name of an event, if anything.
pub fn wrong_event(name: &str) -> Option<String> {
    let turn = TURNING.iter().any(|from| TURNING.iter().any(|to| turn(*from, *to) == name));
    (!turn && !EVENTS.contains(&name))
        .then(|| format!("there is no event '{name}'; known are: {}", EVENTS.join(", ")))
}

impl Events {
    /// All these; their names must be known.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Events {
        Events(names.into_iter().map(str::to_owned).collect())
    }

    pub fn add(&mut self, name: &str) {
        self.0.insert(name.to_owned());
    }

    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Is a build told that ended with `results`, after one that ended with `previous`?
    pub fn want_finished(&self, results: Results, previous: Option<Results>) -> bool {
        if self.has("finished") || self.has(results.name()) {
            return true;
        }
        let severity = |results| SEVERITY.iter().position(|known| *known == results);
        let Some((now, before, previous)) =
            previous.and_then(|p| Some((severity(results)?, severity(p)?, p)))
        else {
            return false;
        };
        let good = |results| matches!(results, Success | Warnings);
        let bad = |results| matches!(results, Failure | Exception);
        self.has("better") && now < before
            || self.has("worse") && now > before
            || self.has("problem") && good(previous) && bad(results)
            || self.has("recovery") && bad(previous) && good(results)
            || self.has(&turn(previous, results))
    }
}

/// `successToFailure`, stock's old name of a turn.
fn turn(from: Results, to: Results) -> String {
    let to = to.name();
    format!("{}To{}{}", from.name(), to[..1].to_uppercase(), &to[1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Results::Retry;

    #[test]
    fn events_are_told_as_in_stock() {
        let table: [(&str, Results, Option<Results>, bool); 24] = [
            ("finished", Retry, None, true),
            ("started", Success, None, false),
            ("success", Success, Some(Failure), true),
            ("success", Warnings, None, false),
            ("cancelled", Cancelled, None, true),
            ("exception", Exception, None, true),
            ("better", Success, Some(Warnings), true),
            ("better", Success, Some(Success), false),
            ("better", Success, None, false),
            ("better", Failure, Some(Cancelled), true),
            ("better", Retry, Some(Failure), false),
            ("better", Success, Some(Retry), false),
            ("worse", Warnings, Some(Success), true),
            ("worse", Cancelled, Some(Failure), true),
            ("worse", Success, Some(Skipped), true),
            ("worse", Success, Some(Failure), false),
            ("problem", Failure, Some(Warnings), true),
            ("problem", Exception, Some(Failure), false),
            ("problem", Cancelled, Some(Success), false),
            ("recovery", Warnings, Some(Exception), true),
            ("recovery", Success, Some(Warnings), false),
            ("successToFailure", Failure, Some(Success), true),
            ("successToFailure", Failure, Some(Warnings), false),
            ("failureToSuccess", Success, Some(Failure), true),
        ];
        for (event, results, previous, told) in table {
            let events = Events::of([event]);
            assert_eq!(
                events.want_finished(results, previous),
                told,
                "{event}: {previous:?} to {results}"
            );
        }
    }

    #[test]
    fn names_are_checked() {
        assert_eq!(wrong_event("worker"), None);
        assert_eq!(wrong_event("warningsToException"), None);
        for bad in ["", "finish", "successToSkipped", "successTofailure"] {
            assert!(wrong_event(bad).is_some(), "{bad}");
        }
    }
}
