//! Knows the configured workers and which of them are connected.
//! In:   configure, pause, graceful stop, kill; logins from the listeners.
//! Out:  the board; WorkerConnected, WorkerDisconnected, WorkerMissing, WorkerStateChanged.
//! Owns: listeners, local workers and connections as children; states and connections in the workers' tables.
//! Dies: the connections close with it and the workers connect again; configuration, open ports
//!       and board survive in the handle.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::ArbiterHandle;
use protocol::order::BuilderDir;
use tokio::sync::watch;

use super::board::{Board, BoardEntry};
use super::logins::{Logins, Throttle};
use super::ports::Ports;
use super::{Patience, roster_actor};
use crate::actors::announcer::Announcer;
use crate::actors::mail::{ASK, AskError, Mailbox};
use crate::actors::supervise::{ChildSpec, Supervisor};
use crate::config::checked::{WorkerConfig, WorkerListen, WorkerProtocol};
use crate::db::{Db, DbError};
use crate::model::{Clock, MasterId, WorkerId};

pub(super) use roster_actor::{Arrived, RosterActor};
use roster_actor::{Change, Reconcile, SetState, ShutDown};

/// How long [`Roster::ready`] waits.
const READY: Duration = Duration::from_secs(30);

/// What of the configuration concerns workers.
#[derive(Debug, Clone, Default)]
pub struct RosterConfig {
    pub workers: Vec<WorkerConfig>,
    /// Every port.
    pub listeners: Vec<WorkerListen>,
    /// Those of them where no worker can log in.
    pub client_ports: Vec<WorkerListen>,
    pub builders: Vec<BuilderDirs>,
}

/// Where a builder works on which workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuilderDirs {
    pub name: String,
    pub workerbuilddir: String,
    pub workernames: Vec<String>,
}

impl RosterConfig {
    /// The ports where workers log in.
    pub(super) fn worker_ports(&self) -> Vec<WorkerListen> {
        let ports = self.listeners.iter().filter(|port| !self.client_ports.contains(port));
        ports.cloned().collect()
    }

    /// The builders of a worker and where they work, in their order.
    pub(super) fn builders_of(&self, worker: &str) -> Vec<BuilderDir> {
        self.builders
            .iter()
            .filter(|builder| builder.workernames.iter().any(|name| name == worker))
            .map(|builder| BuilderDir {
                name: builder.name.clone(),
                dir: builder.workerbuilddir.clone(),
            })
            .collect()
    }
}

/// What a roster needs to start.
#[derive(Clone)]
pub struct RosterSetup {
    /// The master's base directory, absolute: local workers work below it.
    pub basedir: PathBuf,
    pub db: Db,
    pub announcer: Announcer,
    pub master: MasterId,
    pub clock: Clock,
    pub patience: Patience,
    /// The threads that connections live on, at least one.
    pub homes: Vec<ArbiterHandle>,
}

