//! Schedulers: actors that turn changes, or a person's wish, into buildsets.

pub mod basic;
mod catch_up;
pub mod force;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;

use super::announcer::Announcer;
use super::supervise::Supervisor;
use crate::config::checked::{SchedulerConfig, SchedulerKind};
use crate::db::Db;
use crate::model::{MasterId, Timestamp, now};
use basic::BasicHandle;
pub use catch_up::Submitted;
pub use force::{ForceError, ForceHandle, ForceRequest};

/// What every scheduler is given.
#[derive(Clone)]
pub struct Wiring {
    pub db: Db,
    pub announcer: Announcer,
    /// In whose name schedulers are claimed.
    pub master: MasterId,
    /// Tells the distributor that requests may be waiting.
    pub poke: Arc<dyn Fn() + Send + Sync>,
    /// The wall clock; another one only in tests.
    pub clock: Clock,
}

/// Tells the time in whole seconds.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

impl Wiring {
    pub fn new(
        db: Db,
        announcer: Announcer,
        master: MasterId,
        poke: impl Fn() + Send + Sync + 'static,
    ) -> Wiring {
        Wiring { db, announcer, master, poke: Arc::new(poke), clock: Arc::new(now) }
    }
}

/// All running schedulers by name. Clones share them.
#[derive(Clone, Default)]
pub struct Schedulers {
    entries: Arc<Mutex<IndexMap<String, Entry>>>,
}

#[derive(Clone)]
enum Entry {
    Basic(BasicHandle),
    Force(ForceHandle),
}

/// A scheduler as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchedulerStatus {
    pub name: String,
    /// `SingleBranchScheduler`, `AnyBranchScheduler` or `ForceScheduler`.
    pub kind: &'static str,
    /// When the next buildset is due, unless another change comes.
    pub waiting_until: Option<Timestamp>,
    /// Changes that wait for it.
    pub pending_changes: usize,
    /// Why it does nothing at the moment: switched off, run by another master, a failure.
    pub idle_because: Option<String>,
}

impl Schedulers {
    /// Starts the scheduler below `supervisor` as `scheduler NAME`.
    ///
    /// `fresh` skips the changes that came while this scheduler was not run by us: set it when a
    /// stock master has used the database in between.
    pub fn start(
        &self,
        supervisor: &Supervisor,
        config: Arc<SchedulerConfig>,
        wiring: &Wiring,
        fresh: bool,
    ) {
        let name = config.name.clone();
        let entry = match &config.kind {
            SchedulerKind::Basic(settings) => {
                Entry::Basic(basic::start(supervisor, &config, settings, wiring.clone(), fresh))
            }
            SchedulerKind::Force(_) => {
                Entry::Force(force::start(supervisor, config, wiring.clone()))
            }
        };
        self.lock().insert(name, entry);
    }

    /// Stops the scheduler; what it remembers stays in the database.
    pub async fn stop(&self, supervisor: &Supervisor, name: &str) {
        supervisor.stop(&child_name(name)).await;
        self.lock().shift_remove(name);
    }

    /// The force scheduler of that name.
    pub fn force(&self, name: &str) -> Option<ForceHandle> {
        match self.lock().get(name) {
            Some(Entry::Force(handle)) => Some(handle.clone()),
            _ => None,
        }
    }

    /// Every scheduler in the order of the configuration.
    pub fn list(&self) -> Vec<SchedulerStatus> {
        let status = |entry: &Entry| match entry {
            Entry::Basic(handle) => handle.status(),
            Entry::Force(handle) => SchedulerStatus {
                name: handle.name().to_owned(),
                kind: "ForceScheduler",
                waiting_until: None,
                pending_changes: 0,
                idle_because: None,
            },
        };
        self.lock().values().map(status).collect()
    }

    fn lock(&self) -> MutexGuard<'_, IndexMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Name of a scheduler among its siblings.
fn child_name(scheduler: &str) -> String {
    format!("scheduler {scheduler}")
}
