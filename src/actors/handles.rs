//! What the web and the command line hold of a running master.

use std::sync::Arc;

use tokio::sync::watch;

use super::announcer::Announcer;
use super::change_source::Sources;
use super::control::Control;
use super::distributor::{Distributor, Explainer};
use super::locks::Locks;
use super::log_intake::LogIntake;
use super::scheduler::Schedulers;
use super::surroundings::Surroundings;
use super::tree::Tree;
use super::worker::Roster;
use crate::config::checked::MasterConfig;
use crate::db::Db;
use crate::model::{MasterId, Timestamp};

/// Handles to everything that pages show and people command. Cheap to clone.
#[derive(Clone)]
pub struct Handles {
    pub db: Db,
    pub announcer: Announcer,
    pub log_intake: LogIntake,
    pub roster: Roster,
    pub schedulers: Schedulers,
    pub sources: Sources,
    pub distributor: Distributor,
    pub locks: Locks,
    pub(super) surroundings: Surroundings,
    pub tree: Tree,
    pub control: Control,
    /// The configuration in force; changes with each reconfiguration.
    pub config: watch::Receiver<Arc<MasterConfig>>,
    pub master: MasterFacts,
}

impl Handles {
    /// Explains why requests wait, as of now.
    pub fn explainer(&self) -> Explainer {
        Explainer::new(self.distributor.clone(), self.surroundings.clone(), &self.roster)
    }
}

/// Who this master is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterFacts {
    pub id: MasterId,
    /// `<host name>:<base directory>`, stock's identity of a master.
    pub name: String,
    pub started_at: Timestamp,
}
