//! Takes changes in: stores each batch once and tells the schedulers.
//!
//! In: [`Intake::submit`], [`Intake::state`].  Out: `Event::ChangeAdded`, in order.
//! Owns: the tables of changes, and what change sources remember (`object_state`).
//! Dies: safely at any time; a batch and the source's state are one transaction.

use std::sync::Arc;

use actix::{Actor, ActorFutureExt, AtomicResponse, Context, Handler, Message, WrapFuture};
use serde_json::Value;
use tokio::sync::watch;

use super::announcer::Announcer;
use super::mail::{AskError, Child, Mailbox};
use super::supervise::{ChildSpec, Supervisor};
use crate::db::{Db, DbError, changes, state};
use crate::events::Event;
use crate::flow::intake::IntakeRules;
use crate::model::{Change, Clock, NewChange, Timestamp};

/// A batch of a thousand changes on a slow disk.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(120);

/// The handle to the intake.
#[derive(Clone)]
pub struct Intake {
    mailbox: Mailbox<IntakeActor>,
    rules: watch::Sender<Arc<IntakeRules>>,
}

/// Changes that belong together, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    pub changes: Vec<NewChange>,
    /// What the source remembers from now on. Stored with the changes or not at all, so that a
    /// restart neither repeats nor skips.
    pub memory: Option<Memory>,
}

/// Values of one object of `object_state`, by key.
#[derive(Debug, Clone)]
pub struct Memory {
    pub name: String,
    pub class: String,
    pub values: Vec<(String, Value)>,
}

/// Why changes were not taken, or why it is not known.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IntakeError {
    #[error(transparent)]
    Db(#[from] DbError),
    /// The batch may have been stored all the same; [`Intake::state`] tells.
    #[error(transparent)]
    Ask(#[from] AskError),
}

impl Intake {
    /// Starts the intake below `supervisor`.
    pub fn start(supervisor: &Supervisor, db: Db, announcer: Announcer, clock: Clock) -> Intake {
        let mailbox = Mailbox::new("intake");
        let rules = watch::Sender::default();
        let followed = rules.subscribe();
        supervisor.start(ChildSpec::permanent("intake"), &mailbox, move || IntakeActor {
            db: db.clone(),
            announcer: announcer.clone(),
            clock: clock.clone(),
            rules: followed.clone(),
        });
        Intake { mailbox, rules }
    }

    /// Changes that are submitted from now on get what these rules say. At first they are stock's
    /// defaults.
    pub fn configure(&self, rules: Arc<IntakeRules>) {
        self.rules.send_replace(rules);
    }

    /// The actor's mailbox, for its figures.
    pub fn mailbox(&self) -> &Mailbox<IntakeActor> {
        &self.mailbox
    }

    /// Stores a batch in one transaction and announces its changes in order.
    ///
    /// # Errors
    /// When nothing was stored ([`IntakeError::Db`]), or when the answer did not come.
    pub async fn submit(&self, batch: Batch) -> Result<Vec<Arc<Change>>, IntakeError> {
        Ok(self.mailbox.ask(Submit(batch), DEADLINE).await??)
    }

    /// What the object `name` of class `class` remembers under `key`. Answered after every batch
    /// that was submitted before, even by somebody who did not wait for the end.
    ///
    /// # Errors
    /// When the database refuses or the intake does not answer.
    pub async fn state(
        &self,
        name: &str,
        class: &str,
        key: &str,
    ) -> Result<Option<Value>, IntakeError> {
        let ask = ReadState { name: name.into(), class: class.into(), key: key.into() };
        Ok(self.mailbox.ask(ask, DEADLINE).await??)
    }
}

#[derive(Message)]
#[rtype(result = "Result<Vec<Arc<Change>>, DbError>")]
struct Submit(Batch);

#[derive(Message)]
#[rtype(result = "Result<Option<Value>, DbError>")]
struct ReadState {
    name: String,
    class: String,
    key: String,
}

/// The actor; reached through [`Intake`].
pub struct IntakeActor {
    db: Db,
    announcer: Announcer,
    clock: Clock,
    rules: watch::Receiver<Arc<IntakeRules>>,
}

impl Actor for IntakeActor {
    type Context = Context<Self>;
}

impl Child for IntakeActor {}

crate::receives!(IntakeActor: Submit, ReadState);

/// One batch after the other: the mailbox waits, so that facts are told in the order of their ids.
impl Handler<Submit> for IntakeActor {
    type Result = AtomicResponse<Self, Result<Vec<Arc<Change>>, DbError>>;

    fn handle(&mut self, Submit(mut batch): Submit, _: &mut Context<Self>) -> Self::Result {
        let rules = self.rules.borrow().clone();
        batch.changes.iter_mut().for_each(|change| rules.complete(change));
        let (db, now) = (self.db.clone(), self.clock.now());
        let stored = async move { db.write(move |conn| store(conn, batch, now)).await };
        AtomicResponse::new(Box::pin(stored.into_actor(self).map(|stored, actor, _| {
            let stored: Vec<Arc<Change>> = stored?.into_iter().map(Arc::new).collect();
            for change in &stored {
                actor.announcer.announce(Event::ChangeAdded(change.clone()));
            }
            Ok(stored)
        })))
    }
}

impl Handler<ReadState> for IntakeActor {
    type Result = AtomicResponse<Self, Result<Option<Value>, DbError>>;

    fn handle(&mut self, ask: ReadState, _: &mut Context<Self>) -> Self::Result {
        let db = self.db.clone();
        let read = async move {
            db.write(move |conn| {
                let object = state::object(conn, &ask.name, &ask.class)?;
                state::get(conn, object, &ask.key)
            })
            .await
        };
        AtomicResponse::new(Box::pin(read.into_actor(self)))
    }
}

fn store(conn: &mut crate::db::Conn, batch: Batch, at: Timestamp) -> Result<Vec<Change>, DbError> {
    let stored = batch.changes.iter().map(|change| changes::add(conn, change, at));
    let stored = stored.collect::<Result<Vec<Change>, DbError>>()?;
    if let Some(memory) = &batch.memory {
        let object = state::object(conn, &memory.name, &memory.class)?;
        for (key, value) in &memory.values {
            state::set(conn, object, key, value)?;
        }
    }
    Ok(stored)
}
