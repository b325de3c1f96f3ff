//! Schedulers: their names, which master runs each, and the changes they have yet to build.

use std::collections::HashMap;

use diesel::prelude::*;

use super::dialect::{BATCH, find_or_create_named, insert_id, insert_or_ignore};
use super::schema::{scheduler_changes, scheduler_masters, schedulers};
use super::{Conn, DbError, changes};
use crate::model::{Change, ChangeId, MasterId, SchedulerId};

/// A stored scheduler.
#[derive(Debug, Clone, PartialEq)]
pub struct SchedulerRow {
    pub id: SchedulerId,
    pub name: String,
    pub enabled: bool,
    /// The master that runs it.
    pub master: Option<MasterId>,
}

/// The id of the scheduler called `name`, with a new row when there is none.
pub fn find_or_create(conn: &mut Conn, name: &str) -> Result<SchedulerId, DbError> {
    Ok(find_or_create_named!(conn, schedulers, SchedulerId, name, enabled = 1))
}

/// Takes the scheduler for `master`; false when another master runs it.
pub fn claim(conn: &mut Conn, id: SchedulerId, master: MasterId) -> Result<bool, DbError> {
    let row = (scheduler_masters::schedulerid.eq(id), scheduler_masters::masterid.eq(master));
    if insert_or_ignore!(conn, scheduler_masters::table, row)? {
        return Ok(true);
    }
    let owner: Option<MasterId> = scheduler_masters::table
        .find(id)
        .select(scheduler_masters::masterid)
        .first(conn)
        .optional()?;
    Ok(owner == Some(master))
}

/// Gives up the scheduler called `name`, if `master` has it.
pub fn release(conn: &mut Conn, name: &str, master: MasterId) -> Result<(), DbError> {
    let id = find_or_create(conn, name)?;
    diesel::delete(
        scheduler_masters::table
            .filter(scheduler_masters::schedulerid.eq(id))
            .filter(scheduler_masters::masterid.eq(master)),
    )
    .execute(conn)?;
    Ok(())
}

/// Gives up every scheduler of `master`.
pub fn release_all(conn: &mut Conn, master: MasterId) -> Result<(), DbError> {
    diesel::delete(scheduler_masters::table.filter(scheduler_masters::masterid.eq(master)))
        .execute(conn)?;
    Ok(())
}

/// The operator's switch.
pub fn is_enabled(conn: &mut Conn, id: SchedulerId) -> Result<bool, DbError> {
    let enabled: Option<i64> =
        schedulers::table.find(id).select(schedulers::enabled).first(conn)?;
    Ok(enabled.is_some_and(|enabled| enabled != 0))
}

/// Turns the operator's switch.
pub fn set_enabled(conn: &mut Conn, id: SchedulerId, enabled: bool) -> Result<(), DbError> {
    diesel::update(schedulers::table.find(id))
        .set(schedulers::enabled.eq(i64::from(enabled)))
        .execute(conn)?;
    Ok(())
}

/// Remembers that the change awaits its build; a second time changes its importance.
pub fn classify(
    conn: &mut Conn,
    id: SchedulerId,
    change: ChangeId,
    important: bool,
) -> Result<(), DbError> {
    let important = scheduler_changes::important.eq(i64::from(important));
    let row =
        (scheduler_changes::schedulerid.eq(id), scheduler_changes::changeid.eq(change), important);
    if !insert_or_ignore!(conn, scheduler_changes::table, row)? {
        diesel::update(scheduler_changes::table.find((id, change))).set(important).execute(conn)?;
    }
    Ok(())
}

/// The changes that await their build, oldest first, with their importance.
pub fn classified(conn: &mut Conn, id: SchedulerId) -> Result<Vec<(Change, bool)>, DbError> {
    let rows: Vec<(ChangeId, Option<i64>)> = scheduler_changes::table
        .filter(scheduler_changes::schedulerid.eq(id))
        .order(scheduler_changes::changeid)
        .select((scheduler_changes::changeid, scheduler_changes::important))
        .load(conn)?;
    let importance: HashMap<ChangeId, bool> =
        rows.iter().map(|(id, important)| (*id, important.is_some_and(|i| i != 0))).collect();
    let ids: Vec<ChangeId> = rows.into_iter().map(|(id, _)| id).collect();
    Ok(changes::get_many(conn, &ids)?
        .into_iter()
        .map(|change| {
            let important = importance.get(&change.id).copied().unwrap_or(false);
            (change, important)
        })
        .collect())
}

/// How many changes await their build.
pub fn count_classified(conn: &mut Conn, id: SchedulerId) -> Result<usize, DbError> {
    let count: i64 = scheduler_changes::table
        .filter(scheduler_changes::schedulerid.eq(id))
        .count()
        .get_result(conn)?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// The changes are built or no longer wanted.
pub fn unclassify(conn: &mut Conn, id: SchedulerId, changes: &[ChangeId]) -> Result<(), DbError> {
    for batch in changes.chunks(BATCH) {
        diesel::delete(
            scheduler_changes::table
                .filter(scheduler_changes::schedulerid.eq(id))
                .filter(scheduler_changes::changeid.eq_any(batch.iter().copied())),
        )
        .execute(conn)?;
    }
    Ok(())
}

/// No change awaits its build any more.
pub fn unclassify_all(conn: &mut Conn, id: SchedulerId) -> Result<(), DbError> {
    diesel::delete(scheduler_changes::table.filter(scheduler_changes::schedulerid.eq(id)))
        .execute(conn)?;
    Ok(())
}

/// All schedulers ever configured.
pub fn list(conn: &mut Conn) -> Result<Vec<SchedulerRow>, DbError> {
    let rows: Vec<(SchedulerId, String, Option<i64>, Option<MasterId>)> = schedulers::table
        .left_join(scheduler_masters::table.on(scheduler_masters::schedulerid.eq(schedulers::id)))
        .order(schedulers::id)
        .select((
            schedulers::id,
            schedulers::name,
            schedulers::enabled,
            scheduler_masters::masterid.nullable(),
        ))
        .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|(id, name, enabled, master)| SchedulerRow {
            id,
            name,
            enabled: enabled.is_some_and(|enabled| enabled != 0),
            master,
        })
        .collect())
}
