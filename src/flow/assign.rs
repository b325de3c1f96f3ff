//! Who builds what now, and why the rest still waits.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::locks::{Candidate, Round, Ticket};
use crate::model::{BuildRequestId, BuilderId, LockAccess, Timestamp, WorkerId};

/// An unclaimed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub request: BuildRequestId,
    pub builder: BuilderId,
    /// Higher runs first.
    pub priority: i64,
    pub submitted_at: Timestamp,
}

/// A builder that this master runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuilderWorkers {
    pub builder: BuilderId,
    pub name: String,
    pub workers: Vec<WorkerId>,
    /// Held by each of its builds.
    pub locks: Vec<LockAccess>,
}

/// A configured worker as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkerState {
    pub name: String,
    pub connected: bool,
    pub paused: bool,
    /// Shuts down when its builds are done.
    pub graceful: bool,
    /// Gets no build before this time, because its last builds broke.
    pub quarantined_until: Option<Timestamp>,
    /// `None` is unlimited.
    pub max_builds: Option<usize>,
    /// Builders it builds for now. A worker runs at most one build of a builder at a time.
    pub running: Vec<BuilderId>,
    /// Held by every build on it.
    pub locks: Vec<LockAccess>,
}

/// A build to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    pub request: BuildRequestId,
    pub builder: BuilderId,
    pub worker: WorkerId,
    /// The locks that were taken for it.
    pub locks: Option<Ticket>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Assignment {
    /// In the order in which they should start.
    pub starts: Vec<Start>,
    /// Everybody else, with the reason.
    pub pending: Vec<(BuildRequestId, PendingReason)>,
}

/// Why a request waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PendingReason {
    /// No master that we know of runs the builder.
    BuilderNotConfigured,
    /// The builder's worker list is empty.
    NoWorkers,
    /// What keeps each of the builder's workers.
    Workers(Vec<(String, Unavailable)>),
}

/// Why a worker cannot take a build of some builder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Unavailable {
    NotConnected,
    Paused,
    ShuttingDown,
    Quarantined {
        until: Timestamp,
    },
    /// It runs `max_builds` builds.
    Busy,
    /// It runs another build of the same builder.
    BusyWithBuilder,
    /// The worker is free, a lock is not: which one, and who has it.
    Locked(String),
}

/// Hands requests to workers: the highest priority first, then the oldest, over all builders.
/// Of several free workers the least busy one builds; `seed` decides between equals. A build that
/// starts gets the locks of its builder and worker; a request that only waits for locks keeps a
/// place in their queue, so that none behind it takes them.
pub fn assign(
    waiting: &[Waiting],
    builders: &[BuilderWorkers],
    workers: &HashMap<WorkerId, WorkerState>,
    locks: &mut Round<'_>,
    now: Timestamp,
    seed: u64,
) -> Assignment {
    let builders: HashMap<BuilderId, &BuilderWorkers> =
        builders.iter().map(|entry| (entry.builder, entry)).collect();
    let mut queue: Vec<&Waiting> = waiting.iter().collect();
    queue.sort_by_key(|w| (std::cmp::Reverse(w.priority), w.submitted_at, w.request));
    let mut floor = Floor::new(workers, locks, now, seed);
    // Workers only get busier while we assign: a builder that found none finds none later.
    let mut exhausted: HashSet<BuilderId> = HashSet::new();
    let mut assignment = Assignment::default();
    let mut left = Vec::new();
    for request in queue {
        let builder = builders.get(&request.builder).copied();
        let builder = builder.filter(|_| !exhausted.contains(&request.builder));
        match builder.and_then(|builder| Some((builder, floor.choose(request, builder)?))) {
            Some((builder, worker)) => {
                let locks = floor.occupy(request, builder, worker);
                let Waiting { request, builder, .. } = *request;
                assignment.starts.push(Start { request, builder, worker, locks });
            }
            None => {
                if let Some(builder) = builder {
                    floor.queue_for_locks(request, builder);
                }
                exhausted.insert(request.builder);
                left.push(request);
            }
        }
    }
    let mut reasons: HashMap<BuilderId, PendingReason> = HashMap::new();
    for request in left {
        let reason = reasons.entry(request.builder).or_insert_with(|| {
            match builders.get(&request.builder) {
                None => PendingReason::BuilderNotConfigured,
                Some(builder) if builder.workers.is_empty() => PendingReason::NoWorkers,
                Some(builder) => floor.reason(request, builder),
            }
        });
        assignment.pending.push((request.request, reason.clone()));
    }
    assignment
}

