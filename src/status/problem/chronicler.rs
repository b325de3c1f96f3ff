//! Keeps the record: follows the stream of facts, opens and closes problems.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;

use super::actor::Tools;
use super::appointed::{Appointed, appointed};
use super::telling;
use crate::actors::announcer::Listener;
use crate::config::checked::MasterConfig;
use crate::db::facts::{self, FactKind};
use crate::db::outbox;
use crate::db::problems::{self, Ended};
use crate::db::{Conn, DbError, blame, problem_people};
use crate::events::Event;
use crate::flow::interested::{BuildFacts, Interested};
use crate::flow::problem::schedule::Stage;
use crate::flow::problem::turn::{Trouble, Turn, health, turn};
use crate::model::{BuildId, BuilderId, Person, ProblemId, Results, Timestamp};
use crate::reporters::registry::Plan;

/// Facts that are read at once.
const BATCH: i64 = 50;
/// How long a sign may be missed.
const LOOK: Duration = Duration::from_secs(30);
/// Under which name its place in the stream is kept; no service can have it.
const PLACE: &str = "";

pub(super) struct Chronicler {
    pub tools: Tools,
    pub signs: Listener,
}

impl Chronicler {
    /// Follows for ever; ends when the master does.
    pub async fn run(mut self) {
        loop {
            match self.catch_up().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "cannot keep the record of problems"),
            }
            if !self.sign().await {
                return;
            }
        }
    }

    /// Waits until a build may have ended; false at the end of the master.
    async fn sign(&mut self) -> bool {
        let sign = async {
            loop {
                match self.signs.recv().await {
                    Ok(event) if matches!(*event, Event::BuildFinished { .. }) => return true,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return true,
                    Err(RecvError::Closed) => return false,
                }
            }
        };
        tokio::time::timeout(LOOK, sign).await.unwrap_or(true)
    }

    /// Takes the next facts in, together with the new place; true when there may be more.
    async fn catch_up(&self) -> Result<bool, DbError> {
        let config = self.tools.handles.config.borrow().clone();
        let now = (self.tools.clock)();
        let take = move |conn: &mut Conn| {
            let Some(place) = outbox::place(conn, PLACE)? else {
                // What was before is not followed up.
                let newest = facts::newest(conn)?;
                outbox::set_place(conn, PLACE, newest)?;
                return Ok((false, Vec::new()));
            };
            let (news, behind) = facts::after(conn, place, BATCH)?;
            if behind == place {
                return Ok((false, Vec::new()));
            }
            let mut changed = Vec::new();
            for fact in news {
                if let FactKind::BuildFinished(build) = fact.kind {
                    changed.extend(note(conn, &config, build, now)?);
                }
            }
            outbox::set_place(conn, PLACE, behind)?;
            Ok((true, changed))
        };
        let (more, changed) = self.tools.handles.db.write(take).await?;
        for (problem, builder) in changed {
            self.tools.changed(problem, builder);
        }
        Ok(more)
    }
}

/// What a build that has ended makes of its builder's problem.
fn note(
    conn: &mut Conn,
    config: &MasterConfig,
    build: BuildId,
    now: Timestamp,
) -> Result<Option<(ProblemId, BuilderId)>, DbError> {
    let Some(ended) = problems::ended(conn, build)? else { return Ok(None) };
    let Some(results) = Results::from_code(ended.results) else { return Ok(None) };
    let (builder, number) = (ended.builder, ended.number);
    let known = problems::of_builder(conn, builder)?;
    let trouble = known.as_ref().map(|known| Trouble {
        last_good: known.last_good_number,
        first_bad: known.first_bad_number,
        last_bad: known.last_bad_number,
    });
    let good_before = problems::good_before(conn, builder, number)?;
    let good_after = problems::good_after(conn, builder, number)?.is_some();
    let health = health(results, ended.patched);
    let turn = turn(trouble, number, health, good_before.is_some(), good_after);
    let id = match (turn, known, good_before) {
        (Turn::Opens, _, Some(good)) => {
            // An earlier build may be bad already, whose fact nobody has read.
            let first = problems::bad_after(conn, builder, good.number)?;
            let first = first.filter(|first| first.number < number).map_or(build.0, |it| it.id);
            let id = problems::open(conn, builder, good.id, first, build, now)?;
            call_people(conn, config, &ended, id, BuildId(first), now)?;
            tracing::info!(problem = %id, builder = %ended.builder_name, "a problem opens");
            id
        }
        (Turn::GoesOn, Some(known), _) => {
            problems::go_on(conn, ProblemId(known.problemid), build)?;
            ProblemId(known.problemid)
        }
        (Turn::Narrows, Some(known), _) => {
            problems::narrow(conn, ProblemId(known.problemid), build)?;
            ProblemId(known.problemid)
        }
        (Turn::Closes, Some(known), _) => {
            let id = ProblemId(known.problemid);
            close(conn, config, &ended, id, now)?;
            tracing::info!(problem = %id, builder = %ended.builder_name, "a problem is fixed");
            id
        }
        _ => return Ok(None),
    };
    Ok(Some((id, builder)))
}

/// Those who answer for what was new in the first bad build, and those whom the rules of the
/// notifier name. Each user once, under whatever names.
fn call_people(
    conn: &mut Conn,
    config: &MasterConfig,
    ended: &Ended,
    problem: ProblemId,
    first_bad: BuildId,
    now: Timestamp,
) -> Result<(), DbError> {
    let blamed = blame::of_builds(conn, &[first_bad])?.remove(&first_bad).unwrap_or_default();
    let appointed = appointed(config, &ended.builder_name);
    let mut people = blamed.people;
    if let Some((rules, tags)) = appointed.as_ref().and_then(rules) {
        let builder = ended.builder_name.as_str();
        let names = rules.users(BuildFacts { builder, tags, files: &blamed.files });
        people.extend(blame::find_people(conn, &names)?);
    }
    let mut distinct: Vec<Person> = Vec::new();
    for person in people {
        let same = |known: &Person| {
            known.who == person.who || person.uid.is_some() && known.uid == person.uid
        };
        if !distinct.iter().any(same) {
            distinct.push(person);
        }
    }
    let due = appointed.map(|_| now);
    problem_people::add_people(conn, problem, &distinct, Stage::Tell.name(), due)
}

/// The notifier's rules of who is interested, and the tags of the builder.
fn rules<'c>(appointed: &Appointed<'c>) -> Option<(&'c Interested, &'c [String])> {
    match &appointed.notifier.plan {
        Plan::Messages(reporter) => Some((reporter.interested()?, appointed.tags)),
        _ => None,
    }
}

/// Closes the problem with one mail to all who got one; who was told by IRC only waits for thanks.
fn close(
    conn: &mut Conn,
    config: &MasterConfig,
    ended: &Ended,
    problem: ProblemId,
    now: Timestamp,
) -> Result<(), DbError> {
    problems::close(conn, problem, ended.build, now)?;
    let Some(appointed) = appointed(config, &ended.builder_name) else { return Ok(()) };
    problem_people::thank(conn, problem, now)?;
    let mailed = problem_people::mailed(conn, problem)?;
    let Some(row) = problems::get(conn, problem)?.filter(|_| !mailed.is_empty()) else {
        return Ok(());
    };
    let told = telling::told(conn, &row, 0, &config.buildbot_url)?;
    let letter = telling::letter(&row, &told, mailed, now);
    outbox::queue(conn, &appointed.notifier.name, letter.as_slice(), now)
}
