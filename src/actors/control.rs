//! What people may ask a running master: force, stop, rebuild, cancel, pause, reconfigure.
//!
//! Every command is written to the database first and poked second, so that a client that hangs
//! up loses nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indexmap::IndexMap;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::cancelling;
use super::change_source::Sources;
use super::mail::AskError;
use super::scheduler::Schedulers;
use super::scheduler::{ForceRequest, Order as Wish, Refused, Submitted};
use super::surroundings::Surroundings;
use crate::config::problems::Problems;
use crate::db::{Conn, DbError, buildrequests, builds, buildsets, schedulers, sourcestamps};
use crate::events::Event;
use crate::flow::force::SOURCE;
use crate::model::{BuildId, BuildRequestId, NewBuildset, Properties, SchedulerId};

/// How often a clean shutdown looks whether builds still run.
const CLEAN_LOOK: Duration = Duration::from_millis(500);

/// The handle that carries commands. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    surroundings: Surroundings,
    schedulers: Schedulers,
    sources: Sources,
    orders: mpsc::Sender<Order>,
    /// The wait for the last build, while a clean shutdown is under way.
    stopping: Arc<Mutex<Option<AbortHandle>>>,
}

/// What only the master's main loop can do.
pub enum Order {
    /// Read the configuration file again; answers what changed.
    Reconfigure {
        reply: oneshot::Sender<Result<String, Problems>>,
    },
    Shutdown,
}

/// Why a command was refused.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("there is no {0}")]
    NotFound(String),
    /// Field name → what is wrong with its value.
    #[error("some values can't be used")]
    Invalid(IndexMap<String, String>),
    /// The receiver is down or late; worth another try.
    #[error("{0}")]
    Unavailable(String),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<Refused> for ControlError {
    fn from(refused: Refused) -> ControlError {
        match refused {
            Refused::Invalid(fields) => ControlError::Invalid(fields),
            Refused::NoBuilder(text) => ControlError::NotFound(text),
            Refused::NotFound(text) => ControlError::NotFound(text),
            Refused::Idle(text) => ControlError::NotFound(text.to_owned()),
            deep @ Refused::TooDeep { .. } => ControlError::Unavailable(deep.to_string()),
            Refused::Db(error) => ControlError::Db(error),
        }
    }
}

impl From<AskError> for ControlError {
    fn from(error: AskError) -> ControlError {
        ControlError::Unavailable(error.to_string())
    }
}

impl Control {
    pub(super) fn new(
        surroundings: Surroundings,
        schedulers: Schedulers,
        sources: Sources,
        orders: mpsc::Sender<Order>,
    ) -> Control {
        Control { surroundings, schedulers, sources, orders, stopping: Arc::default() }
    }

    /// Submits a buildset through a force scheduler.
    pub async fn force(
        &self,
        scheduler: &str,
        mut request: ForceRequest,
    ) -> Result<Submitted, ControlError> {
        request.validation = self.surroundings.config.borrow().validation.clone();
        let wish = Wish::Force(request);
        let missing = wish.missing(scheduler);
        Ok(self.schedulers.order(scheduler, wish).await?.ok_or(missing)?)
    }

    /// Stops a running build. A build that has ended already is left alone.
    pub async fn stop_build(&self, build: BuildId, reason: &str) -> Result<(), ControlError> {
        if !self.surroundings.running.stop(build, reason) {
            self.surroundings.db.read(move |conn| builds::get(conn, build)).await.map_err(
                |error| match error {
                    DbError::NotFound => ControlError::NotFound(format!("build {build}")),
                    other => ControlError::Db(other),
                },
            )?;
        }
        Ok(())
    }

    /// Submits the same sources and properties again.
    pub async fn rebuild(&self, build: BuildId, owner: &str) -> Result<Submitted, ControlError> {
        let owner = owner.to_owned();
        let submitted = self.submit_by(None, move |conn| rebuild_of(conn, build, &owner)).await;
        submitted.map_err(|error| match error {
            ControlError::Db(DbError::NotFound) => ControlError::NotFound(format!("build {build}")),
            other => other,
        })
    }

    /// Submits a buildset in the name of no scheduler but of `who`, such as a chat bot.
    pub async fn submit(&self, set: NewBuildset, who: &str) -> Result<Submitted, ControlError> {
        self.submit_by(Some(who.to_owned()), move |_| Ok(set)).await
    }

    async fn submit_by(
        &self,
        scheduler: Option<String>,
        make: impl FnOnce(&mut Conn) -> Result<NewBuildset, DbError> + Send + 'static,
    ) -> Result<Submitted, ControlError> {
        let now = self.surroundings.clock.now();
        let write = self.surroundings.db.write(move |conn| {
            let new = make(conn)?;
            buildsets::submit(conn, &new, now)
        });
        let (buildset, requests) = write.await?;
        self.surroundings.announcer.announce(Event::BuildsetSubmitted {
            buildset,
            scheduler,
            requests: requests.clone(),
        });
        self.surroundings.distributor.poke();
        Ok(Submitted { buildset, requests })
    }