/// The workers, with the builds that this round has given them.
struct Floor<'a, 't> {
    workers: &'a HashMap<WorkerId, WorkerState>,
    locks: &'a mut Round<'t>,
    started: HashMap<WorkerId, Vec<BuilderId>>,
    now: Timestamp,
    random: fastrand::Rng,
}

impl<'a, 't> Floor<'a, 't> {
    fn new(
        workers: &'a HashMap<WorkerId, WorkerState>,
        locks: &'a mut Round<'t>,
        now: Timestamp,
        seed: u64,
    ) -> Floor<'a, 't> {
        let random = fastrand::Rng::with_seed(seed);
        Floor { workers, locks, started: HashMap::new(), now, random }
    }

    /// Gives a free worker, and the locks, to a build.
    fn occupy(
        &mut self,
        request: &Waiting,
        builder: &BuilderWorkers,
        worker: WorkerId,
    ) -> Option<Ticket> {
        self.started.entry(worker).or_default().push(builder.builder);
        let state = self.workers.get(&worker)?;
        self.locks.take(&candidate(request, builder, state))
    }

    /// Where the request would run, but for locks.
    fn queue_for_locks(&mut self, request: &Waiting, builder: &BuilderWorkers) {
        let free = |id: &&WorkerId| self.busy(builder.builder, **id).is_none();
        let Some(id) = builder.workers.iter().find(free) else { return };
        if let Some(state) = self.workers.get(id) {
            self.locks.wish(&candidate(request, builder, state));
        }
    }

    fn started(&self, id: WorkerId) -> &[BuilderId] {
        self.started.get(&id).map_or(&[], Vec::as_slice)
    }

    fn choose(&mut self, request: &Waiting, builder: &BuilderWorkers) -> Option<WorkerId> {
        let load = |id: WorkerId| {
            let running = self.workers.get(&id).map_or(0, |worker| worker.running.len());
            running + self.started(id).len()
        };
        let free: Vec<(usize, WorkerId)> = builder
            .workers
            .iter()
            .filter(|id| self.obstacle(request, builder, **id).is_none())
            .map(|id| (load(*id), *id))
            .collect();
        let least = free.iter().map(|(load, _)| *load).min()?;
        let idle: Vec<WorkerId> =
            free.into_iter().filter(|(load, _)| *load == least).map(|(_, id)| id).collect();
        Some(idle[self.random.usize(..idle.len())])
    }

    /// What keeps this worker from building the request.
    fn obstacle(
        &self,
        request: &Waiting,
        builder: &BuilderWorkers,
        id: WorkerId,
    ) -> Option<Unavailable> {
        self.busy(builder.builder, id).or_else(|| {
            let build = candidate(request, builder, self.workers.get(&id)?);
            self.locks.obstacle(&build).map(Unavailable::Locked)
        })
    }

    /// What keeps this worker from the builder's next build, apart from locks.
    fn busy(&self, builder: BuilderId, id: WorkerId) -> Option<Unavailable> {
        let Some(worker) = self.workers.get(&id).filter(|worker| worker.connected) else {
            return Some(Unavailable::NotConnected);
        };
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
        let same = worker.running.contains(&builder) || started.contains(&builder);
        same.then_some(Unavailable::BusyWithBuilder)
    }

    fn reason(&self, request: &Waiting, builder: &BuilderWorkers) -> PendingReason {
        let name = |id: WorkerId| {
            self.workers.get(&id).map_or_else(|| format!("worker {id}"), |w| w.name.clone())
        };
        let kept = |id: &WorkerId| Some((name(*id), self.obstacle(request, builder, *id)?));
        PendingReason::Workers(builder.workers.iter().filter_map(kept).collect())
    }
}

