//! Who holds which locks, and who waits for them in which order.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::usage::Usage;
use crate::config::checked::LockConfig;
use crate::model::{BuildId, BuildRequestId, BuilderId, LockAccess, LockKind, LockMode, Timestamp};

/// The number of a claim: unique in the life of a table, and its place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub(super) u64);

/// A MasterLock, or one worker's copy of a WorkerLock.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LockId {
    pub name: Arc<str>,
    pub worker: Option<Arc<str>>,
}

/// Who wants or holds locks. Claims of one build have the same request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimant {
    pub request: BuildRequestId,
    pub builder: BuilderId,
    pub builder_name: String,
    /// Id and number of the build; `None` for a request whose build has not begun.
    pub build: Option<(BuildId, i64)>,
    /// Name of the step; `None` for the build as a whole.
    pub step: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub who: Claimant,
    /// In the order of all locks.
    pub wants: Vec<(LockId, LockMode)>,
    /// When it was asked for, or granted.
    pub since: Timestamp,
}

impl Claim {
    /// A pending request, which only the distributor serves.
    pub fn is_wish(&self) -> bool {
        self.who.build.is_none()
    }
}

/// Where a claim stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Held,
    /// What it waits for, such as `lock 'db' is held by build 12 of builder linux`.
    Waiting(String),
    /// It would wait for ever; the text says why.
    Refused(String),
}

#[derive(Debug, Clone)]
pub(super) struct Lock {
    pub config: LockConfig,
    /// Place in the order of all locks.
    pub rank: usize,
    /// No longer configured; builds with an older plan may still use it.
    pub retired: bool,
}

/// All locks, those who hold them and those who wait.
#[derive(Debug, Clone, Default)]
pub struct LockTable {
    /// Shared with the copies that look ahead.
    pub(super) locks: Arc<HashMap<Arc<str>, Lock>>,
    pub(super) held: BTreeMap<Ticket, Claim>,
    pub(super) waiting: BTreeMap<Ticket, Claim>,
    refused: HashMap<Ticket, String>,
    next: u64,
}

impl LockTable {
    /// Takes another configuration, in the order of all locks. Holders keep what they have, also
    /// of a lock that became smaller or is gone.
    pub fn configure(&mut self, locks: &[LockConfig]) {
        let known = Arc::make_mut(&mut self.locks);
        for lock in known.values_mut() {
            lock.retired = true;
        }
        for (rank, config) in locks.iter().enumerate() {
            let lock = Lock { config: config.clone(), rank, retired: false };
            known.insert(config.name.as_str().into(), lock);
        }
        let ranks: HashMap<Arc<str>, usize> =
            self.locks.iter().map(|(name, lock)| (name.clone(), lock.rank)).collect();
        for claim in self.waiting.values_mut() {
            claim
                .wants
                .sort_by_key(|(lock, _)| ranks.get(&lock.name).copied().unwrap_or(usize::MAX));
        }
    }

    /// Queues a claim of locks that `worker` is to use. [`LockTable::settle`] serves it.
    pub fn ask(
        &mut self,
        who: Claimant,
        accesses: &[LockAccess],
        worker: &str,
        now: Timestamp,
    ) -> Ticket {
        let wants = self.resolve(accesses, worker);
        let ticket = self.ticket();
        self.waiting.insert(ticket, Claim { who, wants, since: now });
        ticket
    }

    /// Gives every step that waits what it wants, as far as the queue allows; answers whether
    /// anything changed.
    pub fn settle(&mut self, now: Timestamp) -> bool {
        self.grant(now, |claim| !claim.is_wish())
    }

    /// Ends a claim, granted or not; false when there is none.
    pub fn release(&mut self, ticket: Ticket) -> bool {
        let held = self.held.remove(&ticket).is_some();
        let waited = self.waiting.remove(&ticket).is_some();
        let refused = self.refused.remove(&ticket).is_some();
        held || waited || refused
    }

    /// Tells the table which build a claim became.
    pub fn name(&mut self, ticket: Ticket, build: BuildId, number: i64) {
        if let Some(claim) = self.held.get_mut(&ticket) {
            claim.who.build = Some((build, number));
        }
    }

    /// What became of a claim.
    pub fn standing(&self, ticket: Ticket) -> Standing {
        if let Some(text) = self.refused.get(&ticket) {
            return Standing::Refused(text.clone());
        }
        match self.waiting.get(&ticket) {
            None => Standing::Held,
            Some(claim) => Standing::Waiting(self.why(ticket, claim)),
        }
    }

