//! One look at the queue: what can start now.
//!
//! Only builders with a free worker are looked at, and of each only as many requests as it can
//! start, so that the length of the queue does not matter.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::join_all;

use super::Shared;
use super::plan::{self, Plan};
use crate::actors::build::{Assignment, finish};
use crate::actors::builder::BuilderHandle;
use crate::actors::locks::LockGuard;
use crate::actors::surroundings::Surroundings;
use crate::actors::worker::{Board, BoardEntry, Roster};
use crate::config::checked::MasterConfig;
use crate::db::builds::NewBuild;
use crate::db::{DbError, buildrequests, builds};
use crate::events::Event;
use crate::flow::assign::{Occupied, QueueBuilder, Start, Turn, WorkerState, candidate};
use crate::flow::locks::{Round, Ticket};
use crate::flow::pending::Situation;
use crate::flow::rules::{NextWorker, QueueRules};
use crate::model::{Build, BuildId, BuildRequest, BuilderId, LockAccess, Timestamp, WorkerId};

/// A build row of this age, in seconds, that nobody runs is an orphan; younger ones may be on
/// their way to their builder.
const ORPHAN_AGE: i64 = 15;

#[derive(Clone)]
pub(super) struct Scanner {
    pub surroundings: Surroundings,
    pub roster: Roster,
    pub shared: Arc<Shared>,
}

/// When to look again.
pub(super) enum Next {
    /// At once: there was more than one look takes.
    Now,
    /// When a worker's rest ends.
    At(Timestamp),
    /// When something happens.
    Poked,
}

impl Scanner {
    pub async fn scan(&self) -> Result<Next, DbError> {
        // Asked before the rows are read: a build that ends in between is no orphan.
        let alive = self.surroundings.running.ids();
        let master = self.surroundings.master;
        let running = self.surroundings.db.read(move |conn| builds::running(conn, master)).await?;
        self.close_orphans(&running, &alive).await?;
        if self.shared.holding.load(Ordering::Relaxed) {
            // Nobody keeps a place any more.
            self.surroundings.locks.round(|_| ());
            return Ok(Next::Poked);
        }
        let more = self.collapse().await?;
        let board = self.roster.board();
        let (plan, situation) = self.plan(board.clone(), running).await?;
        let starts = self.take_locks(&plan.turns, &situation);
        // Claims run side by side, so that they share a commit.
        join_all(starts.into_iter().map(|(start, locks)| self.start(start, locks, &board))).await;
        for wrong in &plan.wrong {
            if self.shared.is_news(wrong) {
                tracing::error!(error = %wrong, "a rule about the queue fails");
            }
        }
        Ok(match self.shared.first_rest_end(self.surroundings.clock.now()) {
            _ if more || plan.more => Next::Now,
            Some(until) => Next::At(until),
            None => Next::Poked,
        })
    }

    /// Reads and decides on a thread of the database.
    async fn plan(
        &self,
        board: Arc<Board>,
        running: Vec<Build>,
    ) -> Result<(Plan, Situation), DbError> {
        let order = self.surroundings.config.borrow().prioritize_builders.clone();
        let (shared, around) = (self.shared.clone(), self.surroundings.clone());
        self.surroundings
            .db
            .read(move |conn| {
                let situation = situation(&shared, &around, &board, &running);
                let mut places = shared.places();
                let seed = fastrand::u64(..);
                let plan = plan::plan(conn, &situation, &order, &mut places, seed)?;
                Ok((plan, situation))
            })
            .await
    }

    /// Does with the real locks what was planned with a copy. Who comes too late for one waits for
    /// the next round.
    fn take_locks(&self, turns: &[Turn], situation: &Situation) -> Vec<(Start, Option<LockGuard>)> {
        let take = |round: &mut Round<'_>| {
            let taken = turns.iter().filter_map(|turn| take(round, turn, situation));
            taken.collect::<Vec<_>>()
        };
        let taken = self.surroundings.locks.round(take);
        let guard = |ticket| self.surroundings.locks.guard(ticket);
        taken.into_iter().map(|(start, ticket)| (start, ticket.map(guard))).collect()
    }

    /// Ends builds that run by their row only, as after a builder that died with a start in its
    /// mailbox.
    async fn close_orphans(
        &self,
        running: &[Build],
        alive: &HashSet<BuildId>,
    ) -> Result<(), DbError> {
        let newest = self.surroundings.clock.now() - ORPHAN_AGE;
        for build in running {
            if build.started_at < newest && !alive.contains(&build.id) {
                tracing::warn!(build = %build.id, "nobody runs this build; its request waits again");
                finish::orphan(&self.surroundings, build).await?;
            }
        }
        Ok(())
    }

    async fn start(&self, start: Start, locks: Option<LockGuard>, board: &Board) {
        if let Err(Some(locks)) = self.try_start(start, locks, board).await {
            locks.give_up();
        }
    }

    /// Claims a request, makes its build row in the same transaction, and hands both over. Gives the
    /// locks back when nothing started.
    async fn try_start(
        &self,
        start: Start,
        locks: Option<LockGuard>,
        board: &Board,
    ) -> Result<(), Option<LockGuard>> {
        let worker = board.workers.values().find(|entry| entry.id == start.worker);
        let Some((worker, link)) = worker.and_then(|entry| Some((entry, entry.link.clone()?)))
        else {
            return Err(locks);
        };
        let builder = self.shared.builders().get(&start.builder).cloned();
        // Its next life pokes.
        let Some(builder) = builder.filter(BuilderHandle::is_up) else { return Err(locks) };
        match self.claim(start, worker).await {
            Ok((request, build)) => {
                self.surroundings.announcer.announce(Event::RequestClaimed {
                    request: request.id,
                    builder: request.builder,
                    buildset: request.buildset,
                });
                let worker = worker.clone();
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
                tracing::info!(request = %start.request, "another master took the request");
            }
            Err(error) => tracing::error!(request = %start.request, %error, "cannot start a build"),
        }
        Err(locks)
    }

    /// The builder went down between the look at it and the claim.
    async fn give_back(&self, build: &Build) {
        if let Err(error) = finish::orphan(&self.surroundings, build).await {
            tracing::error!(build = %build.id, %error, "cannot take back a build; its builder will");
        }
    }

    async fn claim(
        &self,
        start: Start,
        worker: &BoardEntry,
    ) -> Result<(BuildRequest, Build), DbError> {
        let (master, now) = (self.surroundings.master, self.surroundings.clock.now());
        let new = NewBuild {
            builder: start.builder,
            request: start.request,
            worker: Some(worker.id),
            master,
            state: "starting".to_owned(),
        };
        self.surroundings
            .db
            .write(move |conn| {
                buildrequests::claim(conn, master, &[new.request], now)?;
                let request = buildrequests::get(conn, new.request)?;
                if request.complete {
                    let gone = "the build request was completed meanwhile";
                    return Err(DbError::Conflict(gone.to_owned()));
                }
                Ok((request, builds::start(conn, new, now)?))
            })
            .await
    }
}

