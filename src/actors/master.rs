//! The root of the supervision tree: starts, replaces and stops the children.
//!
//! It routes no build traffic and nobody holds a reference to it; orders reach it through a
//! channel. Everything it keeps is what it must compare or stop later.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};

use super::control::Order;
use super::handles::Handles;
use super::house::House;
use super::presence;
use super::supervise::{Alarm, Supervisor};
use crate::config::checked::MasterConfig;
use crate::config::diff::{Diff, diff};
use crate::config::problems::{Place, Problems};
use crate::db::{Db, DbError};
use crate::events::Event;
use crate::model::Clock;

/// How often the master says that it lives; stock's interval.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// What a master is started with.
pub struct Setup {
    /// Absolute.
    pub basedir: PathBuf,
    pub config_file: PathBuf,
    pub config: MasterConfig,
    pub db: Db,
    pub clock: Clock,
    /// Those who watch, started last in this order and stopped first.
    pub status: Vec<Box<dyn Watcher>>,
}

/// How the program hands those who watch to supervision, so that no actor knows them.
#[async_trait(?Send)]
pub trait Watcher {
    /// Starts it, or them, below the supervisor.
    fn start(&self, supervisor: &Supervisor, handles: &Handles);

    /// Follows a new configuration, which is in force; `old` is the former one.
    async fn reconfigure(
        &self,
        supervisor: &Supervisor,
        handles: &Handles,
        diff: &Diff,
        old: &MasterConfig,
    );
}

/// Why a master ended other than by order.
#[derive(Debug, thiserror::Error)]
pub enum MasterError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("'{}' died too often and nothing works without it; its last error: {}", .0.path, .0.error)]
    Essential(Alarm),
    #[error("{0}")]
    Start(String),
}

/// A started master.
pub struct Master {
    setup: Setup,
    house: House,
    handles: Handles,
    orders: mpsc::Receiver<Order>,
    alarms: mpsc::UnboundedReceiver<Alarm>,
    config: watch::Sender<Arc<MasterConfig>>,
}

/// The order desk of a master that is about to start: where signals and commands put orders.
pub struct OrderDesk {
    pub orders: mpsc::Sender<Order>,
    inbox: mpsc::Receiver<Order>,
}

impl Default for OrderDesk {
    fn default() -> OrderDesk {
        let (orders, inbox) = mpsc::channel(16);
        OrderDesk { orders, inbox }
    }
}

impl Master {
    /// Registers the master in its database and starts every child. Must run inside an actix
    /// system.
    ///
    /// # Errors
    /// When the database refuses or a listener cannot be bound; nothing is left running then.
    pub async fn start(setup: Setup, desk: OrderDesk) -> Result<Master, MasterError> {
        let name = presence::master_name(&setup.basedir);
        let (facts, stranger) = presence::register(&setup.db, name, &setup.clock).await?;
        let (alarm, alarms) = mpsc::unbounded_channel();
        let (config, watched) = watch::channel(Arc::new(setup.config.clone()));
        let (house, handles) =
            House::build(&setup, facts, stranger, watched, alarm, desk.orders).await?;
        for watcher in &setup.status {
            watcher.start(house.supervisor(), &handles);
        }
        presence::beat(&setup.db, &handles.master, &setup.clock).await?;
        Ok(Master { setup, house, handles, orders: desk.inbox, alarms, config })
    }

    /// What those who watch may use of this master.
    pub fn handles(&self) -> &Handles {
        &self.handles
    }

    /// Carries out orders until one of them is the shutdown, then stops every child in reverse
    /// order and leaves the database as a clean stop does.
    ///
    /// # Errors
    /// When an essential child is over its restart budget; the shutdown is orderly all the same.
    pub async fn run(mut self) -> Result<(), MasterError> {
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        let outcome = loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(Order::Reconfigure { reply }) => {
                        let outcome = self.reconfigure().await;
                        let _ = reply.send(outcome);
                    }
                    Some(Order::Shutdown) | None => break Ok(()),
                },
                Some(alarm) = self.alarms.recv() => {
                    tracing::error!(actor = %alarm.path, error = %alarm.error, "shutting down");
                    break Err(MasterError::Essential(alarm));
                }
                _ = heartbeat.tick() => self.beat().await,
            }
        };
        self.shut_down().await;
        outcome
    }

    async fn beat(&self) {
        match presence::beat(&self.setup.db, &self.handles.master, &self.setup.clock).await {
            Ok(expired) if expired.is_empty() => {}
            Ok(expired) => {
                tracing::warn!(masters = ?expired, "masters without a sign of life were expired");
                self.handles.distributor.poke();
            }
            Err(error) => tracing::error!(%error, "cannot store the heartbeat"),
        }
    }

    async fn reconfigure(&mut self) -> Result<String, Problems> {
        let (file, basedir) = (self.setup.config_file.clone(), self.setup.basedir.clone());
        let loaded = tokio::task::spawn_blocking(move || crate::config::load(&file, &basedir));
        let new = match loaded.await {
            Ok(loaded) => loaded?,
            Err(error) => return Err(one_problem(format!("reading it failed: {error}"))),
        };
        let old = self.config.borrow().clone();
        let diff = diff(&old, &new);
        ports_are_free(&diff).await?;
        let changed =
            self.house.apply(&diff, &new).await.map_err(|e| one_problem(e.to_string()))?;
        self.config.send_replace(Arc::new(new.clone()));
        for watcher in &self.setup.status {
            watcher.reconfigure(self.house.supervisor(), &self.handles, &diff, &old).await;
        }
        self.handles.announcer.announce(Event::Reconfigured);
        self.handles.distributor.poke();
        Ok(changed)
    }

    async fn shut_down(self) {
        self.house.close().await;
        if let Err(error) =
            presence::leave(&self.setup.db, &self.handles.master, &self.setup.clock).await
        {
            tracing::error!(%error, "cannot mark the master as stopped");
        }
    }
}

/// A port that is in use refuses the whole configuration, as it does at the start.
async fn ports_are_free(diff: &Diff) -> Result<(), Problems> {
    let listeners = diff.listeners.start.iter();
    let listeners = listeners
        .map(|worker| (format!("protocols.{}.port", worker.protocol.key()), &worker.listen));
    let www = diff.www.start.iter().map(|www| ("www.port".to_owned(), &www.listen));
    let mut problems = Problems::new();
    for (key, listen) in listeners.chain(www) {
        let (host, port) = (listen.host(), listen.port);
        if let Err(error) = tokio::net::TcpListener::bind((host, port)).await {
            let text = format!("cannot listen on {host}:{port}: {error}");
            problems.add(&Place::default(), key, text);
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn one_problem(message: String) -> Problems {
    let mut problems = Problems::new();
    problems.add(&Place::default(), "", message);
    problems
}