    /// Is it a claim that has not ended?
    pub fn has(&self, ticket: Ticket) -> bool {
        self.held.contains_key(&ticket)
            || self.waiting.contains_key(&ticket)
            || self.refused.contains_key(&ticket)
    }

    /// Does a pending request wait for a lock?
    pub fn has_wishes(&self) -> bool {
        self.waiting.values().any(Claim::is_wish)
    }

    /// Refuses the youngest waits of steps that would never end, until no such wait is left;
    /// answers whether there was one.
    pub fn refuse_deadlock(&mut self) -> bool {
        let mut found = false;
        while let Some(ticket) = self.deadlocked() {
            let Some(claim) = self.waiting.get(&ticket) else { break };
            let why = format!(
                "{} while those who hold it wait for locks of this build",
                self.why(ticket, claim)
            );
            self.waiting.remove(&ticket);
            self.refused.insert(ticket, why);
            found = true;
        }
        found
    }

    /// The youngest step that waits and will never be served, even if everybody who waits for
    /// nothing ends. `None` without a deadlock.
    pub fn deadlocked(&self) -> Option<Ticket> {
        if self.waiting.values().all(Claim::is_wish) {
            return None;
        }
        let mut future = self.clone();
        loop {
            let waits: HashSet<BuildRequestId> =
                future.waiting.values().map(|claim| claim.who.request).collect();
            let before = future.held.len();
            future.held.retain(|_, claim| waits.contains(&claim.who.request));
            if !future.grant(0, |_| true) && future.held.len() == before {
                break;
            }
        }
        future.waiting.iter().rev().find(|(_, claim)| !claim.is_wish()).map(|(ticket, _)| *ticket)
    }

    fn grant(&mut self, now: Timestamp, may: impl Fn(&Claim) -> bool) -> bool {
        let mut usage = self.holdings();
        let mut granted = Vec::new();
        for (ticket, claim) in &self.waiting {
            let fits = usage.queue(claim, |lock| self.limit(lock)).is_none();
            if fits && may(claim) {
                granted.push(*ticket);
            }
        }
        for ticket in &granted {
            if let Some(mut claim) = self.waiting.remove(ticket) {
                claim.since = now;
                self.held.insert(*ticket, claim);
            }
        }
        !granted.is_empty()
    }

    /// What those who hold locks have.
    pub(super) fn holdings(&self) -> Usage {
        let mut usage = Usage::default();
        for claim in self.held.values() {
            usage.hold(claim);
        }
        usage
    }

    /// The lock that a waiting claim waits at; `None` when it is about to be served.
    pub(super) fn stands_at(&self, ticket: Ticket) -> Option<LockId> {
        let mut usage = self.holdings();
        for (other, claim) in self.waiting.range(..=ticket) {
            let at = usage.queue(claim, |lock| self.limit(lock));
            if *other == ticket {
                return at.cloned();
            }
        }
        None
    }

    /// The locks meant by `accesses` on a worker, in the order of all locks.
    pub(super) fn resolve(&self, accesses: &[LockAccess], worker: &str) -> Vec<(LockId, LockMode)> {
        let mut wants: Vec<(usize, LockId, LockMode)> = accesses
            .iter()
            .map(|access| {
                let known = self.locks.get_key_value(access.name.as_str());
                let name =
                    known.map_or_else(|| access.name.as_str().into(), |(name, _)| name.clone());
                let lock = known.map(|(_, lock)| lock);
                let of_worker = lock.is_some_and(|lock| lock.config.kind == LockKind::Worker);
                let id = LockId { name, worker: of_worker.then(|| worker.into()) };
                (lock.map_or(usize::MAX, |lock| lock.rank), id, access.mode)
            })
            .collect();
        wants.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let mut resolved: Vec<(LockId, LockMode)> = Vec::with_capacity(wants.len());
        for (_, id, mode) in wants {
            match resolved.last_mut() {
                Some((last, both)) if *last == id => *both = together(*both, mode),
                _ => resolved.push((id, mode)),
            }
        }
        resolved
    }

    pub(super) fn limit(&self, lock: &LockId) -> usize {
        let config = self.locks.get(&lock.name).map(|lock| &lock.config);
        config.map_or(1, |config| config.limit(lock.worker.as_deref()))
    }

    pub(super) fn ticket(&mut self) -> Ticket {
        self.next += 1;
        Ticket(self.next)
    }
}

/// What takes the place of two accesses to one lock.
fn together(one: LockMode, other: LockMode) -> LockMode {
    match (one, other) {
        (LockMode::Counting(one), LockMode::Counting(other)) => LockMode::Counting(one + other),
        _ => LockMode::Exclusive,
    }
}
