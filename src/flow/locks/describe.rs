//! Locks as people see them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::table::{Claim, Claimant, LockId, LockTable, Ticket};
use crate::model::{LockKind, LockMode, Timestamp};

/// A lock, or a worker's copy of one, with those who use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LockStatus {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: LockKind,
    /// Whose copy; `None` for a MasterLock, and for a WorkerLock that nobody uses.
    pub worker: Option<String>,
    pub max_count: usize,
    /// False when only builds with an older plan use it.
    pub configured: bool,
    pub holders: Vec<ClaimStatus>,
    /// In the order in which they are served.
    pub waiters: Vec<ClaimStatus>,
}

/// Who holds a lock or waits at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClaimStatus {
    pub buildrequestid: i64,
    pub builderid: i64,
    pub builder: String,
    pub buildid: Option<i64>,
    /// Of the build.
    pub number: Option<i64>,
    /// Of a step that wants it for itself.
    pub step: Option<String>,
    /// `counting` or `exclusive`.
    pub access: &'static str,
    /// Units; 1 for an exclusive access.
    pub count: usize,
    pub since: Timestamp,
}

/// `build 12 of builder linux`, `step 'make' of build 12 of builder linux`, `request 5 of builder
/// linux`.
impl fmt::Display for Claimant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(step) = &self.step {
            write!(f, "step '{step}' of ")?;
        }
        match self.build {
            Some((_, number)) => write!(f, "build {number}")?,
            None => write!(f, "request {}", self.request)?,
        }
        write!(f, " of builder {}", self.builder_name)
    }
}

/// `lock 'db'`, `lock 'cpu' of worker w1`.
impl fmt::Display for LockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lock '{}'", self.name)?;
        match &self.worker {
            Some(worker) => write!(f, " of worker {worker}"),
            None => Ok(()),
        }
    }
}

impl LockTable {
    /// Every configured lock and every other one in use, ordered by name and worker.
    pub fn snapshot(&self) -> Vec<LockStatus> {
        let mut found: BTreeMap<LockId, LockStatus> = BTreeMap::new();
        for claim in self.held.values() {
            for (lock, mode) in &claim.wants {
                self.row(&mut found, lock).holders.push(status(claim, *mode));
            }
        }
        let mut usage = self.holdings();
        for claim in self.waiting.values() {
            let Some(at) = usage.queue(claim, |lock| self.limit(lock)) else { continue };
            let mode = claim.wants.iter().find(|(lock, _)| lock == at).map(|(_, mode)| *mode);
            let mode = mode.unwrap_or(LockMode::Exclusive);
            self.row(&mut found, at).waiters.push(status(claim, mode));
        }
        for (name, _) in self.locks.iter().filter(|(_, lock)| !lock.retired) {
            if !found.keys().any(|lock| lock.name == *name) {
                self.row(&mut found, &LockId { name: name.clone(), worker: None });
            }
        }
        found.into_values().collect()
    }

    fn row<'f>(
        &self,
        found: &'f mut BTreeMap<LockId, LockStatus>,
        id: &LockId,
    ) -> &'f mut LockStatus {
        let lock = self.locks.get(&id.name);
        let guessed = if id.worker.is_some() { LockKind::Worker } else { LockKind::Master };
        found.entry(id.clone()).or_insert_with(|| LockStatus {
            name: id.name.to_string(),
            kind: lock.map_or(guessed, |lock| lock.config.kind),
            worker: id.worker.as_ref().map(|worker| worker.to_string()),
            max_count: self.limit(id),
            configured: lock.is_some_and(|lock| !lock.retired),
            holders: Vec::new(),
            waiters: Vec::new(),
        })
    }

    /// Why a claim in the queue is not served.
    pub(super) fn why(&self, ticket: Ticket, claim: &Claim) -> String {
        match self.stands_at(ticket) {
            Some(lock) => {
                let others = |other: &Claim| other.who != claim.who;
                self.why_taken(&lock, others)
            }
            None => "its turn comes".to_owned(),
        }
    }

    /// `lock 'db' is held by build 12 of builder linux and 2 others`: by whom among `others`.
    pub(super) fn why_taken(&self, lock: &LockId, others: impl Fn(&Claim) -> bool) -> String {
        let uses = |claim: &&Claim| claim.wants.iter().any(|(wanted, _)| wanted == lock);
        let mut holders = self.held.values().filter(uses);
        if let Some(first) = holders.next() {
            let more = match holders.count() {
                0 => String::new(),
                1 => " and another".to_owned(),
                more => format!(" and {more} others"),
            };
            return format!("{lock} is held by {}{more}", first.who);
        }
        match self.waiting.values().filter(uses).find(|claim| others(claim)) {
            Some(first) => format!("{lock} goes to {} first", first.who),
            None => format!("{lock} is taken"),
        }
    }
}

fn status(claim: &Claim, mode: LockMode) -> ClaimStatus {
    let who = &claim.who;
    ClaimStatus {
        buildrequestid: who.request.0,
        builderid: who.builder.0,
        builder: who.builder_name.clone(),
        buildid: who.build.map(|(build, _)| build.0),
        number: who.build.map(|(_, number)| number),
        step: who.step.clone(),
        access: mode.name(),
        count: match mode {
            LockMode::Counting(count) => count,
            LockMode::Exclusive => 1,
        },
        since: claim.since,
    }
}
