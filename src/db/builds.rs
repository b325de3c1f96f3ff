//! Builds: started, described, finished.

use diesel::dsl::max;
use diesel::prelude::*;

use super::dialect::{BATCH, Zero, insert_id};
use super::facts::{self, FactKind};
use super::schema::{builds, logs, steps};
use super::{Conn, DbError};
use crate::model::{
    Build, BuildId, BuildRequestId, BuilderId, MasterId, Results, StepId, Timestamp, WorkerId,
};

/// Successful builds that [`expected_seconds`] looks at.
const SAMPLE: i64 = 5;

/// A build that is about to start.
#[derive(Debug, Clone)]
pub struct NewBuild {
    pub builder: BuilderId,
    /// The first of the requests it answers.
    pub request: BuildRequestId,
    pub worker: Option<WorkerId>,
    pub master: MasterId,
    /// First state string; stock writes `created`.
    pub state: String,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = builds)]
struct BuildRow {
    id: BuildId,
    number: i64,
    builderid: BuilderId,
    buildrequestid: BuildRequestId,
    workerid: Option<WorkerId>,
    masterid: MasterId,
    started_at: Timestamp,
    complete_at: Option<Timestamp>,
    locks_duration_s: i64,
    state_string: String,
    results: Option<i64>,
}

impl From<BuildRow> for Build {
    fn from(row: BuildRow) -> Build {
        Build {
            id: row.id,
            number: row.number,
            builder: row.builderid,
            request: row.buildrequestid,
            worker: row.workerid,
            master: row.masterid,
            started_at: row.started_at,
            complete_at: row.complete_at,
            locks_duration_s: row.locks_duration_s,
            state_string: row.state_string,
            results: row.results.and_then(Results::from_code),
        }
    }
}

/// Starts a build under the builder's next number.
pub fn start(conn: &mut Conn, new: NewBuild, now: Timestamp) -> Result<Build, DbError> {
    let last: Option<i64> = builds::table
        .filter(builds::builderid.eq(new.builder))
        .select(max(builds::number))
        .first(conn)?;
    let number = last.unwrap_or(0) + 1;
    let row = (
        builds::number.eq(number),
        builds::builderid.eq(new.builder),
        builds::buildrequestid.eq(new.request),
        builds::workerid.eq(new.worker.map(|id| id.0)),
        builds::masterid.eq(new.master),
        builds::started_at.eq(now),
        builds::locks_duration_s.eq(0),
        builds::state_string.eq(&new.state),
    );
    let id = BuildId(insert_id!(conn, diesel::insert_into(builds::table).values(row))?);
    facts::add(conn, [FactKind::BuildStarted(id)], now)?;
    Ok(Build {
        id,
        number,
        builder: new.builder,
        request: new.request,
        worker: new.worker,
        master: new.master,
        started_at: now,
        complete_at: None,
        locks_duration_s: 0,
        state_string: new.state,
        results: None,
    })
}

/// What the build does now, for people.
pub fn set_state_string(conn: &mut Conn, id: BuildId, state: &str) -> Result<(), DbError> {
    diesel::update(builds::table.find(id)).set(builds::state_string.eq(state)).execute(conn)?;
    Ok(())
}

/// Adds whole seconds that the build waited for locks.
pub fn add_locks_duration(conn: &mut Conn, id: BuildId, seconds: i64) -> Result<(), DbError> {
    diesel::update(builds::table.find(id))
        .set(builds::locks_duration_s.eq(builds::locks_duration_s + seconds))
        .execute(conn)?;
    Ok(())
}

/// Ends the build.
pub fn finish(
    conn: &mut Conn,
    id: BuildId,
    results: Results,
    state_string: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    diesel::update(builds::table.find(id))
        .set((
            builds::results.eq(results.code()),
            builds::state_string.eq(state_string),
            builds::complete_at.eq(now),
        ))
        .execute(conn)?;
    facts::add(conn, [FactKind::BuildFinished(id)], now)
}

/// Ends builds that nobody carries any more, with their unfinished steps and logs. State strings
/// stay, so that people see how far they were.
pub fn abandon(
    conn: &mut Conn,
    ids: &[BuildId],
    results: Results,
    now: Timestamp,
) -> Result<(), DbError> {
    for batch in ids.chunks(BATCH) {
        let of = || steps::buildid.eq_any(batch.iter().copied());
        let all_steps = steps::table.filter(of()).select(steps::id);
        diesel::update(
            logs::table.filter(logs::complete.eq(Zero)).filter(logs::stepid.eq_any(all_steps)),
        )
        .set(logs::complete.eq(1))
        .execute(conn)?;
        diesel::update(steps::table.filter(of()).filter(steps::complete_at.is_null()))
            .set((steps::results.eq(results.code()), steps::complete_at.eq(now)))
            .execute(conn)?;
        diesel::update(
            builds::table
                .filter(builds::id.eq_any(batch.iter().copied()))
                .filter(builds::complete_at.is_null()),
        )
        .set((builds::results.eq(results.code()), builds::complete_at.eq(now)))
        .execute(conn)?;
        facts::add(conn, batch.iter().copied().map(FactKind::BuildFinished), now)?;
    }
    Ok(())
}

