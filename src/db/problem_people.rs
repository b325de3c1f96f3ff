//! Who is told of a problem: what each of them waits for, and how they were told.
//!
//! Whoever tells them moves them on first, and tells only when that succeeded: so nobody is told
//! twice, whatever dies in between.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::dialect::insert_all;
use super::schema::rs_problem_people;
use super::{Conn, DbError};
use crate::model::{Person, ProblemId, Timestamp};

/// Somebody to tell of a problem.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Waiting {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = BigInt)]
    pub problem: ProblemId,
    #[diesel(sql_type = Text)]
    pub who: String,
    /// The user's identifier, if it is one.
    #[diesel(sql_type = Nullable<Text>)]
    pub user: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub round: i64,
    #[diesel(sql_type = Text)]
    pub stage: String,
    #[diesel(sql_type = BigInt)]
    pub due_at: Timestamp,
    /// Where they were told by IRC last.
    #[diesel(sql_type = Nullable<Text>)]
    pub irc_bot: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub irc_nick: Option<String>,
}

#[derive(QueryableByName)]
struct At {
    #[diesel(sql_type = BigInt)]
    at: Timestamp,
}

/// Adds those who are told of a problem, from `due_at` on; without it nobody tells them.
pub fn add_people(
    conn: &mut Conn,
    problem: ProblemId,
    people: &[Person],
    stage: &str,
    due_at: Option<Timestamp>,
) -> Result<(), DbError> {
    let rows = people
        .iter()
        .map(|person| {
            (
                rs_problem_people::problem.eq(problem.0),
                rs_problem_people::who.eq(&person.who),
                rs_problem_people::uid.eq(person.uid),
                rs_problem_people::stage.eq(due_at.map(|_| stage)),
                rs_problem_people::due_at.eq(due_at),
            )
        })
        .collect();
    Ok(insert_all!(conn, rs_problem_people::table, rows)?)
}

/// Of whom something is still to be told: nobody is on it, or they are to be thanked. `?` is now.
const SPEAKABLE: &str = "(p.stage = 'thank' OR (pr.state = 'open' \
    AND (pr.silenced_until IS NULL OR pr.silenced_until <= ?)))";

