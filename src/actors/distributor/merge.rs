//! Merging requests that a newer one makes superfluous (`collapseRequests`): as in stock, when the
//! newer one arrives.

use std::collections::HashMap;

use super::plan::pending;
use super::scan::Scanner;
use crate::db::{Conn, DbError, buildrequests, collapsing, queue};
use crate::events::Event;
use crate::flow::collapse::{Replaced, replaced};
use crate::flow::rules::{Collapse, PendingRequest};
use crate::model::{BuildRequestId, BuilderId, Results, Timestamp};

/// New requests looked at in one go.
const ARRIVED: i64 = 500;
/// Older requests of one builder that a new one is compared with, the newest of them.
const OLDER: i64 = 1_000;
/// At the start of the master, requests of the last seconds count as new: their predecessors may
/// have died between submitting and merging.
const RECENT: i64 = 60;

/// What one pass finds.
struct Pass {
    replaced: Vec<Replaced>,
    wrong: Vec<String>,
    /// The newest request that was looked at.
    seen: BuildRequestId,
    more: bool,
}

impl Scanner {
    /// Merges what has arrived since the last pass; true when there is more.
    pub(super) async fn collapse(&self) -> Result<bool, DbError> {
        let rules = self.collapse_rules();
        let seen = self.shared.seen();
        let now = self.surroundings.clock.now();
        let pass = self.surroundings.db.read(move |conn| look(conn, &rules, seen, now)).await?;
        let pairs: Vec<(BuildRequestId, BuildRequestId)> =
            pass.replaced.iter().map(|pair| (pair.gone, pair.by)).collect();
        if !pairs.is_empty() {
            let master = self.surroundings.master;
            let write = move |conn: &mut Conn| collapsing::collapse(conn, master, &pairs, now);
            for request in self.surroundings.db.write(write).await? {
                tracing::info!(request = %request.id, "collapsed into a newer request");
                self.surroundings.announcer.announce(Event::RequestCompleted {
                    request: request.id,
                    builder: request.builder,
                    buildset: request.buildset,
                    results: Results::Skipped,
                });
            }
            self.surroundings.closer.poke();
        }
        for wrong in pass.wrong.iter().filter(|wrong| self.shared.is_news(wrong)) {
            tracing::error!(error = %wrong, "a rule about the queue fails");
        }
        self.shared.set_seen(pass.seen);
        Ok(pass.more)
    }

    /// The rules of the builders that merge.
    fn collapse_rules(&self) -> HashMap<BuilderId, Collapse> {
        let default = self.surroundings.config.borrow().collapse_requests.clone();
        let builders = self.shared.builders();
        let rules = builders.values().map(|handle| {
            (handle.id, handle.config.collapse_requests.as_ref().unwrap_or(&default).clone())
        });
        rules.filter(|(_, rule)| *rule != Collapse::Never).collect()
    }
}

fn look(
    conn: &mut Conn,
    rules: &HashMap<BuilderId, Collapse>,
    seen: Option<BuildRequestId>,
    now: Timestamp,
) -> Result<Pass, DbError> {
    let seen = match seen {
        Some(seen) => seen,
        None => queue::last_before(conn, now - RECENT)?,
    };
    let arrived = queue::arrived(conn, seen, ARRIVED)?;
    let mut pass = Pass {
        replaced: Vec::new(),
        wrong: Vec::new(),
        seen: arrived.last().map_or(seen, |(request, _)| *request),
        more: arrived.len() as i64 == ARRIVED,
    };
    let mut newest: HashMap<BuilderId, BuildRequestId> = HashMap::new();
    for (request, builder) in arrived {
        newest.insert(builder, request);
    }
    for (builder, last) in newest {
        let Some(rule) = rules.get(&builder) else { continue };
        let requests = candidates(conn, builder, last)?;
        match replaced(&requests, seen, rule) {
            Ok(found) => pass.replaced.extend(found),
            Err(error) => pass.wrong.push(format!("collapseRequests: {error}")),
        }
    }
    Ok(pass)
}

/// The unclaimed requests of a builder up to `last`, when there is more than one.
fn candidates(
    conn: &mut Conn,
    builder: BuilderId,
    last: BuildRequestId,
) -> Result<Vec<PendingRequest>, DbError> {
    let before = Some(BuildRequestId(last.0 + 1));
    let places = queue::newest(conn, builder, before, OLDER)?;
    if places.len() < 2 {
        return Ok(Vec::new());
    }
    let ids: Vec<BuildRequestId> = places.iter().map(|place| place.request).collect();
    let requests = buildrequests::get_many(conn, &ids)?;
    pending(conn, &requests)
}
