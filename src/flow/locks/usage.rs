//! How much of each lock is spoken for.

use std::collections::HashMap;

use super::table::{Claim, LockId};
use crate::model::LockMode;

/// What is held, and reserved by those who wait, at one place in the queue.
#[derive(Debug, Clone, Default)]
pub(super) struct Usage(HashMap<LockId, Load>);

#[derive(Debug, Clone, Copy, Default)]
struct Load {
    units: usize,
    exclusive: bool,
}

impl Usage {
    /// Does one more access fit into a lock of this size? Who wants more than there is gets
    /// all of it, as after a reconfiguration that made the lock smaller.
    pub fn admits(&self, lock: &LockId, mode: LockMode, limit: usize) -> bool {
        let load = self.0.get(lock).copied().unwrap_or_default();
        match mode {
            LockMode::Counting(count) => !load.exclusive && load.units + count.min(limit) <= limit,
            LockMode::Exclusive => !load.exclusive && load.units == 0,
        }
    }

    pub fn add(&mut self, lock: &LockId, mode: LockMode) {
        let load = self.0.entry(lock.clone()).or_default();
        match mode {
            LockMode::Counting(count) => load.units += count,
            LockMode::Exclusive => load.exclusive = true,
        }
    }

    /// Takes everything that a claim wants.
    pub fn hold(&mut self, claim: &Claim) {
        for (lock, mode) in &claim.wants {
            self.add(lock, *mode);
        }
    }

    /// Queues a claim: reserves its places up to the first lock that is taken, which is the
    /// answer; `None` when it fits everywhere.
    pub fn queue<'c>(
        &mut self,
        claim: &'c Claim,
        limit: impl Fn(&LockId) -> usize,
    ) -> Option<&'c LockId> {
        for (lock, mode) in &claim.wants {
            let fits = self.admits(lock, *mode, limit(lock));
            self.add(lock, *mode);
            if !fits {
                return Some(lock);
            }
        }
        None
    }
}
