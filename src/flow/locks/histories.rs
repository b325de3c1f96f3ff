//! Ten thousand random histories of builds, steps, stops, crashes and reconfigurations. After
//! every event: nobody has more than there is, nobody waits who could be served, nobody is passed
//! at a lock; and in the end everybody was served.

use std::collections::{HashMap, HashSet};

use fastrand::Rng;

use super::table::Claim;
use super::tests::{candidate, counting, exclusive, lock, step};
use super::*;
use crate::config::checked::LockConfig;
use crate::model::{BuildId, BuildRequestId, LockAccess, LockKind, LockMode};

const WORKERS: [&str; 3] = ["w1", "w2", "w3"];
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
const HISTORIES: u64 = 10_000;
/// Units of the largest lock.
const LARGEST: usize = 3;

/// What builders hold, and what their steps want.
struct Plan {
    builders: Vec<Vec<LockAccess>>,
    steps: Vec<Vec<LockAccess>>,
    locks: Vec<LockConfig>,
}

/// A running build.
struct Running {
    builder: usize,
    worker: &'static str,
    locks: Option<Ticket>,
    step: Option<Ticket>,
}

struct World {
    random: Rng,
    table: LockTable,
    plan: Plan,
    /// Request and builder, in the order in which they should start.
    pending: Vec<(i64, usize)>,
    running: HashMap<i64, Running>,
    next: i64,
    served: usize,
    refused: usize,
    /// Claims that were not served at once.
    waited: usize,
    /// Some lock has become smaller or larger.
    resized: bool,
}

fn random_access(random: &mut Rng, name: &str) -> LockAccess {
    match random.usize(..4) {
        0 => exclusive(name),
        1 => counting(name, 2),
        _ => counting(name, 1),
    }
}

fn some_of(random: &mut Rng, names: &[&str]) -> Vec<LockAccess> {
    let mut list: Vec<LockAccess> = Vec::new();
    for name in names {
        if random.usize(..3) == 0 {
            list.push(random_access(random, name));
        }
    }
    random.shuffle(&mut list);
    list
}

impl Plan {
    /// With `circles`, builders and steps take any locks in any order; without, the order of locks
    /// exists, as the configuration demands.
    fn random(random: &mut Rng, circles: bool) -> Plan {
        let mut names = NAMES;
        random.shuffle(&mut names);
        let (mut builders, mut steps) = (Vec::new(), Vec::new());
        for _ in 0..random.usize(1..5) {
            let cut = random.usize(..=NAMES.len());
            builders.push(some_of(random, &names[..cut]));
            steps.push(some_of(random, if circles { &names[..] } else { &names[cut..] }));
        }
        for (held, wanted) in builders.iter().zip(&mut steps) {
            wanted.retain(|wanted| held.iter().all(|held: &LockAccess| held.name != wanted.name));
        }
        let edges = edges(&builders, &steps);
        let ordered = order(&NAMES, &edges).unwrap_or_else(|_| {
            assert!(circles, "{edges:?}");
            NAMES.to_vec()
        });
        let locks = ordered.iter().map(|name| random_lock(random, name)).collect();
        Plan { builders, steps, locks }
    }
}

fn random_lock(random: &mut Rng, name: &str) -> LockConfig {
    let kind = if random.bool() { LockKind::Master } else { LockKind::Worker };
    let mut lock = lock(name, kind, random.usize(1..=LARGEST));
    if kind == LockKind::Worker && random.bool() {
        lock.max_count_for_worker.insert("w2".into(), random.usize(1..=LARGEST));
    }
    lock
}

fn edges<'a>(builders: &'a [Vec<LockAccess>], steps: &'a [Vec<LockAccess>]) -> Vec<Edge<'a>> {
    let mut edges = Vec::new();
    for (held, wanted) in builders.iter().zip(steps) {
        for held in held {
            for wanted in wanted {
                edges.push(Edge { held: &held.name, wanted: &wanted.name, builder: "b" });
            }
        }
    }
    edges
}

impl World {
    fn new(seed: u64, circles: bool) -> World {
        let mut random = Rng::with_seed(seed);
        let plan = Plan::random(&mut random, circles);
        let mut table = LockTable::default();
        table.configure(&plan.locks);
        World {
            random,
            table,
            plan,
            pending: Vec::new(),
            running: HashMap::new(),
            next: 0,
            served: 0,
            refused: 0,
            waited: 0,
            resized: false,
        }
    }

