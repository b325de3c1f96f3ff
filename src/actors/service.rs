//! One per configured service: tells it the facts and does what it wishes.
//!
//! In:   facts of the announcer.
//! Out:  cancelled requests.
//! Owns: what its service remembers.
//! Dies: safely at any time; the next life begins with the requests that are incomplete then.

use std::sync::Arc;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, WrapFuture};
use tokio::sync::broadcast::error::RecvError;

use super::announcer::Listener;
use super::cancelling;
use super::mail::{Child, Mailbox};
use super::supervise::{ChildSpec, Supervisor};
use super::surroundings::Surroundings;
use crate::db::service_facts::{self, Requested};
use crate::db::{DbError, buildrequests};
use crate::events::Event;
use crate::flow::services::registry::ServiceConfig;
use crate::flow::services::{Fact, Request, Service, Wish};
use crate::model::{BuildRequestId, Results};

/// Starts a service below `supervisor` as `service NAME`.
pub(super) fn start(supervisor: &Supervisor, config: &ServiceConfig, around: &Surroundings) {
    let name = child_name(&config.name);
    let (config, around) = (Arc::new(config.clone()), around.clone());
    let mailbox = Mailbox::new(name.clone());
    supervisor.start(ChildSpec::permanent(name), &mailbox, move || ServiceActor {
        config: config.clone(),
        surroundings: around.clone(),
    });
}

/// Name of a service among its siblings.
pub(super) fn child_name(service: &str) -> String {
    format!("service {service}")
}

struct ServiceActor {
    config: Arc<ServiceConfig>,
    surroundings: Surroundings,
}

crate::receives!(ServiceActor:);

impl Actor for ServiceActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Listening begins before the tables are read, so that nothing falls in between.
        let attendant = Attendant {
            name: self.config.name.clone(),
            service: self.config.plan.begin(),
            facts: self.surroundings.announcer.listen(),
            surroundings: self.surroundings.clone(),
        };
        ctx.spawn(attendant.attend().into_actor(self).map(|(), _, ctx| ctx.stop()));
    }
}

impl Child for ServiceActor {}

/// Serves one service, fact by fact, in the order in which they happened.
struct Attendant {
    name: String,
    service: Box<dyn Service>,
    facts: Listener,
    surroundings: Surroundings,
}

impl Attendant {
    async fn attend(mut self) {
        let mut behind = true;
        loop {
            let outcome = match behind {
                true => self.catch_up().await,
                false => match self.facts.recv().await {
                    Ok(event) => self.tell(&event).await,
                    Err(RecvError::Lagged(_)) => {
                        behind = true;
                        continue;
                    }
                    Err(RecvError::Closed) => return,
                },
            };
            behind = false;
            if let Err(error) = outcome {
                tracing::error!(service = %self.name, %error, "a service missed a fact");
            }
        }
    }

    /// Tells of every request that is incomplete now; a service knows those it has heard of.
    async fn catch_up(&mut self) -> Result<(), DbError> {
        for request in self.surroundings.db.read(service_facts::incomplete).await? {
            self.hear(&Fact::Requested(as_request(request))).await?;
        }
        Ok(())
    }

    async fn tell(&mut self, event: &Event) -> Result<(), DbError> {
        match event {
            Event::ChangeAdded(change) => {
                self.hear(&Fact::Changed(change.sourcestamp.clone())).await
            }
            Event::BuildsetSubmitted { requests, .. } => {
                let ids = requests.iter().map(|(_, request)| *request).collect();
                for request in self.requests(ids).await? {
                    self.hear(&Fact::Requested(request)).await?;
                }
                Ok(())
            }
            Event::RequestCompleted { request, .. } => {
                self.hear(&Fact::RequestCompleted(*request)).await
            }
            Event::BuildFinished { request, results: Results::Failure, .. } => {
                self.failed(*request).await
            }
            _ => Ok(()),
        }
    }

    async fn failed(&mut self, id: BuildRequestId) -> Result<(), DbError> {
        let Some(request) = self.requests(vec![id]).await?.pop() else { return Ok(()) };
        let buildset = request.buildset;
        let siblings = self
            .surroundings
            .db
            .read(move |conn| {
                let all = buildrequests::of_buildset(conn, buildset)?;
                let open = all.iter().filter(|other| !other.complete && other.id != id);
                service_facts::requested(conn, &open.map(|other| other.id).collect::<Vec<_>>())
            })
            .await?;
        let siblings = siblings.into_iter().map(|other| (other.id, other.builder)).collect();
        self.hear(&Fact::Failed { request, siblings }).await
    }

    async fn requests(&self, ids: Vec<BuildRequestId>) -> Result<Vec<Request>, DbError> {
        let read = self.surroundings.db.read(move |conn| service_facts::requested(conn, &ids));
        Ok(read.await?.into_iter().map(as_request).collect())
    }

    async fn hear(&mut self, fact: &Fact) -> Result<(), DbError> {
        let wishes = self.service.hear(fact).unwrap_or_else(|error| {
            tracing::error!(service = %self.name, %error, "a rule of a service fails");
            Vec::new()
        });
        for Wish::Cancel { request, reason } in wishes {
            tracing::info!(service = %self.name, %request, "cancelled: {reason}");
            cancelling::cancel_request(&self.surroundings, request, &reason).await?;
        }
        Ok(())
    }
}

fn as_request(row: Requested) -> Request {
    let Requested { id, buildset, builder, sources } = row;
    Request { id, buildset, builder, sources }
}
