//! Buildsets: the requests made for one cause, and when they are done.

use std::collections::{HashMap, HashSet};

use diesel::dsl::{exists, not};
use diesel::prelude::*;

use super::dialect::{BATCH, Zero, insert_all, insert_id};
use super::facts::{self, FactKind};
use super::schema::{buildrequests, builds, buildset_properties, buildset_sourcestamps, buildsets};
use super::{Conn, DbError, changes as change_rows, json, sourcestamps};
use crate::model::{
    BuildId, BuildRequestId, BuilderId, Buildset, BuildsetId, Change, NewBuildset, Properties,
    Property, Results, SourceStamp, SourceStampId, Timestamp,
};

/// Buildsets that one call of [`complete_finished`] completes at most.
const MAX_COMPLETED: i64 = 1000;

#[derive(Queryable, Selectable)]
#[diesel(table_name = buildsets)]
struct BuildsetRow {
    id: BuildsetId,
    external_idstring: Option<String>,
    reason: Option<String>,
    submitted_at: Timestamp,
    complete: i64,
    complete_at: Option<Timestamp>,
    results: Option<i64>,
    parent_buildid: Option<BuildId>,
    parent_relationship: Option<String>,
    rebuilt_buildid: Option<BuildId>,
}

impl BuildsetRow {
    fn with(self, sourcestamps: Vec<SourceStamp>) -> Buildset {
        let complete = self.complete != 0;
        Buildset {
            id: self.id,
            reason: self.reason.unwrap_or_default(),
            external_idstring: self.external_idstring,
            submitted_at: self.submitted_at,
            complete,
            complete_at: self.complete_at,
            results: self.results.filter(|_| complete).and_then(Results::from_code),
            parent_build: self.parent_buildid,
            parent_relationship: self.parent_relationship,
            rebuilt_build: self.rebuilt_buildid,
            sourcestamps,
        }
    }
}

/// Stores a buildset and its requests; answers their ids in the order of the builders.
///
/// # Errors
/// When it has no source stamp: readers would never find its requests.
pub fn submit(
    conn: &mut Conn,
    set: &NewBuildset,
    now: Timestamp,
) -> Result<(BuildsetId, Vec<(BuilderId, BuildRequestId)>), DbError> {
    let stamps = stamps_of(conn, set, now)?;
    if stamps.is_empty() {
        return Err(DbError::Query("a buildset needs at least one source stamp".to_owned()));
    }
    let row = (
        buildsets::external_idstring.eq(&set.external_idstring),
        buildsets::reason.eq(&set.reason),
        buildsets::submitted_at.eq(now),
        buildsets::complete.eq(0),
        buildsets::results.eq(-1),
        buildsets::parent_buildid.eq(set.parent_build.map(|id| id.0)),
        buildsets::parent_relationship.eq(&set.parent_relationship),
        buildsets::rebuilt_buildid.eq(set.rebuilt_build.map(|id| id.0)),
    );
    let id = BuildsetId(insert_id!(conn, diesel::insert_into(buildsets::table).values(row))?);
    let properties = set
        .properties
        .iter()
        .map(|(name, property)| {
            (
                buildset_properties::buildsetid.eq(id),
                buildset_properties::property_name.eq(name),
                buildset_properties::property_value.eq(json::encode_property(property)),
            )
        })
        .collect();
    insert_all!(conn, buildset_properties::table, properties)?;
    let links = stamps
        .into_iter()
        .map(|stamp| {
            (
                buildset_sourcestamps::buildsetid.eq(id),
                buildset_sourcestamps::sourcestampid.eq(stamp),
            )
        })
        .collect();
    insert_all!(conn, buildset_sourcestamps::table, links)?;
    facts::add(conn, [FactKind::BuildsetSubmitted(id)], now)?;
    Ok((id, add_requests(conn, id, set, now)?))
}

/// The stamps of the set, each once.
fn stamps_of(
    conn: &mut Conn,
    set: &NewBuildset,
    now: Timestamp,
) -> Result<Vec<SourceStampId>, DbError> {
    let mut stamps = Vec::new();
    for stamp in &set.sourcestamps {
        stamps.push(sourcestamps::find_or_create(conn, stamp, now)?);
    }
    stamps.extend(&set.sourcestamp_ids);
    let mut seen = std::collections::HashSet::new();
    stamps.retain(|stamp| seen.insert(*stamp));
    Ok(stamps)
}

