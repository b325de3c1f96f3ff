//! Facts about workers, which settle for a while before they are told: when a switch dies, people
//! get one message instead of one for each worker behind it.
//!
//! These facts have a place of their own in the stream, so that builds need not wait for them. It
//! moves together with the storing of the messages; a crash in between gathers the same facts again.

use std::time::Duration;

use super::cases;
use super::reader::Reader;
use crate::db::facts::{self, Fact, FactKind};
use crate::db::outbox::{self, NewMessage};
use crate::db::{Conn, DbError};
use crate::flow::digest::{self, Gathered};
use crate::model::now;
use crate::reporters::generators::Case;

/// Facts about workers that are read at once.
const BATCH: i64 = 1000;

/// What to do after a look at the facts about workers.
pub(super) enum Next {
    /// There may be more.
    Again,
    /// Nothing, until somebody makes a sign.
    Listen,
    /// Something has to settle first.
    Wait(Duration),
}

impl Reader {
    /// Tells the next workers that went or came together.
    pub(super) async fn gather(&self) -> Result<Next, DbError> {
        let target = self.target.clone();
        let news = self.handles.db.read(move |conn| next(conn, &target)).await?;
        if news.is_empty() {
            return Ok(Next::Listen);
        }
        let moments: Vec<_> =
            news.iter().filter_map(|fact| Some((fact.kind.worker()?, fact.at))).collect();
        let count = match digest::gather(&moments, now(), self.settle(&news)) {
            Gathered::Wait(seconds) => {
                return Ok(Next::Wait(Duration::from_secs(seconds.unsigned_abs())));
            }
            Gathered::Together(count) => count,
        };
        let group = &news[..count];
        let Some(last) = group.last() else { return Ok(Next::Listen) };
        let messages = self.messages_of_workers(group).await?;
        let (target, place, some) = (self.target.clone(), last.id, !messages.is_empty());
        let store = move |conn: &mut Conn| {
            outbox::queue(conn, &target, &messages, now())?;
            outbox::set_worker_place(conn, &target, place)
        };
        self.handles.db.write(store).await?;
        if some {
            self.closing.letterbox.notify_one();
        }
        Ok(Next::Again)
    }

    /// The longest time that a generator lets these facts settle, in seconds.
    fn settle(&self, news: &[Fact]) -> i64 {
        let generators = self.reporter.generators().iter();
        let wanting = generators.filter(|g| news.iter().any(|fact| g.wants(fact.kind)));
        let longest = wanting.map(|generator| generator.gather()).max().unwrap_or_default();
        i64::try_from(longest.as_secs_f64().ceil() as u64).unwrap_or(i64::MAX)
    }

    async fn messages_of_workers(&self, group: &[Fact]) -> Result<Vec<NewMessage>, DbError> {
        let missing = |fact: &&Fact| matches!(fact.kind, FactKind::WorkerMissing(_));
        let (gone, back): (Vec<&Fact>, Vec<&Fact>) = group.iter().partition(missing);
        let mut messages = Vec::new();
        for (facts, case) in
            [(gone, Case::WorkersMissing as fn(_) -> Case), (back, Case::WorkersReturned)]
        {
            let wanted =
                |fact: &Fact| self.reporter.generators().iter().any(|g| g.wants(fact.kind));
            let Some(first) = facts.first().copied().filter(|fact| wanted(fact)) else { continue };
            let workers =
                cases::workers(&self.handles, facts.into_iter().copied().collect()).await?;
            messages.extend(self.tell(&case(workers), first.kind));
        }
        Ok(messages)
    }
}

fn next(conn: &mut Conn, target: &str) -> Result<Vec<Fact>, DbError> {
    match outbox::worker_place(conn, target)? {
        Some(place) => facts::about_workers(conn, place, BATCH),
        None => Ok(Vec::new()),
    }
}
