//! Masters: who runs, who died, and the tidying after either.

use diesel::prelude::*;

use super::dialect::{Zero, insert_id};
use super::schema::{
    builder_masters, buildrequest_claims, buildrequests, builds, changesource_masters,
    configured_workers, connected_workers, masters, scheduler_masters,
};
use super::{Conn, DbError, builds as build_rows, hash};
use crate::model::{BuildId, BuildRequestId, MasterId, Results, Timestamp};

/// Seconds without a heartbeat after which a master counts as dead.
pub const EXPIRY: i64 = 600;

/// A stored master.
#[derive(Debug, Clone, PartialEq)]
pub struct Master {
    pub id: MasterId,
    /// `<host>:<absolute basedir>`
    pub name: String,
    pub active: bool,
    /// Time of the last heartbeat.
    pub last_active: Timestamp,
}

/// Finds or creates the master called `name` and tidies up what a crash of it left behind.
/// It stays inactive until [`set_active`].
pub fn register(conn: &mut Conn, name: &str, now: Timestamp) -> Result<MasterId, DbError> {
    let hash = hash::name_hash(name);
    let found = masters::table
        .filter(masters::name_hash.eq(&hash))
        .select(masters::id)
        .first::<MasterId>(conn)
        .optional()?;
    if let Some(id) = found {
        retire(conn, id, now)?;
        return Ok(id);
    }
    let row = (
        masters::name.eq(name),
        masters::name_hash.eq(&hash),
        masters::active.eq(0),
        masters::last_active.eq(now),
    );
    Ok(MasterId(insert_id!(conn, diesel::insert_into(masters::table).values(row))?))
}

/// Marks the master running, or stopped; a stopped one gives up everything it held.
pub fn set_active(
    conn: &mut Conn,
    id: MasterId,
    active: bool,
    now: Timestamp,
) -> Result<(), DbError> {
    if active { heartbeat(conn, id, now) } else { retire(conn, id, now) }
}

/// Says that the master is alive.
pub fn heartbeat(conn: &mut Conn, id: MasterId, now: Timestamp) -> Result<(), DbError> {
    diesel::update(masters::table.find(id))
        .set((masters::active.eq(1), masters::last_active.eq(now)))
        .execute(conn)?;
    Ok(())
}

/// Retires every other master that is silent for longer than [`EXPIRY`] and still holds something.
pub fn expire_others(
    conn: &mut Conn,
    me: MasterId,
    now: Timestamp,
) -> Result<Vec<MasterId>, DbError> {
    let running = builds::table.filter(builds::complete_at.is_null()).select(builds::masterid);
    // Stock leaves the claims of an expired master; they would never be built.
    let claiming = buildrequest_claims::table
        .inner_join(buildrequests::table.on(buildrequests::id.eq(buildrequest_claims::brid)))
        .filter(buildrequests::complete.eq(Zero.nullable()))
        .select(buildrequest_claims::masterid);
    let dead: Vec<MasterId> = masters::table
        .filter(masters::id.ne(me))
        .filter(masters::last_active.lt(now - EXPIRY))
        .filter(
            masters::active.ne(0).or(masters::id.eq_any(running)).or(masters::id.eq_any(claiming)),
        )
        .select(masters::id)
        .load(conn)?;
    for id in &dead {
        retire(conn, *id, now)?;
    }
    Ok(dead)
}

/// All masters ever seen.
pub fn list(conn: &mut Conn) -> Result<Vec<Master>, DbError> {
    let rows: Vec<(MasterId, String, i64, Timestamp)> = masters::table
        .order(masters::id)
        .select((masters::id, masters::name, masters::active, masters::last_active))
        .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|(id, name, active, last_active)| Master {
            id,
            name,
            active: active != 0,
            last_active,
        })
        .collect())
}

/// Removes all that only a running master has: configuration, claims, running builds.
fn retire(conn: &mut Conn, id: MasterId, now: Timestamp) -> Result<(), DbError> {
    diesel::update(masters::table.find(id)).set(masters::active.eq(0)).execute(conn)?;
    forget_configuration(conn, id)?;
    diesel::delete(scheduler_masters::table.filter(scheduler_masters::masterid.eq(id)))
        .execute(conn)?;
    diesel::delete(changesource_masters::table.filter(changesource_masters::masterid.eq(id)))
        .execute(conn)?;
    diesel::delete(connected_workers::table.filter(connected_workers::masterid.eq(id)))
        .execute(conn)?;
    let running: Vec<BuildId> = builds::table
        .filter(builds::masterid.eq(id))
        .filter(builds::complete_at.is_null())
        .select(builds::id)
        .load(conn)?;
    build_rows::abandon(conn, &running, Results::Retry, now)?;
    release_requests(conn, id)
}

/// Deletes the builders and workers that the master had configured.
pub(super) fn forget_configuration(conn: &mut Conn, id: MasterId) -> Result<(), DbError> {
    let mine =
        builder_masters::table.filter(builder_masters::masterid.eq(id)).select(builder_masters::id);
    diesel::delete(
        configured_workers::table.filter(configured_workers::buildermasterid.eq_any(mine)),
    )
    .execute(conn)?;
    diesel::delete(builder_masters::table.filter(builder_masters::masterid.eq(id)))
        .execute(conn)?;
    Ok(())
}

/// Gives incomplete requests back to the queue.
fn release_requests(conn: &mut Conn, id: MasterId) -> Result<(), DbError> {
    let mut open: Vec<BuildRequestId> = buildrequests::table
        .inner_join(buildrequest_claims::table.on(buildrequest_claims::brid.eq(buildrequests::id)))
        .filter(buildrequests::complete.eq(Zero.nullable()))
        .filter(buildrequest_claims::masterid.eq(id))
        .select(buildrequests::id)
        .load(conn)?;
    open.sort();
    super::buildrequests::unclaim(conn, id, &open)
}
