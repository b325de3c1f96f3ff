//! Supervision: starts children from their factories, watches them, and starts them again.
//!
//! actix's own `Supervisor` does not restart after a panic and keeps the broken state, therefore
//! this file: each life of a child is a fresh actor in a fresh context, run as a task whose end,
//! orderly or by panic, is seen. What a child must know of its former life is in the database.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// Deaths remembered at least: enough for the longest pause.
const DEATHS: usize = 16;

/// The pause before a life that was asked for.
const SHOVED: Duration = Duration::from_millis(10);

/// How long a life that is cut off may take to be gone.
const CUT_OFF: Duration = Duration::from_secs(1);

/// One life of a child; ends when the actor ends.
type Life = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()>>> + Send + Sync>;

/// Keeps the children of one parent. Clones share them, so that children outlive a parent that
/// dies and is built again.
#[derive(Clone)]
pub struct Supervisor {
    /// Names of the ancestors, from the top down.
    names: Vec<String>,
    tree: Tree,
    alarms: mpsc::UnboundedSender<Alarm>,
    children: Arc<Mutex<IndexMap<String, Keeper>>>,
}

/// What a factory needs to open a supervisor for the children of the actor it makes.
#[derive(Clone)]
pub struct Nursery {
    names: Vec<String>,
    tree: Tree,
    alarms: mpsc::UnboundedSender<Alarm>,
}

impl Nursery {
    /// A supervisor without children, on the current thread.
    pub fn open(&self) -> Supervisor {
        let Nursery { names, tree, alarms } = self.clone();
        Supervisor { names, tree, alarms, children: Arc::default() }
    }
}

/// What the supervisor holds of one running child.
struct Keeper {
    stop: watch::Sender<bool>,
    done: oneshot::Receiver<()>,
}

impl Supervisor {
    /// A supervisor without children; `parent` is empty for the root. Alarms tell of essential
    /// children over their budget.
    pub fn new(parent: &str, tree: Tree, alarms: mpsc::UnboundedSender<Alarm>) -> Supervisor {
        let names = if parent.is_empty() { Vec::new() } else { vec![parent.to_owned()] };
        Supervisor { names, tree, alarms, children: Arc::default() }
    }

    /// A supervisor for the children of the child `name`.
    pub fn below(&self, name: &str) -> Supervisor {
        let names = self.names_with(name);
        Supervisor { names, children: Arc::default(), ..self.clone() }
    }

    /// Like [`Supervisor::below`], for a factory that runs on the child's own thread.
    pub fn nursery(&self, name: &str) -> Nursery {
        let Supervisor { names, tree, alarms, .. } = self.below(name);
        Nursery { names, tree, alarms }
    }

    fn names_with(&self, name: &str) -> Vec<String> {
        self.names.iter().cloned().chain([name.to_owned()]).collect()
    }

    /// The rows of all supervisors of this process.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    fn children(&self) -> MutexGuard<'_, IndexMap<String, Keeper>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a child: `make` builds each of its lives. A child of the same name must not run.
    pub fn start<A, F>(&self, spec: ChildSpec, mailbox: &Mailbox<A>, make: F)
    where
        A: Child + actix::Handler<Mail<Stop>>,
        F: Fn() -> A + Send + Sync + 'static,
    {
        let (stop, stopping) = watch::channel(false);
        let (finished, done) = oneshot::channel();
        let names = self.names_with(&spec.name);
        let row = self.tree.add(names, spec.restart.name(), mailbox.gauge());
        let stopper = mailbox.clone();
        let keeper = KeeperTask {
            life: life_of(mailbox.clone(), make),
            ask_to_stop: Box::new(move || {
                stopper.post(Stop);
            }),
            spec: spec.clone(),
            row,
            tree: self.tree.clone(),
            alarms: self.alarms.clone(),
            stopping,
        };
        self.children().insert(spec.name, Keeper { stop, done });
        let children = Arc::downgrade(&self.children);
        let name = keeper.spec.name.clone();
        actix::spawn(async move {
            keeper.run().await;
            // Whoever stopped the child has taken the entry out already.
            if let Some(children) = children.upgrade() {
                let mut children = children.lock().unwrap_or_else(PoisonError::into_inner);
                if children.get(&name).is_some_and(|child| child.stop.receiver_count() == 0) {
                    children.shift_remove(&name);
                }
            }
            let _ = finished.send(());
        });
    }

    pub fn is_running(&self, name: &str) -> bool {
        self.children().contains_key(name)
    }

    /// Has it no child, neither alive nor waiting for its next life?
    pub fn is_empty(&self) -> bool {
        self.children().is_empty()
    }

