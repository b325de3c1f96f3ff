//! Who builds what now.
//!
//! As in stock, builders are served one after the other ([`order`]), each until it has no request
//! or no worker left.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;

use super::expression::{Expression, Variables};
use super::locks::{self, Candidate};
use super::pending::Unavailable;
use super::rules::{
    BuilderOrder, CanStart, NextBuild, NextWorker, PendingRequest, QueueRules, Rank,
};
use crate::model::{BuildRequestId, BuilderId, LockAccess, Properties, Timestamp, WorkerId};

/// A builder that this master runs, as far as its queue is concerned.
#[derive(Debug, Clone, Default)]
pub struct QueueBuilder {
    pub name: String,
    pub tags: Vec<String>,
    pub project: Option<String>,
    pub workers: Vec<WorkerId>,
    pub rules: QueueRules,
    /// Held by every build of it.
    pub locks: Vec<LockAccess>,
}

/// An unclaimed request.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    pub request: BuildRequestId,
    /// Higher runs first.
    pub priority: i64,
    /// Present where the builder's rules need it.
    pub details: Option<Arc<PendingRequest>>,
}

/// What waits for one builder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub builder: BuilderId,
    /// The highest priority among its requests.
    pub priority: i64,
    /// When the oldest of them was submitted.
    pub oldest: Timestamp,
}

/// A build that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occupied {
    pub builder: BuilderId,
    pub number: i64,
}

/// A configured worker as it is now.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkerState {
    pub name: String,
    pub connected: bool,
    /// When it was connected or lost last, since the master started.
    pub last_seen: Option<Timestamp>,
    pub paused: bool,
    /// Shuts down when its builds are done.
    pub graceful: bool,
    /// Gets no build before this time, because its last builds broke.
    pub quarantined_until: Option<Timestamp>,
    /// `None` is unlimited.
    pub max_builds: Option<usize>,
    pub properties: Arc<Properties>,
    /// What it builds now. A worker runs at most one build of a builder at a time.
    pub running: Vec<Occupied>,
    /// Held by every build on it.
    pub locks: Vec<LockAccess>,
}

/// A build to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    pub request: BuildRequestId,
    pub builder: BuilderId,
    pub worker: WorkerId,
}

/// What a request comes to in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Starts(Start),
    /// It would start, but for locks; it keeps a place in their queue, so that none behind it takes
    /// them.
    WaitsForLocks(Start),
}

/// Puts builders in the order in which they are served. An expression that fails ranks last; what
/// is wrong with it is answered, too.
pub fn order(
    heads: &mut [Head],
    builders: &HashMap<BuilderId, QueueBuilder>,
    rule: &BuilderOrder,
    now: Timestamp,
) -> Option<String> {
    let name = |head: &Head| builders.get(&head.builder).map_or("", |b| b.name.as_str());
    let stock = |head: &Head| (Reverse(head.priority), head.oldest, name(head).to_owned());
    match rule {
        BuilderOrder::Priority => heads.sort_by_cached_key(stock),
        BuilderOrder::Oldest => {
            heads.sort_by_cached_key(|head| (head.oldest, name(head).to_owned()));
        }
        BuilderOrder::Greatest(expression) => {
            let mut wrong = None;
            heads.sort_by_cached_key(|head| {
                let builder = builders.get(&head.builder);
                let rank = builder.map(|b| builder_rank(head, b, expression, now));
                let rank = rank.unwrap_or(Ok(Rank::nothing())).unwrap_or_else(|error| {
                    wrong = Some(format!("prioritizeBuilders: {error}"));
                    Rank::nothing()
                });
                (Reverse(rank), stock(head))
            });
            return wrong;
        }
    }
    None
}

fn builder_rank(
    head: &Head,
    builder: &QueueBuilder,
    expression: &Expression,
    now: Timestamp,
) -> Result<Rank, String> {
    let variables = Variables::default()
        .with("builder", jinja(builder_facts(builder)))
        .with("priority", head.priority)
        .with("oldest", head.oldest)
        .with("waiting", (now - head.oldest).max(0));
    Ok(Rank::of(&expression.value(&variables)?).unwrap_or(Rank::nothing()))
}

fn builder_facts(builder: &QueueBuilder) -> serde_json::Value {
    json!({ "name": builder.name, "tags": builder.tags, "project": builder.project })
}

fn jinja(value: serde_json::Value) -> minijinja::Value {
    minijinja::Value::from_serialize(value)
}

/// The workers, with the builds that were started since the look at them.
pub struct Floor<'a> {
    workers: &'a HashMap<WorkerId, WorkerState>,
    started: HashMap<WorkerId, Vec<BuilderId>>,
    now: Timestamp,
}

