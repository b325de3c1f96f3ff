//! One look at the queue: what can start now, and why the rest waits.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use futures_util::future::join_all;

use super::Shared;
use crate::actors::build::{Assignment, finish};
use crate::actors::builder::BuilderHandle;
use crate::actors::locks::LockGuard;
use crate::actors::surroundings::Surroundings;
use crate::actors::worker::{Board, BoardEntry, Roster};
use crate::config::checked::MasterConfig;
use crate::db::builds::NewBuild;
use crate::db::{DbError, buildrequests, builds};
use crate::events::Event;
use crate::flow::assign::{BuilderWorkers, Start, Waiting, WorkerState, assign};
use crate::model::{Build, BuildId, BuildRequest, BuildRequestId, LockAccess, WorkerId, now};

/// A build row of this age, in seconds, that nobody runs is an orphan; younger ones may be on
/// their way to their builder.
const ORPHAN_AGE: i64 = 15;

/// Requests looked at in one scan; the rest waits for the next one.
const SCAN: i64 = 2_000;

#[derive(Clone)]
pub(super) struct Scanner {
    pub surroundings: Surroundings,
    pub roster: Roster,
    pub shared: Arc<Shared>,
}

/// The queue and the load at one moment.
struct Queue {
    pending: Vec<BuildRequest>,
    running: Vec<Build>,
}

impl Scanner {
    pub async fn scan(&self) -> Result<(), DbError> {
        // Asked before the rows are read: a build that ends in between is no orphan.
        let alive = self.surroundings.running.ids();
        let mut queue = self.read().await?;
        self.close_orphans(&queue.running, &alive).await?;
        if self.shared.holding.load(Ordering::Relaxed) {
            let why = "the master shuts down as soon as its running builds have finished";
            self.surroundings.locks.round(|_| ());
            self.tell(queue.pending.iter().map(|request| (request.id, why.to_owned())).collect());
            return Ok(());
        }
        if !queue.pending.is_empty() {
            let collapsed = self.collapse(&queue.pending).await?;
            queue.pending.retain(|request| !collapsed.contains(&request.id));
        }
        let board = self.roster.board();
        let (waiting, builders) = (waiting(&queue.pending), self.builder_workers(&board));
        let config = self.surroundings.config.borrow().clone();
        let workers = worker_states(&board, &queue.running, &worker_locks(&config));
        let plan = self
            .surroundings
            .locks
            .round(|locks| assign(&waiting, &builders, &workers, locks, now(), fastrand::u64(..)));
        self.tell(plan.pending.into_iter().map(|(id, why)| (id, why.to_string())).collect());
        // Claims run side by side, so that they share a commit.
        let starts = plan.starts.into_iter().map(|start| {
            let locks = start.locks.map(|ticket| self.surroundings.locks.guard(ticket));
            self.start(start, locks, &queue.pending, &board)
        });
        join_all(starts).await;
        Ok(())
    }

    /// Ends builds that run by their row only, as after a builder that died with a start in its
    /// mailbox.
    async fn close_orphans(
        &self,
        running: &[Build],
        alive: &HashSet<BuildId>,
    ) -> Result<(), DbError> {
        let newest = now() - ORPHAN_AGE;
        for build in running {
            if build.started_at < newest && !alive.contains(&build.id) {
                tracing::warn!(build = %build.id, "nobody runs this build; its request waits again");
                finish::orphan(&self.surroundings, build).await?;
            }
        }
        Ok(())
    }

    fn tell(&self, reasons: HashMap<BuildRequestId, String>) {
        *self.shared.reasons.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(reasons);
    }

    async fn read(&self) -> Result<Queue, DbError> {
        let master = self.surroundings.master;
        self.surroundings
            .db
            .read(move |conn| {
                Ok(Queue {
                    pending: buildrequests::pending(conn, SCAN)?,
                    running: builds::running(conn, master)?,
                })
            })
            .await
    }

    fn builder_workers(&self, board: &Board) -> Vec<BuilderWorkers> {
        self.shared
            .builders()
            .values()
            .map(|handle| BuilderWorkers {
                builder: handle.id,
                name: handle.config.name.clone(),
                locks: handle.config.locks.clone(),
                workers: handle
                    .config
                    .workernames
                    .iter()
                    .filter_map(|name| board.workers.get(name).map(|entry| entry.id))
                    .collect(),
            })
            .collect()
    }