/// Up to `limit` people whose time has come, in this order.
pub fn due(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<Vec<Waiting>, DbError> {
    Ok(diesel::sql_query(format!(
        "SELECT p.id AS id, p.problem AS problem, p.who AS who, users.identifier AS user, \
         p.round AS round, p.stage AS stage, p.due_at AS due_at, p.irc_bot AS irc_bot, \
         p.irc_nick AS irc_nick FROM rs_problem_people p \
         JOIN rs_problems pr ON pr.id = p.problem LEFT JOIN users ON users.uid = p.uid \
         WHERE p.due_at <= ? AND {SPEAKABLE} AND p.stage IS NOT NULL \
         ORDER BY p.due_at, p.id LIMIT ?"
    ))
    .bind::<BigInt, _>(now)
    .bind::<BigInt, _>(now)
    .bind::<BigInt, _>(limit)
    .load(conn)?)
}

/// When the next person's time comes; what is silenced counts from the end of that.
pub fn next_due(conn: &mut Conn) -> Result<Option<Timestamp>, DbError> {
    let next: Option<At> = diesel::sql_query(
        "SELECT MAX(p.due_at, COALESCE(pr.silenced_until, 0)) AS at FROM rs_problem_people p \
         JOIN rs_problems pr ON pr.id = p.problem WHERE p.due_at IS NOT NULL \
         AND p.stage IS NOT NULL AND (p.stage = 'thank' OR pr.state = 'open') ORDER BY 1 LIMIT 1",
    )
    .get_result(conn)
    .optional()?;
    Ok(next.map(|next| next.at))
}

/// Lets the person wait for something else, `None` for nothing. False when somebody has moved them
/// meanwhile, or the problem is not to be spoken of any more: then nothing must be told.
pub fn move_on(
    conn: &mut Conn,
    from: &Waiting,
    to: Option<(&str, i64, Timestamp)>,
    now: Timestamp,
) -> Result<bool, DbError> {
    let same: Option<At> = diesel::sql_query(format!(
        "SELECT p.due_at AS at FROM rs_problem_people p JOIN rs_problems pr ON pr.id = p.problem \
         WHERE p.id = ? AND p.stage = ? AND p.round = ? AND p.due_at = ? AND {SPEAKABLE}"
    ))
    .bind::<BigInt, _>(from.id)
    .bind::<Text, _>(&from.stage)
    .bind::<BigInt, _>(from.round)
    .bind::<BigInt, _>(from.due_at)
    .bind::<BigInt, _>(now)
    .get_result(conn)
    .optional()?;
    if same.is_none() {
        return Ok(false);
    }
    diesel::update(rs_problem_people::table.find(from.id))
        .set((
            rs_problem_people::stage.eq(to.map(|to| to.0)),
            rs_problem_people::round.eq(to.map_or(from.round, |to| to.1)),
            rs_problem_people::due_at.eq(to.map(|to| to.2)),
        ))
        .execute(conn)?;
    Ok(true)
}

/// A person is about to be told by IRC, or was: where, and how likely they saw it (0 to 1).
pub fn told_by_irc(
    conn: &mut Conn,
    person: i64,
    at: Timestamp,
    place: Option<(&str, &str, f32)>,
) -> Result<(), DbError> {
    let (bot, nick) = (place.map(|place| place.0), place.map(|place| place.1));
    diesel::update(rs_problem_people::table.find(person))
        .set((
            rs_problem_people::irc_at.eq(at),
            rs_problem_people::irc_bot.eq(bot),
            rs_problem_people::irc_nick.eq(nick),
            rs_problem_people::irc_seen.eq(place.map(|place| f64::from(place.2))),
        ))
        .execute(conn)?;
    Ok(())
}

/// IRC did not take what the person was to be told.
pub fn not_told_by_irc(conn: &mut Conn, person: i64) -> Result<(), DbError> {
    let row = diesel::update(rs_problem_people::table.find(person));
    row.set(rs_problem_people::irc_at.eq(None::<i64>)).execute(conn)?;
    Ok(())
}

/// How likely the person has seen it by now.
pub fn set_seen(conn: &mut Conn, person: i64, seen: f32) -> Result<(), DbError> {
    let row = diesel::update(rs_problem_people::table.find(person));
    row.set(rs_problem_people::irc_seen.eq(f64::from(seen))).execute(conn)?;
    Ok(())
}

/// A mail to the person stands in the outbox.
pub fn told_by_mail(conn: &mut Conn, person: i64, at: Timestamp) -> Result<(), DbError> {
    let row = diesel::update(rs_problem_people::table.find(person));
    row.set(rs_problem_people::mail_at.eq(at)).execute(conn)?;
    Ok(())
}

/// Those who are to be thanked by mail: who got one about this problem.
pub fn mailed(conn: &mut Conn, problem: ProblemId) -> Result<Vec<String>, DbError> {
    Ok(rs_problem_people::table
        .filter(rs_problem_people::problem.eq(problem.0))
        .filter(rs_problem_people::mail_at.is_not_null())
        .order(rs_problem_people::who)
        .limit(1_000)
        .select(rs_problem_people::who)
        .load(conn)?)
}

/// Lets those wait for thanks who were told by IRC and by no mail.
pub fn thank(conn: &mut Conn, problem: ProblemId, now: Timestamp) -> Result<(), DbError> {
    let told = rs_problem_people::table
        .filter(rs_problem_people::problem.eq(problem.0))
        .filter(rs_problem_people::irc_at.is_not_null())
        .filter(rs_problem_people::mail_at.is_null());
    diesel::update(told)
        .set((rs_problem_people::stage.eq("thank"), rs_problem_people::due_at.eq(now)))
        .execute(conn)?;
    Ok(())
}
