//! Locks in one round of the distributor: which pending requests could hold theirs now.

use std::collections::HashMap;

use super::table::{Claim, Claimant, LockId, LockTable, Ticket};
use super::usage::Usage;
use crate::model::{BuildRequestId, BuilderId, LockAccess, LockMode, Timestamp};

/// A build that could begin: whose it is and what it would hold.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    pub request: BuildRequestId,
    pub builder: BuilderId,
    pub builder_name: &'a str,
    pub worker: &'a str,
    /// The builder's locks.
    pub locks: &'a [LockAccess],
    /// The worker's own.
    pub worker_locks: &'a [LockAccess],
}

/// One round. Requests are shown to it in the order in which they should start. Those that it made
/// wait keep their place among the steps until the next round, and lose it when that one does not
/// renew it.
pub struct Round<'t> {
    table: &'t mut LockTable,
    /// Places from the round before.
    before: HashMap<BuildRequestId, (Ticket, Timestamp)>,
    /// What is held or reserved for one who comes last.
    usage: Usage,
    now: Timestamp,
}

impl LockTable {
    /// Begins a round.
    pub fn round(&mut self, now: Timestamp) -> Round<'_> {
        let wishes = self.waiting.extract_if(.., |_, claim| claim.is_wish());
        let before = wishes.map(|(ticket, wish)| (wish.who.request, (ticket, wish.since)));
        let before = before.collect();
        let usage = self.usage_behind(self.waiting.values());
        Round { table: self, before, usage, now }
    }

    /// What keeps a pending request from its locks, behind everybody who is before it; for those
    /// who only ask.
    pub fn obstacle(&self, build: &Candidate<'_>) -> Option<String> {
        let wants = self.wants(build);
        if wants.is_empty() {
            return None;
        }
        let is_own = |claim: &Claim| claim.is_wish() && claim.who.request == build.request;
        let before = self.waiting.values().take_while(|claim| !is_own(claim));
        let (at, _) = self.first_taken(&self.usage_behind(before), &wants)?;
        Some(self.why_taken(at, |claim| claim.who.request != build.request))
    }

    /// What is held, or reserved for these claims in their order.
    fn usage_behind<'c>(&self, claims: impl IntoIterator<Item = &'c Claim>) -> Usage {
        let mut usage = self.holdings();
        for claim in claims {
            usage.queue(claim, |lock| self.limit(lock));
        }
        usage
    }

    /// The first wanted lock that is taken.
    fn first_taken<'w>(
        &self,
        usage: &Usage,
        wants: &'w [(LockId, LockMode)],
    ) -> Option<&'w (LockId, LockMode)> {
        wants.iter().find(|(lock, mode)| !usage.admits(lock, *mode, self.limit(lock)))
    }

    /// What a build would hold.
    fn wants(&self, build: &Candidate<'_>) -> Vec<(LockId, LockMode)> {
        if build.locks.is_empty() && build.worker_locks.is_empty() {
            return Vec::new();
        }
        self.resolve(&[build.locks, build.worker_locks].concat(), build.worker)
    }
}

impl Round<'_> {
    /// What keeps a build from its locks; `None` when it could hold them at once.
    pub fn obstacle(&self, build: &Candidate<'_>) -> Option<String> {
        let wants = self.table.wants(build);
        if wants.is_empty() {
            return None;
        }
        let (at, _) = self.taken(build.request, &wants)?;
        Some(self.table.why_taken(at, |claim| claim.who.request != build.request))
    }

    /// Gives a build its locks; `None` when it has none. Only when nothing keeps it from them.
    pub fn take(&mut self, build: &Candidate<'_>) -> Option<Ticket> {
        let wants = self.table.wants(build);
        if wants.is_empty() {
            return None;
        }
        let ticket = self.table.ticket();
        let claim = Claim { who: who(build), wants, since: self.now };
        self.usage.hold(&claim);
        self.table.held.insert(ticket, claim);
        Some(ticket)
    }

    /// Keeps a place in the queue for a request that only waits for locks.
    pub fn wish(&mut self, build: &Candidate<'_>) {
        let kept = self.before.remove(&build.request);
        let (ticket, since) = kept.unwrap_or_else(|| (self.table.ticket(), self.now));
        let claim = Claim { who: who(build), wants: self.table.wants(build), since };
        let table = &self.table;
        self.usage.queue(&claim, |lock| table.limit(lock));
        self.table.waiting.insert(ticket, claim);
    }

    /// The first wanted lock that is taken at the request's place.
    fn taken<'w>(
        &self,
        request: BuildRequestId,
        wants: &'w [(LockId, LockMode)],
    ) -> Option<&'w (LockId, LockMode)> {
        let place = self.before.get(&request).map(|(ticket, _)| *ticket);
        let earlier = place.and_then(|place| self.usage_at(place));
        let usage = earlier.as_ref().unwrap_or(&self.usage);
        self.table.first_taken(usage, wants)
    }

    /// What is held or reserved at an older place in the queue, without the steps behind it;
    /// `None` when no step is behind it.
    fn usage_at(&self, place: Ticket) -> Option<Usage> {
        self.table.waiting.range(place..).find(|(_, claim)| !claim.is_wish())?;
        let before = self.table.waiting.iter();
        let before = before.filter(|(ticket, claim)| **ticket < place || claim.is_wish());
        Some(self.table.usage_behind(before.map(|(_, claim)| claim)))
    }
}

fn who(build: &Candidate<'_>) -> Claimant {
    Claimant {
        request: build.request,
        builder: build.builder,
        builder_name: build.builder_name.to_owned(),
        build: None,
        step: None,
    }
}
