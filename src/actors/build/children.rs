//! What a running build asks of schedulers, and how it learns what came of it.
//!
//! The scheduler answers as soon as the requests are stored; nobody waits for a build but the build
//! that asked for it, and it waits for rows and facts, not for an actor.

use std::time::Duration;

use futures_util::StreamExt;

use super::Surroundings;
use crate::actors::cancelling::cancel_request;
use crate::actors::scheduler::Order;
use crate::actors::turns::wakes;
use crate::db::{self, DbError, children};
use crate::events::Event;
use crate::model::{BuildId, BuildRequestId};
use crate::schedulers::order::Trigger;
use crate::steps::{ChildBuild, ChildRequest, StepError, TriggerOrder};

/// For what no fact told.
const TICK: Duration = Duration::from_secs(60);

/// Asks a triggerable scheduler in the name of `parent`.
pub(super) async fn trigger(
    surroundings: &Surroundings,
    parent: BuildId,
    order: TriggerOrder,
) -> Result<Vec<ChildRequest>, StepError> {
    let name = order.scheduler;
    let request = Trigger {
        stamps: order.stamps,
        properties: order.properties,
        waited_for: order.waited_for,
        parent_build: Some(parent),
        parent_relationship: order.parent_relationship,
    };
    let submitted = surroundings
        .schedulers
        .order(&name, Order::Trigger(request))
        .await
        .map_err(|refused| StepError::Failed(refused.to_string()))?;
    let requests: Vec<BuildRequestId> =
        submitted.iter().flat_map(|set| set.requests.iter().map(|(_, id)| *id)).collect();
    look(surroundings, &requests).await
}

/// Returns when more than `complete` of the requests are complete.
pub(super) async fn more(
    surroundings: &Surroundings,
    requests: &[BuildRequestId],
    complete: usize,
) -> Result<Vec<ChildRequest>, StepError> {
    let ours = requests.to_vec();
    let listener = surroundings.announcer.listen();
    let mut facts = Box::pin(wakes(listener, move |event| match event {
        Event::RequestCompleted { request, .. } => ours.contains(request),
        _ => false,
    }));
    loop {
        let children = look(surroundings, requests).await?;
        let done = children.iter().filter(|child| child.results.is_some()).count();
        if done > complete {
            return Ok(children);
        }
        tokio::select! {
            _ = facts.next() => {}
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// Cancels the requests that are pending, and stops the builds of the others.
pub(super) async fn cancel(
    surroundings: &Surroundings,
    requests: &[BuildRequestId],
    reason: &str,
) -> Result<(), StepError> {
    for request in requests {
        cancel_request(surroundings, *request, reason).await.map_err(failed)?;
    }
    Ok(())
}

async fn look(
    surroundings: &Surroundings,
    requests: &[BuildRequestId],
) -> Result<Vec<ChildRequest>, StepError> {
    let ids = requests.to_vec();
    let rows = surroundings
        .db
        .read(move |conn| children::of_requests(conn, &ids))
        .await
        .map_err(failed)?;
    let base = surroundings.config.borrow().buildbot_url.clone();
    Ok(rows.into_iter().map(|row| seen(row, &base)).collect())
}

fn seen(row: db::children::Child, base: &str) -> ChildRequest {
    let builds = row.builds.into_iter().map(|build| ChildBuild {
        number: build.number,
        url: format!("{base}builders/{}/builds/{}", build.builder, build.number),
        results: build.results,
    });
    ChildRequest {
        request: row.request,
        builder: row.builder,
        url: format!("{base}requests/{}", row.request),
        results: row.results,
        builds: builds.collect(),
    }
}

fn failed(error: DbError) -> StepError {
    StepError::Failed(error.to_string())
}
