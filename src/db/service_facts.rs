//! What services are told of requests: builder and source stamps, for many requests at once.

use diesel::prelude::*;

use super::dialect::{BATCH, Zero};
use super::schema::{builders, buildrequests};
use super::{Conn, DbError, sourcestamps};
use crate::model::{BuildRequestId, BuildsetId, SourceStamp};

/// Incomplete requests that a service hears of when it begins: the newest of them.
const MOST: i64 = 10_000;

/// A request with the name of its builder.
#[derive(Debug, Clone)]
pub struct Requested {
    pub id: BuildRequestId,
    pub buildset: BuildsetId,
    pub builder: String,
    pub sources: Vec<SourceStamp>,
}

type Row = (BuildRequestId, BuildsetId, String);

/// These requests, ascending; missing ones are left out.
pub fn requested(conn: &mut Conn, ids: &[BuildRequestId]) -> Result<Vec<Requested>, DbError> {
    let mut rows: Vec<Row> = Vec::with_capacity(ids.len());
    for batch in ids.chunks(BATCH) {
        rows.extend(
            buildrequests::table
                .inner_join(builders::table.on(builders::id.eq(buildrequests::builderid)))
                .filter(buildrequests::id.eq_any(batch.iter().copied()))
                .select((buildrequests::id, buildrequests::buildsetid, builders::name))
                .load::<Row>(conn)?,
        );
    }
    with_sources(conn, rows)
}

/// Every incomplete request, ascending.
pub fn incomplete(conn: &mut Conn) -> Result<Vec<Requested>, DbError> {
    let rows: Vec<Row> = buildrequests::table
        .inner_join(builders::table.on(builders::id.eq(buildrequests::builderid)))
        .filter(buildrequests::complete.eq(Zero.nullable()))
        .order(buildrequests::id.desc())
        .limit(MOST)
        .select((buildrequests::id, buildrequests::buildsetid, builders::name))
        .load(conn)?;
    with_sources(conn, rows)
}

fn with_sources(conn: &mut Conn, mut rows: Vec<Row>) -> Result<Vec<Requested>, DbError> {
    rows.sort_by_key(|(id, ..)| *id);
    let mut buildsets: Vec<BuildsetId> = rows.iter().map(|(_, buildset, _)| *buildset).collect();
    buildsets.sort_unstable();
    buildsets.dedup();
    let stamps = sourcestamps::for_buildsets(conn, &buildsets)?;
    let of = |(id, buildset, builder): Row| Requested {
        id,
        buildset,
        builder,
        sources: stamps.get(&buildset).cloned().unwrap_or_default(),
    };
    Ok(rows.into_iter().map(of).collect())
}
