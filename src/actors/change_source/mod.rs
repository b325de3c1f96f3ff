//! Change sources: actors that find out what is new in a repository, or are told.

mod desk;
pub mod pb;
mod sent;
#[cfg(test)]
mod tests;
pub mod watcher;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;

use super::intake::Intake;
use super::supervise::Supervisor;
use super::worker::Logins;
use crate::config::checked::ChangeSourceConfig;
use crate::db::{Conn, Db, DbError, changesources};
use crate::flow::branches::masked;
use crate::model::{Clock, MasterId, Timestamp};
use pb::PbChangeSource;
use watcher::Watcher;

/// What every change source is given.
#[derive(Clone)]
pub struct Wiring {
    pub db: Db,
    /// In whose name sources are claimed.
    pub master: MasterId,
    pub intake: Intake,
    /// Relative working directories are below it.
    pub basedir: PathBuf,
    /// Where those who send changes log in.
    pub logins: Logins,
    pub clock: Clock,
}

/// All running change sources by name. Clones share them.
#[derive(Clone, Default)]
pub struct Sources {
    entries: Arc<Mutex<IndexMap<String, Entry>>>,
}

struct Entry {
    status: SourceStatus,
    /// Absent for a source that is told.
    watcher: Option<Watcher>,
}

/// A change source as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStatus {
    /// Without credentials, if it is a URL.
    pub name: String,
    /// The class: `GitPoller`, `PBChangeSource` …
    pub kind: &'static str,
    /// Whether it looks for changes itself, or is told.
    pub polls: bool,
    /// When the last poll ended; `None` for a source that does not poll.
    pub last_poll: Option<Timestamp>,
    /// What is wrong since the last poll or change; `None` when it went well.
    pub last_error: Option<String>,
    pub next_poll: Option<Timestamp>,
}

impl Sources {
    /// Starts the source below `supervisor`. A source of the same name must have been stopped.
    pub fn start(&self, supervisor: &Supervisor, config: ChangeSourceConfig, wiring: &Wiring) {
        // The entry comes first: the source reports to it as soon as it lives.
        match config {
            ChangeSourceConfig::Looks(plan) => {
                let watcher = Watcher::new(&plan.name);
                self.enter(&plan.name, plan.class, Some(watcher.clone()));
                watcher.start(supervisor, plan, wiring.clone(), self.clone());
            }
            ChangeSourceConfig::PbChangeSource(config) => {
                self.enter(&config.name, "PBChangeSource", None);
                PbChangeSource::start(supervisor, config, wiring.clone(), self.clone());
            }
        }
    }

    fn enter(&self, name: &str, kind: &'static str, watcher: Option<Watcher>) {
        let status = SourceStatus {
            name: masked(name),
            kind,
            polls: watcher.is_some(),
            last_poll: None,
            last_error: None,
            next_poll: None,
        };
        self.lock().insert(name.to_owned(), Entry { status, watcher });
    }

    /// Stops the source and what it runs; what it remembers stays in the database.
    pub async fn stop(&self, supervisor: &Supervisor, name: &str) {
        supervisor.stop(&child_name(name)).await;
        self.lock().shift_remove(name);
    }

    /// Every source in the order of the configuration.
    pub fn snapshot(&self) -> Vec<SourceStatus> {
        self.lock().values().map(|entry| entry.status.clone()).collect()
    }

    /// Lets a source poll now; false when there is none of that name that polls.
    pub fn poll_now(&self, name: &str) -> bool {
        let watcher = self.lock().get(name).and_then(|entry| entry.watcher.clone());
        watcher.map(|watcher| watcher.poke()).is_some()
    }

    fn update(&self, name: &str, change: impl FnOnce(&mut SourceStatus)) {
        if let Some(entry) = self.lock().get_mut(name) {
            change(&mut entry.status);
        }
    }

    fn lock(&self) -> MutexGuard<'_, IndexMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the source `name` for this master; false when another master has it.
async fn claim(name: &str, wiring: &Wiring) -> Result<bool, DbError> {
    let (name, master) = (name.to_owned(), wiring.master);
    let claim = move |conn: &mut Conn| {
        let id = changesources::find_or_create(conn, &name)?;
        changesources::claim(conn, id, master)
    };
    wiring.db.write(claim).await
}

/// Name of a source among its siblings.
fn child_name(source: &str) -> String {
    format!("change source {}", masked(source))
}
