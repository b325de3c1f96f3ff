//! Absent workers: when each was seen last, and whether people know that it is missing.

use std::collections::HashMap;

use diesel::prelude::*;
use serde_json::json;

use super::dialect::{BATCH, insert_all};
use super::schema::rs_worker_absences::{self as table, dsl};
use super::{Conn, DbError, state};
use crate::model::{Absence, Attendance, MasterId, ObjectId, Timestamp, WorkerId};

/// Class of the objects that remember how long a master has been running.
const CLASS: &str = "rs_master";
const UPTIME: &str = "uptime";

#[derive(Queryable, Selectable)]
#[diesel(table_name = table)]
struct Row {
    workerid: WorkerId,
    last_seen: Option<Timestamp>,
    left_at: Option<Timestamp>,
    since: Option<Timestamp>,
    uptime: Option<i64>,
    told: i64,
}

impl From<Row> for Attendance {
    fn from(row: Row) -> Attendance {
        let away = row.since.zip(row.uptime);
        Attendance {
            worker: row.workerid,
            last_seen: row.last_seen,
            left_at: row.left_at,
            absence: away.map(|(since, uptime)| Absence { since, uptime, told: row.told != 0 }),
        }
    }
}

/// What the master remembers of its workers.
pub fn load(conn: &mut Conn, master: MasterId) -> Result<HashMap<WorkerId, Attendance>, DbError> {
    let rows: Vec<Row> = dsl::rs_worker_absences
        .filter(dsl::masterid.eq(master))
        .select(Row::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(Attendance::from).map(|known| (known.worker, known)).collect())
}

/// What the master remembers of one worker.
pub fn get(conn: &mut Conn, master: MasterId, worker: WorkerId) -> Result<Attendance, DbError> {
    let row: Option<Row> = dsl::rs_worker_absences
        .find((master.0, worker.0))
        .select(Row::as_select())
        .first(conn)
        .optional()?;
    Ok(row.map_or_else(|| Attendance::unknown(worker), Attendance::from))
}

/// What any master remembers of these workers; of several the one that knows of an absence, then
/// the one that saw it last.
pub fn of_workers(
    conn: &mut Conn,
    workers: &[WorkerId],
) -> Result<HashMap<WorkerId, Attendance>, DbError> {
    let mut found: HashMap<WorkerId, Attendance> = HashMap::new();
    for batch in workers.chunks(BATCH) {
        let rows: Vec<Row> = dsl::rs_worker_absences
            .filter(dsl::workerid.eq_any(batch.iter().copied()))
            .select(Row::as_select())
            .load(conn)?;
        for known in rows.into_iter().map(Attendance::from) {
            let weight = |known: &Attendance| (known.missing_since().is_some(), known.last_seen);
            let best = found.entry(known.worker).or_insert(known);
            if weight(&known) > weight(best) {
                *best = known;
            }
        }
    }
    Ok(found)
}

/// Remembers these instead of what was known of the same workers.
pub fn save(conn: &mut Conn, master: MasterId, all: &[Attendance]) -> Result<(), DbError> {
    for batch in all.chunks(BATCH) {
        let workers = batch.iter().map(|known| known.worker);
        let known = dsl::rs_worker_absences.filter(dsl::masterid.eq(master));
        diesel::delete(known.filter(dsl::workerid.eq_any(workers))).execute(conn)?;
    }
    let rows = all
        .iter()
        .map(|known| {
            (
                dsl::masterid.eq(master),
                dsl::workerid.eq(known.worker),
                dsl::last_seen.eq(known.last_seen),
                dsl::left_at.eq(known.left_at),
                dsl::since.eq(known.absence.map(|absence| absence.since)),
                dsl::uptime.eq(known.absence.map(|absence| absence.uptime)),
                dsl::told.eq(i64::from(known.absence.is_some_and(|absence| absence.told))),
            )
        })
        .collect();
    Ok(insert_all!(conn, table::table, rows)?)
}

/// Forgets these workers.
pub fn forget(conn: &mut Conn, master: MasterId, workers: &[WorkerId]) -> Result<(), DbError> {
    for batch in workers.chunks(BATCH) {
        let known = dsl::rs_worker_absences.filter(dsl::masterid.eq(master));
        diesel::delete(known.filter(dsl::workerid.eq_any(batch.iter().copied()))).execute(conn)?;
    }
    Ok(())
}

/// Those that are not away are here now.
pub fn seen(conn: &mut Conn, master: MasterId, now: Timestamp) -> Result<(), DbError> {
    let here =
        dsl::rs_worker_absences.filter(dsl::masterid.eq(master)).filter(dsl::since.is_null());
    diesel::update(here).set(dsl::last_seen.eq(now)).execute(conn)?;
    Ok(())
}

/// The milliseconds that the master has been running in all its lives, as far as it was noted.
pub fn uptime(conn: &mut Conn, master: MasterId) -> Result<i64, DbError> {
    let object = object(conn, master)?;
    Ok(state::get(conn, object, UPTIME)?.and_then(|value| value.as_i64()).unwrap_or(0))
}

/// Notes how long the master has been running.
pub fn set_uptime(conn: &mut Conn, master: MasterId, uptime: i64) -> Result<(), DbError> {
    let object = object(conn, master)?;
    state::set(conn, object, UPTIME, &json!(uptime))
}

fn object(conn: &mut Conn, master: MasterId) -> Result<ObjectId, DbError> {
    state::object(conn, &master.to_string(), CLASS)
}
