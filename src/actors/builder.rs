//! One per builder: starts its builds and closes the ones that nobody runs.
//!
//! In:   start (from the distributor), a 30 s tick.
//! Out:  build children; builds closed as RETRY.
//! Owns: nothing durable. Its builds are children of a supervisor that outlives it.
//! Dies: safely at any time; running builds go on, and the next life finds orphans in the table.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message, WrapFuture};

use super::build::{self, Assignment};
use super::mail::{Child, Mailbox};
use super::supervise::{ChildSpec, Supervisor};
use super::surroundings::Surroundings;
use crate::config::checked::BuilderConfig;
use crate::db::{DbError, builds};
use crate::model::{BuilderId, now};
use crate::receives;

/// How often orphans are looked for.
const TICK: Duration = Duration::from_secs(30);

/// A build row of this age, in seconds, that nobody runs is an orphan; younger ones may be on
/// their way from the distributor.
const ORPHAN_AGE: i64 = 15;

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
    id: BuilderId,
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
        id,
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

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(TICK, |builder, ctx| {
            ctx.spawn(close_orphans(builder.id, builder.surroundings.clone()).into_actor(builder));
        });
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

/// Ends builds of this builder that are running by their row only, as after a builder that died
/// with a start in its mailbox.
async fn close_orphans(builder: BuilderId, surroundings: Surroundings) {
    if let Err(error) = try_close_orphans(builder, &surroundings).await {
        tracing::warn!(%builder, %error, "cannot look for builds that nobody runs");
    }
}

async fn try_close_orphans(builder: BuilderId, surroundings: &Surroundings) -> Result<(), DbError> {
    let master = surroundings.master;
    let rows = surroundings.db.read(move |conn| builds::running(conn, master)).await?;
    let newest = now() - ORPHAN_AGE;
    for row in rows {
        let orphan = row.builder == builder
            && row.started_at < newest
            && !surroundings.running.contains(row.id);
        if orphan {
            tracing::warn!(build = %row.id, "nobody runs this build; it goes back to the queue");
            build::finish::orphan(surroundings, &row).await?;
        }
    }
    Ok(())
}
