//! Cancelling requests, whoever asks for it: a person or a service.

use super::surroundings::Surroundings;
use crate::db::{DbError, buildrequests, builds};
use crate::events::Event;
use crate::model::{Build, BuildRequest, BuildRequestId, Results};

/// Cancels a request: a pending one ends at once, a running one has its build stopped. One that is
/// complete is left alone.
///
/// # Errors
/// [`DbError::NotFound`] when there is no such request.
pub(super) async fn cancel_request(
    surroundings: &Surroundings,
    request: BuildRequestId,
    reason: &str,
) -> Result<(), DbError> {
    let (master, now) = (surroundings.master, surroundings.clock.now());
    let why = reason.to_owned();
    let (row, cancelled) = surroundings
        .db
        .write(move |conn| {
            let cancelled = buildrequests::cancel_pending(conn, request, master, &why, now)?;
            Ok((buildrequests::get(conn, request)?, cancelled))
        })
        .await?;
    if cancelled {
        announce_cancelled(surroundings, &row);
    } else if !row.complete {
        stop_builds_of(surroundings, request, reason).await?;
    }
    Ok(())
}

fn announce_cancelled(surroundings: &Surroundings, row: &BuildRequest) {
    surroundings.announcer.announce(Event::RequestCompleted {
        request: row.id,
        builder: row.builder,
        buildset: row.buildset,
        results: Results::Cancelled,
    });
    surroundings.closer.poke();
    surroundings.distributor.poke();
}

async fn stop_builds_of(
    surroundings: &Surroundings,
    request: BuildRequestId,
    reason: &str,
) -> Result<(), DbError> {
    let master = surroundings.master;
    let running: Vec<Build> =
        surroundings.db.read(move |conn| builds::running(conn, master)).await?;
    for build in running.into_iter().filter(|build| build.request == request) {
        surroundings.running.stop(build.id, reason);
    }
    Ok(())
}
