//! The queue as the distributor looks at it: who has something to do, and the next requests of one
//! builder. Every statement is answered by an index, however many requests wait.

use diesel::QueryableByName;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::BigInt;

use super::dialect::BATCH;
use super::listing::in_list;
use super::{Conn, DbError};
use crate::model::{BuildRequestId, BuilderId, Timestamp};

/// What waits for one builder: the highest priority, and when the oldest request was submitted.
pub type Head = (BuilderId, i64, Timestamp);

#[derive(QueryableByName)]
struct HeadRow {
    #[diesel(sql_type = BigInt)]
    builder: i64,
    #[diesel(sql_type = BigInt)]
    priority: i64,
    #[diesel(sql_type = BigInt)]
    oldest: i64,
}

/// Incomplete requests that nobody took. The zero is written, not bound, so that SQLite sees which
/// index answers it.
const OPEN: &str = "request.complete = 0 \
    AND NOT EXISTS (SELECT 1 FROM buildrequest_claims claims WHERE claims.brid = request.id)";

/// Those of `builders` that unclaimed requests wait for.
pub fn heads(conn: &mut Conn, builders: &[BuilderId]) -> Result<Vec<Head>, DbError> {
    let mut heads = Vec::new();
    for batch in builders.chunks(BATCH) {
        let ids = in_list("builders.id", batch.iter().map(|id| id.0));
        let of_builder = format!("request.builderid = builders.id AND {OPEN}");
        let rows: Vec<HeadRow> = sql_query(format!(
            "SELECT builder, priority, oldest FROM (SELECT CAST(builders.id AS BIGINT) AS builder, \
             (SELECT CAST(request.priority AS BIGINT) FROM buildrequests request \
              WHERE {of_builder} ORDER BY request.priority DESC, request.id LIMIT 1) AS priority, \
             (SELECT CAST(request.submitted_at AS BIGINT) FROM buildrequests request \
              WHERE {of_builder} ORDER BY request.submitted_at LIMIT 1) AS oldest \
             FROM builders WHERE {ids}) heads WHERE priority IS NOT NULL AND oldest IS NOT NULL"
        ))
        .load(conn)?;
        let head = |row: HeadRow| (BuilderId(row.builder), row.priority, row.oldest);
        heads.extend(rows.into_iter().map(head));
    }
    Ok(heads)
}

/// A request's place in stock's order: the highest priority, then the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub priority: i64,
    pub request: BuildRequestId,
}

#[derive(QueryableByName)]
struct PlaceRow {
    #[diesel(sql_type = BigInt)]
    request: i64,
    #[diesel(sql_type = BigInt)]
    priority: i64,
}

/// Up to `limit` unclaimed requests of a builder in stock's order, those behind `after`.
pub fn next(
    conn: &mut Conn,
    builder: BuilderId,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<Place>, DbError> {
    let behind = after.map_or_else(String::new, |Place { priority, request }| {
        format!(
            " AND request.priority <= {priority} \
             AND (request.priority < {priority} OR request.id > {request})"
        )
    });
    places(conn, builder, &format!("{behind} ORDER BY request.priority DESC, request.id"), limit)
}

/// Up to `limit` unclaimed requests of a builder below `before`, the newest first.
pub fn newest(
    conn: &mut Conn,
    builder: BuilderId,
    before: Option<BuildRequestId>,
    limit: i64,
) -> Result<Vec<Place>, DbError> {
    let older = before.map_or_else(String::new, |id| format!(" AND request.id < {id}"));
    // `+` keeps the planner from walking over all that the builder ever had.
    places(conn, builder, &format!("{older} ORDER BY +request.id DESC"), limit)
}

fn places(
    conn: &mut Conn,
    builder: BuilderId,
    rest: &str,
    limit: i64,
) -> Result<Vec<Place>, DbError> {
    let rows: Vec<PlaceRow> = sql_query(format!(
        "SELECT CAST(request.id AS BIGINT) AS request, \
         CAST(request.priority AS BIGINT) AS priority FROM buildrequests request \
         WHERE request.builderid = {builder} AND {OPEN}{rest} LIMIT {limit}"
    ))
    .load(conn)?;
    let place =
        |row: PlaceRow| Place { priority: row.priority, request: BuildRequestId(row.request) };
    Ok(rows.into_iter().map(place).collect())
}

#[derive(QueryableByName)]
struct NewRow {
    #[diesel(sql_type = BigInt)]
    request: i64,
    #[diesel(sql_type = BigInt)]
    builder: i64,
}

/// Up to `limit` unclaimed requests above `after`, oldest first, each with its builder.
pub fn arrived(
    conn: &mut Conn,
    after: BuildRequestId,
    limit: i64,
) -> Result<Vec<(BuildRequestId, BuilderId)>, DbError> {
    // `+` keeps the planner from walking over all that waits instead of the few new ids.
    let rows: Vec<NewRow> = sql_query(format!(
        "SELECT CAST(request.id AS BIGINT) AS request, \
         CAST(request.builderid AS BIGINT) AS builder FROM buildrequests request \
         WHERE request.id > {after} AND +request.complete = 0 \
         AND NOT EXISTS (SELECT 1 FROM buildrequest_claims claims WHERE claims.brid = request.id) \
         ORDER BY request.id LIMIT {limit}"
    ))
    .load(conn)?;
    Ok(rows.into_iter().map(|row| (BuildRequestId(row.request), BuilderId(row.builder))).collect())
}

/// The last request that was submitted before `time`; 0 when there is none.
pub fn last_before(conn: &mut Conn, time: Timestamp) -> Result<BuildRequestId, DbError> {
    // Requests come in the order of time; going back from the end meets it soon.
    let rows: Vec<NewRow> = sql_query(format!(
        "SELECT CAST(request.id AS BIGINT) AS request, \
         CAST(request.builderid AS BIGINT) AS builder FROM buildrequests request \
         WHERE request.submitted_at < {time} ORDER BY request.id DESC LIMIT 1"
    ))
    .load(conn)?;
    Ok(rows.first().map_or(BuildRequestId(0), |row| BuildRequestId(row.request)))
}
