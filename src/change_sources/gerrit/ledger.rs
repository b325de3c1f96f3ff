//! Which events were reported already: Gerrit numbers them not, tells them twice, and not in order.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::event::Event;

/// Stock's keys of what is remembered.
pub const LAST: &str = "last_event_ts";
pub const HASHES: &str = "last_event_hashes";

/// How many seconds of events are kept in mind, so that one that is told late is still known.
const KEPT_S: i64 = 600;

/// What was reported.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// The time of the newest event.
    last: Option<i64>,
    /// Hash and time of each event that was reported not long before.
    reported: HashMap<String, i64>,
}

impl Ledger {
    /// What [`remembered`](Self::remembered) has stored, or stock.
    pub fn recall(last: Option<&Value>, hashes: Option<&Value>) -> Ledger {
        let last = last.and_then(|last| last.as_i64().or_else(|| Some(last.as_f64()? as i64)));
        let hashes = hashes.and_then(Value::as_array).into_iter().flatten();
        let hashes = hashes.filter_map(|hash| Some((hash.as_str()?.to_owned(), last?)));
        Ledger { last, reported: hashes.collect() }
    }

    /// Nothing before this moment is of interest.
    pub fn begin(&mut self, at: i64) {
        self.last = Some(at);
    }

    /// The time of the newest event that was reported.
    pub fn last(&self) -> Option<i64> {
        self.last
    }

    /// Those of `events` that were not reported, oldest first. With `since`, nothing older.
    pub fn new_ones(&self, mut events: Vec<Event>, since: Option<i64>) -> Vec<Event> {
        events.retain(|event| {
            since.is_none_or(|since| event.at >= since) && !self.reported.contains_key(&event.hash)
        });
        events.sort_by_key(|event| event.at);
        events.dedup_by(|one, other| one.hash == other.hash);
        events
    }

    /// Was this very event reported?
    pub fn knows(&self, event: &Event) -> bool {
        self.reported.contains_key(&event.hash)
    }

    /// The event was reported, or needs not be.
    pub fn enter(&mut self, event: &Event) {
        let last = self.last.map_or(event.at, |last| last.max(event.at));
        self.last = Some(last);
        self.reported.insert(event.hash.clone(), event.at);
        self.reported.retain(|_, at| *at >= last - KEPT_S);
    }

    /// What is remembered beside the changes: the newest time, and the events of that second.
    pub fn remembered(&self) -> Vec<(String, Value)> {
        let Some(last) = self.last else { return Vec::new() };
        let mut hashes: Vec<&String> =
            self.reported.iter().filter(|(_, at)| **at == last).map(|(hash, _)| hash).collect();
        hashes.sort();
        vec![(LAST.to_owned(), json!(last)), (HASHES.to_owned(), json!(hashes))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: i64, name: &str) -> Event {
        let line = json!({ "type": name, "eventCreatedOn": at });
        Event::parse(line.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn nothing_is_reported_twice_or_forgotten() {
        let mut ledger = Ledger::default();
        let (a, b, c) = (event(5, "a"), event(5, "b"), event(6, "c"));
        ledger.enter(&a);
        let names =
            |events: Vec<Event>| events.into_iter().map(|event| event.kind).collect::<Vec<_>>();
        let told = vec![c.clone(), b.clone(), a.clone(), b.clone()];
        assert_eq!(names(ledger.new_ones(told.clone(), Some(5))), ["b", "c"]);
        assert_eq!(names(ledger.new_ones(told.clone(), Some(6))), ["c"]);
        ledger.enter(&c);
        // A late one is still new.
        assert_eq!(names(ledger.new_ones(told, Some(5))), ["b"]);
        assert!(ledger.knows(&a) && !ledger.knows(&b));
        ledger.enter(&event(6 + KEPT_S + 1, "d"));
        assert!(!ledger.knows(&a));
    }

    #[test]
    fn a_restart_goes_on_where_it_was() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.remembered(), []);
        let (a, b) = (event(5, "a"), event(6, "b"));
        ledger.enter(&a);
        ledger.enter(&b);
        let stored = ledger.remembered();
        assert_eq!(stored[0], (LAST.to_owned(), json!(6)));
        let again = Ledger::recall(Some(&stored[0].1), Some(&stored[1].1));
        assert_eq!(again.last(), Some(6));
        assert!(again.knows(&b) && !again.knows(&a));
        // Stock writes null for no hashes.
        assert_eq!(Ledger::recall(Some(&json!(6.0)), Some(&Value::Null)).last(), Some(6));
        assert_eq!(Ledger::recall(None, None), Ledger::default());
    }
}
