//! Messages of status targets: stored before they are sent, so that neither a crash nor a server
//! that is away loses one.
//!
//! A message is queued by the transaction that moves its target's place in the stream of facts.
//! It ends as sent or failed, and is kept for a while so that people can see what became of it.

use std::collections::{BTreeMap, HashMap};

use diesel::dsl::{count_star, exists, max, min, not};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use serde::Serialize;
use serde_json::{Value, json};

use super::dialect::{BATCH, insert_all};
use super::schema::rs_outbox;
use super::{Conn, DbError, state};
use crate::model::Timestamp;

const QUEUED: &str = "queued";
const SENT: &str = "sent";
const FAILED: &str = "failed";

/// Class of the objects that remember how far a target has read.
const CLASS: &str = "rs_status_target";
const PLACE: &str = "place";
const WORKER_PLACE: &str = "worker_place";

/// Characters of an error that are kept.
const ERROR: usize = 500;

/// A message to queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// What it tells, in one line for people.
    pub about: String,
    /// What the target needs to send it; no secrets.
    pub body: Value,
    /// Messages of one lane are sent one after the other, in order.
    pub lane: Option<String>,
    /// Not before.
    pub due_at: Timestamp,
}

/// A queued message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Unique for ever, so that whoever receives it twice can tell.
    pub id: i64,
    pub about: String,
    pub body: Value,
    pub created_at: Timestamp,
    /// How often it was tried.
    pub attempts: i64,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Sent,
    /// Nobody will ever take it.
    Failed(String),
    Again {
        error: String,
        due_at: Timestamp,
    },
    /// It goes on as several messages.
    Apart(Vec<NewMessage>),
}

/// A message as a page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Queryable, Selectable)]
#[diesel(table_name = rs_outbox)]
pub struct Line {
    pub id: i64,
    pub about: String,
    /// `queued`, `sent` or `failed`.
    pub state: String,
    pub created_at: Timestamp,
    pub due_at: Timestamp,
    pub attempts: i64,
    pub error: Option<String>,
    pub closed_at: Option<Timestamp>,
}

/// How a target is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    pub queued: i64,
    pub failed: i64,
    pub last_sent: Option<Timestamp>,
}

/// The place in the stream of facts up to which the target has queued its messages; `None` when it
/// has never read.
pub fn place(conn: &mut Conn, target: &str) -> Result<Option<i64>, DbError> {
    // It is read where nothing may be written.
    let Some(object) = state::find(conn, target, CLASS)? else { return Ok(None) };
    Ok(state::get(conn, object, PLACE)?.and_then(|value| value.as_i64()))
}

/// As [`place`], for facts about workers, which are read apart: they are gathered for a while.
pub fn worker_place(conn: &mut Conn, target: &str) -> Result<Option<i64>, DbError> {
    let object = state::object(conn, target, CLASS)?;
    let own = state::get(conn, object, WORKER_PLACE)?.and_then(|value| value.as_i64());
    own.map_or_else(|| place(conn, target), |own| Ok(Some(own)))
}

/// Moves the target's place in the facts about workers.
pub fn set_worker_place(conn: &mut Conn, target: &str, place: i64) -> Result<(), DbError> {
    let object = state::object(conn, target, CLASS)?;
    state::set(conn, object, WORKER_PLACE, &json!(place))
}

/// Moves the target's place in all other facts.
pub fn set_place(conn: &mut Conn, target: &str, place: i64) -> Result<(), DbError> {
    let object = state::object(conn, target, CLASS)?;
    if state::get(conn, object, WORKER_PLACE)?.is_none() {
        // Facts about workers begin where the target does, or where it was before they were read apart.
        let begin = self::place(conn, target)?.unwrap_or(place);
        state::set(conn, object, WORKER_PLACE, &json!(begin))?;
    }
    state::set(conn, object, PLACE, &json!(place))
}

/// Queues messages of a target, in order.
pub fn queue(
    conn: &mut Conn,
    target: &str,
    messages: &[NewMessage],
    now: Timestamp,
) -> Result<(), DbError> {
    let rows = messages
        .iter()
        .map(|message| {
            (
                rs_outbox::target.eq(target),
                rs_outbox::lane.eq(&message.lane),
                rs_outbox::about.eq(&message.about),
                rs_outbox::body.eq(message.body.to_string()),
                rs_outbox::state.eq(QUEUED),
                rs_outbox::created_at.eq(now),
                rs_outbox::due_at.eq(message.due_at),
                rs_outbox::attempts.eq(0),
            )
        })
        .collect();
    Ok(insert_all!(conn, rs_outbox::table, rows)?)
}

