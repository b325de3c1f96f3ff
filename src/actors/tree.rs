//! The supervision tree as people see it: one row per child, alive or not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::mail::Gauge;
use crate::model::{Timestamp, now};

/// All supervised children of this process. Clones share the rows.
#[derive(Clone, Default)]
pub struct Tree {
    rows: Arc<Mutex<Vec<Arc<Row>>>>,
}

/// One child's row; written by its supervisor, read by the status page.
pub struct Row {
    /// Names from the top down, the child's own last.
    names: Vec<String>,
    /// The same with `/` between them: `roster/worker-1`.
    path: String,
    rule: &'static str,
    gauge: Arc<Gauge>,
    restarts: AtomicU64,
    live: Mutex<Live>,
    /// Somebody wants another life now.
    shove: Notify,
}

struct Live {
    state: ChildState,
    since: Timestamp,
    last_error: Option<String>,
}

/// What a child is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildState {
    Running,
    /// Died; the next life begins after a pause.
    BackingOff,
    /// Died too often; stays down until somebody revives it.
    Parked,
    Stopping,
}

impl ChildState {
    /// As the tree page shows it.
    pub fn name(self) -> &'static str {
        match self {
            ChildState::Running => "running",
            ChildState::BackingOff => "backing off",
            ChildState::Parked => "parked",
            ChildState::Stopping => "stopping",
        }
    }
}

/// A copy of a row for display.
#[derive(Debug, Clone)]
pub struct ChildStatus {
    /// Names from the top down, the child's own last.
    pub names: Vec<String>,
    /// The same with `/` between them.
    pub path: String,
    /// `permanent`, `transient` or `temporary`.
    pub rule: &'static str,
    pub state: ChildState,
    /// Since when it is in that state.
    pub since: Timestamp,
    pub restarts: u64,
    pub last_error: Option<String>,
    /// The most messages that ever waited at once.
    pub mailbox_high_water: usize,
    /// Messages refused because the mailbox was full or the child down.
    pub mail_lost: u64,
}

impl Tree {
    /// Every child in the order of start.
    pub fn snapshot(&self) -> Vec<ChildStatus> {
        self.lock().iter().map(|row| row.status()).collect()
    }

    /// Cuts the present life of a child off and begins another: for one that hangs, pauses or is
    /// parked. What it must know of its former life is in the database, as after any death. False
    /// when no child of that path is started again.
    pub fn restart(&self, path: &str) -> bool {
        let row =
            self.lock().iter().find(|row| row.path == path && row.rule != "temporary").cloned();
        row.map(|row| row.shove.notify_one()).is_some()
    }

    pub(super) fn add(
        &self,
        names: Vec<String>,
        rule: &'static str,
        gauge: Arc<Gauge>,
    ) -> Arc<Row> {
        let live = Live { state: ChildState::Running, since: now(), last_error: None };
        let row = Arc::new(Row {
            path: names.join("/"),
            names,
            rule,
            gauge,
            restarts: AtomicU64::new(0),
            live: Mutex::new(live),
            shove: Notify::new(),
        });
        self.lock().push(row.clone());
        row
    }

    pub(super) fn remove(&self, row: &Arc<Row>) {
        self.lock().retain(|other| !Arc::ptr_eq(other, row));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Row>>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn enter(&self, state: ChildState) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.state = state;
        live.since = now();
    }

    pub(super) fn died(&self, error: Option<&str>) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.last_error = Some(error.unwrap_or("ended without being asked to").to_owned());
    }

    /// Resolves when [`Tree::restart`] asks for another life.
    pub(super) async fn shoved(&self) {
        self.shove.notified().await;
    }

    fn status(&self) -> ChildStatus {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        ChildStatus {
            names: self.names.clone(),
            path: self.path.clone(),
            rule: self.rule,
            state: live.state,
            since: live.since,
            restarts: self.restarts.load(Ordering::Relaxed),
            last_error: live.last_error.clone(),
            mailbox_high_water: self.gauge.high_water(),
            mail_lost: self.gauge.lost(),
        }
    }
}
