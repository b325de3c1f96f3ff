//! The state of all configured workers at one moment, for whoever chooses or shows workers.

use std::sync::Arc;

use indexmap::IndexMap;

use super::link::WorkerLink;
use crate::model::{Properties, Timestamp, WorkerId, WorkerInfo};

/// All configured workers by name, in the order of the configuration. Cheap to clone.
#[derive(Clone, Default)]
pub struct Board {
    pub workers: IndexMap<String, Arc<BoardEntry>>,
}

/// One configured worker.
#[derive(Clone)]
pub struct BoardEntry {
    pub id: WorkerId,
    pub name: String,
    /// Builds at once; `None` is unlimited.
    pub max_builds: Option<usize>,
    pub paused: bool,
    pub pause_reason: Option<String>,
    /// Gets no new builds and is shut down when the last one has ended.
    pub graceful: bool,
    /// Present while the worker is connected and attached.
    pub link: Option<WorkerLink>,
    /// What the worker told at its last attach since the master started.
    pub info: Option<Arc<WorkerInfo>>,
    pub properties: Arc<Properties>,
    pub default_properties: Properties,
    /// When the worker was attached or lost last, since the master started.
    pub last_seen: Option<Timestamp>,
    /// The address it connects from, while it is connected.
    pub peer: Option<String>,
}

impl BoardEntry {
    /// Connected, and allowed to get a new build.
    pub fn is_available(&self) -> bool {
        !self.paused && !self.graceful && self.link.as_ref().is_some_and(|link| !link.is_lost())
    }
}

impl Board {
    /// The configured worker of that id.
    pub fn by_id(&self, id: WorkerId) -> Option<&BoardEntry> {
        self.workers.values().find(|entry| entry.id == id).map(Arc::as_ref)
    }

    /// The entry of that name, to change it; whoever holds the board as it was keeps that.
    pub(super) fn entry(&mut self, name: &str) -> Option<&mut BoardEntry> {
        self.workers.get_mut(name).map(Arc::make_mut)
    }
}
