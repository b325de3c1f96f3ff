//! The locks of this master: a handle to one table that builds, steps and the distributor share.
//!
//! There is nothing here that could die: the table is plain data behind a mutex, and what is
//! decided about it is [`flow::locks`](crate::flow::locks). Whoever has a claim holds a
//! [`LockGuard`]; when that is dropped, by whatever end of a build or step, the claim ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::distributor::Distributor;
use crate::config::checked::LockConfig;
use crate::flow::locks::{Claimant, LockStatus, LockTable, Round, Standing, Ticket};
use crate::model::{BuildId, Clock, LockAccess};

/// Everybody's way to the locks. Clones share them.
#[derive(Clone)]
pub struct Locks {
    table: Arc<Mutex<LockTable>>,
    /// Rises with every change.
    changes: Arc<watch::Sender<u64>>,
    distributor: Distributor,
    clock: Clock,
}

/// A wait that would never end; the text says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("waiting would never end: {0}")]
pub struct Deadlock(String);

impl Locks {
    pub(super) fn new(distributor: Distributor, clock: Clock) -> Locks {
        let (table, changes) = (Arc::default(), Arc::new(watch::channel(0).0));
        Locks { table, changes, distributor, clock }
    }

    /// Takes another configuration; holders keep what they have.
    pub(super) fn configure(&self, locks: &[LockConfig]) {
        self.change(|table| table.configure(locks));
    }

