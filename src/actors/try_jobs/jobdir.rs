//! Takes the jobs that appear in the directory of a Try_Jobdir.
//!
//! In: its own timer.  Out: `Order::Try` for the scheduler.
//! Owns: the files in the directory; in the database, the names of those that were done and are not
//!       moved away yet.
//! Dies: safely at any time: a job is submitted and noted as done in one transaction, and moved
//!       away after it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, WrapFuture};

use super::maildir::{Arrived, arrived, prepare};
use super::{Sight, Wiring};
use crate::actors::mail::{Child, Mailbox};
use crate::actors::scheduler::SchedulerHandle;
use crate::actors::supervise::{ChildSpec, Supervisor};
use crate::db::{Conn, DbError, schedulers};
use crate::flow::try_job::TryJob;
use crate::model::MasterId;
use crate::schedulers::{Order, Refused, TryRequest, try_jobs};

/// Between two looks. Stock's is ten seconds.
const PAUSE: Duration = Duration::from_secs(2);

/// Why nothing can be done at the moment.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("cannot use the job directory {0}: {1}")]
    Directory(PathBuf, std::io::Error),
    #[error("try jobs wait in {0}: {1}")]
    Idle(PathBuf, &'static str),
    #[error("try jobs wait: {0}")]
    Db(#[from] DbError),
    #[error("{0}")]
    Cancelled(#[from] tokio::task::JoinError),
}

/// Starts watching `dir` for the scheduler.
pub(super) fn start(
    supervisor: &Supervisor,
    wiring: &Wiring,
    dir: &Path,
    scheduler: SchedulerHandle,
) {
    let mailbox = Mailbox::new(child_name(&scheduler.config().options.name));
    let (sight, master, dir) = (wiring.sight.clone(), wiring.master, Arc::new(dir.to_owned()));
    supervisor.start(ChildSpec::permanent(mailbox.name()), &mailbox, move || JobdirActor {
        round: Round {
            sight: sight.clone(),
            master,
            dir: dir.clone(),
            scheduler: scheduler.clone(),
        },
        told: None,
    });
}

/// Name among the schedulers' siblings.
pub(super) fn child_name(scheduler: &str) -> String {
    format!("try jobs of {scheduler}")
}

/// The actor; nobody talks to it.
pub(super) struct JobdirActor {
    round: Round,
    /// What is wrong and was logged.
    told: Option<String>,
}

impl Actor for JobdirActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.look(ctx);
    }
}

impl Child for JobdirActor {}

crate::receives!(JobdirActor:);

impl JobdirActor {
    fn look(&mut self, ctx: &mut Context<Self>) {
        let round = self.round.clone();
        let looking = async move { round.run().await };
        ctx.spawn(looking.into_actor(self).map(|outcome, actor, ctx| {
            actor.tell(outcome.err().map(|trouble| trouble.to_string()));
            ctx.run_later(PAUSE, |actor, ctx| actor.look(ctx));
        }));
    }

    /// Logs what is wrong, once.
    fn tell(&mut self, trouble: Option<String>) {
        if self.told == trouble {
            return;
        }
        let scheduler = &self.round.scheduler.config().options.name;
        match &trouble {
            Some(trouble) => tracing::warn!(%scheduler, "{trouble}"),
            None => tracing::info!(%scheduler, "try jobs are taken again"),
        }
        self.told = trouble;
    }
}

/// One look into the directory.
#[derive(Clone)]
struct Round {
    sight: Sight,
    master: MasterId,
    dir: Arc<PathBuf>,
    scheduler: SchedulerHandle,
}

impl Round {
    async fn run(&self) -> Result<(), Trouble> {
        let dir = self.dir.clone();
        let listed = move || prepare(&dir).and_then(|()| arrived(&dir));
        let files = tokio::task::spawn_blocking(listed).await?;
        let files = files.map_err(|error| self.unusable(error))?;
        if files.is_empty() {
            return Ok(());
        }
        self.claim().await?;
        for file in files {
            self.take(Arc::new(file)).await?;
        }
        Ok(())
    }

    /// Only one of several masters takes the jobs.
    async fn claim(&self) -> Result<(), Trouble> {
        let (name, master) = (self.name(), self.master);
        let claim = move |conn: &mut Conn| {
            let id = schedulers::find_or_create(conn, &name)?;
            schedulers::claim(conn, id, master)
        };
        match self.sight.db.write(claim).await? {
            true => Ok(()),
            false => Err(self.idle("another master runs the scheduler")),
        }
    }

    async fn take(&self, file: Arc<Arrived>) -> Result<(), Trouble> {
        let reading = file.clone();
        let contents = tokio::task::spawn_blocking(move || reading.read()).await?;
        let contents = match contents {
            Ok(contents) => contents,
            // Its writer has taken it back.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return self.reject(file, &error).await,
        };
        let identity = contents.identity;
        let parsing = move || TryJob::from_file(&contents.bytes);
        let job = match tokio::task::spawn_blocking(parsing).await? {
            Ok(job) => job,
            Err(bad) => return self.reject(file, &bad).await,
        };
        let request = TryRequest { job, file: Some(identity.clone()) };
        match self.scheduler.order(Order::Try(Box::new(request))).await {
            Ok(submitted) => {
                if let Some(submitted) = submitted {
                    let (name, buildset) = (&file.name, submitted.buildset);
                    tracing::info!(scheduler = %self.name(), name, %buildset, "a try job");
                }
                self.set_aside(file, false).await?;
                let name = self.name();
                let forgotten = move |conn: &mut Conn| try_jobs::forget(conn, &name, &[identity]);
                Ok(self.sight.db.write(forgotten).await?)
            }
            Err(Refused::Idle(why)) => Err(self.idle(why)),
            Err(Refused::Db(error)) => Err(error.into()),
            Err(refused) => self.reject(file, &refused).await,
        }
    }

    /// What is no job is kept for people.
    async fn reject(&self, file: Arc<Arrived>, why: &dyn std::error::Error) -> Result<(), Trouble> {
        let (name, why) = (file.name.clone(), why.to_string());
        let kept = self.set_aside(file, true).await?;
        let kept = kept.display();
        tracing::warn!(scheduler = %self.name(), "{name} is no try job: {why}; it was moved to {kept}");
        Ok(())
    }

    async fn set_aside(&self, file: Arc<Arrived>, rejected: bool) -> Result<PathBuf, Trouble> {
        let dir = self.dir.clone();
        let moving = move || file.set_aside(&dir, rejected);
        let moved = tokio::task::spawn_blocking(moving).await?;
        moved.map_err(|error| self.unusable(error))
    }

    fn name(&self) -> String {
        self.scheduler.config().options.name.clone()
    }

    fn unusable(&self, error: std::io::Error) -> Trouble {
        Trouble::Directory(self.dir.to_path_buf(), error)
    }

    fn idle(&self, why: &'static str) -> Trouble {
        Trouble::Idle(self.dir.to_path_buf(), why)
    }
}