fn add_requests(
    conn: &mut Conn,
    id: BuildsetId,
    set: &NewBuildset,
    now: Timestamp,
) -> Result<Vec<(BuilderId, BuildRequestId)>, DbError> {
    let rows = set
        .builders
        .iter()
        .map(|builder| {
            (
                buildrequests::buildsetid.eq(id),
                buildrequests::builderid.eq(*builder),
                buildrequests::priority.eq(set.priority),
                buildrequests::complete.eq(0),
                buildrequests::results.eq(-1),
                buildrequests::submitted_at.eq(now),
                buildrequests::waited_for.eq(i64::from(set.waited_for)),
            )
        })
        .collect();
    insert_all!(conn, buildrequests::table, rows)?;
    Ok(buildrequests::table
        .filter(buildrequests::buildsetid.eq(id))
        .order(buildrequests::id)
        .select((buildrequests::builderid, buildrequests::id))
        .load(conn)?)
}

/// The buildset with this id.
pub fn get(conn: &mut Conn, id: BuildsetId) -> Result<Buildset, DbError> {
    let row = buildsets::table.find(id).select(BuildsetRow::as_select()).first(conn)?;
    Ok(row.with(sourcestamps::for_buildset(conn, id)?))
}

/// The buildsets with these ids, ascending; missing ones are left out.
pub fn get_many(conn: &mut Conn, ids: &[BuildsetId]) -> Result<Vec<Buildset>, DbError> {
    let mut rows: Vec<BuildsetRow> = Vec::with_capacity(ids.len());
    for batch in ids.chunks(BATCH) {
        rows.extend(
            buildsets::table
                .filter(buildsets::id.eq_any(batch.iter().copied()))
                .select(BuildsetRow::as_select())
                .load(conn)?,
        );
    }
    rows.sort_by_key(|row| row.id);
    complete_rows(conn, rows)
}

/// Up to `limit` buildsets after `after` that the scheduler called `scheduler` submitted, ascending.
///
/// A buildset remembers its scheduler as the property `scheduler`. A rebuild has it too, and is
/// nobody's.
pub fn submitted_by(
    conn: &mut Conn,
    scheduler: &str,
    after: BuildsetId,
    limit: i64,
) -> Result<Vec<BuildsetId>, DbError> {
    let own = json::encode_property(&Property {
        value: scheduler.into(),
        source: "Scheduler".to_owned(),
    });
    Ok(buildsets::table
        .inner_join(
            buildset_properties::table.on(buildset_properties::buildsetid.eq(buildsets::id)),
        )
        .filter(buildsets::id.gt(after))
        .filter(buildsets::rebuilt_buildid.is_null())
        .filter(buildset_properties::property_name.eq("scheduler"))
        .filter(buildset_properties::property_value.eq(own))
        .order(buildsets::id)
        .limit(limit)
        .select(buildsets::id)
        .load(conn)?)
}

/// Those of the buildsets that are there.
pub fn existing(conn: &mut Conn, ids: &[BuildsetId]) -> Result<HashSet<BuildsetId>, DbError> {
    let mut found = HashSet::new();
    for batch in ids.chunks(BATCH) {
        let known = buildsets::table.filter(buildsets::id.eq_any(batch.iter().copied()));
        found.extend(known.select(buildsets::id).load::<BuildsetId>(conn)?);
    }
    Ok(found)
}

/// Those of the buildsets that are complete, in no order.
pub fn completed_among(conn: &mut Conn, ids: &[BuildsetId]) -> Result<Vec<BuildsetId>, DbError> {
    let mut found = Vec::new();
    for batch in ids.chunks(BATCH) {
        let known = buildsets::table
            .filter(buildsets::id.eq_any(batch.iter().copied()))
            .filter(buildsets::complete.eq(1));
        found.extend(known.select(buildsets::id).load::<BuildsetId>(conn)?);
    }
    Ok(found)
}

/// The builds that led to `build`, from it upwards: itself, the parent of its buildset, and so on;
/// `limit` of them at most.
pub fn ancestors(conn: &mut Conn, build: BuildId, limit: usize) -> Result<Vec<BuildId>, DbError> {
    let mut chain = vec![build];
    while let Some(last) = chain.last().filter(|_| chain.len() < limit) {
        let parent: Option<Option<BuildId>> = builds::table
            .inner_join(buildrequests::table.on(buildrequests::id.eq(builds::buildrequestid)))
            .inner_join(buildsets::table.on(buildsets::id.eq(buildrequests::buildsetid)))
            .filter(builds::id.eq(*last))
            .select(buildsets::parent_buildid)
            .first(conn)
            .optional()?;
        match parent.flatten() {
            Some(parent) => chain.push(parent),
            None => break,
        }
    }
    Ok(chain)
}

