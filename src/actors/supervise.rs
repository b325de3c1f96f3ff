//! Supervision: starts children from their factories, watches them, and starts them again.
//!
//! actix's own `Supervisor` does not restart after a panic and keeps the broken state, therefore
//! this file: each life of a child is a fresh actor in a fresh context, run as a task whose end,
//! orderly or by panic, is seen. What a child must know of its former life is in the database.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{ArbiterHandle, AsyncContext, Context};
use indexmap::IndexMap;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use super::mail::{CAPACITY, Child, Mail, Mailbox, Stop};
use super::tree::{ChildState, Row, Tree};
use crate::db::panic_text;
use crate::flow::restart::{Budget, Verdict, decide};

/// When a child that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// After a panic only.
    Transient,
    /// Never.
    Temporary,
}

impl Restart {
    fn name(self) -> &'static str {
        match self {
            Restart::Permanent => "permanent",
            Restart::Transient => "transient",
            Restart::Temporary => "temporary",
        }
    }
}

/// What happens when a child dies more often than its budget allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverBudget {
    /// Nothing works without it: the master shuts down in an orderly way.
    ShutDown,
    /// It stays down and is shown as failed; everybody else goes on.
    Park,
    /// It is tried for ever, at the longest pause.
    KeepTrying,
}

/// How one child is started and kept.
#[derive(Clone)]
pub struct ChildSpec {
    pub name: String,
    pub restart: Restart,
    pub over_budget: OverBudget,
    pub budget: Budget,
    /// The thread it lives on.
    pub home: ArbiterHandle,
    /// How long an orderly stop may take.
    pub stop_within: Duration,
}

impl ChildSpec {
    /// A permanent child on the current thread that is tried for ever.
    pub fn permanent(name: impl Into<String>) -> ChildSpec {
        ChildSpec {
            name: name.into(),
            restart: Restart::Permanent,
            over_budget: OverBudget::KeepTrying,
            budget: Budget::default(),
            home: actix::Arbiter::current(),
            stop_within: Duration::from_secs(10),
        }
    }

    /// A permanent child that the master cannot live without.
    pub fn essential(name: impl Into<String>) -> ChildSpec {
        ChildSpec { over_budget: OverBudget::ShutDown, ..ChildSpec::permanent(name) }
    }

    /// A child with one life.
    pub fn temporary(name: impl Into<String>) -> ChildSpec {
        ChildSpec { restart: Restart::Temporary, ..ChildSpec::permanent(name) }
    }
}

/// An essential child is over its budget: its path and last error.
#[derive(Debug, Clone)]
pub struct Alarm {
    pub path: String,
    pub error: String,
}

/// One life of a child; ends when the actor ends.
type Life = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()>>> + Send + Sync>;

/// Keeps the children of one parent. Clones share them. Lives on its parent's thread.
#[derive(Clone)]
pub struct Supervisor {
    path: String,
    tree: Tree,
    alarms: mpsc::UnboundedSender<Alarm>,
    children: Rc<RefCell<IndexMap<String, Keeper>>>,
}

/// What the supervisor holds of one running child.
struct Keeper {
    stop: watch::Sender<bool>,
    done: oneshot::Receiver<()>,
}

impl Supervisor {
    pub fn new(path: &str, tree: Tree, alarms: mpsc::UnboundedSender<Alarm>) -> Supervisor {
        Supervisor { path: path.to_owned(), tree, alarms, children: Rc::default() }
    }

    /// A supervisor for the children of the child `name`.
    pub fn below(&self, name: &str) -> Supervisor {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) };
        Supervisor { path, children: Rc::default(), ..self.clone() }
    }

    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Starts a child: `make` builds each of its lives. A child of the same name must not run.
    pub fn start<A, F>(&self, spec: ChildSpec, mailbox: &Mailbox<A>, make: F)
    where
        A: Child + actix::Handler<Mail<Stop>>,
        F: Fn() -> A + Send + Sync + 'static,
    {
        let (stop, stopping) = watch::channel(false);
        let (finished, done) = oneshot::channel();
        let path = if self.path.is_empty() {
            spec.name.clone()
        } else {
            format!("{}/{}", self.path, spec.name)
        };
        let row = self.tree.add(path, spec.restart.name(), mailbox.gauge());
        let stopper = mailbox.clone();
        let keeper = KeeperTask {
            life: life_of(mailbox.clone(), make),
            ask_to_stop: Box::new(move || stopper.post(Stop)),
            spec: spec.clone(),
            row,
            tree: self.tree.clone(),
            alarms: self.alarms.clone(),
            stopping,
        };
        self.children.borrow_mut().insert(spec.name, Keeper { stop, done });
        let children = Rc::downgrade(&self.children);
        let name = keeper.spec.name.clone();
        actix::spawn(async move {
            keeper.run().await;
            // Whoever stopped the child has taken the entry out already.
            if let Some(children) = children.upgrade() {
                let ended = children
                    .borrow()
                    .get(&name)
                    .is_some_and(|child| child.stop.receiver_count() == 0);
                if ended {
                    children.borrow_mut().shift_remove(&name);
                }
            }
            let _ = finished.send(());
        });
    }

    pub fn is_running(&self, name: &str) -> bool {
        self.children.borrow().contains_key(name)
    }

    pub fn names(&self) -> Vec<String> {
        self.children.borrow().keys().cloned().collect()
    }

    /// Stops one child in an orderly way; after its deadline it is cut off.
    pub async fn stop(&self, name: &str) {
        let Some(child) = self.children.borrow_mut().shift_remove(name) else { return };
        let _ = child.stop.send(true);
        let _ = child.done.await;
    }

    /// Stops all children, the youngest first.
    pub async fn stop_all(&self) {
        loop {
            let last = self.children.borrow().last().map(|(name, _)| name.clone());
            let Some(name) = last else { return };
            self.stop(&name).await;
        }
    }
}