/// Up to `limit` messages of the target that are due, in the order in which they became so. Of a
/// lane only the first that is queued.
pub fn due(
    conn: &mut Conn,
    target: &str,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Message>, DbError> {
    let ahead = diesel::alias!(rs_outbox as ahead);
    let earlier = ahead
        .filter(ahead.field(rs_outbox::target).eq(rs_outbox::target))
        .filter(ahead.field(rs_outbox::lane).eq(rs_outbox::lane))
        .filter(ahead.field(rs_outbox::state).eq(QUEUED))
        .filter(ahead.field(rs_outbox::id).lt(rs_outbox::id));
    let rows: Vec<(i64, String, String, Timestamp, i64)> = rs_outbox::table
        .filter(rs_outbox::target.eq(target))
        .filter(rs_outbox::state.eq(QUEUED))
        .filter(rs_outbox::due_at.le(now))
        .filter(rs_outbox::lane.is_null().or(not(exists(earlier))))
        .order((rs_outbox::due_at, rs_outbox::id))
        .limit(limit)
        .select((
            rs_outbox::id,
            rs_outbox::about,
            rs_outbox::body,
            rs_outbox::created_at,
            rs_outbox::attempts,
        ))
        .load(conn)?;
    let read = |(id, about, body, created_at, attempts): (i64, String, String, i64, i64)| {
        let body = serde_json::from_str(&body).unwrap_or(Value::Null);
        Message { id, about, body, created_at, attempts }
    };
    Ok(rows.into_iter().map(read).collect())
}

/// When the target's next message is due; one that waits for its lane counts, too.
pub fn next_due(conn: &mut Conn, target: &str) -> Result<Option<Timestamp>, DbError> {
    Ok(rs_outbox::table
        .filter(rs_outbox::target.eq(target))
        .filter(rs_outbox::state.eq(QUEUED))
        .select(min(rs_outbox::due_at))
        .first(conn)?)
}

/// Notes what became of an attempt.
pub fn close(conn: &mut Conn, id: i64, outcome: &Outcome, now: Timestamp) -> Result<(), DbError> {
    let row = diesel::update(rs_outbox::table.find(id).filter(rs_outbox::state.eq(QUEUED)));
    let attempts = rs_outbox::attempts.eq(rs_outbox::attempts + 1);
    match outcome {
        Outcome::Sent => row
            .set((
                attempts,
                rs_outbox::state.eq(SENT),
                rs_outbox::closed_at.eq(now),
                rs_outbox::error.eq(None::<String>),
            ))
            .execute(conn)?,
        Outcome::Failed(error) => row
            .set((
                attempts,
                rs_outbox::state.eq(FAILED),
                rs_outbox::closed_at.eq(now),
                rs_outbox::error.eq(short(error)),
            ))
            .execute(conn)?,
        Outcome::Again { error, due_at } => row
            .set((attempts, rs_outbox::due_at.eq(due_at), rs_outbox::error.eq(short(error))))
            .execute(conn)?,
        Outcome::Apart(parts) => {
            let target: String = rs_outbox::table.find(id).select(rs_outbox::target).first(conn)?;
            queue(conn, &target, parts, now)?;
            diesel::delete(rs_outbox::table.find(id)).execute(conn)?
        }
    };
    Ok(())
}

fn short(error: &str) -> String {
    error.chars().take(ERROR).collect()
}

/// Up to `limit` messages of a target, newest first.
pub fn recent(conn: &mut Conn, target: &str, limit: i64) -> Result<Vec<Line>, DbError> {
    let newest = rs_outbox::table.filter(rs_outbox::target.eq(target)).order(rs_outbox::id.desc());
    Ok(newest.limit(limit).select(Line::as_select()).load(conn)?)
}

/// A line of [`recent_of_each`].
#[derive(QueryableByName)]
struct Numbered {
    #[diesel(sql_type = Text)]
    target: String,
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Up to `limit` messages of every target, newest first.
pub fn recent_of_each(conn: &mut Conn, limit: i64) -> Result<HashMap<String, Vec<Line>>, DbError> {
    let newest: Vec<Numbered> = diesel::sql_query(format!(
        "SELECT target, CAST(id AS BIGINT) AS id FROM (SELECT target, id, \
         ROW_NUMBER() OVER (PARTITION BY target ORDER BY id DESC) AS n FROM rs_outbox) counted \
         WHERE n <= {limit} ORDER BY target, id DESC"
    ))
    .load(conn)?;
    let ids: Vec<i64> = newest.iter().map(|row| row.id).collect();
    let mut lines: HashMap<i64, Line> = HashMap::new();
    for batch in ids.chunks(BATCH) {
        let found = rs_outbox::table.filter(rs_outbox::id.eq_any(batch.iter().copied()));
        let found = found.select(Line::as_select()).load(conn)?;
        lines.extend(found.into_iter().map(|line| (line.id, line)));
    }
    let mut of_each: HashMap<String, Vec<Line>> = HashMap::new();
    for Numbered { target, id } in newest {
        of_each.entry(target).or_default().extend(lines.remove(&id));
    }
    Ok(of_each)
}

/// Makes a message due that waits or has failed; false when there is none.
pub fn try_again(conn: &mut Conn, id: i64, now: Timestamp) -> Result<bool, DbError> {
    let row = rs_outbox::table.find(id).filter(rs_outbox::state.ne(SENT));
    let changed = diesel::update(row)
        .set((
            rs_outbox::state.eq(QUEUED),
            rs_outbox::due_at.eq(now),
            rs_outbox::closed_at.eq(None::<Timestamp>),
        ))
        .execute(conn)?;
    Ok(changed > 0)
}

/// How every target with messages is doing, by name.
pub fn tallies(conn: &mut Conn) -> Result<BTreeMap<String, Tally>, DbError> {
    let rows: Vec<(String, String, i64, Option<Timestamp>)> = rs_outbox::table
        .group_by((rs_outbox::target, rs_outbox::state))
        .select((rs_outbox::target, rs_outbox::state, count_star(), max(rs_outbox::closed_at)))
        .load(conn)?;
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for (target, state, count, closed) in rows {
        let tally = tallies.entry(target).or_default();
        match state.as_str() {
            QUEUED => tally.queued = count,
            FAILED => tally.failed = count,
            _ => tally.last_sent = closed,
        }
    }
    Ok(tallies)
}

/// Forgets messages that were closed before `before`.
pub fn forget(conn: &mut Conn, before: Timestamp) -> Result<usize, DbError> {
    Ok(diesel::delete(rs_outbox::table.filter(rs_outbox::closed_at.lt(before))).execute(conn)?)
}
