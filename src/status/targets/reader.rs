//! Follows the stream of facts for one target.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;

use super::actor::{Closing, site};
use super::cases;
use super::gathering::Next;
use crate::actors::announcer::Listener;
use crate::actors::handles::Handles;
use crate::db::facts::{self, Fact, FactKind};
use crate::db::outbox::{self, NewMessage};
use crate::db::{Conn, DbError};
use crate::events::Event;
use crate::model::{Results, now};
use crate::reporters::Reporter;
use crate::reporters::generators::Case;

/// Facts that are read at once.
const BATCH: i64 = 100;
/// How long a sign may be missed.
const LOOK: Duration = Duration::from_secs(30);

pub(super) struct Reader {
    pub target: String,
    pub reporter: Arc<dyn Reporter>,
    pub signs: Listener,
    pub handles: Handles,
    pub closing: Arc<Closing>,
}

impl Reader {
    /// Reads for ever; ends when the master does.
    pub async fn run(mut self) {
        loop {
            let pause = match self.look().await {
                Ok(Next::Again) => continue,
                Ok(Next::Listen) => LOOK,
                Ok(Next::Wait(pause)) => pause.min(LOOK),
                Err(error) => {
                    tracing::error!(target = %self.target, %error, "cannot read the facts");
                    LOOK
                }
            };
            if !self.sign(pause).await {
                return;
            }
        }
    }

    /// Reads what is next of both kinds of facts.
    async fn look(&self) -> Result<Next, DbError> {
        match self.catch_up().await? {
            true => Ok(Next::Again),
            false => self.gather().await,
        }
    }

    /// Waits until the stream may have grown, at most for `pause`; false at the end of the master.
    async fn sign(&mut self, pause: Duration) -> bool {
        let sign = async {
            loop {
                match self.signs.recv().await {
                    Ok(event) if adds_facts(&event) => return true,
                    // Mails about problems are put into the outbox by others.
                    Ok(event) if matches!(*event, Event::ProblemChanged { .. }) => {
                        self.closing.letterbox.notify_one();
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return true,
                    Err(RecvError::Closed) => return false,
                }
            }
        };
        tokio::time::timeout(pause, sign).await.unwrap_or(true)
    }

    /// Reads the next facts and stores what they are worth; true when there may be more.
    async fn catch_up(&self) -> Result<bool, DbError> {
        let target = self.target.clone();
        let (known, news, place) = self.handles.db.read(move |conn| next(conn, &target)).await?;
        if known == Some(place) {
            return Ok(false);
        }
        let mut messages = Vec::new();
        for fact in self.wanted(&news) {
            messages.extend(self.messages(fact).await?);
        }
        let some = !messages.is_empty();
        let target = self.target.clone();
        let store = move |conn: &mut Conn| {
            outbox::queue(conn, &target, &messages, now())?;
            outbox::set_place(conn, &target, place)
        };
        self.handles.db.write(store).await?;
        if some {
            self.closing.letterbox.notify_one();
        }
        Ok(true)
    }

    fn wanted(&self, news: &[Fact]) -> Vec<Fact> {
        let of_builds = |fact: &&Fact| fact.kind.worker().is_none();
        let wants = |fact: &&Fact| self.reporter.generators().iter().any(|g| g.wants(fact.kind));
        news.iter().filter(of_builds).filter(wants).copied().collect()
    }

    async fn messages(&self, fact: Fact) -> Result<Vec<NewMessage>, DbError> {
        let generators = self.reporter.generators().iter();
        let wanting = generators.filter(|generator| generator.wants(fact.kind));
        let case = cases::load(&self.handles, fact, wanting).await?;
        Ok(case.map(|case| self.tell(&case, fact.kind)).unwrap_or_default())
    }

    /// What the reporter has to say about a fact of this kind. A report that fails is logged and
    /// left out: it would fail again.
    pub(super) fn tell(&self, case: &Case, kind: FactKind) -> Vec<NewMessage> {
        let site = site(&self.handles);
        let mut reports = Vec::new();
        for generator in self.reporter.generators().iter().filter(|g| g.wants(kind)) {
            match generator.generate(case, &site) {
                Ok(made) => reports.extend(made),
                Err(error) => self.complain(kind, &error),
            }
        }
        if reports.is_empty() {
            return Vec::new();
        }
        self.reporter.compose(reports, &site).unwrap_or_else(|error| {
            self.complain(kind, &error);
            Vec::new()
        })
    }

    fn complain(&self, fact: FactKind, error: &str) {
        tracing::error!(target = %self.target, ?fact, error, "a report failed");
    }
}

/// The target's place, the facts that follow it, and the place behind them. A target that has
/// never read begins with the present: nobody wants mail about last year.
fn next(conn: &mut Conn, target: &str) -> Result<(Option<i64>, Vec<Fact>, i64), DbError> {
    match outbox::place(conn, target)? {
        Some(place) => {
            let (news, behind) = facts::after(conn, place, BATCH)?;
            Ok((Some(place), news, behind))
        }
        None => Ok((None, Vec::new(), facts::newest(conn)?)),
    }
}

/// Do facts of the stream come with this event?
fn adds_facts(event: &Event) -> bool {
    matches!(
        event,
        Event::BuildsetSubmitted { .. }
            | Event::RequestCompleted { results: Results::Cancelled, .. }
            | Event::BuildsetCompleted { .. }
            | Event::BuildStarted { .. }
            | Event::BuildFinished { .. }
            | Event::WorkerMissing { .. }
            | Event::WorkerConnected { .. }
    )
}
