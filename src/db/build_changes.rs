//! What is new in a build: for each codebase its change and that change's ancestors, back to the
//! change of the last successful build of the same builder, repository, branch and codebase.
//!
//! Works on many builds at once, with few queries for all of them together.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;

use super::dialect::{self, BATCH, Line};
use super::schema::{buildrequests, builds};
use super::{Conn, DbError, changes, sourcestamps};
use crate::model::{BuildId, BuildsetId, ChangeId, SourceStamp, SourceStampId};

/// Changes per codebase that one build can answer for at most.
const MAX_OF_BUILD: i64 = 500;
/// Successful builds that are searched for one of the same branch. Nearly always the very first
/// ones match: look at few before many.
const NEAR: i64 = 20;
const FAR: i64 = 1000;
/// Builds whose whole history is held in memory at a time.
const FAR_BUILDS: usize = 10;

/// What a build is of.
#[derive(Debug, Clone, Default)]
pub(super) struct News {
    /// Newest first for each codebase; at most 500 per codebase.
    pub(super) changes: Vec<ChangeId>,
    pub(super) stamps: Vec<SourceStamp>,
}

/// What is new in each of these builds; builds that do not exist are left out.
pub(super) fn of_builds(
    conn: &mut Conn,
    ids: &[BuildId],
) -> Result<HashMap<BuildId, News>, DbError> {
    let mut news = HashMap::new();
    for batch in ids.chunks(BATCH) {
        news.extend(of_batch(conn, batch)?);
    }
    Ok(news)
}

fn of_batch(conn: &mut Conn, ids: &[BuildId]) -> Result<HashMap<BuildId, News>, DbError> {
    let set_of: Vec<(BuildId, BuildsetId)> = builds::table
        .inner_join(buildrequests::table.on(buildrequests::id.eq(builds::buildrequestid)))
        .filter(builds::id.eq_any(ids.iter().copied()))
        .select((builds::id, buildrequests::buildsetid))
        .load(conn)?;
    let sets: Vec<BuildsetId> = set_of.iter().map(|(_, set)| *set).collect();
    let stamps = sourcestamps::for_buildsets(conn, &sets)?;
    let stamps: HashMap<BuildId, Vec<SourceStamp>> = set_of
        .iter()
        .map(|(build, set)| (*build, stamps.get(set).cloned().unwrap_or_default()))
        .collect();
    let before = previous_successes(conn, &stamps)?;

    let all = stamps.values().chain(before.values()).flatten();
    let mut all: Vec<SourceStampId> = all.map(|stamp| stamp.id).collect();
    all.sort();
    all.dedup();
    let change_of = changes::for_sourcestamps(conn, &all)?;
    let lines: HashMap<BuildId, Vec<Line>> = stamps
        .iter()
        .map(|(build, now)| {
            (*build, lines(now, before.get(build).map_or(&[], Vec::as_slice), &change_of))
        })
        .collect();
    let mut distinct: Vec<Line> = lines.values().flatten().copied().collect();
    distinct.sort();
    distinct.dedup();
    let mut ancestors = HashMap::new();
    for part in distinct.chunks(BATCH) {
        ancestors.extend(dialect::ancestors(conn, part, MAX_OF_BUILD)?);
    }
    let news = stamps.into_iter().map(|(build, stamps)| {
        let of = lines.get(&build).into_iter().flatten().filter_map(|line| ancestors.get(line));
        (build, News { changes: of.flatten().copied().collect(), stamps })
    });
    Ok(news.collect())
}

/// For each codebase from which change to which.
fn lines(
    now: &[SourceStamp],
    before: &[SourceStamp],
    change_of: &HashMap<SourceStampId, ChangeId>,
) -> Vec<Line> {
    let of = |stamp: &SourceStamp| change_of.get(&stamp.id).copied();
    let until: HashMap<&str, ChangeId> =
        before.iter().filter_map(|stamp| Some((stamp.codebase.as_str(), of(stamp)?))).collect();
    now.iter()
        .filter_map(|stamp| Some((of(stamp)?, until.get(stamp.codebase.as_str()).copied())))
        .filter(|(from, until)| *until != Some(*from))
        .collect()
}

/// The stamps of each build's last successful predecessor with the same sources.
fn previous_successes(
    conn: &mut Conn,
    of: &HashMap<BuildId, Vec<SourceStamp>>,
) -> Result<HashMap<BuildId, Vec<SourceStamp>>, DbError> {
    let mut found = HashMap::new();
    let mut open: Vec<BuildId> = of.keys().copied().collect();
    for (limit, at_once) in [(NEAR, BATCH), (FAR, FAR_BUILDS)] {
        let mut still_open = Vec::new();
        for part in open.chunks(at_once) {
            let earlier = dialect::successes_before(conn, part, limit)?;
            let sets: BTreeSet<BuildsetId> = earlier.values().flatten().copied().collect();
            let sets: Vec<BuildsetId> = sets.into_iter().collect();
            let stamps = sourcestamps::for_buildsets(conn, &sets)?;
            for build in part {
                let earlier = earlier.get(build).map_or(&[][..], Vec::as_slice);
                let wanted = of.get(build).map(|stamps| sources(stamps)).unwrap_or_default();
                let mut matching = earlier.iter().filter_map(|set| stamps.get(set));
                if let Some(stamps) = matching.find(|stamps| sources(stamps) == wanted) {
                    found.insert(*build, stamps.clone());
                } else if earlier.len() as i64 == limit {
                    still_open.push(*build);
                }
            }
        }
        open = still_open;
    }
    Ok(found)
}

/// What must be equal in two builds that are compared.
fn sources(stamps: &[SourceStamp]) -> BTreeSet<(&str, Option<&str>, &str)> {
    stamps
        .iter()
        .map(|stamp| (stamp.repository.as_str(), stamp.branch.as_deref(), stamp.codebase.as_str()))
        .collect()
}
