//! Steps and logs (without contents).

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use serde::Serialize;
use serde_json::Value;

use super::sql::{Scope, Sql};
use super::{Conn, DbError, Field, Kind, Listed};

/// A step as the REST interface shows it.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct StepRow {
    #[diesel(sql_type = BigInt)]
    pub stepid: i64,
    #[diesel(sql_type = BigInt)]
    pub number: i64,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = BigInt)]
    pub buildid: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub started_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub locks_acquired_at: Option<i64>,
    #[diesel(sql_type = Bool)]
    pub complete: bool,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub complete_at: Option<i64>,
    #[diesel(sql_type = Text)]
    pub state_string: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub results: Option<i64>,
    /// `[{"name": …, "url": …}]`
    #[serde(serialize_with = "as_json")]
    #[diesel(sql_type = Text)]
    pub urls: String,
    #[diesel(sql_type = Bool)]
    pub hidden: bool,
}

fn as_json<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let urls: Value = serde_json::from_str(text).unwrap_or_else(|_| Value::Array(Vec::new()));
    urls.serialize(serializer)
}

impl Listed for StepRow {
    const FROM: &'static str = "steps";
    const KEY: &'static str = "number";
    const FIELDS: &'static [Field] = &[
        Field::int("stepid", "steps.id"),
        Field::int("number", "steps.number"),
        Field::identifier("name", "steps.name"),
        Field::int("buildid", "steps.buildid"),
        Field::int("started_at", "steps.started_at"),
        Field::int("locks_acquired_at", "steps.locks_acquired_at"),
        Field::bool("complete", "(steps.complete_at IS NOT NULL)"),
        Field::int("complete_at", "steps.complete_at"),
        Field::text("state_string", "steps.state_string"),
        Field::int("results", "steps.results"),
        Field { name: "urls", kind: Kind::Object, sql: "steps.urls_json", public: true },
        Field::bool("hidden", "steps.hidden"),
    ];
}

/// A log as the REST interface shows it.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct LogRow {
    #[diesel(sql_type = BigInt)]
    pub logid: i64,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Text)]
    pub slug: String,
    #[diesel(sql_type = BigInt)]
    pub stepid: i64,
    #[diesel(sql_type = Bool)]
    pub complete: bool,
    #[diesel(sql_type = BigInt)]
    pub num_lines: i64,
    /// `s`, `t`, `h` or `d`.
    #[serde(rename = "type")]
    #[diesel(sql_type = Text)]
    pub log_type: String,
}

impl Listed for LogRow {
    const FROM: &'static str = "logs";
    const KEY: &'static str = "logid";
    const FIELDS: &'static [Field] = &[
        Field::int("logid", "logs.id"),
        Field::text("name", "logs.name"),
        Field::identifier("slug", "logs.slug"),
        Field::int("stepid", "logs.stepid"),
        Field::bool("complete", "logs.complete"),
        Field::int("num_lines", "logs.num_lines"),
        Field::hidden(Kind::Text, "log_type", "logs.type"),
        Field::virtual_of(Kind::Text, "type"),
    ];
}

/// Where a log hangs: the names that its page and its download show.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct LogPlace {
    #[diesel(sql_type = BigInt)]
    pub logid: i64,
    #[diesel(sql_type = Text)]
    pub log_name: String,
    #[diesel(sql_type = Text)]
    pub slug: String,
    #[diesel(sql_type = Text)]
    pub log_type: String,
    #[diesel(sql_type = Bool)]
    pub complete: bool,
    #[diesel(sql_type = BigInt)]
    pub num_lines: i64,
    #[diesel(sql_type = BigInt)]
    pub stepid: i64,
    #[diesel(sql_type = BigInt)]
    pub step_number: i64,
    #[diesel(sql_type = Text)]
    pub step_name: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub step_results: Option<i64>,
    #[diesel(sql_type = Bool)]
    pub step_complete: bool,
    #[diesel(sql_type = BigInt)]
    pub buildid: i64,
    #[diesel(sql_type = BigInt)]
    pub build_number: i64,
    #[diesel(sql_type = BigInt)]
    pub builderid: i64,
    #[diesel(sql_type = Text)]
    pub builder_name: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub worker_name: Option<String>,
}

/// The log of `scope` (over `logs`, `steps`, `builds`) with its place.
///
/// # Errors
/// When the database refuses.
pub fn log_place(conn: &mut Conn, log: i64) -> Result<Option<LogPlace>, DbError> {
    let rows: Vec<LogPlace> = Sql::new(&format!(
        "SELECT CAST(logs.id AS BIGINT) AS logid, logs.name AS log_name, logs.slug AS slug, \
         logs.type AS log_type, (logs.complete <> 0) AS complete, \
         CAST(logs.num_lines AS BIGINT) AS num_lines, CAST(steps.id AS BIGINT) AS stepid, \
         CAST(steps.number AS BIGINT) AS step_number, steps.name AS step_name, \
         CAST(steps.results AS BIGINT) AS step_results, \
         (steps.complete_at IS NOT NULL) AS step_complete, CAST(builds.id AS BIGINT) AS buildid, \
         CAST(builds.number AS BIGINT) AS build_number, \
         CAST(builders.id AS BIGINT) AS builderid, builders.name AS builder_name, \
         workers.name AS worker_name \
         FROM logs JOIN steps ON steps.id = logs.stepid JOIN builds ON builds.id = steps.buildid \
         JOIN builders ON builders.id = builds.builderid \
         LEFT JOIN workers ON workers.id = builds.workerid WHERE logs.id = {log}"
    ))
    .load(conn)?;
    Ok(rows.into_iter().next())
}

impl StepRow {
    /// The scope of a build's steps.
    pub fn of_build(build: i64) -> Scope {
        Scope::is("steps.buildid", build)
    }
}