    /// Cancels a request: a pending one ends at once, a running one has its build stopped.
    pub async fn cancel_request(
        &self,
        request: BuildRequestId,
        reason: &str,
    ) -> Result<(), ControlError> {
        let cancelled = cancelling::cancel_request(&self.surroundings, request, reason).await;
        cancelled.map_err(|error| no_request(request, error))
    }

    /// Gives a request another priority. One that is complete is left alone.
    pub async fn set_priority(
        &self,
        request: BuildRequestId,
        priority: i64,
    ) -> Result<(), ControlError> {
        let write = move |conn: &mut Conn| buildrequests::set_priority(conn, request, priority);
        let changed = self.surroundings.db.write(write).await;
        if changed.map_err(|error| no_request(request, error))? {
            self.surroundings.distributor.poke();
        }
        Ok(())
    }

    /// The operator's switch of a scheduler.
    pub async fn set_scheduler_enabled(
        &self,
        scheduler: SchedulerId,
        enabled: bool,
    ) -> Result<(), ControlError> {
        self.surroundings
            .db
            .write(move |conn| schedulers::set_enabled(conn, scheduler, enabled))
            .await?;
        self.surroundings.announcer.announce(Event::SchedulerUpdated { scheduler });
        Ok(())
    }

    /// Ends the master, with builds that run being retried by the next one.
    pub async fn shut_down(&self) {
        // Refused only by a master that is ending already.
        let _ = self.orders.send(Order::Shutdown).await;
    }

    /// Starts no more builds, lets the running ones finish, then ends the master. False when that
    /// is under way already.
    pub fn shut_down_when_idle(&self) -> bool {
        let mut stopping = self.stopping();
        if stopping.is_some() {
            return false;
        }
        self.surroundings.distributor.hold();
        let control = self.clone();
        let waiting = actix::spawn(async move {
            control.idle().await;
            control.shut_down().await;
        });
        *stopping = Some(waiting.abort_handle());
        true
    }

    /// Takes a [`shut_down_when_idle`](Self::shut_down_when_idle) back. False when none is under
    /// way.
    pub fn cancel_shutdown(&self) -> bool {
        let Some(waiting) = self.stopping().take() else { return false };
        waiting.abort();
        self.surroundings.distributor.release();
        true
    }

    /// Is a clean shutdown under way?
    pub fn is_shutting_down(&self) -> bool {
        self.stopping().is_some()
    }

    fn stopping(&self) -> MutexGuard<'_, Option<AbortHandle>> {
        self.stopping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no build of this master runs.
    async fn idle(&self) {
        let master = self.surroundings.master;
        loop {
            match self.surroundings.db.read(move |conn| builds::running(conn, master)).await {
                Ok(running) if running.is_empty() => return,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "cannot see which builds run"),
            }
            tokio::time::sleep(CLEAN_LOOK).await;
        }
    }

    /// Polls a change source now. False when there is none of that name.
    pub fn poll_now(&self, source: &str) -> bool {
        self.sources.poll_now(source)
    }

    /// Reads the configuration file again. A bad file changes nothing.
    ///
    /// # Errors
    /// Every problem of the file.
    pub async fn reconfigure(&self) -> Result<String, Problems> {
        let (reply, answer) = oneshot::channel();
        let gone = || {
            let mut problems = Problems::new();
            problems.add(&Default::default(), "", "the master is shutting down");
            problems
        };
        self.orders.send(Order::Reconfigure { reply }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

fn no_request(request: BuildRequestId, error: DbError) -> ControlError {
    match error {
        DbError::NotFound => ControlError::NotFound(format!("build request {request}")),
        other => ControlError::Db(other),
    }
}

/// The buildset that builds `build` once more. A rebuild of a rebuild names the first build.
fn rebuild_of(conn: &mut Conn, build: BuildId, owner: &str) -> Result<NewBuildset, DbError> {
    let build = builds::get(conn, build)?;
    let request = buildrequests::get(conn, build.request)?;
    let buildset = buildsets::get(conn, request.buildset)?;
    let mut properties: Properties = buildsets::properties(conn, buildset.id)?;
    if !owner.is_empty() {
        properties.set("owner", owner, SOURCE);
    }
    let stamps = sourcestamps::for_buildset(conn, buildset.id)?;
    Ok(NewBuildset {
        reason: "rebuild".to_owned(),
        sourcestamp_ids: stamps.into_iter().map(|stamp| stamp.id).collect(),
        builders: vec![request.builder],
        properties,
        parent_build: buildset.parent_build,
        parent_relationship: buildset.parent_relationship,
        rebuilt_build: buildset.rebuilt_build.or(Some(build.id)),
        ..NewBuildset::default()
    })
}
