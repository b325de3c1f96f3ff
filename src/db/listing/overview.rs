//! Joined rows for pages: what one line of a page shows, in one statement.

use std::collections::HashMap;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use serde::Serialize;

use super::sql::{Scope, Sql, in_list};
use super::{Conn, DbError, Field, Listed, Spec, list};

/// A build with the names around it.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct BuildLine {
    #[diesel(sql_type = BigInt)]
    pub buildid: i64,
    #[diesel(sql_type = BigInt)]
    pub number: i64,
    #[diesel(sql_type = BigInt)]
    pub builderid: i64,
    #[diesel(sql_type = Text)]
    pub builder: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub workerid: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub worker: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub buildrequestid: i64,
    #[diesel(sql_type = BigInt)]
    pub bsid: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub reason: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub started_at: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub complete_at: Option<i64>,
    #[diesel(sql_type = Bool)]
    pub complete: bool,
    #[diesel(sql_type = Text)]
    pub state_string: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub results: Option<i64>,
    #[diesel(sql_type = BigInt)]
    pub locks_duration_s: i64,
    /// Seconds that it may take in all, while it runs.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub expected_s: Option<i64>,
}

impl Listed for BuildLine {
    const FROM: &'static str = "builds JOIN builders ON builders.id = builds.builderid \
        LEFT JOIN workers ON workers.id = builds.workerid \
        JOIN buildrequests ON buildrequests.id = builds.buildrequestid \
        JOIN buildsets ON buildsets.id = buildrequests.buildsetid";
    const KEY: &'static str = "buildid";
    const FIELDS: &'static [Field] = &[
        Field::int("buildid", "builds.id"),
        Field::int("number", "builds.number"),
        Field::int("builderid", "builds.builderid"),
        Field::text("builder", "builders.name"),
        Field::int("workerid", "builds.workerid"),
        Field::text("worker", "workers.name"),
        Field::int("buildrequestid", "builds.buildrequestid"),
        Field::int("bsid", "buildsets.id"),
        Field::text("reason", "buildsets.reason"),
        Field::int("started_at", "builds.started_at"),
        Field::int("complete_at", "builds.complete_at"),
        Field::bool("complete", "(builds.complete_at IS NOT NULL)"),
        Field::text("state_string", "builds.state_string"),
        Field::int("results", "builds.results"),
        Field::int("locks_duration_s", "builds.locks_duration_s"),
        Field::int("expected_s", super::builds::EXPECTED),
    ];
}

/// A build request with the names around it.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct RequestLine {
    #[diesel(sql_type = BigInt)]
    pub buildrequestid: i64,
    #[diesel(sql_type = BigInt)]
    pub builderid: i64,
    #[diesel(sql_type = Text)]
    pub builder: String,
    #[diesel(sql_type = BigInt)]
    pub bsid: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub reason: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub priority: i64,
    #[diesel(sql_type = BigInt)]
    pub submitted_at: i64,
    #[diesel(sql_type = Bool)]
    pub claimed: bool,
}

impl Listed for RequestLine {
    const FROM: &'static str = "buildrequests \
        JOIN builders ON builders.id = buildrequests.builderid \
        JOIN buildsets ON buildsets.id = buildrequests.buildsetid \
        LEFT JOIN buildrequest_claims claims ON claims.brid = buildrequests.id";
    const KEY: &'static str = "buildrequestid";
    const FIELDS: &'static [Field] = &[
        Field::int("buildrequestid", "buildrequests.id"),
        Field::int("builderid", "buildrequests.builderid"),
        Field::text("builder", "builders.name"),
        Field::int("bsid", "buildsets.id"),
        Field::text("reason", "buildsets.reason"),
        Field::int("priority", "buildrequests.priority"),
        Field::int("submitted_at", "buildrequests.submitted_at"),
        Field::bool("claimed", "(claims.brid IS NOT NULL)"),
    ];
}

/// Scope of builds that have not ended.
pub fn running() -> Scope {
    Scope::condition("builds.complete_at IS NULL")
}

/// Scope of each builder's newest finished build that says something about it: not skipped,
/// retried or cancelled.
pub fn latest_per_builder() -> Scope {
    Scope::condition(
        "builds.id IN (SELECT (SELECT last.id FROM builds last \
         WHERE last.builderid = each.id AND last.complete_at IS NOT NULL \
         AND last.results IN (0, 1, 2, 4) ORDER BY last.number DESC LIMIT 1) FROM builders each)",
    )
}

