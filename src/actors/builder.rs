//! One per builder: starts its builds.
//!
//! In:   start (from the distributor).
//! Out:  build children.
//! Owns: nothing durable. Its builds are children of a supervisor that outlives it.
//! Dies: safely at any time; running builds go on, and the distributor finds in the table what was
//!       still in the mailbox.

use std::sync::Arc;

use actix::{Actor, Context, Handler, Message};

use super::build::{self, Assignment};
use super::mail::{Child, Mailbox};
use super::supervise::{ChildSpec, Supervisor};
use super::surroundings::Surroundings;
use crate::config::checked::BuilderConfig;
use crate::model::BuilderId;
use crate::receives;

/// The way to a builder.
#[derive(Clone)]
pub struct BuilderHandle {
    pub id: BuilderId,
    pub config: Arc<BuilderConfig>,
    mailbox: Mailbox<Builder>,
}

impl BuilderHandle {
    /// Starts the build whose row the distributor has just written; false when the builder is
    /// down.
    pub(super) fn start(&self, assignment: Assignment) -> bool {
        self.mailbox.post(Start(assignment))
    }

    /// Can a build be started now?
    pub(super) fn is_up(&self) -> bool {
        self.mailbox.is_up()
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Start(Assignment);

struct Builder {
    config: Arc<BuilderConfig>,
    surroundings: Surroundings,
    builds: Supervisor,
}

receives!(Builder: Start);

/// Starts a builder below `supervisor`. `builds` keeps its builds through its lives and must be
/// the same when a changed builder is started again.
pub fn spawn(
    supervisor: &Supervisor,
    builds: Supervisor,
    id: BuilderId,
    config: Arc<BuilderConfig>,
    surroundings: Surroundings,
) -> BuilderHandle {
    let name = child_name(&config.name);
    let mailbox = Mailbox::new(name.clone());
    let handle = BuilderHandle { id, config: config.clone(), mailbox: mailbox.clone() };
    supervisor.start(ChildSpec::permanent(name), &mailbox, move || Builder {
        config: config.clone(),
        surroundings: surroundings.clone(),
        builds: builds.clone(),
    });
    handle
}

/// The name of a builder in the supervision tree.
pub fn child_name(builder: &str) -> String {
    format!("builder {builder}")
}

impl Actor for Builder {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        // Requests may wait for this life.
        self.surroundings.distributor.poke();
    }
}

impl Child for Builder {}

impl Handler<Start> for Builder {
    type Result = ();

    fn handle(&mut self, Start(assignment): Start, _: &mut Self::Context) {
        build::spawn(&self.builds, self.config.clone(), assignment, self.surroundings.clone());
    }
}