/// The build with this id.
pub fn get(conn: &mut Conn, id: BuildId) -> Result<Build, DbError> {
    Ok(builds::table.find(id).select(BuildRow::as_select()).first(conn)?.into())
}

/// The builds with these ids, ascending; missing ones are left out.
pub fn get_many(conn: &mut Conn, ids: &[BuildId]) -> Result<Vec<Build>, DbError> {
    let mut found: Vec<Build> = Vec::with_capacity(ids.len());
    for batch in ids.chunks(BATCH) {
        let rows = builds::table
            .filter(builds::id.eq_any(batch.iter().copied()))
            .select(BuildRow::as_select())
            .load(conn)?;
        found.extend(rows.into_iter().map(Build::from));
    }
    found.sort_by_key(|build| build.id);
    Ok(found)
}

/// The newest `limit` builds of a request, oldest first: more than one after a RETRY.
pub fn of_request(
    conn: &mut Conn,
    request: BuildRequestId,
    limit: i64,
) -> Result<Vec<Build>, DbError> {
    let rows = builds::table
        .filter(builds::buildrequestid.eq(request))
        .order(builds::id.desc())
        .limit(limit)
        .select(BuildRow::as_select())
        .load(conn)?;
    Ok(rows.into_iter().rev().map(Build::from).collect())
}

/// The build that people call `builder` #`number`.
pub fn by_number(conn: &mut Conn, builder: BuilderId, number: i64) -> Result<Build, DbError> {
    let row = builds::table
        .filter(builds::builderid.eq(builder))
        .filter(builds::number.eq(number))
        .select(BuildRow::as_select())
        .first(conn)?;
    Ok(row.into())
}

/// The unfinished builds of `master`, oldest first.
pub fn running(conn: &mut Conn, master: MasterId) -> Result<Vec<Build>, DbError> {
    let rows = builds::table
        .filter(builds::complete_at.is_null())
        .filter(builds::masterid.eq(master))
        .order(builds::id)
        .select(BuildRow::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(Build::from).collect())
}

/// Up to `limit` builds of any builder, newest first, without the newest `offset`.
pub fn recent(conn: &mut Conn, limit: i64, offset: i64) -> Result<Vec<Build>, DbError> {
    let rows = builds::table
        .order(builds::id.desc())
        .limit(limit)
        .offset(offset)
        .select(BuildRow::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(Build::from).collect())
}

/// Up to `limit` builds of a builder, newest first, running ones included.
pub fn recent_of_builder(
    conn: &mut Conn,
    builder: BuilderId,
    limit: i64,
) -> Result<Vec<Build>, DbError> {
    let rows = builds::table
        .filter(builds::builderid.eq(builder))
        .order(builds::number.desc())
        .limit(limit)
        .select(BuildRow::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(Build::from).collect())
}

/// The builder's last finished build.
pub fn last_finished(conn: &mut Conn, builder: BuilderId) -> Result<Option<Build>, DbError> {
    let row = builds::table
        .filter(builds::builderid.eq(builder))
        .filter(builds::complete_at.is_not_null())
        .order(builds::number.desc())
        .select(BuildRow::as_select())
        .first(conn)
        .optional()?;
    Ok(row.map(Build::from))
}

/// How long a build of this builder will take, in seconds: the mean of the last successful ones;
/// `None` before the first success.
pub fn expected_seconds(conn: &mut Conn, builder: BuilderId) -> Result<Option<i64>, DbError> {
    let times: Vec<(Timestamp, Option<Timestamp>)> = builds::table
        .filter(builds::builderid.eq(builder))
        .filter(builds::complete_at.is_not_null())
        .filter(builds::results.eq(Zero.nullable())) // SUCCESS
        .order(builds::number.desc())
        .limit(SAMPLE)
        .select((builds::started_at, builds::complete_at))
        .load(conn)?;
    let seconds: Vec<i64> = times.iter().filter_map(|(start, end)| Some((*end)? - start)).collect();
    let count = i64::try_from(seconds.len()).unwrap_or(0);
    Ok((count > 0).then(|| seconds.iter().sum::<i64>() / count))
}

/// The lines of up to `limit` builds of a request that ended as RETRY, newest first.
pub fn retry_lines(
    conn: &mut Conn,
    request: BuildRequestId,
    limit: i64,
) -> Result<Vec<String>, DbError> {
    Ok(builds::table
        .filter(builds::buildrequestid.eq(request))
        .filter(builds::results.eq(Results::Retry.code()))
        .order(builds::id.desc())
        .limit(limit)
        .select(builds::state_string)
        .load(conn)?)
}

/// The build that a step belongs to.
pub fn of_step(conn: &mut Conn, step: StepId) -> Result<Build, DbError> {
    let row = builds::table
        .inner_join(steps::table.on(steps::buildid.eq(builds::id)))
        .filter(steps::id.eq(step))
        .select(BuildRow::as_select())
        .first(conn)?;
    Ok(row.into())
}
