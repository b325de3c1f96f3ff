//! Which builds are running in this process, and how to reach them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::build::BuildHandle;
use crate::model::BuildId;

/// The running builds. Clones share the list.
#[derive(Clone, Default)]
pub struct RunningBuilds {
    builds: Arc<Mutex<HashMap<BuildId, BuildHandle>>>,
}

impl RunningBuilds {
    pub(super) fn add(&self, build: BuildId, handle: BuildHandle) {
        self.lock().insert(build, handle);
    }

    pub(super) fn remove(&self, build: BuildId) {
        self.lock().remove(&build);
    }

    /// The builds that this process runs now.
    pub fn ids(&self) -> HashSet<BuildId> {
        self.lock().keys().copied().collect()
    }

    /// Asks a build to stop; false when it is not running here.
    pub fn stop(&self, build: BuildId, reason: &str) -> bool {
        let handle = self.lock().get(&build).cloned();
        handle.is_some_and(|handle| {
            handle.interrupt(reason);
            true
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BuildId, BuildHandle>> {
        self.builds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
