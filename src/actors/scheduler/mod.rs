//! Schedulers: one actor for every class, around the plans of `schedulers/`.

mod runner;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;

use super::announcer::Announcer;
use super::supervise::Supervisor;
use crate::config::checked::SchedulerConfig;
use crate::db::Db;
use crate::model::{Clock, MasterId, Timestamp};
pub use crate::schedulers::{ForceRequest, Order, Refused, Submitted, Trigger};
pub use runner::SchedulerHandle;

/// What every scheduler is given.
#[derive(Clone)]
pub struct Wiring {
    pub db: Db,
    pub announcer: Announcer,
    /// In whose name schedulers are claimed.
    pub master: MasterId,
    /// Tells the distributor that requests may be waiting.
    pub poke: Arc<dyn Fn() + Send + Sync>,
    pub clock: Clock,
}

impl Wiring {
    pub fn new(
        db: Db,
        announcer: Announcer,
        master: MasterId,
        clock: Clock,
        poke: impl Fn() + Send + Sync + 'static,
    ) -> Wiring {
        Wiring { db, announcer, master, poke: Arc::new(poke), clock }
    }
}

/// All running schedulers by name. Clones share them.
#[derive(Clone, Default)]
pub struct Schedulers {
    entries: Arc<Mutex<IndexMap<String, SchedulerHandle>>>,
}

/// A scheduler as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchedulerStatus {
    pub name: String,
    /// Buildbot's class name: `SingleBranchScheduler`, `Nightly` …
    pub kind: &'static str,
    /// When the next buildset is due, unless something else comes before.
    pub waiting_until: Option<Timestamp>,
    /// Changes that wait for it.
    pub pending_changes: usize,
    /// Why it does nothing at the moment: switched off, run by another master, a failure.
    pub idle_because: Option<String>,
}

impl Schedulers {
    /// Starts the scheduler below `supervisor` as `scheduler NAME`.
    ///
    /// `fresh` skips what came while this scheduler was not run by us: set it when a stock master
    /// has used the database in between.
    pub fn start(
        &self,
        supervisor: &Supervisor,
        config: Arc<SchedulerConfig>,
        wiring: &Wiring,
        fresh: bool,
    ) {
        let name = config.options.name.clone();
        let handle = runner::start(supervisor, config, wiring.clone(), fresh);
        self.lock().insert(name, handle);
    }

    /// Stops the scheduler; what it remembers stays in the database.
    pub async fn stop(&self, supervisor: &Supervisor, name: &str) {
        supervisor.stop(&child_name(name)).await;
        self.lock().shift_remove(name);
    }

    /// The scheduler of that name.
    pub fn get(&self, name: &str) -> Option<SchedulerHandle> {
        self.lock().get(name).cloned()
    }

    /// Asks the scheduler `name`; the answer comes after the commit. `None` when nothing was
    /// submitted now.
    ///
    /// # Errors
    /// When there is no such scheduler, or why it refuses.
    pub async fn order(&self, name: &str, order: Order) -> Result<Option<Submitted>, Refused> {
        match self.get(name) {
            Some(handle) => handle.order(order).await,
            None => Err(order.missing(name)),
        }
    }

    /// Every scheduler in the order of the configuration.
    pub fn list(&self) -> Vec<SchedulerStatus> {
        self.lock().values().map(SchedulerHandle::status).collect()
    }

    fn lock(&self) -> MutexGuard<'_, IndexMap<String, SchedulerHandle>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Name of a scheduler among its siblings.
fn child_name(scheduler: &str) -> String {
    format!("scheduler {scheduler}")
}
