//! Delivers what one target has stored.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;

use super::actor::{Closing, site};
use crate::actors::handles::Handles;
use crate::db::DbError;
use crate::db::outbox::{self, Message, Outcome};
use crate::flow::pace;
use crate::model::{Timestamp, now};
use crate::reporters::{Failure, Office, Reporter};

/// Messages that are read at once, and how many of them are on their way at the same time.
const BATCH: i64 = 20;
const AT_ONCE: usize = 4;
/// The longest time for one attempt; a reporter has its own deadlines within.
const ATTEMPT: Duration = Duration::from_secs(900);
/// How long nothing is looked at when nobody rings.
const LOOK: Duration = Duration::from_secs(60);

pub(super) struct Courier {
    pub target: String,
    pub reporter: Arc<dyn Reporter>,
    pub handles: Handles,
    pub closing: Arc<Closing>,
}

impl Courier {
    /// Delivers until it is told to close.
    pub async fn run(self) {
        while !self.is_closing() {
            let pause = match self.round().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(target = %self.target, %error, "cannot read the outbox");
                    LOOK
                }
            };
            let _ = tokio::time::timeout(pause, self.closing.letterbox.notified()).await;
        }
    }

    /// Tries everything that is due; answers how long to wait then.
    async fn round(&self) -> Result<Duration, DbError> {
        loop {
            let target = self.target.clone();
            let due =
                self.handles.db.read(move |conn| outbox::due(conn, &target, now(), BATCH)).await?;
            if due.is_empty() {
                return self.pause().await;
            }
            if self.is_closing() {
                return Ok(Duration::ZERO);
            }
            // None begins any more once the end has come.
            let attempts = due
                .into_iter()
                .take_while(|_| !self.is_closing())
                .map(|message| self.attempt(message));
            let mut attempts = futures_util::stream::iter(attempts).buffer_unordered(AT_ONCE);
            while let Some(noted) = attempts.next().await {
                noted?;
            }
        }
    }

    fn is_closing(&self) -> bool {
        self.closing.now.load(Ordering::Relaxed)
    }

    async fn attempt(&self, message: Message) -> Result<(), DbError> {
        let office = Office { db: self.handles.db.clone(), site: site(&self.handles) };
        let delivery = self.reporter.deliver(&message, &office);
        let outcome = match tokio::time::timeout(ATTEMPT, delivery).await {
            Ok(Ok(())) => Outcome::Sent,
            Ok(Err(failure)) => outcome(&message, failure, now()),
            Err(_) => outcome(&message, Failure::passing("it took too long"), now()),
        };
        self.log(&message, &outcome);
        let id = message.id;
        self.handles.db.write(move |conn| outbox::close(conn, id, &outcome, now())).await
    }

    fn log(&self, message: &Message, outcome: &Outcome) {
        let (target, about) = (&self.target, &message.about);
        match outcome {
            Outcome::Sent => tracing::info!(%target, about, "told"),
            Outcome::Failed(error) => tracing::error!(%target, about, error, "could not be told"),
            Outcome::Again { error, due_at } => {
                let pause = due_at - now();
                tracing::warn!(%target, about, error, "will be tried again in {pause} s");
            }
            Outcome::Apart(parts) => {
                tracing::info!(%target, about, "goes on as {} messages", parts.len());
            }
        }
    }

    async fn pause(&self) -> Result<Duration, DbError> {
        let target = self.target.clone();
        let next = self.handles.db.read(move |conn| outbox::next_due(conn, &target)).await?;
        // One whose lane is blocked may be due already.
        let wait = |due: Timestamp| {
            let seconds = u64::try_from(due - now()).unwrap_or(0).max(1);
            Duration::from_secs(seconds).min(LOOK)
        };
        Ok(next.map_or(LOOK, wait))
    }
}

/// What follows a failure.
fn outcome(message: &Message, failure: Failure, now: Timestamp) -> Outcome {
    let (error, after) = match failure {
        Failure::Lasting(error) => return Outcome::Failed(error),
        Failure::Apart(parts) => return Outcome::Apart(parts),
        Failure::Passing { error, after } => (error, after),
    };
    let attempts = u32::try_from(message.attempts + 1).unwrap_or(u32::MAX);
    let age = Duration::from_secs(u64::try_from(now - message.created_at).unwrap_or(0));
    match pace::next(attempts, age, after) {
        Some(pause) => {
            let due_at = now + i64::try_from(pause.as_secs()).unwrap_or(i64::MAX);
            Outcome::Again { error, due_at }
        }
        None => Outcome::Failed(format!("given up after {attempts} attempts: {error}")),
    }
}
