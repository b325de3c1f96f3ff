//! Tells people whose time has come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::actor::Tools;
use super::appointed::{Appointed, appointed};
use super::reach::Reach;
use super::telling;
use crate::config::checked::MasterConfig;
use crate::db::listing::ProblemRow;
use crate::db::problem_people::{self as people, Waiting};
use crate::db::{Conn, DbError, outbox, problems};
use crate::flow::problem::schedule::{Deed, Due, Sight, Stage, after, deed};
use crate::model::{BuilderId, ProblemId, Timestamp};
use crate::reporters::hassler::IrcChoice;

/// People who are looked at together.
const BATCH: i64 = 50;
/// How long nothing is looked at when nobody rings.
const LOOK: Duration = Duration::from_secs(30);
/// How long the bots may take to connect after a start, before mails are sent instead.
const SETTLING: Duration = Duration::from_secs(60);
/// The longest time for a message on IRC.
const TELL: Duration = Duration::from_secs(60);

pub(super) struct Hassler {
    pub tools: Tools,
    pub reach: Arc<dyn Reach>,
    /// Rung when there may be more to do.
    pub bell: Arc<Notify>,
}

impl Hassler {
    /// Tells people for ever.
    pub async fn run(self) {
        let begun = Instant::now();
        while !self.reach.is_settled() && begun.elapsed() < SETTLING {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        loop {
            let pause = self.round().await.unwrap_or_else(|error| {
                tracing::error!(%error, "cannot read who is to be told of problems");
                LOOK
            });
            let _ = tokio::time::timeout(pause, self.bell.notified()).await;
        }
    }

    /// Attends to everybody whose time has come; answers how long to wait then.
    async fn round(&self) -> Result<Duration, DbError> {
        let db = &self.tools.handles.db;
        loop {
            let now = (self.tools.clock)();
            let due = db.read(move |conn| people::due(conn, now, BATCH)).await?;
            if due.is_empty() {
                let next = db.read(people::next_due).await?;
                let wait = next.map(|next| u64::try_from(next - now).unwrap_or(0).max(1));
                return Ok(wait.map_or(LOOK, |wait| Duration::from_secs(wait).min(LOOK)));
            }
            for waiting in due {
                self.attend(waiting).await?;
            }
        }
    }

    async fn attend(&self, waiting: Waiting) -> Result<(), DbError> {
        let db = &self.tools.handles.db;
        let problem = waiting.problem;
        let row = db.read(move |conn| problems::get(conn, problem)).await?;
        let config = self.tools.handles.config.borrow().clone();
        let builder = row.as_ref().and_then(|row| row.buildername.clone()).unwrap_or_default();
        let (Some(row), Some(stage), Some(appointed)) =
            (row, Stage::named(&waiting.stage), appointed(&config, &builder))
        else {
            // Nobody follows it up any more.
            let now = (self.tools.clock)();
            return db
                .write(move |conn| people::move_on(conn, &waiting, None, now))
                .await
                .map(drop);
        };
        let case = Case { stage, waiting, row, config: config.clone() };
        self.act(case, appointed).await
    }

    async fn act(&self, case: Case, appointed: Appointed<'_>) -> Result<(), DbError> {
        let sight = self.sight(&case, &appointed.hassler.irc).await;
        let rules = &appointed.hassler.rules;
        let now = (self.tools.clock)();
        let what = deed(case.stage, sight, now, rules);
        let due = case.due();
        let next = after(due, what, now, rules);
        let id = ProblemId(case.row.problemid);
        let builder = BuilderId(case.row.builderid);
        let done = match what {
            Deed::Wait(_) | Deed::Rest => self.rest(case, what, next, sight.seen, now).await?,
            Deed::Mail => self.mail(case, &appointed, next, now).await?,
            Deed::Irc => {
                // If the network does not take it, the mail follows at once.
                let instead = next.and_then(|moved| after(moved, Deed::Mail, now, rules));
                self.irc(case, &appointed, next, instead, now).await?
            }
        };
        if done {
            self.tools.changed(id, builder);
        }
        Ok(())
    }

    /// What IRC knows of the person.
    async fn sight(&self, case: &Case, irc: &IrcChoice) -> Sight {
        let Case { stage, waiting, .. } = case;
        if *stage == Stage::Check {
            let place = waiting.irc_bot.as_deref().zip(waiting.irc_nick.as_deref());
            let seen = place.map_or(0.0, |(bot, nick)| self.reach.seen(bot, nick));
            return Sight { there: false, seen };
        }
        let there = match bot_of(irc) {
            Some(bot) => {
                let asked = self.reach.is_there(bot, waiting.name());
                tokio::time::timeout(TELL, asked).await.unwrap_or(false)
            }
            None => false,
        };
        Sight { there, seen: 0.0 }
    }

    async fn rest(
        &self,
        case: Case,
        what: Deed,
        next: Option<Due>,
        seen: f32,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let write = move |conn: &mut Conn| {
            let moved = people::move_on(conn, &case.waiting, row_of(&next), now)?;
            if moved && what == Deed::Rest {
                people::set_seen(conn, case.waiting.id, seen)?;
            }
            Ok(moved)
        };
        self.tools.handles.db.write(write).await
    }

    async fn mail(
        &self,
        case: Case,
        appointed: &Appointed<'_>,
        next: Option<Due>,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let target = appointed.notifier.name.clone();
        let write = move |conn: &mut Conn| {
            let moved = people::move_on(conn, &case.waiting, row_of(&next), now)?;
            if moved {
                case.queue(conn, &target, now)?;
            }
            Ok(moved)
        };
        self.tools.handles.db.write(write).await
    }

    /// First it is noted that they are told, then they are: whoever dies in between has told them
    /// nothing, which the check finds out. `instead` follows when the network does not take it.
    async fn irc(
        &self,
        case: Case,
        appointed: &Appointed<'_>,
        next: Option<Due>,
        instead: Option<Due>,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let db = &self.tools.handles.db;
        let before = case.clone();
        let claim = move |conn: &mut Conn| {
            let moved = people::move_on(conn, &before.waiting, row_of(&next), now)?;
            if !moved {
                return Ok(None);
            }
            people::told_by_irc(conn, before.waiting.id, now, None)?;
            let url = &before.config.buildbot_url;
            Ok(Some(telling::told(conn, &before.row, before.waiting.round, url)?.line()))
        };
        let Some(line) = db.write(claim).await? else { return Ok(false) };
        let bot = bot_of(&appointed.hassler.irc).flatten();
        let told = self.reach.tell(bot, case.waiting.name(), &line);
        let told = tokio::time::timeout(TELL, told).await.unwrap_or(None);
        let target = appointed.notifier.name.clone();
        let note = move |conn: &mut Conn| {
            let person = case.waiting.id;
            if let Some(place) = &told {
                let place = (place.bot.as_str(), place.nick.as_str(), place.likelihood);
                return people::told_by_irc(conn, person, now, Some(place));
            }
            people::not_told_by_irc(conn, person)?;
            // Thanks are the end of it; otherwise it may have been acknowledged meanwhile.
            let moved = match &next {
                Some(next) => people::move_on(conn, &case.waiting.at(next), row_of(&instead), now)?,
                None => true,
            };
            if moved { case.queue(conn, &target, now) } else { Ok(()) }
        };
        db.write(note).await?;
        Ok(true)
    }
}

/// Somebody whose time has come.
#[derive(Clone)]
struct Case {
    stage: Stage,
    waiting: Waiting,
    row: ProblemRow,
    config: Arc<MasterConfig>,
}

impl Case {
    fn due(&self) -> Due {
        Due { stage: self.stage, round: self.waiting.round, at: self.waiting.due_at }
    }

