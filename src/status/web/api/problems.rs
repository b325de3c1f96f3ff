//! Problems as entities. Stock has none; therefore the name `rs_problems`.

use serde_json::{Value, json};

use super::query::Query;
use super::{Answer, ApiError, Ask};
use crate::db::listing::{ProblemRow, Scope, problem_people};
use crate::db::{Conn, DbError};

/// Adds who is told, and how.
pub fn with_people(conn: &mut Conn, rows: &[ProblemRow], _: &Query) -> Result<Vec<Value>, DbError> {
    let mut people = problem_people(conn, rows.iter().map(|row| row.problemid))?;
    let entity = |row: &ProblemRow| {
        let mut entity = serde_json::to_value(row).unwrap_or_default();
        entity["people"] = json!(people.remove(&row.problemid).unwrap_or_default());
        entity
    };
    Ok(rows.iter().map(entity).collect())
}

pub fn all(conn: &mut Conn, ask: &Ask) -> Result<Answer, ApiError> {
    let scope = match (ask.captures.number("builderid"), ask.captures.text("buildername")) {
        (Some(id), _) => Scope::is("rs_problems.builderid", id),
        (None, Some(name)) => Scope::text("builders.name", name),
        (None, None) => Scope::all(),
    };
    ask.table(conn, &scope, with_people)
}

pub fn one(conn: &mut Conn, ask: &Ask) -> Result<Answer, ApiError> {
    let id = ask.captures.number("problemid").unwrap_or(-1);
    ask.one(conn, &Scope::is("rs_problems.id", id), with_people)
}
