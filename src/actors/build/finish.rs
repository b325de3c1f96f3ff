//! How builds end: the last rows, and who is told.

use crate::actors::surroundings::Surroundings;
use crate::db::{Conn, DbError, buildrequests, builds, logs, steps};
use crate::events::Event;
use crate::flow::retry::{Retries, given_up, is_loss};
use crate::model::{Build, BuildRequest, BuildRequestId, BuilderId, LogType, Results, WorkerId};

/// A build's last words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    pub results: Results,
    /// `build successful`, `failed 'make test' (failure)` …
    pub text: String,
}

/// Builds of a request that are counted for `maxRetries`.
const COUNTED: i64 = 1_000;

/// Stores the end of a build in one transaction and announces it. RETRY puts the request back
/// into the queue, every other result completes it. A build that was lost with its worker once too
/// often ends as EXCEPTION.
pub async fn store(
    surroundings: &Surroundings,
    build: &Build,
    ending: Ending,
) -> Result<(), DbError> {
    let (id, request, master) = (build.id, build.request, surroundings.master);
    let (retries, at) = (max_retries(surroundings, build.builder), surroundings.clock.now());
    surroundings.distributor.build_ended(build.worker.unwrap_or(WorkerId(0)), ending.results);
    let (row, results) = surroundings
        .db
        .write(move |conn| {
            let Ending { results, text } = limited(conn, request, ending, retries)?;
            builds::finish(conn, id, results, &text, at)?;
            if results == Results::Retry {
                buildrequests::unclaim(conn, master, &[request])?;
            } else {
                buildrequests::complete(conn, &[request], results, at)?;
            }
            Ok((buildrequests::get(conn, request)?, results))
        })
        .await?;
    announce(surroundings, build, &row, results);
    Ok(())
}

/// The builder's limit, or the master's.
fn max_retries(surroundings: &Surroundings, builder: BuilderId) -> Retries {
    let own = surroundings.distributor.builders().get(&builder).and_then(|b| b.config.max_retries);
    own.unwrap_or(surroundings.config.borrow().max_retries)
}

fn limited(
    conn: &mut Conn,
    request: BuildRequestId,
    ending: Ending,
    retries: Retries,
) -> Result<Ending, DbError> {
    if ending.results != Results::Retry || !is_loss(&ending.text) {
        return Ok(ending);
    }
    let earlier = builds::retry_lines(conn, request, COUNTED)?;
    let lines = earlier.iter().map(String::as_str).chain([ending.text.as_str()]);
    Ok(match retries.exhausted(lines) {
        None => ending,
        Some(lost) => Ending { results: Results::Exception, text: given_up(&ending.text, lost) },
    })
}

fn announce(surroundings: &Surroundings, build: &Build, row: &BuildRequest, results: Results) {
    let tell = |event| surroundings.announcer.announce(event);
    tell(Event::BuildFinished {
        build: build.id,
        builder: build.builder,
        number: build.number,
        worker: build.worker.unwrap_or(WorkerId(0)),
        request: build.request,
        results,
    });
    let (request, builder, buildset) = (row.id, row.builder, row.buildset);
    if results == Results::Retry {
        tell(Event::RequestUnclaimed { request, builder, buildset });
    } else {
        tell(Event::RequestCompleted { request, builder, buildset, results });
        surroundings.closer.poke();
    }
    surroundings.distributor.poke();
}

/// Ends a build whose row says that it runs while nobody runs it.
pub async fn orphan(surroundings: &Surroundings, build: &Build) -> Result<(), DbError> {
    close_parts(surroundings, build, Results::Retry).await?;
    let text = "retry lost by its builder".to_owned();
    store(surroundings, build, Ending { results: Results::Retry, text }).await
}

/// Ends a build that the master failed to carry on, as after a panic: the request is not tried
/// again.
pub async fn broken(surroundings: &Surroundings, build: &Build, error: &str) {
    let outcome = async {
        close_parts(surroundings, build, Results::Exception).await?;
        add_error_log(surroundings, build, error).await?;
        let text = "exception in the master".to_owned();
        store(surroundings, build, Ending { results: Results::Exception, text }).await
    };
    if let Err(error) = outcome.await {
        tracing::error!(build = %build.id, %error, "cannot store the end of a build");
    }
}

/// Ends the steps and logs that were open.
async fn close_parts(
    surroundings: &Surroundings,
    build: &Build,
    results: Results,
) -> Result<(), DbError> {
    let id = build.id;
    let open = surroundings.db.read(move |conn| logs::unfinished(conn, id)).await?;
    for log in open {
        if let Err(error) = surroundings.log_intake.finish(log.id).await {
            tracing::error!(log = %log.id, %error, "cannot finish a log");
        }
    }
    let at = surroundings.clock.now();
    surroundings.db.write(move |conn| builds::abandon(conn, &[id], results, at)).await
}

/// The text of the panic goes where people look: a log of the last step.
async fn add_error_log(
    surroundings: &Surroundings,
    build: &Build,
    error: &str,
) -> Result<(), DbError> {
    let id = build.id;
    let last = surroundings
        .db
        .write(move |conn| {
            let Some(step) = steps::of_build(conn, id)?.pop() else { return Ok(None) };
            logs::add(conn, step.id, "err.text", LogType::Text).map(Some)
        })
        .await?;
    let Some(log) = last else { return Ok(()) };
    surroundings.log_intake.open(&log).await;
    let text = format!("{error}\n");
    let stream = crate::steps::Stream::Stdout;
    let stored = surroundings.log_intake.append(log.id, stream, text).await;
    if let Err(error) = stored.and(surroundings.log_intake.finish(log.id).await.map(|_| ())) {
        tracing::error!(build = %build.id, %error, "cannot store the text of an exception");
    }
    Ok(())
}
