//! `Dependent`: builds the source stamps of another scheduler's buildsets that went well.
//!
//! Which of them it waits for is kept where stock keeps it, in `upstream_bsids`; a cursor beside it
//! says which buildsets it has seen, so that none is missed while it does not run.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use super::submit::{own_properties, priority, to_builders};
use super::{Desk, Pass, Scheduler, incoming};
use crate::config::checked::SchedulerOptions;
use crate::config::fields::Fields;
use crate::config::values::non_empty;
use crate::db::{DbError, buildsets, state};
use crate::events::Event;
use crate::model::{Buildset, BuildsetId, NewBuildset, ObjectId, Properties, Results};

const CLASS: &str = "Dependent";
/// Stock's object of this state is named by the whole path of the class.
const STOCK: &str = "buildbot.schedulers.dependent.Dependent";
const AWAITED: &str = "upstream_bsids";
const CURSOR: &str = "last_buildset";
const REASON: &str = "downstream";

/// Buildsets looked at in one transaction.
const BATCH: i64 = 500;

#[derive(Debug)]
struct Dependent {
    upstream: String,
}

/// Reads the own keys of a Dependent.
pub fn parse(fields: &mut Fields<'_>, _: &mut SchedulerOptions) -> Arc<dyn Scheduler> {
    Arc::new(Dependent { upstream: fields.required_checked("upstream", non_empty) })
}

impl Scheduler for Dependent {
    fn class(&self) -> &'static str {
        CLASS
    }

    fn wakes(&self, event: &Event) -> bool {
        match event {
            Event::BuildsetSubmitted { scheduler, .. } => {
                scheduler.as_deref() == Some(self.upstream.as_str())
            }
            Event::BuildsetCompleted { .. } => true,
            _ => false,
        }
    }

    /// Buildsets that are gone are not waited for.
    fn enter(&self, desk: &mut Desk<'_>, fresh: bool) -> Result<(), DbError> {
        let object = desk.object(incoming::CLASS)?;
        if fresh || state::get(desk.conn, object, CURSOR)?.is_none() {
            see_all(desk)?;
        }
        let (object, mut awaited) = awaited(desk)?;
        let known = buildsets::existing(desk.conn, &awaited)?;
        awaited.retain(|id| known.contains(id));
        store(desk, object, &awaited)
    }

    /// As in stock, what upstream submits meanwhile is not waited for later; what it waits for
    /// already still is.
    fn skip(&self, desk: &mut Desk<'_>) -> Result<(), DbError> {
        see_all(desk)
    }

    fn pass(&self, desk: &mut Desk<'_>) -> Result<Pass, DbError> {
        let (new, more) = self.submitted_since(desk)?;
        let (object, mut awaited) = awaited(desk)?;
        let before = awaited.len();
        awaited.extend(new);
        let mut done = buildsets::completed_among(desk.conn, &awaited)?;
        let more = more || done.len() > BATCH as usize;
        done.truncate(BATCH as usize);
        let mut pass = Pass { more, ..Pass::default() };
        for upstream in buildsets::get_many(desk.conn, &done)? {
            if matches!(upstream.results, Some(Results::Success | Results::Warnings)) {
                self.submit(desk, &upstream, &mut pass)?;
            }
        }
        if !done.is_empty() || awaited.len() > before {
            let done: HashSet<BuildsetId> = done.into_iter().collect();
            awaited.retain(|id| !done.contains(id));
            store(desk, object, &awaited)?;
        }
        if !awaited.is_empty() {
            let sets = if awaited.len() == 1 { "buildset" } else { "buildsets" };
            let waits = format!("waits for {} {sets} of '{}'", awaited.len(), self.upstream);
            pass.idle_because = Some(waits);
        }
        Ok(pass)
    }

    fn upstream(&self) -> Option<&str> {
        Some(&self.upstream)
    }
}

impl Dependent {
    /// What upstream has submitted behind the cursor, which moves on; true when more may follow.
    fn submitted_since(&self, desk: &mut Desk<'_>) -> Result<(Vec<BuildsetId>, bool), DbError> {
        let object = desk.object(incoming::CLASS)?;
        let cursor = state::get(desk.conn, object, CURSOR)?.and_then(|cursor| cursor.as_i64());
        let cursor = BuildsetId(cursor.unwrap_or(0));
        let new = buildsets::submitted_by(desk.conn, &self.upstream, cursor, BATCH)?;
        let more = new.len() as i64 == BATCH;
        let seen = if more { new.last().copied() } else { buildsets::max_id(desk.conn)? };
        if let Some(seen) = seen.filter(|seen| *seen > cursor) {
            state::set(desk.conn, object, CURSOR, &Value::from(seen.0))?;
        }
        Ok((new, more))
    }

    /// The same source stamps; the properties of their changes go over the scheduler's own.
    fn submit(
        &self,
        desk: &mut Desk<'_>,
        upstream: &Buildset,
        pass: &mut Pass,
    ) -> Result<(), DbError> {
        let changes = buildsets::changes(desk.conn, upstream.id)?;
        let mut of_changes = Properties::new();
        changes.iter().for_each(|change| of_changes.extend(&change.properties));
        let mut properties = own_properties(desk.options, &[], &upstream.sourcestamps, &of_changes);
        properties.extend(&of_changes);
        let set = NewBuildset {
            reason: REASON.to_owned(),
            sourcestamp_ids: upstream.sourcestamps.iter().map(|stamp| stamp.id).collect(),
            properties,
            priority: priority(desk.options, &changes.iter().collect::<Vec<_>>()),
            ..NewBuildset::default()
        };
        pass.submitted.push(to_builders(desk, &desk.options.builder_names, set)?);
        Ok(())
    }
}

/// Moves the cursor behind every buildset there is.
fn see_all(desk: &mut Desk<'_>) -> Result<(), DbError> {
    let object = desk.object(incoming::CLASS)?;
    let newest = buildsets::max_id(desk.conn)?.map_or(0, |id| id.0);
    if state::get(desk.conn, object, CURSOR)? != Some(Value::from(newest)) {
        state::set(desk.conn, object, CURSOR, &Value::from(newest))?;
    }
    Ok(())
}

/// Where the list of awaited buildsets is kept, and the list.
fn awaited(desk: &mut Desk<'_>) -> Result<(ObjectId, Vec<BuildsetId>), DbError> {
    let object = desk.object(STOCK)?;
    let ids = state::get(desk.conn, object, AWAITED)?;
    let ids = ids.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Ok((object, ids.iter().filter_map(Value::as_i64).map(BuildsetId).collect()))
}

fn store(desk: &mut Desk<'_>, object: ObjectId, awaited: &[BuildsetId]) -> Result<(), DbError> {
    let ids: Vec<i64> = awaited.iter().map(|id| id.0).collect();
    state::set(desk.conn, object, AWAITED, &Value::from(ids))
}