fn candidate<'a>(
    request: &Waiting,
    builder: &'a BuilderWorkers,
    worker: &'a WorkerState,
) -> Candidate<'a> {
    Candidate {
        request: request.request,
        builder: builder.builder,
        builder_name: &builder.name,
        worker: &worker.name,
        locks: &builder.locks,
        worker_locks: &worker.locks,
    }
}

/// How many workers a reason names.
const NAMES: usize = 5;

impl fmt::Display for PendingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers = match self {
            PendingReason::BuilderNotConfigured => {
                return f.write_str("no running master has this builder in its configuration");
            }
            PendingReason::NoWorkers => return f.write_str("the builder has no workers"),
            PendingReason::Workers(workers) => workers,
        };
        let mut groups: indexmap::IndexMap<String, Vec<&str>> = Default::default();
        for (name, unavailable) in workers {
            let names = groups.entry(unavailable.to_string()).or_default();
            // The text says itself which lock of which worker it is.
            if !matches!(unavailable, Unavailable::Locked(_)) {
                names.push(name);
            }
        }
        for (place, (what, names)) in groups.iter().enumerate() {
            let shown = names[..names.len().min(NAMES)].join(", ");
            let more = match names.len().saturating_sub(NAMES) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let separator = if place == 0 { "" } else { "; " };
            let colon = if names.is_empty() { "" } else { ": " };
            write!(f, "{separator}{what}{colon}{shown}{more}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unavailable::Locked(why) => why,
            Unavailable::NotConnected => "not connected",
            Unavailable::Paused => "paused",
            Unavailable::ShuttingDown => "shutting down",
            Unavailable::Quarantined { .. } => "resting after broken builds",
            Unavailable::Busy => "busy with as many builds as allowed",
            Unavailable::BusyWithBuilder => "busy with another build of this builder",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(id: i64, builder: i64, priority: i64, submitted_at: i64) -> Waiting {
        let (request, builder) = (BuildRequestId(id), BuilderId(builder));
        Waiting { request, builder, priority, submitted_at }
    }

    fn builder(id: i64, workers: &[i64]) -> BuilderWorkers {
        let workers = workers.iter().map(|id| WorkerId(*id)).collect();
        let name = format!("b{id}");
        BuilderWorkers { builder: BuilderId(id), name, workers, locks: Vec::new() }
    }

    /// [`super::assign`] without locks.
    fn assign(
        waiting: &[Waiting],
        builders: &[BuilderWorkers],
        workers: &HashMap<WorkerId, WorkerState>,
        now: Timestamp,
        seed: u64,
    ) -> Assignment {
        let mut locks = crate::flow::locks::LockTable::default();
        super::assign(waiting, builders, workers, &mut locks.round(now), now, seed)
    }

    fn worker(id: i64, change: impl FnOnce(&mut WorkerState)) -> (WorkerId, WorkerState) {
        let name = format!("w{id}");
        let mut state = WorkerState { name, connected: true, ..WorkerState::default() };
        change(&mut state);
        (WorkerId(id), state)
    }

    fn order(assignment: &Assignment) -> Vec<i64> {
        assignment.starts.iter().map(|start| start.request.0).collect()
    }

    #[test]
    fn priority_then_age_over_all_builders() {
        let workers = HashMap::from([worker(1, |w| w.max_builds = Some(3))]);
        let builders = [builder(1, &[1]), builder(2, &[1]), builder(3, &[1]), builder(4, &[1])];
        let queue = [
            waiting(1, 1, 0, 30),
            waiting(2, 2, 0, 10),
            waiting(3, 3, 5, 90),
            waiting(4, 4, 0, 40),
        ];
        let assignment = assign(&queue, &builders, &workers, 0, 1);
        assert_eq!(order(&assignment), [3, 2, 1]);
        let (request, reason) = &assignment.pending[0];
        assert_eq!(request.0, 4);
        assert_eq!(reason.to_string(), "busy with as many builds as allowed: w1");
    }

    #[test]
    fn one_build_of_a_builder_per_worker() {
        let workers =
            HashMap::from([worker(1, |_| ()), worker(2, |w| w.running = vec![BuilderId(1)])]);
        let queue = [waiting(1, 1, 0, 0), waiting(2, 1, 0, 1)];
        let assignment = assign(&queue, &[builder(1, &[1, 2])], &workers, 0, 1);
        assert_eq!(assignment.starts.len(), 1);
        assert_eq!(assignment.starts[0].worker, WorkerId(1));
        let reason = assignment.pending[0].1.to_string();
        assert_eq!(reason, "busy with another build of this builder: w1, w2");
    }

    #[test]
    fn the_least_busy_worker_builds() {
        let busy = |w: &mut WorkerState| w.running = vec![BuilderId(9)];
        let workers = HashMap::from([worker(1, busy), worker(2, |_| ()), worker(3, busy)]);
        for seed in 0..20 {
            let assignment =
                assign(&[waiting(1, 1, 0, 0)], &[builder(1, &[1, 2, 3])], &workers, 0, seed);
            assert_eq!(assignment.starts[0].worker, WorkerId(2));
        }
        let idle = HashMap::from([worker(1, |_| ()), worker(2, |_| ())]);
        let chosen: HashSet<WorkerId> = (0..50)
            .map(|seed| assign(&[waiting(1, 1, 0, 0)], &[builder(1, &[1, 2])], &idle, 0, seed))
            .map(|assignment| assignment.starts[0].worker)
            .collect();
        assert_eq!(chosen.len(), 2, "equals share the work");
    }

    #[test]
    fn every_waiting_request_has_a_reason() {
        let workers = HashMap::from([
            worker(1, |w| w.connected = false),
            worker(2, |w| w.paused = true),
            worker(3, |w| w.graceful = true),
            worker(4, |w| w.quarantined_until = Some(50)),
        ]);
        let reason = |workers_of: &[i64], now: i64| {
            let assignment =
                assign(&[waiting(1, 1, 0, 0)], &[builder(1, workers_of)], &workers, now, 1);
            assignment.pending.first().map(|(_, reason)| reason.to_string())
        };
        assert_eq!(reason(&[], 0).unwrap(), "the builder has no workers");
        assert_eq!(reason(&[1, 7], 0).unwrap(), "not connected: w1, worker 7");
        assert_eq!(reason(&[2, 3], 0).unwrap(), "paused: w2; shutting down: w3");
        assert_eq!(reason(&[4], 49).unwrap(), "resting after broken builds: w4");
        assert_eq!(reason(&[4], 50), None);
        let orphan = assign(&[waiting(1, 8, 0, 0)], &[], &workers, 0, 1);
        assert_eq!(orphan.pending[0].1, PendingReason::BuilderNotConfigured);
    }

    #[test]
    fn builds_get_their_locks_with_the_worker() {
        use crate::model::LockMode::{self, Counting, Exclusive};
        let workers = HashMap::from([1, 2, 3].map(|id| worker(id, |_| ())));
        let with = |id: i64, mode: LockMode| {
            let locks = vec![LockAccess { name: "db".into(), mode }];
            BuilderWorkers { locks, ..builder(id, &[id]) }
        };
        // Sizes of the accesses in the order of the queue, and which requests start.
        let cases: [([LockMode; 3], &[i64]); 4] = [
            ([Counting(1), Counting(1), Counting(1)], &[1, 2]),
            ([Counting(2), Counting(1), Counting(1)], &[1]),
            ([Counting(1), Exclusive, Counting(1)], &[1]),
            ([Exclusive, Counting(1), Counting(1)], &[1]),
        ];
        for (modes, starts) in cases {
            let mut table = crate::flow::locks::LockTable::default();
            table.configure(&[crate::config::checked::LockConfig {
                name: "db".into(),
                kind: crate::model::LockKind::Master,
                max_count: 2,
                max_count_for_worker: indexmap::IndexMap::new(),
            }]);
            let builders = [with(1, modes[0]), with(2, modes[1]), with(3, modes[2])];
            let queue = [waiting(1, 1, 0, 1), waiting(2, 2, 0, 2), waiting(3, 3, 0, 3)];
            let found = super::assign(&queue, &builders, &workers, &mut table.round(0), 0, 1);
            assert_eq!(order(&found), starts, "{modes:?}");
            assert!(found.starts.iter().all(|start| start.locks.is_some()));
            for (_, reason) in found.pending {
                let reason = reason.to_string();
                assert!(reason.starts_with("lock 'db' is held by request 1 of"), "{reason}");
            }
        }
    }
}
