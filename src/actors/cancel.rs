//! Cancelling a build request, whoever wants it: a person, or a build that asked for it.

use super::surroundings::Surroundings;
use crate::db::{DbError, buildrequests, builds};
use crate::events::Event;
use crate::model::{Build, BuildRequest, BuildRequestId, Results, now};

/// A pending request ends at once, a running one has its build stopped; one that is complete is left
/// alone.
///
/// # Errors
/// [`DbError::NotFound`] without such a request.
pub(super) async fn request(
    surroundings: &Surroundings,
    request: BuildRequestId,
    reason: &str,
) -> Result<(), DbError> {
    let master = surroundings.master;
    let (row, cancelled) = surroundings
        .db
        .write(move |conn| {
            let cancelled = buildrequests::cancel_pending(conn, request, master, now())?;
            Ok((buildrequests::get(conn, request)?, cancelled))
        })
        .await?;
    if cancelled {
        announce(surroundings, &row);
    } else if !row.complete {
        stop_builds(surroundings, request, reason).await?;
    }
    Ok(())
}

fn announce(surroundings: &Surroundings, row: &BuildRequest) {
    surroundings.announcer.announce(Event::RequestCompleted {
        request: row.id,
        builder: row.builder,
        buildset: row.buildset,
        results: Results::Cancelled,
    });
    surroundings.closer.poke();
    surroundings.distributor.poke();
}

async fn stop_builds(
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