    /// Puts the mail to the person into the outbox.
    fn queue(&self, conn: &mut Conn, target: &str, now: Timestamp) -> Result<(), DbError> {
        let url = &self.config.buildbot_url;
        let told = telling::told(conn, &self.row, self.waiting.round, url)?;
        let letter = telling::letter(&self.row, &told, vec![self.waiting.who.clone()], now);
        outbox::queue(conn, target, letter.as_slice(), now)?;
        people::told_by_mail(conn, self.waiting.id, now)
    }
}

impl Waiting {
    /// The name by which IRC is asked for them.
    fn name(&self) -> &str {
        self.user.as_deref().unwrap_or(&self.who)
    }

    /// The same person later.
    fn at(&self, due: &Due) -> Waiting {
        let stage = due.stage.name().to_owned();
        Waiting { stage, round: due.round, due_at: due.at, ..self.clone() }
    }
}

/// The bot to speak through; the outer `None` is for none at all.
fn bot_of(irc: &IrcChoice) -> Option<Option<&str>> {
    match irc {
        IrcChoice::Any => Some(None),
        IrcChoice::Only(name) => Some(Some(name)),
        IrcChoice::None => None,
    }
}

fn row_of(due: &Option<Due>) -> Option<(&'static str, i64, Timestamp)> {
    due.map(|due| (due.stage.name(), due.round, due.at))
}