impl<'a> Floor<'a> {
    pub fn new(workers: &'a HashMap<WorkerId, WorkerState>, now: Timestamp) -> Floor<'a> {
        Floor { workers, started: HashMap::new(), now }
    }

    /// The workers that could take a build of the builder now.
    pub fn free(&self, id: BuilderId, builder: &QueueBuilder) -> Vec<WorkerId> {
        let free = |worker: &&WorkerId| self.obstacle(id, **worker).is_none();
        builder.workers.iter().filter(free).copied().collect()
    }

    /// Could any worker of the builder take a build now?
    pub fn has_room(&self, id: BuilderId, builder: &QueueBuilder) -> bool {
        builder.workers.iter().any(|worker| self.obstacle(id, *worker).is_none())
    }

    /// What keeps this worker from the builder's next build.
    pub fn obstacle(&self, builder: BuilderId, id: WorkerId) -> Option<Unavailable> {
        let Some(worker) = self.workers.get(&id) else {
            return Some(Unavailable::NotConnected { last_seen: None });
        };
        if !worker.connected {
            return Some(Unavailable::NotConnected { last_seen: worker.last_seen });
        }
        if worker.graceful {
            return Some(Unavailable::ShuttingDown);
        }
        if worker.paused {
            return Some(Unavailable::Paused);
        }
        if let Some(until) = worker.quarantined_until.filter(|until| *until > self.now) {
            return Some(Unavailable::Quarantined { until });
        }
        let started = self.started(id);
        if worker.max_builds.is_some_and(|most| worker.running.len() + started.len() >= most) {
            return Some(Unavailable::Busy);
        }
        let running = worker.running.iter().any(|build| build.builder == builder);
        (running || started.contains(&builder)).then_some(Unavailable::BusyWithBuilder)
    }

    /// Does `canStartBuild` allow it?
    ///
    /// # Errors
    /// What is wrong with its expression.
    pub fn may_start(
        &self,
        builder: &QueueBuilder,
        waiting: &Waiting,
        worker: WorkerId,
    ) -> Result<bool, String> {
        match &builder.rules.can_start {
            CanStart::Always => Ok(true),
            CanStart::ChosenWorker => {
                let name = self.workers.get(&worker).map(|worker| worker.name.as_str());
                Ok(chosen_worker(waiting).is_none_or(|chosen| Some(chosen) == name))
            }
            CanStart::If(expression) => {
                let variables = self.variables(builder, waiting, worker);
                let value = expression.value(&variables);
                value
                    .map(|value| value.is_true())
                    .map_err(|error| format!("canStartBuild: {error}"))
            }
        }
    }

    fn started(&self, id: WorkerId) -> &[BuilderId] {
        self.started.get(&id).map_or(&[], Vec::as_slice)
    }

    fn load(&self, id: WorkerId) -> usize {
        self.workers.get(&id).map_or(0, |w| w.running.len()) + self.started(id).len()
    }

    fn variables(&self, builder: &QueueBuilder, waiting: &Waiting, id: WorkerId) -> Variables {
        let request = waiting.details.as_ref().map(|details| details.variables());
        let worker = self.workers.get(&id);
        let properties: serde_json::Map<String, serde_json::Value> = worker
            .into_iter()
            .flat_map(|worker| worker.properties.iter())
            .map(|(name, property)| (name.to_owned(), property.value.clone()))
            .collect();
        let facts = json!({
            "name": worker.map(|worker| worker.name.as_str()),
            "builds": self.load(id),
            "max_builds": worker.and_then(|worker| worker.max_builds),
            "properties": properties,
        });
        request
            .unwrap_or_default()
            .with("builder", jinja(builder_facts(builder)))
            .with("worker", jinja(facts))
    }
}

/// One round of handing out requests.
pub struct Round<'a> {
    pub floor: Floor<'a>,
    locks: locks::Round<'a>,
    random: fastrand::Rng,
}

