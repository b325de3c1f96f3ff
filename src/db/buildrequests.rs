//! Build requests: the queue, and who took what from it.

use diesel::dsl::{exists, not};
use diesel::prelude::*;

use super::dialect::{BATCH, Zero, insert_all};
use super::facts::{self, FactKind};
use super::schema::{buildrequest_claims, buildrequests, builds, rs_buildrequests};
use super::{Conn, DbError};
use crate::model::{
    BuildRequest, BuildRequestId, BuilderId, BuildsetId, Claim, MasterId, Results, Timestamp,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = buildrequests)]
struct RequestRow {
    id: BuildRequestId,
    buildsetid: BuildsetId,
    builderid: BuilderId,
    priority: i64,
    complete: Option<i64>,
    results: Option<i64>,
    submitted_at: Timestamp,
    complete_at: Option<Timestamp>,
    waited_for: Option<i64>,
}

impl RequestRow {
    fn with(self, claim: Option<Claim>) -> BuildRequest {
        let complete = self.complete.is_some_and(|complete| complete != 0);
        BuildRequest {
            id: self.id,
            buildset: self.buildsetid,
            builder: self.builderid,
            priority: self.priority,
            claim,
            complete,
            results: self.results.filter(|_| complete).and_then(Results::from_code),
            submitted_at: self.submitted_at,
            complete_at: self.complete_at,
            waited_for: self.waited_for.is_some_and(|waited| waited != 0),
        }
    }
}

/// Request row and the claim's columns.
type Joined = (RequestRow, Option<MasterId>, Option<Timestamp>);

fn joined((row, master, claimed_at): Joined) -> BuildRequest {
    let claim = master.zip(claimed_at).map(|(master, claimed_at)| Claim { master, claimed_at });
    row.with(claim)
}

/// Requests beside their claims; a macro because the type is not speakable.
macro_rules! with_claims {
    () => {
        buildrequests::table
            .left_join(
                buildrequest_claims::table.on(buildrequest_claims::brid.eq(buildrequests::id)),
            )
            .select((
                RequestRow::as_select(),
                buildrequest_claims::masterid.nullable(),
                buildrequest_claims::claimed_at.nullable(),
            ))
    };
}

/// Up to `limit` unclaimed incomplete requests: highest priority first, then oldest.
pub fn pending(conn: &mut Conn, limit: i64) -> Result<Vec<BuildRequest>, DbError> {
    let rows: Vec<Joined> = with_claims!()
        .filter(buildrequest_claims::brid.nullable().is_null())
        .filter(buildrequests::complete.eq(Zero.nullable()))
        .order((buildrequests::priority.desc(), buildrequests::id.asc()))
        .limit(limit)
        .load(conn)?;
    Ok(rows.into_iter().map(joined).collect())
}

/// The request with this id.
pub fn get(conn: &mut Conn, id: BuildRequestId) -> Result<BuildRequest, DbError> {
    Ok(joined(with_claims!().filter(buildrequests::id.eq(id)).first(conn)?))
}

/// The requests with these ids, ascending; missing ones are left out.
pub fn get_many(conn: &mut Conn, ids: &[BuildRequestId]) -> Result<Vec<BuildRequest>, DbError> {
    let mut requests = Vec::with_capacity(ids.len());
    for batch in ids.chunks(BATCH) {
        let rows: Vec<Joined> =
            with_claims!().filter(buildrequests::id.eq_any(batch.iter().copied())).load(conn)?;
        requests.extend(rows.into_iter().map(joined));
    }
    requests.sort_by_key(|request| request.id);
    Ok(requests)
}

/// The requests of a buildset.
pub fn of_buildset(conn: &mut Conn, id: BuildsetId) -> Result<Vec<BuildRequest>, DbError> {
    let rows: Vec<Joined> = with_claims!()
        .filter(buildrequests::buildsetid.eq(id))
        .order(buildrequests::id)
        .load(conn)?;
    Ok(rows.into_iter().map(joined).collect())
}

/// Up to `limit` requests of any state, newest first, without the newest `offset`.
pub fn recent(conn: &mut Conn, limit: i64, offset: i64) -> Result<Vec<BuildRequest>, DbError> {
    let rows: Vec<Joined> =
        with_claims!().order(buildrequests::id.desc()).limit(limit).offset(offset).load(conn)?;
    Ok(rows.into_iter().map(joined).collect())
}

