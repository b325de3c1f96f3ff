//! Why requests wait, worked out for those that somebody looks at.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Distributor;
use super::plan::details;
use super::scan::situation;
use crate::actors::surroundings::Surroundings;
use crate::actors::worker::{Board, Roster};
use crate::db::{Conn, DbError, builders, buildrequests, builds, masters};
use crate::flow::assign::Waiting;
use crate::flow::pending::{PendingReason, Situation};
use crate::model::{BuildRequest, BuildRequestId, BuilderId, MasterId};

/// Explains as of one moment. Cheap to clone.
#[derive(Clone)]
pub struct Explainer {
    distributor: Distributor,
    surroundings: Surroundings,
    board: Arc<Board>,
}

impl Explainer {
    pub(in crate::actors) fn new(
        distributor: Distributor,
        surroundings: Surroundings,
        roster: &Roster,
    ) -> Explainer {
        Explainer { distributor, surroundings, board: roster.board() }
    }

    /// Why each of these requests waits; those that do not wait are left out. One that another
    /// master has taken waits until that master builds it.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn why(
        &self,
        conn: &mut Conn,
        ids: &[BuildRequestId],
    ) -> Result<HashMap<BuildRequestId, String>, DbError> {
        let mut waiting = buildrequests::get_many(conn, ids)?;
        waiting.retain(|request| !request.complete);
        let mut told = taken(conn, self.surroundings.master, &waiting)?;
        waiting.retain(|request| request.claim.is_none());
        if waiting.is_empty() {
            return Ok(told);
        }
        let running = builds::running(conn, self.surroundings.master)?;
        let situation =
            situation(&self.distributor.shared, &self.surroundings, &self.board, &running);
        let known = details(conn, &worth_details(&situation, &waiting))?;
        let elsewhere = elsewhere(conn, &situation, &waiting)?;
        // Without details, all requests of a builder wait for the same reason.
        let mut same: HashMap<BuilderId, Arc<str>> = HashMap::new();
        for request in waiting {
            let details = known.get(&request.id).cloned();
            let reason = |details| {
                let waiting = Waiting { request: request.id, priority: request.priority, details };
                match situation.why(request.builder, &waiting) {
                    PendingReason::BuilderElsewhere(_) => PendingReason::BuilderElsewhere(
                        elsewhere.get(&request.builder).cloned().unwrap_or_default(),
                    ),
                    reason => reason,
                }
                .text(situation.now)
            };
            let text = match details {
                Some(details) => reason(Some(details)).into(),
                None => same.entry(request.builder).or_insert_with(|| reason(None).into()).clone(),
            };
            told.insert(request.id, text.to_string());
        }
        Ok(told)
    }
}

/// Requests that other masters have taken and do not build yet.
fn taken(
    conn: &mut Conn,
    us: MasterId,
    requests: &[BuildRequest],
) -> Result<HashMap<BuildRequestId, String>, DbError> {
    let claimed = |request: &BuildRequest| request.claim.map(|claim| (request.id, claim.master));
    let claimed: HashMap<BuildRequestId, MasterId> =
        requests.iter().filter_map(claimed).filter(|(_, master)| *master != us).collect();
    if claimed.is_empty() {
        return Ok(HashMap::new());
    }
    let names: HashMap<MasterId, String> =
        masters::list(conn)?.into_iter().map(|master| (master.id, master.name)).collect();
    let mut told = HashMap::new();
    for master in claimed.values().copied().collect::<HashSet<MasterId>>() {
        let name = names.get(&master).cloned().unwrap_or_else(|| master.to_string());
        for request in buildrequests::claimed_without_build(conn, master)? {
            if claimed.get(&request) == Some(&master) {
                told.insert(request, PendingReason::Taken(name.clone()).text(0));
            }
        }
    }
    Ok(told)
}

/// Requests of builders whose rules look at them.
fn worth_details(situation: &Situation, waiting: &[BuildRequest]) -> Vec<BuildRequestId> {
    let looks = |request: &&BuildRequest| {
        situation.builders.get(&request.builder).is_some_and(|b| b.rules.need_details())
    };
    waiting.iter().filter(looks).map(|request| request.id).collect()
}

/// Masters of the builders that this one does not run.
fn elsewhere(
    conn: &mut Conn,
    situation: &Situation,
    waiting: &[BuildRequest],
) -> Result<HashMap<BuilderId, Vec<String>>, DbError> {
    let ids: HashSet<BuilderId> = waiting
        .iter()
        .map(|request| request.builder)
        .filter(|builder| !situation.builders.contains_key(builder))
        .collect();
    builders::masters_of(conn, &ids.into_iter().collect::<Vec<_>>())
}