    fn event(&mut self) {
        match self.random.usize(..12) {
            0..3 => {
                self.next += 1;
                let builder = self.random.usize(..self.plan.builders.len());
                self.pending.push((self.next, builder));
                self.round();
            }
            3..7 => self.begin_step(),
            7 | 8 => self.end_step(),
            9 => self.end_build(),
            10 if self.random.usize(..4) == 0 => {
                // Somebody cancels a request; the next round notices.
                if !self.pending.is_empty() {
                    let at = self.random.usize(..self.pending.len());
                    self.pending.remove(at);
                    self.served += 1;
                }
                self.round();
            }
            11 if self.random.usize(..6) == 0 => self.resize(),
            _ => self.round(),
        }
        self.check();
    }

    fn any_build(&mut self, picks: impl Fn(&World, &Running) -> bool) -> Option<i64> {
        let mut builds: Vec<i64> = self.running.keys().copied().collect();
        builds.sort_unstable();
        self.random.shuffle(&mut builds);
        builds.into_iter().find(|build| picks(self, &self.running[build]))
    }

    /// One round of a distributor with workers for everybody.
    fn round(&mut self) {
        let wishes = self.table.waiting.iter().filter(|(_, claim)| claim.is_wish());
        let places: HashMap<BuildRequestId, Ticket> =
            wishes.map(|(place, claim)| (claim.who.request, *place)).collect();
        let mut taken = Vec::new();
        let mut round = self.table.round(0);
        let mut kept = Vec::new();
        for (request, builder) in std::mem::take(&mut self.pending) {
            let locks = &self.plan.builders[builder];
            let worker = WORKERS
                .into_iter()
                .find(|worker| round.obstacle(&candidate(request, worker, locks)).is_none());
            let Some(worker) = worker else {
                round.wish(&candidate(request, WORKERS[0], locks));
                self.waited += 1;
                kept.push((request, builder));
                continue;
            };
            let locks = round.take(&candidate(request, worker, locks));
            taken.extend(locks.map(|ticket| (places.get(&BuildRequestId(request)), ticket)));
            self.running.insert(request, Running { builder, worker, locks, step: None });
        }
        for (place, taken) in taken {
            self.nobody_was_passed(place.unwrap_or(&taken), &taken);
        }
        self.pending = kept;
        for (request, running) in &self.running {
            if let Some(ticket) = running.locks {
                self.table.name(ticket, BuildId(*request), *request);
            }
        }
        self.table.settle(0);
    }

    fn begin_step(&mut self) {
        let Some(build) = self.any_build(|_, build| build.step.is_none()) else { return };
        let Some(running) = self.running.get_mut(&build) else { return };
        let wants = &self.plan.steps[running.builder];
        let ticket = self.table.ask(step(build), wants, running.worker, 0);
        running.step = Some(ticket);
        let before = self.waiting_claims();
        self.settle(&before);
        self.waited += usize::from(self.table.waiting.contains_key(&ticket));
        while self.table.deadlocked().is_some() {
            self.table.refuse_deadlock();
            self.end_refused();
            self.table.settle(0);
        }
    }

    /// A refused step ends its build, whose request is tried again.
    fn end_refused(&mut self) {
        let refused: Vec<i64> = self
            .running
            .iter()
            .filter(|(_, build)| {
                build
                    .step
                    .is_some_and(|step| matches!(self.table.standing(step), Standing::Refused(_)))
            })
            .map(|(build, _)| *build)
            .collect();
        assert!(!refused.is_empty());
        for build in refused {
            self.refused += 1;
            let builder = self.running[&build].builder;
            self.end(build);
            self.served -= 1;
            self.pending.push((build, builder));
        }
    }

    fn end_step(&mut self) {
        let runs = |world: &World, build: &Running| {
            build.step.is_some_and(|step| world.table.standing(step) == Standing::Held)
        };
        let Some(build) = self.any_build(runs) else { return };
        let Some(running) = self.running.get_mut(&build) else { return };
        if let Some(step) = running.step.take() {
            let before = self.waiting_claims();
            self.table.release(step);
            self.settle(&before);
        }
    }

    /// Also while a step waits: stopped, crashed, worker lost.
    fn end_build(&mut self) {
        if let Some(build) = self.any_build(|_, _| true) {
            self.end(build);
            self.round();
        }
    }

    fn end(&mut self, build: i64) {
        let Some(running) = self.running.remove(&build) else { return };
        for ticket in running.step.into_iter().chain(running.locks) {
            self.table.release(ticket);
        }
        self.table.settle(0);
        self.served += 1;
    }

    fn resize(&mut self) {
        self.resized = true;
        for lock in &mut self.plan.locks {
            lock.max_count = self.random.usize(1..=LARGEST);
        }
        self.table.configure(&self.plan.locks);
        self.table.settle(0);
        while self.table.refuse_deadlock() {
            self.end_refused();
        }
    }

