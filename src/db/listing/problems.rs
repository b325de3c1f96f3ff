//! Problems: builders in trouble, and who was told.

use std::collections::HashMap;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Double, Nullable, Text};
use serde::Serialize;

use super::sql::Sql;
use super::{Conn, DbError, Field, Kind, Listed, in_list};

/// People of all problems of one list, at most.
const PEOPLE: i64 = 5_000;

/// A problem as the REST interface shows it, without its people.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct ProblemRow {
    #[diesel(sql_type = BigInt)]
    pub problemid: i64,
    #[diesel(sql_type = BigInt)]
    pub builderid: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub buildername: Option<String>,
    /// `open`, `acknowledged` or `closed`.
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = BigInt)]
    pub opened_at: i64,
    /// Builds are given by id and by number.
    #[diesel(sql_type = BigInt)]
    pub last_good_buildid: i64,
    #[diesel(sql_type = BigInt)]
    pub last_good_number: i64,
    #[diesel(sql_type = BigInt)]
    pub first_bad_buildid: i64,
    #[diesel(sql_type = BigInt)]
    pub first_bad_number: i64,
    #[diesel(sql_type = BigInt)]
    pub last_bad_buildid: i64,
    #[diesel(sql_type = BigInt)]
    pub last_bad_number: i64,
    /// The state string of the last bad build.
    #[diesel(sql_type = Text)]
    pub state_string: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub acknowledged_by: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub acknowledged_at: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub acknowledgement: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub silenced_until: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub closed_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub fixed_by_buildid: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub fixed_by_number: Option<i64>,
}

impl Listed for ProblemRow {
    const FROM: &'static str = "rs_problems \
        LEFT JOIN builders ON builders.id = rs_problems.builderid \
        LEFT JOIN builds good ON good.id = rs_problems.last_good \
        LEFT JOIN builds bad ON bad.id = rs_problems.first_bad \
        LEFT JOIN builds last ON last.id = rs_problems.last_bad \
        LEFT JOIN builds fix ON fix.id = rs_problems.fixed_by";
    const KEY: &'static str = "problemid";
    const FIELDS: &'static [Field] = &[
        Field::int("problemid", "rs_problems.id"),
        Field::int("builderid", "rs_problems.builderid"),
        Field::text("buildername", "builders.name"),
        Field::text("state", "rs_problems.state"),
        Field::int("opened_at", "rs_problems.opened_at"),
        Field::int("last_good_buildid", "rs_problems.last_good"),
        Field::int("last_good_number", "COALESCE(good.number, 0)"),
        Field::int("first_bad_buildid", "rs_problems.first_bad"),
        Field::int("first_bad_number", "COALESCE(bad.number, 0)"),
        Field::int("last_bad_buildid", "rs_problems.last_bad"),
        Field::int("last_bad_number", "COALESCE(last.number, 0)"),
        Field::text("state_string", "COALESCE(last.state_string, '')"),
        Field::text("acknowledged_by", "rs_problems.acknowledged_by"),
        Field::int("acknowledged_at", "rs_problems.acknowledged_at"),
        Field::text("acknowledgement", "rs_problems.acknowledgement"),
        Field::int("silenced_until", "rs_problems.silenced_until"),
        Field::int("closed_at", "rs_problems.closed_at"),
        Field::int("fixed_by_buildid", "rs_problems.fixed_by"),
        Field::int("fixed_by_number", "fix.number"),
        Field::virtual_of(Kind::Object, "people"),
    ];
}

/// Somebody who is told of a problem, and how that went.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct ProblemPerson {
    #[diesel(sql_type = BigInt)]
    #[serde(skip)]
    pub problem: i64,
    /// As a change or a rule of the configuration names them.
    #[diesel(sql_type = Text)]
    pub who: String,
    /// The user's identifier, if it is one.
    #[diesel(sql_type = Nullable<Text>)]
    pub user: Option<String>,
    /// Counts from 0.
    #[diesel(sql_type = BigInt)]
    pub round: i64,
    /// When it is their turn again.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub due_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub irc_at: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub irc_nick: Option<String>,
    /// How likely they saw it, 0 to 1.
    #[diesel(sql_type = Nullable<Double>)]
    pub irc_seen: Option<f64>,
    /// When a mail was handed to the outbox.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub mail_at: Option<i64>,
}

/// The people of each of these problems, in the order of their names.
pub fn problem_people(
    conn: &mut Conn,
    problems: impl IntoIterator<Item = i64>,
) -> Result<HashMap<i64, Vec<ProblemPerson>>, DbError> {
    let rows: Vec<ProblemPerson> = Sql::new(&format!(
        "SELECT p.problem AS problem, p.who AS who, users.identifier AS user, p.round AS round, \
         p.due_at AS due_at, p.irc_at AS irc_at, p.irc_nick AS irc_nick, p.irc_seen AS irc_seen, \
         p.mail_at AS mail_at FROM rs_problem_people p LEFT JOIN users ON users.uid = p.uid \
         WHERE {} ORDER BY p.who LIMIT {PEOPLE}",
        in_list("p.problem", problems)
    ))
    .load(conn)?;
    let mut people: HashMap<i64, Vec<ProblemPerson>> = HashMap::new();
    for row in rows {
        people.entry(row.problem).or_default().push(row);
    }
    Ok(people)
}