/// Takes the locks of a build that starts, or keeps a place for one that waits.
fn take(
    round: &mut Round<'_>,
    turn: &Turn,
    situation: &Situation,
) -> Option<(Start, Option<Ticket>)> {
    let (Turn::Starts(start) | Turn::WaitsForLocks(start)) = *turn;
    let builder = situation.builders.get(&start.builder)?;
    let candidate = candidate(&situation.workers, &start, builder)?;
    if matches!(turn, Turn::WaitsForLocks(_)) || round.obstacle(&candidate).is_some() {
        round.wish(&candidate);
        return None;
    }
    Some((start, round.take(&candidate)))
}

/// Builders and workers of this master, with the builds that run and their locks.
pub(super) fn situation(
    shared: &Shared,
    surroundings: &Surroundings,
    board: &Board,
    running: &[Build],
) -> Situation {
    let next_worker = surroundings.config.borrow().select_next_worker.clone();
    let now = surroundings.clock.now();
    let builders = shared.builders();
    let builders = builders.values();
    Situation {
        builders: builders.map(|b| (b.id, queue_builder(b, board, &next_worker))).collect(),
        workers: worker_states(shared, board, running, &surroundings.config.borrow()),
        locks: surroundings.locks.copy(),
        holding: shared.holding.load(Ordering::Relaxed),
        now,
    }
}

fn queue_builder(handle: &BuilderHandle, board: &Board, next_worker: &NextWorker) -> QueueBuilder {
    let config = &handle.config;
    let id = |name: &String| board.workers.get(name).map(|entry| entry.id);
    QueueBuilder {
        name: config.name.clone(),
        tags: config.tags.clone(),
        project: config.project.clone(),
        workers: config.workernames.iter().filter_map(id).collect(),
        rules: QueueRules {
            next_build: config.next_build.clone(),
            next_worker: config.next_worker.as_ref().unwrap_or(next_worker).clone(),
            can_start: config.can_start.clone(),
        },
        locks: config.locks.clone(),
    }
}

/// By the worker's name.
fn worker_locks(config: &MasterConfig) -> HashMap<&str, &[LockAccess]> {
    let workers = config.workers.iter().filter(|worker| !worker.locks.is_empty());
    workers.map(|worker| (worker.name.as_str(), worker.locks.as_slice())).collect()
}

fn worker_states(
    shared: &Shared,
    board: &Board,
    running: &[Build],
    config: &MasterConfig,
) -> HashMap<WorkerId, WorkerState> {
    let locks = worker_locks(config);
    let mut states: HashMap<WorkerId, WorkerState> = board
        .workers
        .values()
        .map(|entry| {
            let state = WorkerState {
                name: entry.name.clone(),
                connected: entry.link.as_ref().is_some_and(|link| !link.is_lost()),
                last_seen: entry.last_seen,
                paused: entry.paused,
                graceful: entry.graceful,
                quarantined_until: shared.rests_until(entry.id),
                max_builds: entry.max_builds,
                properties: entry.properties.clone(),
                running: Vec::new(),
                locks: locks.get(entry.name.as_str()).map(|l| l.to_vec()).unwrap_or_default(),
            };
            (entry.id, state)
        })
        .collect();
    for build in running {
        if let Some(state) = build.worker.and_then(|worker| states.get_mut(&worker)) {
            state.running.push(Occupied { builder: build.builder, number: build.number });
        }
    }
    states
}

/// The ids of builders, for places in their queues.
pub(super) type Places = HashMap<BuilderId, crate::db::queue::Place>;
