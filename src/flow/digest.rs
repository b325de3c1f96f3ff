//! What belongs into one message when workers go or come together.

use crate::model::{Timestamp, WorkerId};

/// Names in a subject; more are counted.
const NAMES: usize = 10;

/// What to do with facts about workers that have not been told yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gathered {
    /// More may come: look again after so many seconds.
    Wait(i64),
    /// The first so many belong together.
    Together(usize),
}

/// Decides about facts, oldest first: those within `settle` seconds after the first are told
/// together, once that time is over. A second fact about the same worker begins a new group, so
/// that going and coming keep their order.
pub fn gather(facts: &[(WorkerId, Timestamp)], now: Timestamp, settle: i64) -> Gathered {
    let Some((_, first)) = facts.first() else { return Gathered::Together(0) };
    let age = now - first;
    // A clock that was set back must not make anybody wait.
    if (0..settle).contains(&age) {
        return Gathered::Wait(settle - age);
    }
    let mut workers: Vec<WorkerId> = Vec::new();
    for (worker, at) in facts {
        if workers.contains(worker) || at - first > settle {
            break;
        }
        workers.push(*worker);
    }
    Gathered::Together(workers.len())
}

/// Which recipients get which workers together: `wanted` is whom each worker names. Recipients of
/// the same workers share a message; each gets one.
pub fn letters(wanted: &[Vec<String>]) -> Vec<(Vec<usize>, Vec<String>)> {
    let mut letters: Vec<(Vec<usize>, Vec<String>)> = Vec::new();
    let mut done: Vec<&String> = Vec::new();
    for recipient in wanted.iter().flatten() {
        if done.contains(&recipient) {
            continue;
        }
        done.push(recipient);
        let named = wanted.iter().enumerate().filter(|(_, names)| names.contains(recipient));
        let workers: Vec<usize> = named.map(|(index, _)| index).collect();
        match letters.iter_mut().find(|(known, _)| *known == workers) {
            Some((_, recipients)) => recipients.push(recipient.clone()),
            None => letters.push((workers, vec![recipient.clone()])),
        }
    }
    letters
}

/// `a, b, c`, or the first of many and how many more there are.
pub fn names(all: &[&str]) -> String {
    match all.len().checked_sub(NAMES) {
        None | Some(0) => all.join(", "),
        Some(more) => format!("{} and {more} more", all[..NAMES].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_settle_before_they_are_told_together() {
        type Facts<'f> = &'f [(i64, i64)];
        let table: [(Facts<'_>, i64, Gathered); 8] = [
            (&[], 100, Gathered::Together(0)),
            (&[(1, 100)], 100, Gathered::Wait(60)),
            (&[(1, 100), (2, 150)], 159, Gathered::Wait(1)),
            (&[(1, 100), (2, 150)], 160, Gathered::Together(2)),
            (&[(1, 100), (2, 161)], 170, Gathered::Together(1)),
            (&[(1, 100), (2, 101), (1, 102)], 500, Gathered::Together(2)),
            (&[(1, 100), (2, 101)], 99, Gathered::Together(2)),
            (&[(1, 100), (2, 90)], 500, Gathered::Together(2)),
        ];
        for (facts, now, expected) in table {
            let named: Vec<_> = facts.iter().map(|(worker, at)| (WorkerId(*worker), *at)).collect();
            assert_eq!(gather(&named, now, 60), expected, "{facts:?} at {now}");
        }
        assert_eq!(gather(&[(WorkerId(1), 100)], 100, 0), Gathered::Together(1));
    }

    #[test]
    fn each_recipient_gets_one_letter_about_its_workers() {
        let texts = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let wanted = [texts(&["x", "y"]), texts(&["x", "y", "z"]), texts(&[]), texts(&["z", "z"])];
        let expected = vec![(vec![0, 1], texts(&["x", "y"])), (vec![1, 3], texts(&["z"]))];
        assert_eq!(letters(&wanted), expected);
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(names(&["a", "b"]), "a, b");
        assert_eq!(names(&["w"; 10]).matches('w').count(), 10);
        assert!(names(&["w"; 13]).ends_with("w and 3 more"));
    }
}
