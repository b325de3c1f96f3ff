//! Takes changes in: stores each batch once and tells the schedulers.
//!
//! In: [`Intake::submit`], [`Intake::state`].  Out: `Event::ChangeAdded`, in order.
//! Owns: the tables of changes, and what change sources remember (`object_state`); what waits for
//!       the batches before it, bounded.
//! Dies: safely at any time; a batch and the source's state are one transaction.

use std::sync::Arc;

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, ResponseFuture, WrapFuture,
};
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, join_all};
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use super::announcer::Announcer;
use super::mail::{AskError, CAPACITY, Child, Mailbox};
use super::supervise::{ChildSpec, Supervisor};
use crate::db::{Db, DbError, changes, state};
use crate::events::Event;
use crate::flow::intake::IntakeRules;
use crate::model::{Change, Clock, NewChange, Timestamp};

/// A batch of a thousand changes on a slow disk.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(120);

/// Batches that are handed to the database at once, so that they share a commit and every scheduler
/// looks at them once.
const AT_ONCE: usize = 100;

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
            waiting: Vec::new(),
            storing: false,
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

type Stored = Result<Vec<Arc<Change>>, DbError>;
type Remembered = Result<Option<Value>, DbError>;

#[derive(Message)]
#[rtype(result = "Stored")]
struct Submit(Batch);

#[derive(Message)]
#[rtype(result = "Remembered")]
struct ReadState {
    name: String,
    class: String,
    key: String,
}

/// Something to be done, and who waits for it.
enum Task {
    Store(Batch, oneshot::Sender<Stored>),
    Read(ReadState, oneshot::Sender<Remembered>),
}

/// Something that was done.
enum Done {
    Stored(Result<Vec<Change>, DbError>, oneshot::Sender<Stored>),
    Read(Remembered, oneshot::Sender<Remembered>),
}

/// The actor; reached through [`Intake`].
pub struct IntakeActor {
    db: Db,
    announcer: Announcer,
    clock: Clock,
    rules: watch::Receiver<Arc<IntakeRules>>,
    /// In order.
    waiting: Vec<Task>,
    /// Tasks are with the database.
    storing: bool,
}

impl Actor for IntakeActor {
    type Context = Context<Self>;
}

impl Child for IntakeActor {}

crate::receives!(IntakeActor: Submit, ReadState);

impl Handler<Submit> for IntakeActor {
    type Result = ResponseFuture<Stored>;

    fn handle(&mut self, Submit(mut batch): Submit, ctx: &mut Context<Self>) -> Self::Result {
        let rules = self.rules.borrow().clone();
        batch.changes.iter_mut().for_each(|change| rules.complete(change));
        let (reply, answer) = oneshot::channel();
        self.take(Task::Store(batch, reply), ctx);
        Box::pin(async { answer.await.unwrap_or_else(|_| Err(crowded())) })
    }
}

impl Handler<ReadState> for IntakeActor {
    type Result = ResponseFuture<Remembered>;

    fn handle(&mut self, ask: ReadState, ctx: &mut Context<Self>) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        self.take(Task::Read(ask, reply), ctx);
        Box::pin(async { answer.await.unwrap_or_else(|_| Err(crowded())) })
    }
}

/// Nobody answers what finds no place.
fn crowded() -> DbError {
    DbError::Query("too many changes wait to be stored".to_owned())
}

impl IntakeActor {
    fn take(&mut self, task: Task, ctx: &mut Context<Self>) {
        if self.waiting.len() < CAPACITY {
            self.waiting.push(task);
        }
        self.work(ctx);
    }

    /// Hands over what waits, unless something is with the database already: facts are told in the
    /// order of their ids.
    fn work(&mut self, ctx: &mut Context<Self>) {
        if self.storing || self.waiting.is_empty() {
            return;
        }
        self.storing = true;
        let tasks = self.waiting.drain(..self.waiting.len().min(AT_ONCE));
        let now = self.clock.now();
        let working: Vec<_> = tasks.map(|task| task.begin(&self.db, now)).collect();
        ctx.spawn(join_all(working).into_actor(self).map(|done, actor, ctx| {
            done.into_iter().for_each(|done| actor.tell(done));
            actor.storing = false;
            actor.work(ctx);
        }));
    }

    fn tell(&self, done: Done) {
        match done {
            Done::Read(value, reply) => drop(reply.send(value)),
            Done::Stored(stored, reply) => {
                let stored: Stored =
                    stored.map(|changes| changes.into_iter().map(Arc::new).collect());
                for change in stored.iter().flatten() {
                    self.announcer.announce(Event::ChangeAdded(change.clone()));
                }
                let _ = reply.send(stored);
            }
        }
    }
}

impl Task {
    /// Queues it at the database; each is a transaction of its own.
    fn begin(self, db: &Db, now: Timestamp) -> LocalBoxFuture<'static, Done> {
        match self {
            Task::Store(batch, reply) => {
                let stored = db.write(move |conn| store(conn, batch, now));
                stored.map(|stored| Done::Stored(stored, reply)).boxed_local()
            }
            Task::Read(ask, reply) => {
                let read = db.write(move |conn| {
                    let object = state::object(conn, &ask.name, &ask.class)?;
                    state::get(conn, object, &ask.key)
                });
                read.map(|value| Done::Read(value, reply)).boxed_local()
            }
        }
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
