//! Problems: when a builder is in trouble, and since which build; `problem_people` is who is told.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

use super::dialect::insert_id;
use super::listing::{self, ProblemRow, Scope};
use super::schema::{rs_problem_people, rs_problems};
use super::{Conn, DbError};
use crate::model::{BuildId, BuilderId, ProblemId, Timestamp};

const OPEN: &str = "open";
const ACKNOWLEDGED: &str = "acknowledged";
const CLOSED: &str = "closed";

/// A build that has ended, as far as problems are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub build: BuildId,
    pub builder: BuilderId,
    pub builder_name: String,
    pub number: i64,
    pub results: i64,
    /// One of its sources has a patch.
    pub patched: bool,
}

/// A build by id and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Numbered {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = BigInt)]
    pub number: i64,
}

#[derive(QueryableByName)]
struct EndedRow {
    #[diesel(sql_type = BigInt)]
    builder: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = BigInt)]
    results: i64,
    #[diesel(sql_type = Bool)]
    patched: bool,
}

/// Is a source of build `b` patched?
const PATCHED: &str = "EXISTS (SELECT 1 FROM buildrequests r \
    JOIN buildset_sourcestamps s ON s.buildsetid = r.buildsetid \
    JOIN sourcestamps t ON t.id = s.sourcestampid \
    WHERE r.id = b.buildrequestid AND t.patchid IS NOT NULL)";

/// The build, if it is there and has ended.
pub fn ended(conn: &mut Conn, build: BuildId) -> Result<Option<Ended>, DbError> {
    let row: Option<EndedRow> = diesel::sql_query(format!(
        "SELECT b.builderid AS builder, builders.name AS name, b.number AS number, \
         b.results AS results, {PATCHED} AS patched FROM builds b \
         JOIN builders ON builders.id = b.builderid \
         WHERE b.id = ? AND b.results IS NOT NULL AND b.complete_at IS NOT NULL"
    ))
    .bind::<BigInt, _>(build.0)
    .get_result(conn)
    .optional()?;
    Ok(row.map(|row| Ended {
        build,
        builder: BuilderId(row.builder),
        builder_name: row.name,
        number: row.number,
        results: row.results,
        patched: row.patched,
    }))
}

/// The builder's last good build before `number`; builds of patches do not count here.
pub fn good_before(
    conn: &mut Conn,
    builder: BuilderId,
    number: i64,
) -> Result<Option<Numbered>, DbError> {
    first(conn, builder, &format!("b.results IN (0, 1) AND b.number < {number}"), "DESC")
}

/// The builder's first good build after `number`.
pub fn good_after(
    conn: &mut Conn,
    builder: BuilderId,
    number: i64,
) -> Result<Option<Numbered>, DbError> {
    first(conn, builder, &format!("b.results IN (0, 1) AND b.number > {number}"), "ASC")
}

/// The builder's first bad build (FAILURE, EXCEPTION) after `number`.
pub fn bad_after(
    conn: &mut Conn,
    builder: BuilderId,
    number: i64,
) -> Result<Option<Numbered>, DbError> {
    first(conn, builder, &format!("b.results IN (2, 4) AND b.number > {number}"), "ASC")
}

fn first(
    conn: &mut Conn,
    builder: BuilderId,
    which: &str,
    direction: &str,
) -> Result<Option<Numbered>, DbError> {
    Ok(diesel::sql_query(format!(
        "SELECT b.id AS id, b.number AS number FROM builds b WHERE b.builderid = ? AND {which} \
         AND NOT {PATCHED} ORDER BY b.number {direction} LIMIT 1"
    ))
    .bind::<BigInt, _>(builder.0)
    .get_result(conn)
    .optional()?)
}

/// The builder's problem that is not closed.
pub fn of_builder(conn: &mut Conn, builder: BuilderId) -> Result<Option<ProblemRow>, DbError> {
    let is_open = Scope::condition("rs_problems.state <> 'closed'");
    listing::one(conn, &Scope::is("rs_problems.builderid", builder.0).and(is_open))
}

/// The problem of that number.
pub fn get(conn: &mut Conn, problem: ProblemId) -> Result<Option<ProblemRow>, DbError> {
    listing::one(conn, &Scope::is("rs_problems.id", problem.0))
}

/// Opens a problem.
///
/// # Errors
/// [`DbError::Conflict`] when the builder has one that is not closed.
pub fn open(
    conn: &mut Conn,
    builder: BuilderId,
    last_good: i64,
    first_bad: i64,
    last_bad: BuildId,
    now: Timestamp,
) -> Result<ProblemId, DbError> {
    let row = (
        rs_problems::builderid.eq(builder.0),
        rs_problems::state.eq(OPEN),
        rs_problems::opened_at.eq(now),
        rs_problems::last_good.eq(last_good),
        rs_problems::first_bad.eq(first_bad),
        rs_problems::last_bad.eq(last_bad.0),
    );
    Ok(ProblemId(insert_id!(conn, diesel::insert_into(rs_problems::table).values(row))?))
}

/// Notes the last bad build.
pub fn go_on(conn: &mut Conn, problem: ProblemId, last_bad: BuildId) -> Result<(), DbError> {
    let row = diesel::update(rs_problems::table.find(problem.0));
    row.set(rs_problems::last_bad.eq(last_bad.0)).execute(conn)?;
    Ok(())
}

/// Notes the last good build before the trouble.
pub fn narrow(conn: &mut Conn, problem: ProblemId, last_good: BuildId) -> Result<(), DbError> {
    let row = diesel::update(rs_problems::table.find(problem.0));
    row.set(rs_problems::last_good.eq(last_good.0)).execute(conn)?;
    Ok(())
}

/// Closes the problem, and lets nobody wait any more.
pub fn close(
    conn: &mut Conn,
    problem: ProblemId,
    fixed_by: BuildId,
    now: Timestamp,
) -> Result<(), DbError> {
    diesel::update(rs_problems::table.find(problem.0))
        .set((
            rs_problems::state.eq(CLOSED),
            rs_problems::closed_at.eq(now),
            rs_problems::fixed_by.eq(fixed_by.0),
        ))
        .execute(conn)?;
    diesel::update(rs_problem_people::table.filter(rs_problem_people::problem.eq(problem.0)))
        .set((
            rs_problem_people::stage.eq(None::<String>),
            rs_problem_people::due_at.eq(None::<i64>),
        ))
        .execute(conn)?;
    Ok(())
}

/// Somebody does something about it; false when it is closed or unknown.
pub fn acknowledge(
    conn: &mut Conn,
    problem: ProblemId,
    by: &str,
    text: &str,
    now: Timestamp,
) -> Result<bool, DbError> {
    let row = rs_problems::table.find(problem.0).filter(rs_problems::state.ne(CLOSED));
    let rows = diesel::update(row)
        .set((
            rs_problems::state.eq(ACKNOWLEDGED),
            rs_problems::acknowledged_by.eq(by),
            rs_problems::acknowledged_at.eq(now),
            rs_problems::acknowledgement.eq(text),
        ))
        .execute(conn)?;
    Ok(rows == 1)
}

/// Nobody is told of it until then, `None` ends that; false when it is closed or unknown.
pub fn silence(
    conn: &mut Conn,
    problem: ProblemId,
    until: Option<Timestamp>,
) -> Result<bool, DbError> {
    let row = rs_problems::table.find(problem.0).filter(rs_problems::state.ne(CLOSED));
    Ok(diesel::update(row).set(rs_problems::silenced_until.eq(until)).execute(conn)? == 1)
}
