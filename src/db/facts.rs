//! The stream that status targets read: what happened, in the order of commit.
//!
//! A fact is stored by the transaction that makes it true, so that nobody who reads from a place in
//! the stream onwards can miss one. Who has read how far is the target's own business.

use diesel::dsl::max;
use diesel::prelude::*;

use super::dialect::insert_all;
use super::schema::rs_facts;
use super::{Conn, DbError};
use crate::model::{BuildId, BuildRequestId, BuildsetId, Timestamp, WorkerId};

const MISSING: &str = "worker missing";
const RETURNED: &str = "worker returned";

/// What happened, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FactKind {
    BuildsetSubmitted(BuildsetId),
    /// Nobody had begun to build it.
    RequestCancelled(BuildRequestId),
    BuildStarted(BuildId),
    BuildFinished(BuildId),
    BuildsetCompleted(BuildsetId),
    /// It has been away for its `missing_timeout`.
    WorkerMissing(WorkerId),
    /// It came back after it had been reported as missing.
    WorkerReturned(WorkerId),
}

impl FactKind {
    /// What stands in the table.
    fn row(self) -> (&'static str, i64) {
        match self {
            FactKind::BuildsetSubmitted(BuildsetId(id)) => ("buildset submitted", id),
            FactKind::RequestCancelled(BuildRequestId(id)) => ("request cancelled", id),
            FactKind::BuildStarted(BuildId(id)) => ("build started", id),
            FactKind::BuildFinished(BuildId(id)) => ("build finished", id),
            FactKind::BuildsetCompleted(BuildsetId(id)) => ("buildset completed", id),
            FactKind::WorkerMissing(WorkerId(id)) => (MISSING, id),
            FactKind::WorkerReturned(WorkerId(id)) => (RETURNED, id),
        }
    }

    /// The worker that it is about, if it is about one.
    pub fn worker(self) -> Option<WorkerId> {
        match self {
            FactKind::WorkerMissing(worker) | FactKind::WorkerReturned(worker) => Some(worker),
            _ => None,
        }
    }

    /// `None` for what a newer version has written.
    fn read(kind: &str, id: i64) -> Option<FactKind> {
        Some(match kind {
            "buildset submitted" => FactKind::BuildsetSubmitted(BuildsetId(id)),
            "request cancelled" => FactKind::RequestCancelled(BuildRequestId(id)),
            "build started" => FactKind::BuildStarted(BuildId(id)),
            "build finished" => FactKind::BuildFinished(BuildId(id)),
            "buildset completed" => FactKind::BuildsetCompleted(BuildsetId(id)),
            MISSING => FactKind::WorkerMissing(WorkerId(id)),
            RETURNED => FactKind::WorkerReturned(WorkerId(id)),
            _ => return None,
        })
    }
}

/// One fact of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact {
    /// Its place; ascending, never used twice.
    pub id: i64,
    pub kind: FactKind,
    pub at: Timestamp,
}

/// Adds facts to the stream; part of the transaction that makes them true.
pub fn add(
    conn: &mut Conn,
    facts: impl IntoIterator<Item = FactKind>,
    now: Timestamp,
) -> Result<(), DbError> {
    let rows = facts
        .into_iter()
        .map(|fact| {
            let (kind, subject) = fact.row();
            (rs_facts::kind.eq(kind), rs_facts::subject.eq(subject), rs_facts::at.eq(now))
        })
        .collect();
    Ok(insert_all!(conn, rs_facts::table, rows)?)
}

/// The `limit` facts that follow the place `after`, oldest first, and the place behind the last of
/// them.
pub fn after(conn: &mut Conn, after: i64, limit: i64) -> Result<(Vec<Fact>, i64), DbError> {
    let rows: Vec<(i64, String, i64, Timestamp)> = rs_facts::table
        .filter(rs_facts::id.gt(after))
        .order(rs_facts::id)
        .limit(limit)
        .select((rs_facts::id, rs_facts::kind, rs_facts::subject, rs_facts::at))
        .load(conn)?;
    let place = rows.last().map_or(after, |(id, ..)| *id);
    Ok((rows.into_iter().filter_map(read).collect(), place))
}

/// The `limit` facts about workers that follow the place `after`, oldest first.
pub fn about_workers(conn: &mut Conn, after: i64, limit: i64) -> Result<Vec<Fact>, DbError> {
    let rows: Vec<(i64, String, i64, Timestamp)> = rs_facts::table
        .filter(rs_facts::kind.eq_any([MISSING, RETURNED]))
        .filter(rs_facts::id.gt(after))
        .order(rs_facts::id)
        .limit(limit)
        .select((rs_facts::id, rs_facts::kind, rs_facts::subject, rs_facts::at))
        .load(conn)?;
    Ok(rows.into_iter().filter_map(read).collect())
}

fn read((id, kind, subject, at): (i64, String, i64, Timestamp)) -> Option<Fact> {
    FactKind::read(&kind, subject).map(|kind| Fact { id, kind, at })
}

/// The place behind the newest fact; 0 when there never was one.
pub fn newest(conn: &mut Conn) -> Result<i64, DbError> {
    Ok(rs_facts::table.select(max(rs_facts::id)).first::<Option<i64>>(conn)?.unwrap_or(0))
}

/// Forgets facts older than `before`, but always keeps the newest, whose place must not be given
/// out again.
pub fn forget(conn: &mut Conn, before: Timestamp) -> Result<usize, DbError> {
    let newest = newest(conn)?;
    let old = rs_facts::table.filter(rs_facts::at.lt(before)).filter(rs_facts::id.lt(newest));
    Ok(diesel::delete(old).execute(conn)?)
}