/// Takes the requests for `master`, all or none.
///
/// # Errors
/// [`DbError::Conflict`] when one of them is taken already.
pub fn claim(
    conn: &mut Conn,
    master: MasterId,
    ids: &[BuildRequestId],
    now: Timestamp,
) -> Result<(), DbError> {
    let rows = ids
        .iter()
        .map(|id| {
            (
                buildrequest_claims::brid.eq(*id),
                buildrequest_claims::masterid.eq(master),
                buildrequest_claims::claimed_at.eq(now),
            )
        })
        .collect();
    Ok(insert_all!(conn, buildrequest_claims::table, rows)?)
}

/// Gives the requests of `master` back to the queue.
pub fn unclaim(conn: &mut Conn, master: MasterId, ids: &[BuildRequestId]) -> Result<(), DbError> {
    for batch in ids.chunks(BATCH) {
        diesel::delete(
            buildrequest_claims::table
                .filter(buildrequest_claims::brid.eq_any(batch.iter().copied()))
                .filter(buildrequest_claims::masterid.eq(master)),
        )
        .execute(conn)?;
    }
    Ok(())
}

/// Completes the requests, all or none.
///
/// # Errors
/// [`DbError::Conflict`] when one of them is complete already or does not exist.
pub fn complete(
    conn: &mut Conn,
    ids: &[BuildRequestId],
    results: Results,
    now: Timestamp,
) -> Result<(), DbError> {
    for batch in ids.chunks(BATCH) {
        let open = buildrequests::table
            .filter(buildrequests::id.eq_any(batch.iter().copied()))
            .filter(buildrequests::complete.is_null().or(buildrequests::complete.ne(1)));
        let changed = diesel::update(open)
            .set((
                buildrequests::complete.eq(1),
                buildrequests::results.eq(results.code()),
                buildrequests::complete_at.eq(now),
            ))
            .execute(conn)?;
        if changed != batch.len() {
            return Err(DbError::Conflict("a build request was complete already".to_owned()));
        }
    }
    Ok(())
}

/// Gives a request another priority; false when it is complete.
///
/// # Errors
/// [`DbError::NotFound`] when there is none.
pub fn set_priority(conn: &mut Conn, id: BuildRequestId, priority: i64) -> Result<bool, DbError> {
    if get(conn, id)?.complete {
        return Ok(false);
    }
    diesel::update(buildrequests::table.find(id))
        .set(buildrequests::priority.eq(priority))
        .execute(conn)?;
    Ok(true)
}

/// Cancels a request that nobody took yet; false when somebody did or it is complete.
pub fn cancel_pending(
    conn: &mut Conn,
    id: BuildRequestId,
    master: MasterId,
    reason: &str,
    now: Timestamp,
) -> Result<bool, DbError> {
    let request = get(conn, id)?;
    if request.complete || request.claim.is_some() {
        return Ok(false);
    }
    claim(conn, master, &[id], now)?;
    complete(conn, &[id], Results::Cancelled, now)?;
    diesel::insert_into(rs_buildrequests::table)
        .values((rs_buildrequests::brid.eq(id), rs_buildrequests::cancel_reason.eq(reason)))
        .execute(conn)?;
    facts::add(conn, [FactKind::RequestCancelled(id)], now)?;
    Ok(true)
}

/// Incomplete requests that `master` claimed and has no running build for: what a crash between
/// claim and build leaves behind.
pub fn claimed_without_build(
    conn: &mut Conn,
    master: MasterId,
) -> Result<Vec<BuildRequestId>, DbError> {
    let running = builds::table
        .filter(builds::buildrequestid.eq(buildrequests::id))
        .filter(builds::complete_at.is_null());
    Ok(buildrequests::table
        .inner_join(buildrequest_claims::table.on(buildrequest_claims::brid.eq(buildrequests::id)))
        .filter(buildrequests::complete.eq(Zero.nullable()))
        .filter(buildrequest_claims::masterid.eq(master))
        .filter(not(exists(running)))
        .order(buildrequests::id)
        .select(buildrequests::id)
        .load(conn)?)
}
