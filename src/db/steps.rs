//! Steps of builds.

use std::collections::HashSet;

use diesel::prelude::*;

use super::dialect::insert_id;
use super::schema::steps;
use super::{Conn, DbError, json, names};
use crate::model::{BuildId, Results, Step, StepId, StepUrl, Timestamp};

#[derive(Queryable, Selectable)]
#[diesel(table_name = steps)]
struct StepRow {
    id: StepId,
    number: i64,
    name: String,
    buildid: BuildId,
    started_at: Option<Timestamp>,
    locks_acquired_at: Option<Timestamp>,
    complete_at: Option<Timestamp>,
    state_string: String,
    results: Option<i64>,
    urls_json: String,
    hidden: i64,
}

impl From<StepRow> for Step {
    fn from(row: StepRow) -> Step {
        let urls = json::decode(&row.urls_json)
            .and_then(|urls| serde_json::from_value(urls).ok())
            .unwrap_or_default();
        Step {
            id: row.id,
            number: row.number,
            name: row.name,
            build: row.buildid,
            started_at: row.started_at,
            locks_acquired_at: row.locks_acquired_at,
            complete_at: row.complete_at,
            state_string: row.state_string,
            results: row.results.and_then(Results::from_code),
            urls,
            hidden: row.hidden != 0,
        }
    }
}

/// Adds a step. Its name gets a number when the build has a step of that name, and is cut to 50
/// characters. A step that starts at once has its locks at once.
pub fn add(
    conn: &mut Conn,
    build: BuildId,
    number: i64,
    name: &str,
    now_started: Option<Timestamp>,
    state: &str,
) -> Result<Step, DbError> {
    let taken: HashSet<String> = steps::table
        .filter(steps::buildid.eq(build))
        .select(steps::name)
        .load::<String>(conn)?
        .into_iter()
        .collect();
    let name = names::free_step_name(name, &taken);
    let row = (
        steps::number.eq(number),
        steps::name.eq(&name),
        steps::buildid.eq(build),
        steps::started_at.eq(now_started),
        steps::locks_acquired_at.eq(now_started),
        steps::state_string.eq(state),
        steps::urls_json.eq("[]"),
        steps::hidden.eq(0),
    );
    let id = StepId(insert_id!(conn, diesel::insert_into(steps::table).values(row))?);
    Ok(Step {
        id,
        number,
        name,
        build,
        started_at: now_started,
        locks_acquired_at: now_started,
        complete_at: None,
        state_string: state.to_owned(),
        results: None,
        urls: Vec::new(),
        hidden: false,
    })
}

/// The step began, and got its locks when `locks_acquired` says when.
pub fn set_started(
    conn: &mut Conn,
    id: StepId,
    now: Timestamp,
    locks_acquired: Option<Timestamp>,
) -> Result<(), DbError> {
    diesel::update(steps::table.find(id))
        .set((steps::started_at.eq(now), steps::locks_acquired_at.eq(locks_acquired)))
        .execute(conn)?;
    Ok(())
}

/// The step has its locks and runs from now on.
pub fn set_locks_acquired(
    conn: &mut Conn,
    id: StepId,
    now: Timestamp,
    state: &str,
) -> Result<(), DbError> {
    diesel::update(steps::table.find(id))
        .set((steps::locks_acquired_at.eq(now), steps::state_string.eq(state)))
        .execute(conn)?;
    Ok(())
}

/// What the step does now, for people.
pub fn set_state_string(conn: &mut Conn, id: StepId, state: &str) -> Result<(), DbError> {
    diesel::update(steps::table.find(id)).set(steps::state_string.eq(state)).execute(conn)?;
    Ok(())
}

/// Replaces the links; a link given twice is kept once.
pub fn set_urls(conn: &mut Conn, id: StepId, urls: &[StepUrl]) -> Result<(), DbError> {
    let mut seen: Vec<&StepUrl> = Vec::new();
    for url in urls {
        if !seen.contains(&url) {
            seen.push(url);
        }
    }
    let list = seen.iter().map(|url| serde_json::json!({"name": url.name, "url": url.url}));
    diesel::update(steps::table.find(id))
        .set(steps::urls_json.eq(json::encode(&list.collect())))
        .execute(conn)?;
    Ok(())
}

/// Ends the step.
pub fn finish(
    conn: &mut Conn,
    id: StepId,
    results: Results,
    state: &str,
    hidden: bool,
    now: Timestamp,
) -> Result<(), DbError> {
    diesel::update(steps::table.find(id))
        .set((
            steps::results.eq(results.code()),
            steps::state_string.eq(state),
            steps::hidden.eq(i64::from(hidden)),
            steps::complete_at.eq(now),
        ))
        .execute(conn)?;
    Ok(())
}

/// The steps of a build in their order.
pub fn of_build(conn: &mut Conn, build: BuildId) -> Result<Vec<Step>, DbError> {
    let rows = steps::table
        .filter(steps::buildid.eq(build))
        .order(steps::number)
        .select(StepRow::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(Step::from).collect())
}

/// The step with this id.
pub fn get(conn: &mut Conn, id: StepId) -> Result<Step, DbError> {
    Ok(steps::table.find(id).select(StepRow::as_select()).first(conn)?.into())
}

/// Steps of many builds in one query per batch, ordered by build and number.
pub fn of_builds(conn: &mut Conn, builds: &[BuildId]) -> Result<Vec<Step>, DbError> {
    let mut found = Vec::new();
    for batch in builds.chunks(super::dialect::BATCH) {
        let rows = steps::table
            .filter(steps::buildid.eq_any(batch.iter().copied()))
            .order((steps::buildid, steps::number))
            .select(StepRow::as_select())
            .load(conn)?;
        found.extend(rows.into_iter().map(Step::from));
    }
    Ok(found)
}
