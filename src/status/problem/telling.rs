//! What people are told, from the tables.

use std::collections::HashSet;

use crate::db::listing::{ChangeRow, ProblemRow, Scope, all, in_list};
use crate::db::outbox::NewMessage;
use crate::db::{Conn, DbError, blame};
use crate::flow::problem::words::Told;
use crate::model::{BuildId, ChangeId, Timestamp};
use crate::reporters::mail::{Letter, thread};

/// Changes that are told at most.
const CHANGES: usize = 20;
/// Characters of a change's comment.
const COMMENT: usize = 100;

/// What is told of the problem in this round; `url` is the master's.
pub(super) fn told(
    conn: &mut Conn,
    problem: &ProblemRow,
    round: i64,
    url: &str,
) -> Result<Told, DbError> {
    let builder = problem.buildername.clone().unwrap_or_default();
    let mut told = Told {
        id: problem.problemid,
        builder,
        last_good: problem.last_good_number,
        first_bad: problem.first_bad_number,
        last_bad: problem.last_bad_number,
        state: problem.state_string.clone(),
        fixed_by: problem.fixed_by_number,
        fixers: Vec::new(),
        changes: Vec::new(),
        url: format!("{url}problems/{}", problem.problemid),
        round,
    };
    match problem.fixed_by_buildid {
        Some(fix) => told.fixers = fixers(conn, problem.last_bad_buildid, fix)?,
        None => {
            let culprits = culprits(conn, problem.first_bad_buildid)?;
            told.changes = changes(conn, &culprits)?.iter().map(line).collect();
        }
    }
    Ok(told)
}

/// What was new in the build.
fn culprits(conn: &mut Conn, build: i64) -> Result<Vec<ChangeId>, DbError> {
    let blamed = blame::of_builds(conn, &[BuildId(build)])?.remove(&BuildId(build));
    Ok(blamed.map(|blame| blame.changes).unwrap_or_default())
}

/// Authors of what is new in the good build but was not in the last bad one.
fn fixers(conn: &mut Conn, last_bad: i64, fix: i64) -> Result<Vec<String>, DbError> {
    let known: HashSet<ChangeId> = culprits(conn, last_bad)?.into_iter().collect();
    let mut new = culprits(conn, fix)?;
    new.retain(|change| !known.contains(change));
    let mut authors: Vec<String> =
        changes(conn, &new)?.into_iter().map(|change| change.author).collect();
    authors.sort();
    authors.dedup();
    Ok(authors)
}

fn changes(conn: &mut Conn, ids: &[ChangeId]) -> Result<Vec<ChangeRow>, DbError> {
    let ids = in_list("changes.changeid", ids.iter().take(CHANGES).map(|id| id.0));
    all(conn, &Scope::condition(ids))
}

fn line(change: &ChangeRow) -> String {
    let comment: String =
        change.comments.lines().next().unwrap_or_default().chars().take(COMMENT).collect();
    format!("{}: {}: {comment}", change.changeid, change.author)
}

/// The mail about a problem to these people.
pub(super) fn letter(
    problem: &ProblemRow,
    told: &Told,
    users: Vec<String>,
    now: Timestamp,
) -> Option<NewMessage> {
    let thread = thread(problem.builderid, problem.first_bad_number);
    let letter = Letter::personal(&told.subject(), told.text(), users, thread, now);
    letter.map_err(|error| tracing::error!(error, "a mail about a problem fails")).ok()
}