/// Why an operation on a worker failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RosterError {
    #[error("no worker with id {0} is configured")]
    NotFound(WorkerId),
    #[error("worker '{0}' is not connected")]
    NotConnected(String),
    /// Names port, key and mend.
    #[error("{0}")]
    Listen(String),
    #[error(transparent)]
    Down(#[from] AskError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The handle. Clones share the roster.
#[derive(Clone)]
pub struct Roster {
    mailbox: Mailbox<RosterActor>,
    shared: Shared,
}

/// What survives the actor's lives.
#[derive(Clone)]
pub(super) struct Shared {
    pub wanted: Arc<Mutex<Wanted>>,
    pub board: watch::Sender<Arc<Board>>,
    pub ports: Ports,
    pub applied: watch::Sender<Applied>,
    pub logins: Logins,
    pub throttle: Throttle,
}

/// The configuration to reach, numbered.
#[derive(Clone, Default)]
pub(super) struct Wanted {
    pub number: u64,
    pub config: Arc<RosterConfig>,
}

/// How far the last look at the configuration came.
#[derive(Debug, Clone, Default)]
pub(super) struct Applied {
    pub number: u64,
    /// For people.
    pub failures: Vec<String>,
}

impl Shared {
    pub(super) fn wanted(&self) -> Wanted {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Roster {
    /// Starts the roster as an essential child; it knows no worker until it is configured.
    pub fn start(supervisor: &Supervisor, setup: RosterSetup) -> Roster {
        let name = "roster";
        let mailbox = Mailbox::new(name);
        let shared = Shared {
            wanted: Arc::default(),
            board: watch::Sender::default(),
            ports: Ports::default(),
            applied: watch::Sender::default(),
            logins: Logins::default(),
            throttle: Throttle::default(),
        };
        let nursery = supervisor.nursery(name);
        let roster = Roster { mailbox: mailbox.clone(), shared: shared.clone() };
        let own = mailbox.clone();
        supervisor.start(ChildSpec::essential(name), &mailbox, move || {
            RosterActor::new(setup.clone(), shared.clone(), own.clone(), nursery.open())
        });
        roster
    }

    /// The workers as they are now.
    pub fn board(&self) -> Arc<Board> {
        self.shared.board.borrow().clone()
    }

    /// Changes with every connect, disconnect, pause and new configuration.
    pub fn watch(&self) -> watch::Receiver<Arc<Board>> {
        self.shared.board.subscribe()
    }

    /// Makes `config` the configuration. Workers that stay keep their connections.
    pub fn configure(&self, config: RosterConfig) {
        let mut wanted = self.shared.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.number += 1;
        wanted.config = Arc::new(config);
        drop(wanted);
        self.mailbox.post(Reconcile);
    }

    /// Waits until the last configuration is in force; answers the open ports.
    ///
    /// # Errors
    /// When a port cannot be opened or the database refuses; the roster keeps trying.
    pub async fn ready(&self) -> Result<Vec<(WorkerProtocol, SocketAddr)>, RosterError> {
        let number = self.shared.wanted().number;
        let mut applied = self.shared.applied.subscribe();
        let reached = applied.wait_for(|applied| applied.number >= number);
        let failures = match tokio::time::timeout(READY, reached).await {
            Ok(Ok(applied)) => applied.failures.clone(),
            _ => return Err(AskError::Late(self.mailbox.name().to_owned()).into()),
        };
        match failures.into_iter().next() {
            Some(failure) => Err(RosterError::Listen(failure)),
            None => Ok(self.bound()),
        }
    }

    /// The open ports; tells what the system chose for port 0.
    pub fn bound(&self) -> Vec<(WorkerProtocol, SocketAddr)> {
        self.shared.ports.bound()
    }

    /// Everybody who may log in at the open ports.
    pub fn logins(&self) -> Logins {
        self.shared.logins.clone()
    }

    /// No new builds until [`Roster::unpause`]; running ones go on.
    pub async fn pause(&self, worker: WorkerId, reason: &str) -> Result<(), RosterError> {
        self.set_state(worker, Change::Pause(reason.to_owned())).await
    }

    /// Lets a paused worker have builds again.
    pub async fn unpause(&self, worker: WorkerId) -> Result<(), RosterError> {
        self.set_state(worker, Change::Unpause).await
    }

    /// No new builds; when the last one has ended the worker process is asked to end.
    pub async fn stop_gracefully(&self, worker: WorkerId) -> Result<(), RosterError> {
        self.set_state(worker, Change::Graceful).await
    }

    /// Asks the worker process to end at once.
    pub async fn kill(&self, worker: WorkerId) -> Result<(), RosterError> {
        self.mailbox.ask(ShutDown(worker), ASK).await?
    }

    async fn set_state(&self, worker: WorkerId, change: Change) -> Result<(), RosterError> {
        self.mailbox.ask(SetState { worker, change }, ASK).await?
    }
}

/// The board for a configuration: what is known of a worker stays, what is configured is new.
pub(super) fn rebuild(
    board: &Board,
    config: &RosterConfig,
    stored: &HashMap<String, crate::model::Worker>,
) -> Board {
    let entry = |worker: &WorkerConfig| {
        let row = stored.get(&worker.name)?;
        let known = board.workers.get(&worker.name);
        Some(BoardEntry {
            id: row.id,
            name: worker.name.clone(),
            max_builds: worker.max_builds,
            paused: row.paused,
            pause_reason: row.pause_reason.clone(),
            graceful: row.graceful,
            link: known.and_then(|entry| entry.link.clone()),
            info: known.and_then(|entry| entry.info.clone()),
            properties: Arc::new(worker.properties.clone()),
            default_properties: worker.default_properties.clone(),
            last_seen: known.and_then(|entry| entry.last_seen),
            peer: known.and_then(|entry| entry.peer.clone()),
        })
    };
    let entries = config.workers.iter().filter_map(entry);
    Board { workers: entries.map(|entry| (entry.name.clone(), Arc::new(entry))).collect() }
}

/// Builders of `new` that `old` does not have, or has elsewhere.
pub(super) fn added(old: &[BuilderDir], new: &[BuilderDir]) -> Vec<BuilderDir> {
    let known: HashSet<(&str, &str)> = old.iter().map(key).collect();
    new.iter().filter(|builder| !known.contains(&key(builder))).cloned().collect()
}

fn key(builder: &BuilderDir) -> (&str, &str) {
    (&builder.name, &builder.dir)
}
