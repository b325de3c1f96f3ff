//! Change sources: actors that find out what is new in a repository.

mod git;
pub mod git_poller;
mod poll;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;

use super::intake::Intake;
use super::supervise::Supervisor;
use crate::config::checked::GitPollerConfig;
use crate::db::Db;
use crate::flow::branches::masked;
use crate::model::{MasterId, Timestamp};
use git_poller::GitPoller;

/// What every change source is given.
#[derive(Clone)]
pub struct Wiring {
    pub db: Db,
    /// In whose name sources are claimed.
    pub master: MasterId,
    pub intake: Intake,
    /// Relative working directories are below it.
    pub basedir: PathBuf,
}

/// All running change sources by name. Clones share them.
#[derive(Clone, Default)]
pub struct Sources {
    entries: Arc<Mutex<IndexMap<String, Entry>>>,
}

struct Entry {
    status: SourceStatus,
    handle: GitPoller,
}

/// A change source as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStatus {
    /// Without credentials, if it is a URL.
    pub name: String,
    /// `GitPoller`
    pub kind: &'static str,
    /// When the last poll ended.
    pub last_poll: Option<Timestamp>,
    /// What is wrong since the last poll; `None` when it went well.
    pub last_error: Option<String>,
    pub next_poll: Option<Timestamp>,
}

impl Sources {
    /// Starts the source below `supervisor`. A source of the same name must have been stopped.
    pub fn start(&self, supervisor: &Supervisor, config: GitPollerConfig, wiring: &Wiring) {
        let name = config.name.clone();
        let status = SourceStatus {
            name: masked(&name),
            kind: "GitPoller",
            last_poll: None,
            last_error: None,
            next_poll: None,
        };
        let handle = GitPoller::new(&name);
        // The entry comes first: the poller reports to it as soon as it lives.
        self.lock().insert(name, Entry { status, handle: handle.clone() });
        handle.start(supervisor, config, wiring.clone(), self.clone());
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

    /// Lets a source poll now; false when there is none of that name.
    pub fn poll_now(&self, name: &str) -> bool {
        let handle = self.lock().get(name).map(|entry| entry.handle.clone());
        handle.map(|handle| handle.poke()).is_some()
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

/// Name of a source among its siblings.
fn child_name(source: &str) -> String {
    format!("change source {}", masked(source))
}
