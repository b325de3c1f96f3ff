//! Takes the output of all steps and stores it in chunks.
//! In:   text of any shape, awaited; its caller waits while the database is behind.
//! Out:  chunks to the database; live lines to viewers; LogAppended, LogFinished.
//! Owns: the lines that are not stored yet, bounded.
//! Dies: at most the last second of output of each log is lost; the next append goes on where
//!       the table ends.

mod actor;
mod buffer;
mod limit;
mod open_log;
mod queue;
mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use actix::ArbiterHandle;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use self::actor::{Append, Configure, Finish, Follow, LogIntakeActor, Open};
use self::store::LogStore;
use super::announcer::Announcer;
use super::mail::{ASK, AskError, Mail, Mailbox};
use super::supervise::{ChildSpec, Supervisor};
use crate::config::checked::LogSettings;
use crate::db::{Db, DbError};
use crate::model::{Log, LogId, LogLines};
use crate::steps::Stream;

/// How long an append waits for a database that is behind before it gives up.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long an append waits for an intake that is down: longer than its restart budget lasts.
const RESTARTS: Duration = Duration::from_secs(10);

/// Between two looks whether the intake is up again.
const AGAIN: Duration = Duration::from_millis(20);

/// Why output could not be taken or stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// Told once; what follows is stored again as soon as that works.
    #[error("output could not be stored: {0}")]
    NotStored(String),
    #[error("the log has ended already")]
    Finished,
    #[error(transparent)]
    Down(#[from] AskError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// A log as a live viewer gets it: first the table up to `buffered.first_line`, then `buffered`,
/// then `lines`. When the channel closes the log has ended; a viewer that lags reads the table.
pub struct Following {
    pub log: LogId,
    /// Lines that are not final in the database yet.
    pub buffered: LogLines,
    pub lines: broadcast::Receiver<Arc<LogLines>>,
}

/// The handle. Clones share the intake.
#[derive(Clone)]
pub struct LogIntake {
    mailbox: Mailbox<LogIntakeActor>,
    settings: watch::Sender<LogSettings>,
}

impl LogIntake {
    /// Starts the intake as an essential child on `home`, a thread of its own.
    pub fn start(
        supervisor: &Supervisor,
        home: ArbiterHandle,
        db: Db,
        announcer: Announcer,
        settings: LogSettings,
    ) -> LogIntake {
        LogIntake::start_with(supervisor, home, Arc::new(db), announcer, settings)
    }

    fn start_with(
        supervisor: &Supervisor,
        home: ArbiterHandle,
        store: Arc<dyn LogStore>,
        announcer: Announcer,
        settings: LogSettings,
    ) -> LogIntake {
        let name = "log intake";
        let mailbox = Mailbox::new(name);
        let settings = watch::Sender::new(settings);
        let intake = LogIntake { mailbox: mailbox.clone(), settings: settings.clone() };
        let spec = ChildSpec { home, ..ChildSpec::essential(name) };
        supervisor.start(spec, &mailbox, move || {
            let settings = settings.borrow().clone();
            LogIntakeActor::new(store.clone(), announcer.clone(), settings)
        });
        intake
    }

    /// Other settings for chunks and logs that begin from now on.
    pub fn configure(&self, settings: LogSettings) {
        self.settings.send_replace(settings.clone());
        self.mailbox.post(Configure(settings));
    }

    /// Tells of a log that begins, which saves a look into the table at its first line.
    pub async fn open(&self, log: &Log) {
        // Without it the first append opens the log.
        let _ = self.mailbox.ask(Open(log.clone()), ASK).await;
    }

    /// Appends text of any shape. Returns when there is room for more: awaiting it is what slows
    /// a worker down to the speed of the database. One caller at a time per log keeps the order.
    ///
    /// # Errors
    /// When earlier output of the log could not be stored (told once, `text` is taken all the
    /// same), when the log has ended or does not exist, or when the intake is down.
    pub async fn append(&self, log: LogId, stream: Stream, text: String) -> Result<(), LogError> {
        let text: Arc<str> = text.into();
        self.ask(|| Append { log, stream, text: text.clone() }).await
    }

    /// Ends a log; returns the number of its lines once all of it is durable.
    ///
    /// # Errors
    /// As [`LogIntake::append`]. The log has ended in any case.
    pub async fn finish(&self, log: LogId) -> Result<i64, LogError> {
        self.ask(|| Finish(log)).await
    }

    /// Asks again when a life of the intake dies over it, so that no build notices; supervision
    /// shuts the master down if that does not help.
    async fn ask<M, T>(&self, message: impl Fn() -> M) -> Result<T, LogError>
    where
        M: actix::Message<Result = Result<T, LogError>> + Send + 'static,
        T: Send + 'static,
        LogIntakeActor: actix::Handler<Mail<M>>,
    {
        let give_up = Instant::now() + RESTARTS;
        loop {
            match self.mailbox.ask(message(), PATIENCE).await {
                Ok(answer) => return answer,
                Err(AskError::Down(_)) if Instant::now() < give_up => {
                    tokio::time::sleep(AGAIN).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Follows a log that is being written; `None` when it is not: read the table.
    pub async fn follow(&self, log: LogId) -> Option<Following> {
        self.mailbox.ask(Follow(log), ASK).await.ok().flatten()
    }
}