    fn waiting_claims(&self) -> Vec<Ticket> {
        self.table.waiting.keys().copied().collect()
    }

    /// Serves the queue; nobody who came later may pass one who still waits at a lock.
    fn settle(&mut self, before: &[Ticket]) {
        self.table.settle(0);
        let served = before.iter().filter(|ticket| !self.table.waiting.contains_key(ticket));
        for served in served {
            self.nobody_was_passed(served, served);
        }
    }

    /// No step that came before `place` stands at a lock that the claim got.
    fn nobody_was_passed(&self, place: &Ticket, got: &Ticket) {
        let Some(claim) = self.table.held.get(got) else { return };
        for (earlier, waiting) in self.table.waiting.range(..place) {
            let Some(at) = self.table.stands_at(*earlier) else { continue };
            let passed = !waiting.is_wish() && wants(claim, &at);
            assert!(!passed, "{got:?} passed {earlier:?} at {at}");
        }
    }

    fn check(&self) {
        // More than there is only for one alone, or after the lock became smaller.
        let mut units: HashMap<&LockId, (usize, usize, usize)> = HashMap::new();
        for claim in self.table.held.values() {
            for (lock, mode) in &claim.wants {
                let (count, alone, holders) = units.entry(lock).or_default();
                *holders += 1;
                match mode {
                    LockMode::Counting(c) => *count += c,
                    LockMode::Exclusive => *alone += 1,
                }
            }
        }
        for (lock, (count, alone, holders)) in units {
            assert!(alone == 0 || holders == 1, "{lock} is not held alone");
            assert!(count <= LARGEST || holders == 1, "{lock}: {count} of {LARGEST}");
            if !self.resized {
                let most = self.table.limit(lock);
                assert!(count <= most || holders == 1, "{lock}: {count} of {most}");
            }
        }
        // The claims of the table are those of builds that run, and of requests that wait.
        let known: HashSet<Ticket> = self
            .running
            .values()
            .flat_map(|build| build.step.into_iter().chain(build.locks))
            .collect();
        assert!(self.table.held.keys().all(|ticket| known.contains(ticket)), "a leak");
        for (ticket, claim) in &self.table.waiting {
            let pending = |request: BuildRequestId| self.pending.iter().any(|p| p.0 == request.0);
            assert!(known.contains(ticket) || pending(claim.who.request), "a leak");
        }
        // Nobody waits in vain.
        for (ticket, _) in self.table.waiting.iter().filter(|(_, claim)| !claim.is_wish()) {
            assert!(self.table.stands_at(*ticket).is_some(), "{ticket:?} could have been served");
        }
        assert_eq!(self.table.deadlocked(), None);
    }

    /// Nothing new comes; whoever runs ends.
    fn drain(&mut self) {
        let most = 4 * (self.pending.len() + self.running.len()) + 8;
        for _ in 0..most {
            self.round();
            let ready: Vec<i64> = self
                .running
                .iter()
                .filter(|(_, build)| {
                    build.step.is_none_or(|step| self.table.standing(step) == Standing::Held)
                })
                .map(|(build, _)| *build)
                .collect();
            for build in ready {
                self.end(build);
            }
            self.check();
            if self.pending.is_empty() && self.running.is_empty() {
                return;
            }
        }
        panic!(
            "{} requests and {} builds were never served",
            self.pending.len(),
            self.running.len()
        );
    }
}

fn wants(claim: &Claim, lock: &LockId) -> bool {
    claim.wants.iter().any(|(wanted, _)| wanted == lock)
}

fn run(seed: u64, circles: bool) -> World {
    let mut world = World::new(seed, circles);
    for _ in 0..25 {
        world.event();
    }
    world.drain();
    assert_eq!(world.served, world.next as usize, "seed {seed}");
    assert!(world.table.held.is_empty() && world.table.waiting.is_empty(), "seed {seed}");
    world
}

#[test]
fn with_an_order_everybody_is_served_and_nobody_is_refused() {
    let mut waited = 0;
    for seed in 0..HISTORIES {
        let world = run(seed, false);
        assert_eq!(world.refused, 0, "seed {seed}");
        waited += world.waited;
    }
    assert!(waited > 20_000, "{waited}");
}

#[test]
fn with_circles_some_are_refused_and_everybody_is_served_later() {
    let refused: usize = (0..HISTORIES / 5).map(|seed| run(seed, true).refused).sum();
    assert!(refused > 20, "{refused}");
}
