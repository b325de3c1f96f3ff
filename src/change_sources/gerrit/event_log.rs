//! `GerritEventLogPoller`: asks Gerrit's events-log plugin over HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::event::Event;
use super::ledger::{HASHES, LAST, Ledger};
use super::options::GerritOptions;
use crate::change_sources::registry::Draft;
use crate::change_sources::web::Server;
use crate::change_sources::{Desk, Found, Source, Trouble, elsewhere};
use crate::config::fields::Fields;
use crate::config::values::{login, web_address};
use crate::model::{NewChange, now};

const DAY_S: i64 = 86_400;
/// Stock's: how many days the first poll looks back.
const LOOKBACK_DAYS: usize = 30;
/// Events in one transaction.
const BATCH: usize = 200;

/// Reads the poller's own keys.
pub fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Source> {
    let base: String = fields.required_checked("baseURL", web_address);
    draft.name(|| format!("GerritEventLogPoller:{base}"));
    let mut server = Server::new(&base);
    server.login = login(fields, "auth");
    let lookback = fields.or("firstFetchLookback", LOOKBACK_DAYS);
    Arc::new(EventLogPoller {
        log: EventLog { server },
        options: GerritOptions::parse(fields, "GerritEventLogPoller", None),
        lookback_days: i64::try_from(lookback).unwrap_or(i64::MAX / DAY_S).min(36_500),
    })
}

#[derive(Debug)]
struct EventLogPoller {
    log: EventLog,
    options: GerritOptions,
    lookback_days: i64,
}

#[async_trait]
impl Source for EventLogPoller {
    async fn look(&self, desk: &dyn Desk) -> Result<Found, Trouble> {
        let (last, hashes) = (desk.recall(LAST).await?, desk.recall(HASHES).await?);
        let mut ledger = Ledger::recall(last.as_ref(), hashes.as_ref());
        let since = ledger.last().unwrap_or_else(|| now() - self.lookback_days * DAY_S);
        let told = self.log.since(since, self.options.debug).await?;
        let events = ledger.new_ones(told, Some(since));
        let mut found = Found::default();
        for batch in events.chunks(BATCH) {
            let mut changes: Vec<NewChange> = Vec::new();
            for event in batch {
                ledger.enter(event);
                if self.options.rules.takes(event) {
                    let files = self.files(event).await?;
                    changes.extend(self.options.rules.change(event, files));
                }
            }
            found.changes += changes.len();
            desk.report(changes, ledger.remembered()).await?;
        }
        Ok(found)
    }
}

impl EventLogPoller {
    async fn files(&self, event: &Event) -> Result<Vec<String>, Trouble> {
        match event.numbers().filter(|_| self.options.get_files) {
            Some((change, set)) => self.log.files(change, set).await,
            None => Ok(Vec::new()),
        }
    }
}

/// One event on each line; what is none is passed over.
fn events_of(body: &[u8], debug: bool) -> Vec<Event> {
    let mut events = Vec::new();
    for line in body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        match Event::parse(line) {
            Some(event) => events.push(event),
            None if debug => tracing::info!("no event: {}", String::from_utf8_lossy(line)),
            None => {}
        }
    }
    events
}

/// The plugin on a server.
#[derive(Debug)]
pub struct EventLog {
    pub server: Server,
}

impl EventLog {
    /// What happened since `at`, in no order.
    pub async fn since(&self, at: i64, debug: bool) -> Result<Vec<Event>, Trouble> {
        let at = jiff::Timestamp::from_second(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let at = at.strftime("%Y-%m-%d %H:%M:%S").to_string();
        let body = self.server.get("/plugins/events-log/events/", &[("t1", &at)]).await?;
        elsewhere(move || events_of(&body, debug)).await
    }

    /// The files of a patch set; Gerrit puts a line in front of its JSON.
    async fn files(&self, change: i64, patch_set: i64) -> Result<Vec<String>, Trouble> {
        let path = format!("/changes/{change}/revisions/{patch_set}/files/");
        let body = self.server.get(&path, &[]).await?;
        let start = body.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let files: Value = serde_json::from_slice(&body[start..])
            .map_err(|error| Trouble::Remote(format!("{path}: no JSON is answered: {error}")))?;
        Ok(files.as_object().map(|files| files.keys().cloned().collect()).unwrap_or_default())
    }
}