    /// Its children, the oldest first.
    pub fn names(&self) -> Vec<String> {
        self.children().keys().cloned().collect()
    }

    /// Stops one child in an orderly way; after its deadline it is cut off.
    pub async fn stop(&self, name: &str) {
        let child = self.children().shift_remove(name);
        let Some(child) = child else { return };
        let _ = child.stop.send(true);
        let _ = child.done.await;
    }

    /// Stops all children, the youngest first.
    pub async fn stop_all(&self) {
        self.stop_down_to("").await;
    }

    /// Stops the children that are younger than `name`, the youngest first.
    pub async fn stop_down_to(&self, name: &str) {
        loop {
            let last = self.children().last().map(|(name, _)| name.clone());
            let Some(last) = last.filter(|last| last != name) else { return };
            self.stop(&last).await;
        }
    }

    /// Stops all children at once: for siblings that do not need each other.
    pub async fn stop_together(&self) {
        let children: Vec<Keeper> = self.children().drain(..).map(|(_, child)| child).collect();
        for child in &children {
            let _ = child.stop.send(true);
        }
        for child in children {
            let _ = child.done.await;
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

/// How a life ended.
enum End {
    Orderly,
    /// The text of a panic.
    Died(String),
    /// Somebody wanted another life.
    Shoved,
}

impl KeeperTask {
    async fn run(mut self) {
        // Since the last long life.
        let mut deaths: Vec<Instant> = Vec::new();
        loop {
            self.row.enter(ChildState::Running);
            let born = Instant::now();
            let end = self.one_life().await;
            if *self.stopping.borrow() || !self.wants_another(&end) {
                break;
            }
            if born.elapsed() > self.spec.budget.within {
                deaths.clear();
            }
            let counts = !matches!(end, End::Shoved);
            let pause = self.pause_after(&deaths, end);
            deaths.extend(counts.then(Instant::now));
            let most = self.spec.budget.restarts.max(DEATHS);
            deaths.drain(..deaths.len().saturating_sub(most));
            if !self.sleep(pause).await {
                break;
            }
            if pause.is_none() {
                deaths.clear();
            }
        }
        self.tree.remove(&self.row);
    }

    async fn one_life(&mut self) -> End {
        let (mut ended, abort) = run_on(&self.spec.home, self.life.clone());
        tokio::select! {
            outcome = &mut ended => return match outcome {
                Ok(Ok(())) => End::Orderly,
                Ok(Err(text)) => End::Died(text),
                Err(_) => End::Died("its thread is gone".to_owned()),
            },
            () = stopped(&mut self.stopping) => {}
            () = self.row.shoved() => {
                cut_off(ended, abort).await;
                return End::Shoved;
            }
        }
        self.row.enter(ChildState::Stopping);
        (self.ask_to_stop)();
        if tokio::time::timeout(self.spec.stop_within, &mut ended).await.is_err() {
            tracing::warn!(actor = self.row.path(), "did not stop in time and was cut off");
            cut_off(ended, abort).await;
        }
        End::Orderly
    }

    fn wants_another(&self, end: &End) -> bool {
        if let End::Died(error) = end {
            tracing::error!(actor = self.row.path(), %error, "an actor died");
            self.row.died(Some(error));
        }
        match self.spec.restart {
            Restart::Permanent => true,
            Restart::Transient => !matches!(end, End::Orderly),
            Restart::Temporary => false,
        }
    }

    /// Waits for the next life, without a pause until somebody wants it; false when there is none.
    async fn sleep(&mut self, pause: Option<Duration>) -> bool {
        let over = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = over => true,
            () = self.row.shoved() => true,
            () = stopped(&mut self.stopping) => false,
        }
    }

    /// How long to wait before the next life; `None` means that there is none.
    fn pause_after(&self, deaths: &[Instant], end: End) -> Option<Duration> {
        let error = match end {
            End::Died(error) => error,
            End::Orderly => {
                self.row.died(None);
                "ended without being asked to".to_owned()
            }
            End::Shoved => {
                self.row.died(Some("started again by hand"));
                self.row.enter(ChildState::BackingOff);
                return Some(SHOVED);
            }
        };
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
                let _ = self.alarms.send(Alarm { path: self.row.path().to_owned(), error });
            }
        }
        tracing::error!(actor = self.row.path(), "died too often and stays down");
        self.row.enter(ChildState::Parked);
        None
    }
}

/// Ends a life in the middle.
async fn cut_off(ended: Ended, abort: oneshot::Receiver<AbortHandle>) {
    if let Ok(abort) = abort.await {
        abort.abort();
    }
    // A thread that is blocked does not even notice that.
    let _ = tokio::time::timeout(CUT_OFF, ended).await;
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
