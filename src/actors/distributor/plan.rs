//! The reading of one look at the queue, on a thread of the database: whom `flow` is asked about.

use std::collections::HashMap;
use std::sync::Arc;

use super::scan::Places;
use crate::db::collapsing::{self, Cause};
use crate::db::queue::{self, Place};
use crate::db::{Conn, DbError, buildrequests};
use crate::flow::assign::{Floor, Head, QueueBuilder, Round, Turn, Waiting, order, sort};
use crate::flow::pending::Situation;
use crate::flow::rules::{BuilderOrder, NextBuild, PendingRequest, PendingSource};
use crate::model::{BuildRequest, BuildRequestId, BuilderId, BuildsetId};

/// Requests of one builder that are read at once where a rule has to look at them.
const PAGE: i64 = 200;
/// The same for `nextBuild` expressions, which choose among them.
const RANKED: i64 = 500;
/// Requests of one builder that one look takes at most; the next one goes on behind them.
const LOOK: usize = 2_000;

/// What comes out of one look.
#[derive(Default)]
pub(super) struct Plan {
    /// In the order in which they should start; with those that only wait for locks in between.
    pub turns: Vec<Turn>,
    /// What is wrong with rules.
    pub wrong: Vec<String>,
    /// Not everybody was looked at.
    pub more: bool,
}

/// Decides what starts. `places` remembers how far long queues were looked through.
pub(super) fn plan(
    conn: &mut Conn,
    situation: &Situation,
    rule: &BuilderOrder,
    places: &mut Places,
    seed: u64,
) -> Result<Plan, DbError> {
    let mut table = situation.locks.clone();
    let floor = Floor::new(&situation.workers, situation.now);
    let mut round = Round::new(floor, table.round(situation.now), seed);
    let roomy: Vec<BuilderId> = situation
        .builders
        .iter()
        .filter(|(id, builder)| round.floor.has_room(**id, builder))
        .map(|(id, _)| *id)
        .collect();
    let mut heads: Vec<Head> = queue::heads(conn, &roomy)?
        .into_iter()
        .map(|(builder, priority, oldest)| Head { builder, priority, oldest })
        .collect();
    let mut plan = Plan::default();
    plan.wrong.extend(order(&mut heads, &situation.builders, rule, situation.now));
    for head in heads {
        if let Some(builder) = situation.builders.get(&head.builder) {
            let looker = Looker { conn, situation, id: head.builder, builder };
            looker.serve(&mut round, places, &mut plan)?;
        }
    }
    Ok(plan)
}

/// Looks at the queue of one builder.
struct Looker<'a> {
    conn: &'a mut Conn,
    situation: &'a Situation,
    id: BuilderId,
    builder: &'a QueueBuilder,
}

impl Looker<'_> {
    fn serve(
        mut self,
        round: &mut Round<'_>,
        places: &mut Places,
        plan: &mut Plan,
    ) -> Result<(), DbError> {
        let rules = &self.builder.rules;
        if !rules.need_details() {
            let room = i64::try_from(round.floor.free(self.id, self.builder).len()).unwrap_or(PAGE);
            let found = self.page(None, room)?;
            self.hand_out(round, &found, plan);
            return Ok(());
        }
        let size = match rules.next_build {
            NextBuild::Greatest(_) => RANKED,
            _ => PAGE,
        };
        let (mut after, mut looked) = (places.remove(&self.id), 0);
        while round.floor.has_room(self.id, self.builder) {
            let found = self.page(after, size)?;
            self.hand_out_by_rule(round, &found, plan)?;
            looked += found.len();
            after = found.last().copied();
            if (found.len() as i64) < size {
                return Ok(());
            }
            if let Some(place) = after.filter(|_| looked >= LOOK) {
                places.insert(self.id, place);
                plan.more = true;
                return Ok(());
            }
        }
        Ok(())
    }

    fn page(&mut self, after: Option<Place>, limit: i64) -> Result<Vec<Place>, DbError> {
        match self.builder.rules.next_build {
            NextBuild::Newest => {
                queue::newest(self.conn, self.id, after.map(|place| place.request), limit)
            }
            _ => queue::next(self.conn, self.id, after, limit),
        }
    }

    fn hand_out(&self, round: &mut Round<'_>, found: &[Place], plan: &mut Plan) {
        let queue: Vec<Waiting> = found.iter().map(|place| waiting(*place, None)).collect();
        let (turns, wrong) = round.serve(self.id, self.builder, &queue);
        plan.turns.extend(turns);
        plan.wrong.extend(wrong);
    }

    fn hand_out_by_rule(
        &mut self,
        round: &mut Round<'_>,
        found: &[Place],
        plan: &mut Plan,
    ) -> Result<(), DbError> {
        let ids: Vec<BuildRequestId> = found.iter().map(|place| place.request).collect();
        let mut details = details(self.conn, &ids)?;
        let with_details = |place: &Place| {
            details.remove(&place.request).map(|details| waiting(*place, Some(details)))
        };
        let mut queue: Vec<Waiting> = found.iter().filter_map(with_details).collect();
        plan.wrong.extend(sort(&mut queue, self.builder, self.situation.now));
        let (turns, wrong) = round.serve(self.id, self.builder, &queue);
        plan.turns.extend(turns);
        plan.wrong.extend(wrong);
        Ok(())
    }
}

fn waiting(place: Place, details: Option<Arc<PendingRequest>>) -> Waiting {
    Waiting { request: place.request, priority: place.priority, details }
}

/// What rules see of these requests.
pub(super) fn details(
    conn: &mut Conn,
    ids: &[BuildRequestId],
) -> Result<HashMap<BuildRequestId, Arc<PendingRequest>>, DbError> {
    let requests = buildrequests::get_many(conn, ids)?;
    let pending = pending(conn, &requests)?;
    Ok(pending.into_iter().map(|request| (request.id, Arc::new(request))).collect())
}

/// The same for rows that are known.
pub(super) fn pending(
    conn: &mut Conn,
    requests: &[BuildRequest],
) -> Result<Vec<PendingRequest>, DbError> {
    let buildsets: Vec<BuildsetId> = requests.iter().map(|request| request.buildset).collect();
    let causes = collapsing::causes(conn, &buildsets)?;
    let of = |request: &BuildRequest| {
        with_cause(request, causes.get(&request.buildset).cloned().unwrap_or_default())
    };
    Ok(requests.iter().map(of).collect())
}

fn with_cause(request: &BuildRequest, cause: Cause) -> PendingRequest {
    let sources = cause.sources.into_iter().map(|stamp| PendingSource {
        has_changes: cause.with_changes.contains(&stamp.id),
        has_patch: stamp.patch.is_some(),
        codebase: stamp.codebase,
        repository: stamp.repository,
        project: stamp.project,
        branch: stamp.branch,
        revision: stamp.revision,
    });
    PendingRequest {
        id: request.id,
        buildset: request.buildset,
        builder: request.builder,
        priority: request.priority,
        submitted_at: request.submitted_at,
        reason: cause.reason,
        waited_for: request.waited_for,
        sources: sources.collect(),
        properties: cause.properties,
    }
}