impl<'a> Round<'a> {
    /// `seed` decides between equals.
    pub fn new(floor: Floor<'a>, locks: locks::Round<'a>, seed: u64) -> Round<'a> {
        Round { floor, locks, random: fastrand::Rng::with_seed(seed) }
    }

    /// Hands requests of one builder to its workers. `queue` is in the order of [`NextBuild`]. A
    /// build that starts gets the locks of its builder and worker; behind the first request that
    /// only waits for locks nobody starts.
    /// What is wrong with an expression is answered, too; the request waits then.
    pub fn serve(
        &mut self,
        id: BuilderId,
        builder: &QueueBuilder,
        queue: &[Waiting],
    ) -> (Vec<Turn>, Option<String>) {
        let mut free = self.floor.free(id, builder);
        let (mut turns, mut wrong) = (Vec::new(), None);
        for waiting in queue {
            if free.is_empty() {
                break;
            }
            match self.turn(id, builder, waiting, &free) {
                Ok(Some(Turn::Starts(start))) => {
                    free.retain(|other| *other != start.worker);
                    self.floor.started.entry(start.worker).or_default().push(id);
                    turns.push(Turn::Starts(start));
                }
                Ok(Some(wish)) => {
                    turns.push(wish);
                    break;
                }
                Ok(None) => {}
                Err(error) => wrong = Some(error),
            }
        }
        (turns, wrong)
    }

    /// What becomes of one request, with these free workers; `None` when its rules say no to all.
    fn turn(
        &mut self,
        id: BuilderId,
        builder: &QueueBuilder,
        waiting: &Waiting,
        free: &[WorkerId],
    ) -> Result<Option<Turn>, String> {
        let mut able = Vec::with_capacity(free.len());
        for worker in free {
            if self.floor.may_start(builder, waiting, *worker)? {
                able.push(*worker);
            }
        }
        let Some(first) = able.first().copied() else { return Ok(None) };
        let request = waiting.request;
        let start = |worker| Start { request, builder: id, worker };
        able.retain(|worker| self.locked(&start(*worker), builder).is_none());
        if able.is_empty() {
            let wish = start(first);
            if let Some(candidate) = candidate(self.floor.workers, &wish, builder) {
                self.locks.wish(&candidate);
            }
            return Ok(Some(Turn::WaitsForLocks(wish)));
        }
        let Some(worker) = self.best(builder, waiting, able)? else { return Ok(None) };
        if let Some(candidate) = candidate(self.floor.workers, &start(worker), builder) {
            self.locks.take(&candidate);
        }
        Ok(Some(Turn::Starts(start(worker))))
    }

    /// Which lock keeps a build from starting, and who has it.
    fn locked(&self, start: &Start, builder: &QueueBuilder) -> Option<String> {
        self.locks.obstacle(&candidate(self.floor.workers, start, builder)?)
    }

    /// The worker that `nextWorker` prefers.
    fn best(
        &mut self,
        builder: &QueueBuilder,
        waiting: &Waiting,
        able: Vec<WorkerId>,
    ) -> Result<Option<WorkerId>, String> {
        let best = match &builder.rules.next_worker {
            NextWorker::Random => able,
            NextWorker::First => able.into_iter().take(1).collect(),
            NextWorker::LeastBusy => {
                let least = able.iter().map(|id| self.floor.load(*id)).min();
                able.into_iter().filter(|id| Some(self.floor.load(*id)) == least).collect()
            }
            NextWorker::Greatest(expression) => {
                let mut ranked = Vec::with_capacity(able.len());
                for id in able {
                    let variables = self.floor.variables(builder, waiting, id);
                    let value = expression
                        .value(&variables)
                        .map_err(|error| format!("nextWorker: {error}"))?;
                    ranked.extend(Rank::of(&value).map(|rank| (rank, id)));
                }
                let greatest = ranked.iter().map(|(rank, _)| rank).max().cloned();
                let best = ranked.into_iter().filter(|(rank, _)| Some(rank) == greatest.as_ref());
                best.map(|(_, id)| id).collect::<Vec<_>>()
            }
        };
        Ok((!best.is_empty()).then(|| best[self.random.usize(..best.len())]))
    }
}

/// A build and the locks that it would hold.
pub fn candidate<'b>(
    workers: &'b HashMap<WorkerId, WorkerState>,
    start: &Start,
    builder: &'b QueueBuilder,
) -> Option<Candidate<'b>> {
    let worker = workers.get(&start.worker)?;
    Some(Candidate {
        request: start.request,
        builder: start.builder,
        builder_name: &builder.name,
        worker: &worker.name,
        locks: &builder.locks,
        worker_locks: &worker.locks,
    })
}

/// The worker that a request asks for.
pub fn chosen_worker(waiting: &Waiting) -> Option<&str> {
    waiting.details.as_ref()?.properties.get_str("workername")
}

/// Puts the requests of one builder, given in stock's order, into that of its rule. What is wrong
/// with its expression is answered, too; such requests come last.
pub fn sort(queue: &mut [Waiting], builder: &QueueBuilder, now: Timestamp) -> Option<String> {
    let mut wrong = None;
    match &builder.rules.next_build {
        NextBuild::Oldest => {}
        NextBuild::Newest => queue.sort_by_key(|waiting| Reverse(waiting.request)),
        NextBuild::Greatest(expression) => queue.sort_by_cached_key(|waiting| {
            let request = waiting.details.as_ref();
            let variables = request.map(|details| details.variables()).unwrap_or_default();
            let variables = variables
                .with("builder", jinja(builder_facts(builder)))
                .with("waiting", request.map_or(0, |details| (now - details.submitted_at).max(0)));
            let value = expression.value(&variables).map(|value| Rank::of(&value));
            Reverse(value.map(|rank| rank.unwrap_or(Rank::nothing())).unwrap_or_else(|error| {
                wrong = Some(format!("nextBuild: {error}"));
                Rank::nothing()
            }))
        }),
    }
    wrong
}

#[cfg(test)]
mod tests;
