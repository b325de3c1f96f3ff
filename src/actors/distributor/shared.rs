//! What outlives the lives of the distributor.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::scan::Places;
use crate::actors::builder::BuilderHandle;
use crate::flow::quarantine::Rest;
use crate::model::{BuildRequestId, BuilderId, Results, Timestamp, WorkerId};

#[derive(Default)]
pub(super) struct Shared {
    /// The master is about to end and starts no more builds.
    pub holding: AtomicBool,
    state: Mutex<State>,
    places: Mutex<Places>,
}

#[derive(Default)]
struct State {
    builders: Arc<HashMap<BuilderId, BuilderHandle>>,
    rests: HashMap<WorkerId, Rest>,
    /// The newest request that was looked at for merging.
    seen: Option<BuildRequestId>,
    /// Complaints about rules that were logged under this configuration.
    told: HashSet<String>,
}

impl Shared {
    pub fn builders(&self) -> Arc<HashMap<BuilderId, BuilderHandle>> {
        self.lock().builders.clone()
    }

    pub fn set_builders(&self, builders: HashMap<BuilderId, BuilderHandle>) {
        let mut state = self.lock();
        state.builders = Arc::new(builders);
        state.told.clear();
    }

    /// How far long queues were looked through.
    pub fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn build_ended(&self, worker: WorkerId, results: Results, now: Timestamp) {
        let mut state = self.lock();
        let rest = state.rests.entry(worker).or_default();
        let was = rest.until;
        *rest = rest.after(results, now);
        if rest.until != was {
            let seconds = rest.until - now;
            tracing::warn!(%worker, seconds, "a build ended in an exception; its worker rests");
        }
    }

    pub fn wake(&self, worker: WorkerId) {
        if let Some(rest) = self.lock().rests.get_mut(&worker) {
            *rest = rest.ended();
        }
    }

    pub fn rests_until(&self, worker: WorkerId) -> Option<Timestamp> {
        self.lock().rests.get(&worker).map(|rest| rest.until)
    }

    /// When the next rest after `now` ends.
    pub fn first_rest_end(&self, now: Timestamp) -> Option<Timestamp> {
        self.lock().rests.values().map(|rest| rest.until).filter(|until| *until > now).min()
    }

    pub fn seen(&self) -> Option<BuildRequestId> {
        self.lock().seen
    }

    pub fn set_seen(&self, seen: BuildRequestId) {
        self.lock().seen = Some(seen);
    }

    /// Is this complaint a new one?
    pub fn is_news(&self, complaint: &str) -> bool {
        /// Different complaints remembered.
        const MOST: usize = 100;
        let mut state = self.lock();
        state.told.len() < MOST && state.told.insert(complaint.to_owned())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