    /// Claims a request, makes its build row in the same transaction, and hands both over.
    async fn start(
        &self,
        start: Start,
        locks: Option<LockGuard>,
        pending: &[BuildRequest],
        board: &Board,
    ) {
        if let Err(Some(locks)) = self.try_start(start, locks, pending, board).await {
            locks.give_up();
        }
    }

    /// Gives the locks back when nothing started.
    async fn try_start(
        &self,
        start: Start,
        locks: Option<LockGuard>,
        pending: &[BuildRequest],
        board: &Board,
    ) -> Result<(), Option<LockGuard>> {
        let Some(request) = pending.iter().find(|request| request.id == start.request) else {
            return Err(locks);
        };
        let worker = board.workers.values().find(|entry| entry.id == start.worker);
        let Some((worker, link)) = worker.and_then(|entry| Some((entry, entry.link.clone()?)))
        else {
            return Err(locks);
        };
        let builder = self.shared.builders().get(&start.builder).cloned();
        // Its next life pokes.
        let Some(builder) = builder.filter(BuilderHandle::is_up) else { return Err(locks) };
        match self.claim(request, worker).await {
            Ok(build) => {
                self.surroundings.announcer.announce(Event::RequestClaimed {
                    request: request.id,
                    builder: request.builder,
                    buildset: request.buildset,
                });
                let (request, worker) = (request.clone(), worker.clone());
                let row = build.clone();
                if let Some(locks) = &locks {
                    locks.name(build.id, build.number);
                }
                let locks = locks.map(Arc::new);
                if !builder.start(Assignment { build, request, worker, link, locks }) {
                    self.give_back(&row).await;
                }
                return Ok(());
            }
            Err(DbError::Conflict(_)) => {
                tracing::info!(request = %request.id, "another master took the request");
            }
            Err(error) => tracing::error!(request = %request.id, %error, "cannot start a build"),
        }
        Err(locks)
    }

    /// The builder went down between the look at it and the claim.
    async fn give_back(&self, build: &Build) {
        if let Err(error) = finish::orphan(&self.surroundings, build).await {
            tracing::error!(build = %build.id, %error, "cannot take back a build; its builder will");
        }
    }

    async fn claim(&self, request: &BuildRequest, worker: &BoardEntry) -> Result<Build, DbError> {
        let master = self.surroundings.master;
        let new = NewBuild {
            builder: request.builder,
            request: request.id,
            worker: Some(worker.id),
            master,
            state: "starting".to_owned(),
        };
        self.surroundings
            .db
            .write(move |conn| {
                buildrequests::claim(conn, master, &[new.request], now())?;
                builds::start(conn, new, now())
            })
            .await
    }
}

/// By the worker's name.
fn worker_locks(config: &MasterConfig) -> HashMap<&str, &[LockAccess]> {
    let workers = config.workers.iter().filter(|worker| !worker.locks.is_empty());
    workers.map(|worker| (worker.name.as_str(), worker.locks.as_slice())).collect()
}

fn waiting(pending: &[BuildRequest]) -> Vec<Waiting> {
    pending
        .iter()
        .map(|request| Waiting {
            request: request.id,
            builder: request.builder,
            priority: request.priority,
            submitted_at: request.submitted_at,
        })
        .collect()
}

/// `locks` are those of each worker by its name.
fn worker_states(
    board: &Board,
    running: &[Build],
    locks: &HashMap<&str, &[LockAccess]>,
) -> HashMap<WorkerId, WorkerState> {
    let mut states: HashMap<WorkerId, WorkerState> = board
        .workers
        .values()
        .map(|entry| {
            let state = WorkerState {
                name: entry.name.clone(),
                connected: entry.link.as_ref().is_some_and(|link| !link.is_lost()),
                paused: entry.paused,
                graceful: entry.graceful,
                quarantined_until: None,
                max_builds: entry.max_builds,
                running: Vec::new(),
                locks: locks.get(entry.name.as_str()).map(|l| l.to_vec()).unwrap_or_default(),
            };
            (entry.id, state)
        })
        .collect();
    for build in running {
        if let Some(state) = build.worker.and_then(|worker| states.get_mut(&worker)) {
            state.running.push(build.builder);
        }
    }
    states
}