/// Scope of each builder's newest `count` builds.
pub fn recent_per_builder(count: i64) -> Scope {
    Scope::condition(format!(
        "builds.id IN (SELECT recent.id FROM builders each JOIN builds recent \
         ON recent.builderid = each.id AND recent.number > \
         (SELECT MAX(last.number) - {count} FROM builds last WHERE last.builderid = each.id))"
    ))
}

/// Scope of requests that wait for a worker.
pub fn waiting() -> Scope {
    Scope::condition("buildrequests.complete = 0 AND claims.brid IS NULL")
}

/// The newest `limit` rows of `scope`, newest first by `field`.
///
/// # Errors
/// When the database refuses.
pub fn newest<T: Listed>(
    conn: &mut Conn,
    scope: &Scope,
    field: &'static str,
    limit: i64,
) -> Result<Vec<T>, DbError> {
    let mut query = Sql::select::<T>();
    let spec = Spec::newest(field, limit);
    query.restrict::<T>(scope, &spec);
    query.order::<T>(&spec.order);
    query.push(&format!(" LIMIT {limit}"));
    query.load(conn)
}

/// All rows of a small scope, in the order of their keys.
///
/// # Errors
/// When the database refuses.
pub fn all<T: Listed>(conn: &mut Conn, scope: &Scope) -> Result<Vec<T>, DbError> {
    Ok(list::<T>(conn, scope, &Spec::default())?.rows)
}

#[derive(QueryableByName)]
struct Author {
    #[diesel(sql_type = BigInt)]
    buildid: i64,
    #[diesel(sql_type = Text)]
    author: String,
}

/// Who wrote the changes that each build was started for.
///
/// # Errors
/// When the database refuses.
pub fn authors(conn: &mut Conn, builds: &[i64]) -> Result<HashMap<i64, Vec<String>>, DbError> {
    let rows: Vec<Author> = Sql::new(&format!(
        "SELECT DISTINCT CAST(builds.id AS BIGINT) AS buildid, changes.author AS author \
         FROM builds JOIN buildrequests ON buildrequests.id = builds.buildrequestid \
         JOIN buildset_sourcestamps bss ON bss.buildsetid = buildrequests.buildsetid \
         JOIN changes ON changes.sourcestampid = bss.sourcestampid WHERE {}",
        in_list("builds.id", builds.iter().copied())
    ))
    .load(conn)?;
    let mut found: HashMap<i64, Vec<String>> = HashMap::new();
    for row in rows {
        found.entry(row.buildid).or_default().push(row.author);
    }
    Ok(found)
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    builderid: i64,
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// How many requests wait per builder.
///
/// # Errors
/// When the database refuses.
pub fn waiting_per_builder(conn: &mut Conn) -> Result<HashMap<i64, i64>, DbError> {
    let rows: Vec<Count> = Sql::new(
        "SELECT CAST(buildrequests.builderid AS BIGINT) AS builderid, COUNT(*) AS n \
         FROM buildrequests LEFT JOIN buildrequest_claims claims ON claims.brid = buildrequests.id \
         WHERE buildrequests.complete = 0 AND claims.brid IS NULL GROUP BY buildrequests.builderid",
    )
    .load(conn)?;
    Ok(rows.into_iter().map(|row| (row.builderid, row.n)).collect())
}

/// Builders that a master has configured now; the others are history. When no master runs, all.
pub fn configured_builders() -> Scope {
    Scope::condition(
        "builders.id IN (SELECT builderid FROM builder_masters) \
         OR NOT EXISTS (SELECT 1 FROM builder_masters)",
    )
}

/// How many requests wait for a worker.
///
/// # Errors
/// When the database refuses.
pub fn count_waiting(conn: &mut Conn) -> Result<i64, DbError> {
    Sql::new(
        "SELECT COUNT(*) AS n FROM buildrequests \
         LEFT JOIN buildrequest_claims claims ON claims.brid = buildrequests.id \
         WHERE buildrequests.complete = 0 AND claims.brid IS NULL",
    )
    .number(conn)
}

/// How many workers are connected to any master.
///
/// # Errors
/// When the database refuses.
pub fn count_connected(conn: &mut Conn) -> Result<i64, DbError> {
    Sql::new("SELECT COUNT(DISTINCT workerid) AS n FROM connected_workers").number(conn)
}
