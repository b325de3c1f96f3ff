//! One per running build: drives its steps on a worker.
//!
//! In:   stop (the master shuts down); its brake, which anybody who stops the build pulls.
//! Out:  steps, logs and properties in the tables; BuildStarted … BuildFinished.
//! Owns: the build's properties and position while it runs.
//! Dies: once. A panic ends the build as EXCEPTION; it is never restarted in the middle.

mod bench;
mod children;
pub(super) mod finish;
mod prepare;
mod run;
mod step_locks;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context};
use actix::{ResponseActFuture, WrapFuture};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::locks::LockGuard;
use super::mail::{Child, Mailbox};
use super::supervise::{ChildSpec, Supervisor};
use super::surroundings::Surroundings;
use super::worker::BoardEntry;
use super::worker::WorkerLink;
use crate::config::checked::BuilderConfig;
use crate::db::panic_text;
use crate::model::{Build, BuildRequest};
use crate::receives;

/// How long the steps of a build may take to end when the master shuts down.
const STOP_WITHIN: Duration = Duration::from_secs(8);

/// A claimed request, the build row made for it, the worker chosen, and the locks taken.
#[derive(Clone)]
pub struct Assignment {
    pub build: Build,
    pub request: BuildRequest,
    pub worker: Arc<BoardEntry>,
    pub link: WorkerLink,
    /// Those of builder and worker. Free again when the last copy is gone, whatever happens.
    pub locks: Option<Arc<LockGuard>>,
}

impl Assignment {
    /// The build uses nothing any more.
    fn release_locks(&self) {
        if let Some(locks) = &self.locks {
            locks.release();
        }
    }
}

/// The way to a running build.
#[derive(Clone)]
pub struct BuildHandle {
    brake: Brake,
}

impl BuildHandle {
    /// Stops the build: the running command is interrupted, the result is CANCELLED.
    pub(super) fn interrupt(&self, reason: &str) {
        self.brake.reason.send_replace(Some(reason.to_owned()));
    }
}

/// How a build is stopped from outside; shared by the actor and its task.
#[derive(Clone)]
pub(super) struct Brake {
    pub reason: Arc<watch::Sender<Option<String>>>,
    /// The master shuts down: the request goes back to the queue.
    pub retry: Arc<AtomicBool>,
}

struct BuildActor {
    job: Option<run::Job>,
    brake: Brake,
    task: Option<AbortHandle>,
    surroundings: Surroundings,
    assignment: Assignment,
}

receives!(BuildActor:);

/// Starts a build as a child of `supervisor`.
pub(super) fn spawn(
    supervisor: &Supervisor,
    config: Arc<BuilderConfig>,
    assignment: Assignment,
    surroundings: Surroundings,
) {
    let name = format!("build {} #{}", config.name, assignment.build.number);
    let mailbox = Mailbox::new(name.clone());
    let id = assignment.build.id;
    // It can be pulled before the actor lives.
    let brake = Brake { reason: Arc::new(watch::channel(None).0), retry: Arc::default() };
    surroundings.running.add(id, BuildHandle { brake: brake.clone() });
    let spec = ChildSpec { stop_within: STOP_WITHIN, ..ChildSpec::temporary(name) };
    supervisor.start(spec, &mailbox, move || {
        let job = run::Job {
            config: config.clone(),
            assignment: assignment.clone(),
            surroundings: surroundings.clone(),
            brake: brake.clone(),
        };
        BuildActor {
            job: Some(job),
            brake: brake.clone(),
            task: None,
            surroundings: surroundings.clone(),
            assignment: assignment.clone(),
        }
    });
}

impl Actor for BuildActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let Some(job) = self.job.take() else { return ctx.stop() };
        let task = tokio::task::spawn_local(run::build(job));
        self.task = Some(task.abort_handle());
        ctx.spawn(task.into_actor(self).then(|outcome, build, _| {
            let panic = outcome.err().filter(|error| error.is_panic());
            build.close(panic.map(|error| panic_text(error.into_panic().as_ref())))
        }));
    }
}

impl BuildActor {
    /// The task is over; after a panic its traces are tidied up.
    fn close(&self, panic: Option<String>) -> ResponseActFuture<Self, ()> {
        let (surroundings, assignment) = (self.surroundings.clone(), self.assignment.clone());
        let tidy = async move {
            if let Some(text) = panic {
                let build = &assignment.build;
                tracing::error!(build = %build.id, error = %text, "a step panicked");
                assignment.release_locks();
                finish::broken(&surroundings, build, &text).await;
            }
        };
        Box::pin(tidy.into_actor(self).map(|(), _, ctx| ctx.stop()))
    }
}

/// An actor that is cut off takes its task with it.
impl Drop for BuildActor {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        self.surroundings.running.remove(self.assignment.build.id);
    }
}

impl Child for BuildActor {
    fn stop(&mut self, _: &mut Self::Context) {
        self.brake.retry.store(true, Ordering::Relaxed);
        self.brake.reason.send_replace(Some("master shutdown".to_owned()));
    }
}