fn life_of<A, F>(mailbox: Mailbox<A>, make: F) -> Life
where
    A: Child,
    F: Fn() -> A + Send + Sync + 'static,
{
    let make = Arc::new(make);
    Arc::new(move || {
        let (mailbox, make) = (mailbox.clone(), make.clone());
        Box::pin(async move {
            let mut context = Context::<A>::new();
            context.set_mailbox_capacity(CAPACITY);
            let actor = make();
            mailbox.fill(Some(context.address()));
            let _empty_at_end = OnDrop(Some(move || mailbox.fill(None)));
            context.into_future(actor).await;
        })
    })
}

/// Runs a closure at the end of a scope, a panic's unwinding included.
struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(run) = self.0.take() {
            run();
        }
    }
}

/// Follows one child through its lives.
struct KeeperTask {
    life: Life,
    ask_to_stop: Box<dyn Fn()>,
    spec: ChildSpec,
    row: Arc<Row>,
    tree: Tree,
    alarms: mpsc::UnboundedSender<Alarm>,
    stopping: watch::Receiver<bool>,
}

impl KeeperTask {
    async fn run(mut self) {
        let mut deaths: Vec<Instant> = Vec::new();
        loop {
            self.row.enter(ChildState::Running);
            let ended = self.one_life().await;
            if *self.stopping.borrow() || !self.wants_another(&ended) {
                break;
            }
            let error = ended.err();
            self.row.died(error.as_deref());
            let pause = self.pause_after(&deaths, error);
            deaths.push(Instant::now());
            let waited = match pause {
                Some(pause) => tokio::time::timeout(pause, stopped(&mut self.stopping)).await.is_ok(),
                None => {
                    stopped(&mut self.stopping).await;
                    true
                }
            };
            if waited {
                break;
            }
        }
        self.tree.remove(&self.row);
    }

    /// `Err` is the text of a panic.
    async fn one_life(&mut self) -> Result<(), String> {
        let (mut ended, abort) = run_on(&self.spec.home, self.life.clone());
        tokio::select! {
            outcome = &mut ended => return outcome.unwrap_or_else(|_| Err("its thread is gone".into())),
            () = stopped(&mut self.stopping) => {}
        }
        self.row.enter(ChildState::Stopping);
        (self.ask_to_stop)();
        if tokio::time::timeout(self.spec.stop_within, &mut ended).await.is_err() {
            tracing::warn!(actor = self.row.path(), "did not stop in time and was cut off");
            if let Ok(abort) = abort.await {
                abort.abort();
            }
        }
        Ok(())
    }

    fn wants_another(&self, ended: &Result<(), String>) -> bool {
        if let Err(error) = ended {
            tracing::error!(actor = self.row.path(), %error, "an actor died");
        }
        match self.spec.restart {
            Restart::Permanent => true,
            Restart::Transient => ended.is_err(),
            Restart::Temporary => false,
        }
    }

    /// How long to wait before the next life; `None` means that there is none.
    fn pause_after(&self, deaths: &[Instant], error: Option<String>) -> Option<Duration> {
        let ages: Vec<Duration> = deaths.iter().map(Instant::elapsed).collect();
        let over = match decide(self.spec.budget, &ages) {
            Verdict::Restart { after } => {
                self.row.enter(ChildState::BackingOff);
                return Some(after);
            }
            Verdict::OverBudget { after } => after,
        };
        match self.spec.over_budget {
            OverBudget::KeepTrying => {
                self.row.enter(ChildState::BackingOff);
                return Some(over);
            }
            OverBudget::Park => {}
            OverBudget::ShutDown => {
                let error = error.unwrap_or_else(|| "ended without being asked to".into());
                let _ = self.alarms.send(Alarm { path: self.row.path().to_owned(), error });
            }
        }
        tracing::error!(actor = self.row.path(), "died too often and stays down");
        self.row.enter(ChildState::Parked);
        None
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // A closed channel means that the supervisor itself is gone.
    let _ = stopping.wait_for(|stop| *stop).await;
}

type Ended = oneshot::Receiver<Result<(), String>>;

/// Runs one life on its thread; the second receiver gets the means to cut it off.
fn run_on(home: &ArbiterHandle, life: Life) -> (Ended, oneshot::Receiver<AbortHandle>) {
    let (report, ended) = oneshot::channel();
    let (hand_over, abort) = oneshot::channel();
    home.spawn_fn(move || {
        let task = tokio::task::spawn_local(async move { life().await });
        let _ = hand_over.send(task.abort_handle());
        tokio::task::spawn_local(async move {
            let outcome = match task.await {
                Err(error) if error.is_panic() => Err(panic_text(error.into_panic().as_ref())),
                _ => Ok(()),
            };
            let _ = report.send(outcome);
        });
    });
    (ended, abort)
}
