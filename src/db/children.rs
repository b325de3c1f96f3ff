//! Requests that a build has made.

use std::collections::HashMap;

use diesel::prelude::*;

use super::dialect::BATCH;
use super::schema::{builders, buildrequests, builds};
use super::{Conn, DbError};
use crate::model::{BuildRequestId, BuilderId, Results};

/// A request, as the build that made it sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    pub request: BuildRequestId,
    pub builder: String,
    /// `None` until it is complete.
    pub results: Option<Results>,
    /// The oldest first.
    pub builds: Vec<ChildBuild>,
}

/// One of its builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildBuild {
    /// The builder that built it; usually the request's.
    pub builder: BuilderId,
    pub number: i64,
    /// `None` until it has ended.
    pub results: Option<Results>,
}

/// How these requests stand, in order of their ids.
pub fn of_requests(conn: &mut Conn, ids: &[BuildRequestId]) -> Result<Vec<Child>, DbError> {
    let mut children = Vec::with_capacity(ids.len());
    for batch in ids.chunks(BATCH) {
        let mut builds = builds_of(conn, batch)?;
        let rows: Vec<(BuildRequestId, String, Option<i64>, Option<i64>)> = buildrequests::table
            .inner_join(builders::table.on(builders::id.eq(buildrequests::builderid)))
            .filter(buildrequests::id.eq_any(batch.iter().copied()))
            .select((
                buildrequests::id,
                builders::name,
                buildrequests::complete,
                buildrequests::results,
            ))
            .load(conn)?;
        children.extend(rows.into_iter().map(|(request, builder, complete, results)| Child {
            request,
            builder,
            results: results.filter(|_| complete == Some(1)).and_then(Results::from_code),
            builds: builds.remove(&request).unwrap_or_default(),
        }));
    }
    children.sort_by_key(|child| child.request);
    Ok(children)
}

fn builds_of(
    conn: &mut Conn,
    requests: &[BuildRequestId],
) -> Result<HashMap<BuildRequestId, Vec<ChildBuild>>, DbError> {
    let rows: Vec<(BuildRequestId, BuilderId, i64, Option<i64>)> = builds::table
        .filter(builds::buildrequestid.eq_any(requests.iter().copied()))
        .order(builds::id)
        .select((builds::buildrequestid, builds::builderid, builds::number, builds::results))
        .load(conn)?;
    let mut builds: HashMap<BuildRequestId, Vec<ChildBuild>> = HashMap::new();
    for (request, builder, number, results) in rows {
        let results = results.and_then(Results::from_code);
        builds.entry(request).or_default().push(ChildBuild { builder, number, results });
    }
    Ok(builds)
}
