//! Merging build requests: what its rules look at, for many requests in a few queries, and the
//! rows that tell of it.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;

use super::dialect::{BATCH, insert_all};
use super::schema::{buildset_properties, buildsets, changes, rs_buildrequests};
use super::{Conn, DbError, buildrequests, json, sourcestamps};
use crate::model::{
    BuildRequest, BuildRequestId, BuildsetId, MasterId, Properties, Results, SourceStamp,
    SourceStampId, Timestamp,
};

/// The cause of a buildset, as far as rules about the queue are concerned.
#[derive(Debug, Clone, Default)]
pub struct Cause {
    pub reason: String,
    pub sources: Vec<SourceStamp>,
    /// Those of the sources that some change led to.
    pub with_changes: HashSet<SourceStampId>,
    pub properties: Properties,
}

/// The causes of these buildsets.
pub fn causes(
    conn: &mut Conn,
    buildsets: &[BuildsetId],
) -> Result<HashMap<BuildsetId, Cause>, DbError> {
    let stamps = sourcestamps::for_buildsets(conn, buildsets)?;
    let ids: Vec<SourceStampId> = stamps.values().flatten().map(|stamp| stamp.id).collect();
    let changed = with_changes(conn, &ids)?;
    let mut causes: HashMap<BuildsetId, Cause> = HashMap::new();
    for (buildset, sources) in stamps {
        let ids = sources.iter().map(|stamp| stamp.id);
        let with_changes = ids.filter(|id| changed.contains(id)).collect();
        causes.insert(buildset, Cause { sources, with_changes, ..Cause::default() });
    }
    add_reasons(conn, buildsets, &mut causes)?;
    add_properties(conn, buildsets, &mut causes)?;
    Ok(causes)
}

fn with_changes(
    conn: &mut Conn,
    stamps: &[SourceStampId],
) -> Result<HashSet<SourceStampId>, DbError> {
    let mut found = HashSet::new();
    for batch in stamps.chunks(BATCH) {
        let ids: Vec<SourceStampId> = changes::table
            .filter(changes::sourcestampid.eq_any(batch.iter().copied()))
            .select(changes::sourcestampid)
            .distinct()
            .load(conn)?;
        found.extend(ids);
    }
    Ok(found)
}

fn add_reasons(
    conn: &mut Conn,
    ids: &[BuildsetId],
    causes: &mut HashMap<BuildsetId, Cause>,
) -> Result<(), DbError> {
    for batch in ids.chunks(BATCH) {
        let rows: Vec<(BuildsetId, Option<String>)> = buildsets::table
            .filter(buildsets::id.eq_any(batch.iter().copied()))
            .select((buildsets::id, buildsets::reason.nullable()))
            .load(conn)?;
        for (id, reason) in rows {
            causes.entry(id).or_default().reason = reason.unwrap_or_default();
        }
    }
    Ok(())
}

fn add_properties(
    conn: &mut Conn,
    buildsets: &[BuildsetId],
    causes: &mut HashMap<BuildsetId, Cause>,
) -> Result<(), DbError> {
    for batch in buildsets.chunks(BATCH) {
        let rows: Vec<(BuildsetId, String, String)> = buildset_properties::table
            .filter(buildset_properties::buildsetid.eq_any(batch.iter().copied()))
            .select((
                buildset_properties::buildsetid,
                buildset_properties::property_name,
                buildset_properties::property_value,
            ))
            .load(conn)?;
        for (buildset, name, text) in rows {
            if let Some(property) = json::decode_property(&text) {
                let cause = causes.entry(buildset).or_default();
                cause.properties.set(&name, property.value, &property.source);
            }
        }
    }
    Ok(())
}

/// Ends requests that another one replaces, as far as both are still waiting: claims them for
/// `master`, completes them as SKIPPED and remembers who took them. Answers those that are gone.
///
/// # Errors
/// [`DbError::Conflict`] when another master takes one of them at the same moment; nothing is done.
pub fn collapse(
    conn: &mut Conn,
    master: MasterId,
    replaced: &[(BuildRequestId, BuildRequestId)],
    now: Timestamp,
) -> Result<Vec<BuildRequest>, DbError> {
    let ids: Vec<BuildRequestId> = replaced.iter().flat_map(|(gone, by)| [*gone, *by]).collect();
    let waiting: HashMap<BuildRequestId, BuildRequest> = buildrequests::get_many(conn, &ids)?
        .into_iter()
        .filter(|request| !request.complete && request.claim.is_none())
        .map(|request| (request.id, request))
        .collect();
    let replaced: Vec<(BuildRequestId, BuildRequestId)> = replaced
        .iter()
        .filter(|(gone, by)| waiting.contains_key(gone) && waiting.contains_key(by))
        .copied()
        .collect();
    let gone: Vec<BuildRequestId> = replaced.iter().map(|(gone, _)| *gone).collect();
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    buildrequests::claim(conn, master, &gone, now)?;
    buildrequests::complete(conn, &gone, Results::Skipped, now)?;
    for (gone, by) in &replaced {
        // Whom it had taken before belongs to the same build now.
        diesel::update(rs_buildrequests::table.filter(rs_buildrequests::collapsed_into.eq(gone.0)))
            .set(rs_buildrequests::collapsed_into.eq(by.0))
            .execute(conn)?;
    }
    let rows = replaced
        .iter()
        .map(|(gone, by)| {
            (rs_buildrequests::brid.eq(*gone), rs_buildrequests::collapsed_into.eq(by.0))
        })
        .collect();
    insert_all!(conn, rs_buildrequests::table, rows)?;
    let mut waiting = waiting;
    Ok(gone.iter().filter_map(|id| waiting.remove(id)).collect())
}
