//! What builders and builds work in: the handles they share.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::announcer::Announcer;
use super::buildset_closer::BuildsetCloser;
use super::distributor::Distributor;
use super::locks::Locks;
use super::log_intake::LogIntake;
use super::running::RunningBuilds;
use super::scheduler::Schedulers;
use crate::config::checked::MasterConfig;
use crate::db::{Conn, Db, DbError};
use crate::events::Event;
use crate::model::{BuildId, Clock, MasterId, StepId};

/// Handles that every builder and build holds. Cheap to clone.
#[derive(Clone)]
pub struct Surroundings {
    pub db: Db,
    pub announcer: Announcer,
    pub log_intake: LogIntake,
    pub distributor: Distributor,
    pub closer: BuildsetCloser,
    pub running: RunningBuilds,
    /// What a Trigger step asks.
    pub schedulers: Schedulers,
    pub locks: Locks,
    pub config: watch::Receiver<Arc<MasterConfig>>,
    pub basedir: Arc<PathBuf>,
    pub master: MasterId,
    pub clock: Clock,
}

impl Surroundings {
    /// Stores a detail of a step and announces it, without anybody waiting. The write keeps its
    /// place in the writer's queue, so a later one can't be overtaken.
    pub fn store_step<F>(&self, step: StepId, build: BuildId, work: F)
    where
        F: FnOnce(&mut Conn) -> Result<(), DbError> + Send + 'static,
    {
        let written = self.db.write(work);
        let announcer = self.announcer.clone();
        actix::spawn(async move {
            match written.await {
                Ok(()) => announcer.announce(Event::StepUpdated { step, build }),
                Err(error) => tracing::error!(%step, %error, "cannot store a step's state"),
            }
        });
    }
}