/// The newest buildset's number.
pub fn max_id(conn: &mut Conn) -> Result<Option<BuildsetId>, DbError> {
    Ok(buildsets::table.order(buildsets::id.desc()).select(buildsets::id).first(conn).optional()?)
}

/// Up to `limit` buildsets, newest first, without the newest `offset`.
pub fn recent(conn: &mut Conn, limit: i64, offset: i64) -> Result<Vec<Buildset>, DbError> {
    let rows = buildsets::table
        .order(buildsets::id.desc())
        .limit(limit)
        .offset(offset)
        .select(BuildsetRow::as_select())
        .load(conn)?;
    complete_rows(conn, rows)
}

fn complete_rows(conn: &mut Conn, rows: Vec<BuildsetRow>) -> Result<Vec<Buildset>, DbError> {
    let ids: Vec<BuildsetId> = rows.iter().map(|row| row.id).collect();
    let mut stamps = sourcestamps::for_buildsets(conn, &ids)?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let stamps = stamps.remove(&row.id).unwrap_or_default();
            row.with(stamps)
        })
        .collect())
}

/// The properties the scheduler attached. What cannot be decoded is left out, as stock does.
pub fn properties(conn: &mut Conn, id: BuildsetId) -> Result<Properties, DbError> {
    let rows: Vec<(String, String)> = buildset_properties::table
        .filter(buildset_properties::buildsetid.eq(id))
        .select((buildset_properties::property_name, buildset_properties::property_value))
        .load(conn)?;
    let mut properties = Properties::new();
    for (name, text) in rows {
        if let Some(property) = json::decode_property(&text) {
            properties.set(&name, property.value, &property.source);
        }
    }
    Ok(properties)
}

/// The changes that the buildset's source stamps stand for, ascending.
pub fn changes(conn: &mut Conn, id: BuildsetId) -> Result<Vec<Change>, DbError> {
    change_rows::of_buildset(conn, id)
}

/// Completes every incomplete buildset whose requests are all complete, with the worst of their
/// results. Costs one indexed query when there is nothing to do.
pub fn complete_finished(
    conn: &mut Conn,
    now: Timestamp,
) -> Result<Vec<(BuildsetId, Results)>, DbError> {
    let open = buildrequests::table
        .filter(buildrequests::buildsetid.eq(buildsets::id))
        .filter(buildrequests::complete.is_null().or(buildrequests::complete.ne(1)));
    let ids: Vec<BuildsetId> = buildsets::table
        .filter(buildsets::complete.eq(Zero))
        .filter(not(exists(open)))
        .order(buildsets::id)
        .limit(MAX_COMPLETED)
        .select(buildsets::id)
        .load(conn)?;
    let mut results: HashMap<BuildsetId, Results> = HashMap::new();
    for batch in ids.chunks(BATCH) {
        let rows: Vec<(BuildsetId, Option<i64>)> = buildrequests::table
            .filter(buildrequests::buildsetid.eq_any(batch.iter().copied()))
            .select((buildrequests::buildsetid, buildrequests::results))
            .load(conn)?;
        for (id, code) in rows {
            if let Some(request) = code.and_then(Results::from_code) {
                let worst = results.entry(id).or_insert(Results::Success);
                *worst = worst.worst(request);
            }
        }
    }
    let done: Vec<(BuildsetId, Results)> = ids
        .into_iter()
        .map(|id| (id, results.get(&id).copied().unwrap_or(Results::Success)))
        .collect();
    for results in Results::ALL {
        let ids: Vec<BuildsetId> =
            done.iter().filter(|(_, own)| *own == results).map(|(id, _)| *id).collect();
        complete(conn, &ids, results, now)?;
    }
    Ok(done)
}

fn complete(
    conn: &mut Conn,
    ids: &[BuildsetId],
    results: Results,
    now: Timestamp,
) -> Result<(), DbError> {
    for batch in ids.chunks(BATCH) {
        diesel::update(buildsets::table.filter(buildsets::id.eq_any(batch.iter().copied())))
            .set((
                buildsets::complete.eq(1),
                buildsets::results.eq(results.code()),
                buildsets::complete_at.eq(now),
            ))
            .execute(conn)?;
        facts::add(conn, batch.iter().copied().map(FactKind::BuildsetCompleted), now)?;
    }
    Ok(())
}
