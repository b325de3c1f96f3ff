//! `ForceScheduler`: from a person's wish to a buildset.
//!
//! In: [`ForceHandle::force`].  Out: `Event::BuildsetSubmitted`, a poke for the distributor.
//! Owns: nothing.
//! Dies: safely at any time; a buildset is submitted in one transaction or not at all.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::catch_up::{Submitted, builder_ids};
use super::{Wiring, child_name};
use crate::actors::mail::{AskError, Child, Mailbox};
use crate::actors::supervise::{ChildSpec, Supervisor};
use crate::config::checked::{SchedulerConfig, SchedulerKind};
use crate::db::{Conn, DbError, builders, builds, buildsets, properties, schedulers};
use crate::events::Event;
use crate::flow::force::{BuildName, Forced, Inherited, asked_builds, read};
use crate::model::{NewBuildset, Timestamp};

/// The handle to one force scheduler.
#[derive(Clone)]
pub struct ForceHandle {
    config: Arc<SchedulerConfig>,
    mailbox: Mailbox<ForceActor>,
}

/// What a person asks for.
#[derive(Debug, Clone, Default)]
pub struct ForceRequest {
    /// Names of builders; empty means all of the scheduler. Others than the scheduler's are ignored.
    pub builders: Vec<String>,
    /// The form: `fullName` of the field -> a scalar or a list.
    pub values: Map<String, Value>,
    /// Who is logged in; empty or `anonymous` asks the form's `username`.
    pub owner: String,
}

/// Why nothing was forced.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ForceError {
    /// `fullName` of the field -> why its value is refused.
    #[error("{}", told(.0))]
    Invalid(IndexMap<String, String>),
    #[error("the scheduler has none of the builders {0}")]
    NoBuilder(String),
    #[error(transparent)]
    Down(#[from] AskError),
    #[error(transparent)]
    Db(#[from] DbError),
}

fn told(refusals: &IndexMap<String, String>) -> String {
    let lines: Vec<String> = refusals.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    lines.join("; ")
}

impl ForceHandle {
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// What the scheduler is configured with; the form is in its `kind`.
    pub fn config(&self) -> &Arc<SchedulerConfig> {
        &self.config
    }

    /// Checks the form and submits one buildset; waits `deadline` at most.
    ///
    /// # Errors
    /// See [`ForceError`]; after a late answer the buildset may exist all the same.
    pub async fn force(
        &self,
        request: ForceRequest,
        deadline: Duration,
    ) -> Result<Submitted, ForceError> {
        self.mailbox.ask(Force(request), deadline).await?
    }
}

/// Starts the scheduler below `supervisor`.
pub(super) fn start(
    supervisor: &Supervisor,
    config: Arc<SchedulerConfig>,
    wiring: Wiring,
) -> ForceHandle {
    let mailbox = Mailbox::new(child_name(&config.name));
    let handle = ForceHandle { config: config.clone(), mailbox: mailbox.clone() };
    supervisor.start(ChildSpec::permanent(child_name(&config.name)), &mailbox, move || {
        ForceActor { config: config.clone(), wiring: wiring.clone() }
    });
    handle
}

#[derive(Message)]
#[rtype(result = "Result<Submitted, ForceError>")]
struct Force(ForceRequest);

/// The actor; reached through [`ForceHandle`].
pub struct ForceActor {
    config: Arc<SchedulerConfig>,
    wiring: Wiring,
}

impl Actor for ForceActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        use actix::AsyncContext;
        let (db, master) = (self.wiring.db.clone(), self.wiring.master);
        let name = self.config.name.clone();
        // Shown on the pages as run by this master; forcing does not depend on it.
        let claiming = async move {
            let claim = db.write(move |conn| {
                let id = schedulers::find_or_create(conn, &name)?;
                schedulers::claim(conn, id, master)
            });
            if let Err(error) = claim.await {
                tracing::warn!(%error, "a force scheduler could not be claimed");
            }
        };
        ctx.spawn(actix::fut::wrap_future(claiming));
    }
}

impl Child for ForceActor {}

crate::receives!(ForceActor: Force);

impl Handler<Force> for ForceActor {
    type Result = ResponseFuture<Result<Submitted, ForceError>>;

    fn handle(&mut self, Force(request): Force, _: &mut Context<Self>) -> Self::Result {
        let (config, wiring) = (self.config.clone(), self.wiring.clone());
        Box::pin(async move { force(config, wiring, request).await })
    }
}

async fn force(
    config: Arc<SchedulerConfig>,
    wiring: Wiring,
    request: ForceRequest,
) -> Result<Submitted, ForceError> {
    let builders = chosen(&config.builder_names, &request.builders)?;
    let SchedulerKind::Force(form) = &config.kind else {
        return Err(ForceError::NoBuilder(request.builders.join(", ")));
    };
    let asked = asked_builds(form, &request.values);
    let inherited = wiring.db.read(move |conn| look_up(conn, asked)).await?;
    let forced = read(&config, form, &request.values, &request.owner, &inherited)
        .map_err(ForceError::Invalid)?;
    let now = (wiring.clock)();
    let scheduler = config.name.clone();
    let submitted =
        wiring.db.write(move |conn| submit(conn, &config, forced, &builders, now)).await?;
    wiring.announcer.announce(Event::BuildsetSubmitted {
        buildset: submitted.buildset,
        scheduler: Some(scheduler),
        requests: submitted.requests.clone(),
    });
    (wiring.poke)();
    Ok(submitted)
}

/// The builds that values are inherited from, as far as they exist.
fn look_up(conn: &mut Conn, asked: Vec<BuildName>) -> Result<Inherited, DbError> {
    let mut found = Inherited::new();
    for name in asked {
        let build = builders::by_name(conn, &name.builder)
            .and_then(|builder| builds::by_number(conn, builder.id, name.number));
        match build {
            Ok(build) => drop(found.insert(name, properties::of_build(conn, build.id)?)),
            Err(DbError::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The builders to ask: all of the scheduler, or those of them that were named.
fn chosen(own: &[String], named: &[String]) -> Result<Vec<String>, ForceError> {
    if named.is_empty() {
        return Ok(own.to_vec());
    }
    let both: Vec<String> = own.iter().filter(|name| named.contains(name)).cloned().collect();
    if both.is_empty() { Err(ForceError::NoBuilder(named.join(", "))) } else { Ok(both) }
}

fn submit(
    conn: &mut Conn,
    config: &SchedulerConfig,
    forced: Forced,
    builders: &[String],
    now: Timestamp,
) -> Result<Submitted, DbError> {
    let mut properties = forced.properties;
    properties.extend(&config.properties);
    properties.set("scheduler", config.name.as_str(), "Scheduler");
    let set = NewBuildset {
        reason: forced.reason,
        sourcestamps: forced.stamps,
        builders: builder_ids(conn, builders)?,
        properties,
        priority: forced.priority,
        ..NewBuildset::default()
    };
    let (buildset, requests) = buildsets::submit(conn, &set, now)?;
    Ok(Submitted { buildset, requests })
}
