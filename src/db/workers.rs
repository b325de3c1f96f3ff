//! Workers: their rows, what they said about themselves, and who is connected.

use std::collections::HashMap;

use diesel::prelude::*;
use serde_json::Value;

use super::dialect::{insert_id, insert_or_ignore};
use super::schema::{builder_masters, configured_workers, connected_workers, workers};
use super::{Conn, DbError, json};
use crate::model::{BuilderId, MasterId, Worker, WorkerId};

#[derive(Queryable, Selectable)]
#[diesel(table_name = workers)]
struct WorkerRow {
    id: WorkerId,
    name: String,
    info: String,
    paused: i64,
    pause_reason: Option<String>,
    graceful: i64,
}

/// The id of the worker called `name`, with a new row when there is none.
pub fn find_or_create(conn: &mut Conn, name: &str) -> Result<WorkerId, DbError> {
    let found = workers::table
        .filter(workers::name.eq(name))
        .select(workers::id)
        .first::<WorkerId>(conn)
        .optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    let row = (
        workers::name.eq(name),
        workers::info.eq("{}"),
        workers::paused.eq(0),
        workers::graceful.eq(0),
    );
    Ok(WorkerId(insert_id!(conn, diesel::insert_into(workers::table).values(row))?))
}

/// The worker is connected to `master` and said `info` about itself.
pub fn attached(
    conn: &mut Conn,
    worker: WorkerId,
    master: MasterId,
    info: &Value,
) -> Result<(), DbError> {
    diesel::update(workers::table.find(worker))
        .set(workers::info.eq(json::encode(info)))
        .execute(conn)?;
    let row = (connected_workers::masterid.eq(master), connected_workers::workerid.eq(worker));
    insert_or_ignore!(conn, connected_workers::table, row)?;
    Ok(())
}

/// The worker is no longer connected to `master`.
pub fn detached(conn: &mut Conn, worker: WorkerId, master: MasterId) -> Result<(), DbError> {
    diesel::delete(
        connected_workers::table
            .filter(connected_workers::workerid.eq(worker))
            .filter(connected_workers::masterid.eq(master)),
    )
    .execute(conn)?;
    Ok(())
}

/// Pauses or unpauses; an unpaused worker has no reason.
pub fn set_paused(
    conn: &mut Conn,
    worker: WorkerId,
    paused: bool,
    reason: Option<&str>,
) -> Result<(), DbError> {
    diesel::update(workers::table.find(worker))
        .set((
            workers::paused.eq(i64::from(paused)),
            workers::pause_reason.eq(reason.filter(|_| paused)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Asks the worker to shut down after its builds, or takes the wish back.
pub fn set_graceful(conn: &mut Conn, worker: WorkerId, graceful: bool) -> Result<(), DbError> {
    diesel::update(workers::table.find(worker))
        .set(workers::graceful.eq(i64::from(graceful)))
        .execute(conn)?;
    Ok(())
}

/// All workers ever configured.
pub fn list(conn: &mut Conn) -> Result<Vec<Worker>, DbError> {
    let rows = workers::table.order(workers::id).select(WorkerRow::as_select()).load(conn)?;
    complete(conn, rows, None)
}

/// The worker with this id.
pub fn get(conn: &mut Conn, id: WorkerId) -> Result<Worker, DbError> {
    let row = workers::table.find(id).select(WorkerRow::as_select()).first(conn)?;
    complete(conn, vec![row], Some(id))?.pop().ok_or(DbError::NotFound)
}

/// Adds connections and configuration to the rows, of one worker or of all.
fn complete(
    conn: &mut Conn,
    rows: Vec<WorkerRow>,
    only: Option<WorkerId>,
) -> Result<Vec<Worker>, DbError> {
    let mut connected = connected_workers::table
        .order(connected_workers::masterid)
        .select((connected_workers::workerid, connected_workers::masterid))
        .into_boxed();
    let mut configured = configured_workers::table
        .inner_join(
            builder_masters::table.on(builder_masters::id.eq(configured_workers::buildermasterid)),
        )
        .order((builder_masters::masterid, builder_masters::builderid))
        .select((
            configured_workers::workerid,
            builder_masters::masterid,
            builder_masters::builderid,
        ))
        .into_boxed();
    if let Some(id) = only {
        connected = connected.filter(connected_workers::workerid.eq(id));
        configured = configured.filter(configured_workers::workerid.eq(id));
    }
    let mut connected_to: HashMap<WorkerId, Vec<MasterId>> = HashMap::new();
    for (worker, master) in connected.load::<(WorkerId, MasterId)>(conn)? {
        connected_to.entry(worker).or_default().push(master);
    }
    let mut configured_on: HashMap<WorkerId, Vec<(MasterId, BuilderId)>> = HashMap::new();
    for (worker, master, builder) in configured.load::<(WorkerId, MasterId, BuilderId)>(conn)? {
        configured_on.entry(worker).or_default().push((master, builder));
    }
    Ok(rows
        .into_iter()
        .map(|row| Worker {
            id: row.id,
            name: row.name,
            info: json::decode(&row.info).unwrap_or_else(|| Value::Object(Default::default())),
            paused: row.paused != 0,
            pause_reason: row.pause_reason,
            graceful: row.graceful != 0,
            connected_to: connected_to.remove(&row.id).unwrap_or_default(),
            configured_on: configured_on.remove(&row.id).unwrap_or_default(),
        })
        .collect())
}
