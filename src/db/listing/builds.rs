//! Builds.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use serde::Serialize;

use super::sql::{Scope, Sql, in_list};
use super::{Conn, DbError, Field, Kind, Listed};

/// A build as the REST interface shows it, without properties.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct BuildRow {
    #[diesel(sql_type = BigInt)]
    pub buildid: i64,
    #[diesel(sql_type = BigInt)]
    pub number: i64,
    #[diesel(sql_type = BigInt)]
    pub builderid: i64,
    #[diesel(sql_type = BigInt)]
    pub buildrequestid: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub workerid: Option<i64>,
    #[diesel(sql_type = BigInt)]
    pub masterid: i64,
    #[diesel(sql_type = BigInt)]
    pub started_at: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub complete_at: Option<i64>,
    #[diesel(sql_type = Bool)]
    pub complete: bool,
    #[diesel(sql_type = BigInt)]
    pub locks_duration_s: i64,
    #[diesel(sql_type = Text)]
    pub state_string: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub results: Option<i64>,
    /// Seconds that a running build may take in all.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub rs_expected_s: Option<i64>,
}

/// How long a running build may take: the mean of the builder's last successful builds.
pub(super) const EXPECTED: &str = "CASE WHEN builds.complete_at IS NULL THEN \
    (SELECT AVG(earlier.took) FROM (SELECT done.complete_at - done.started_at AS took \
     FROM builds done WHERE done.builderid = builds.builderid AND done.results = 0 \
     ORDER BY done.number DESC LIMIT 5) earlier) END";

impl Listed for BuildRow {
    const FROM: &'static str = "builds";
    const KEY: &'static str = "buildid";
    const FIELDS: &'static [Field] = &[
        Field::int("buildid", "builds.id"),
        Field::int("number", "builds.number"),
        Field::int("builderid", "builds.builderid"),
        Field::int("buildrequestid", "builds.buildrequestid"),
        Field::int("workerid", "builds.workerid"),
        Field::int("masterid", "builds.masterid"),
        Field::int("started_at", "builds.started_at"),
        Field::int("complete_at", "builds.complete_at"),
        Field::bool("complete", "(builds.complete_at IS NOT NULL)"),
        Field::int("locks_duration_s", "builds.locks_duration_s"),
        Field::text("state_string", "builds.state_string"),
        Field::int("results", "builds.results"),
        Field::int("rs_expected_s", EXPECTED),
        Field::virtual_of(Kind::Int, "rs_expected_complete_at"),
        Field::virtual_of(Kind::Object, "properties"),
    ];
}

/// The scope of one build by its builder and number.
pub fn build_of(builder: i64, number: i64) -> Scope {
    Scope::is("builds.builderid", builder).and(Scope::is("builds.number", number))
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// The scope of all builds that were made for a change: those of buildsets with its source stamp.
///
/// # Errors
/// When the database refuses.
pub fn builds_of_change(conn: &mut Conn, change: i64) -> Result<Scope, DbError> {
    let ids: Vec<Id> = Sql::new(&format!(
        "SELECT CAST(builds.id AS BIGINT) AS id FROM builds \
         JOIN buildrequests ON buildrequests.id = builds.buildrequestid \
         JOIN buildset_sourcestamps bss ON bss.buildsetid = buildrequests.buildsetid \
         JOIN changes ON changes.sourcestampid = bss.sourcestampid \
         WHERE changes.changeid = {change} ORDER BY builds.id DESC LIMIT 10000"
    ))
    .load(conn)?;
    Ok(Scope::condition(in_list("builds.id", ids.into_iter().map(|row| row.id))))
}