    /// One round of the distributor. Its claims need a [`Locks::guard`] each at once.
    pub(super) fn round<T>(&self, assign: impl FnOnce(&mut Round<'_>) -> T) -> T {
        let mut table = self.lock();
        let decided = assign(&mut table.round(self.clock.now()));
        // A request that gave up its place may let a step in.
        table.settle(self.clock.now());
        drop(table);
        self.announce();
        decided
    }

    /// The table as it is now, to look ahead in.
    pub(super) fn copy(&self) -> LockTable {
        self.lock().clone()
    }

    /// The guard of a claim that a round has made.
    pub(super) fn guard(&self, ticket: Ticket) -> LockGuard {
        LockGuard { locks: self.clone(), ticket }
    }

    /// Queues a step for its locks on a worker.
    pub(super) fn ask(&self, who: Claimant, accesses: &[LockAccess], worker: &str) -> LockGuard {
        let ticket = self.change(|table| table.ask(who, accesses, worker, self.clock.now()));
        self.guard(ticket)
    }

    /// All locks with those who hold them and those who wait.
    pub fn snapshot(&self) -> Vec<LockStatus> {
        self.lock().snapshot()
    }

    /// Changes the table, serves who can be served, and wakes everybody whom it may concern.
    fn change<T>(&self, work: impl FnOnce(&mut LockTable) -> T) -> T {
        let (done, wishes) = self.change_quietly(work);
        if wishes {
            self.distributor.poke();
        }
        done
    }

    /// As [`Locks::change`], without a poke of the distributor; answers whether it wants one.
    fn change_quietly<T>(&self, work: impl FnOnce(&mut LockTable) -> T) -> (T, bool) {
        let mut table = self.lock();
        let done = work(&mut table);
        table.settle(self.clock.now());
        if table.refuse_deadlock() {
            table.settle(self.clock.now());
        }
        let wishes = table.has_wishes();
        drop(table);
        self.announce();
        (done, wishes)
    }

    fn announce(&self) {
        self.changes.send_modify(|change| *change += 1);
    }

    fn lock(&self) -> MutexGuard<'_, LockTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A claim of locks, granted or waiting. Dropping it ends the claim.
pub struct LockGuard {
    locks: Locks,
    ticket: Ticket,
}

impl LockGuard {
    /// Waits until the locks are held. `tell` hears what it waits for, whenever that changes.
    ///
    /// # Errors
    /// [`Deadlock`] when that would never be.
    pub(super) async fn granted(&self, mut tell: impl FnMut(&str)) -> Result<(), Deadlock> {
        let mut changes = self.locks.changes.subscribe();
        let mut told = String::new();
        loop {
            changes.mark_unchanged();
            match self.standing() {
                Standing::Held => return Ok(()),
                Standing::Refused(why) => return Err(Deadlock(why)),
                Standing::Waiting(why) if why != told => {
                    tell(&why);
                    told = why;
                }
                Standing::Waiting(_) => {}
            }
            // The sender lives as long as this guard.
            let _ = changes.changed().await;
        }
    }

    /// Are the locks held already?
    pub(super) fn is_granted(&self) -> bool {
        self.standing() == Standing::Held
    }

    /// The claim became this build's.
    pub(super) fn name(&self, build: BuildId, number: i64) {
        self.locks.lock().name(self.ticket, build, number);
        self.locks.announce();
    }

    /// Ends the claim now.
    pub(super) fn release(&self) {
        let ends = self.locks.lock().has(self.ticket);
        if ends {
            self.locks.change(|table| table.release(self.ticket));
        }
    }

    /// Ends the claim of a build that could not be started. The distributor is not poked, as the
    /// next round would only fail again.
    pub(super) fn give_up(self) {
        self.locks.change_quietly(|table| table.release(self.ticket));
    }

    fn standing(&self) -> Standing {
        self.locks.lock().standing(self.ticket)
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use indexmap::IndexMap;

    use super::*;
    use crate::model::{BuildRequestId, BuilderId, LockKind, LockMode};

    fn locks(names: &[&str]) -> Locks {
        let locks = Locks::new(Distributor::default(), Clock::default());
        let config = |name: &&str| LockConfig {
            name: (*name).to_owned(),
            kind: LockKind::Master,
            max_count: 1,
            max_count_for_worker: IndexMap::new(),
        };
        locks.configure(&names.iter().map(config).collect::<Vec<_>>());
        locks
    }

    fn ask(locks: &Locks, build: i64, name: &str) -> LockGuard {
        let who = Claimant {
            request: BuildRequestId(build),
            builder: BuilderId(1),
            builder_name: "b".into(),
            build: Some((BuildId(build), build)),
            step: None,
        };
        let access = LockAccess { name: name.into(), mode: LockMode::Counting(1) };
        locks.ask(who, &[access], "w1")
    }

    fn run(test: impl Future<Output = ()>) {
        actix::System::new().block_on(async {
            tokio::time::timeout(Duration::from_secs(30), test).await.expect("in time");
        });
    }

    #[test]
    fn whoever_is_cut_off_lets_the_next_one_in() {
        run(async {
            let locks = locks(&["db"]);
            let (first, second, third) =
                (ask(&locks, 1, "db"), ask(&locks, 2, "db"), ask(&locks, 3, "db"));
            let holder = tokio::task::spawn_local(async move {
                first.granted(|_| ()).await.expect("a free lock");
                std::future::pending::<()>().await;
            });
            let waiter = tokio::task::spawn_local(async move { second.granted(|_| ()).await });
            let mut told = Vec::new();
            let granted = third.granted(|why| {
                told.push(why.to_owned());
                // The one ahead goes, then the one who holds it.
                waiter.abort();
                holder.abort();
            });
            granted.await.expect("its turn");
            assert_eq!(told[0], "lock 'db' is held by build 1 of builder b");
            drop(third);
            let lock = locks.snapshot().remove(0);
            assert!(lock.holders.is_empty() && lock.waiters.is_empty(), "{lock:?}");
        });
    }

    #[test]
    fn a_wait_in_a_circle_ends_with_its_reason() {
        run(async {
            let locks = locks(&["a", "b"]);
            let _held = (ask(&locks, 1, "a"), ask(&locks, 2, "b"));
            let first = ask(&locks, 1, "b");
            let second = ask(&locks, 2, "a");
            let refused = second.granted(|_| ()).await.expect_err("a circle").to_string();
            assert!(refused.contains("lock 'a' is held by build 1 of builder b"), "{refused}");
            assert!(!first.is_granted());
        });
    }
}
