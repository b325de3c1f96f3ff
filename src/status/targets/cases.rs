//! What the tables say about a fact, as far as somebody wants to know.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::actors::handles::Handles;
use crate::db::facts::{Fact, FactKind};
use crate::db::listing::{self, BuildCase, Details};
use crate::db::{Conn, DbError};
use crate::model::WorkerId;
use crate::reporters::formatters::LogChoice;
use crate::reporters::generators::{Case, Generator};

/// The fact with its rows; `None` when they are gone.
pub(super) async fn load<'g>(
    handles: &Handles,
    fact: Fact,
    generators: impl Iterator<Item = &'g Box<dyn Generator>>,
) -> Result<Option<Case>, DbError> {
    let mut details = Details::default();
    let mut choices = Vec::new();
    for generator in generators {
        details = details.or(generator.details());
        choices.extend(Some(generator.contents()).filter(|choice| !choice.is_none()));
    }
    match fact.kind {
        FactKind::WorkerMissing(worker) => {
            Ok(worker_case(handles, worker).await?.map(|worker| Case::WorkersMissing(vec![worker])))
        }
        FactKind::WorkerReturned(worker) => {
            let worker = worker_case(handles, worker).await?;
            Ok(worker.map(|worker| Case::WorkersReturned(vec![worker])))
        }
        kind => handles.db.read(move |conn| of_builds(conn, kind, details, &choices)).await,
    }
}

fn of_builds(
    conn: &mut Conn,
    kind: FactKind,
    details: Details,
    choices: &[LogChoice],
) -> Result<Option<Case>, DbError> {
    Ok(match kind {
        FactKind::BuildsetSubmitted(id) => {
            let requests = listing::request_cases(conn, id)?;
            Some(Case::Requested(requests.into_iter().map(Arc::new).collect()))
        }
        FactKind::BuildStarted(id) => {
            // It may have ended meanwhile; what is told is how it was then.
            let build = listing::build_case(conn, id, Details::default())?;
            build.map(|build| Case::BuildStarted(Arc::new(begun(build))))
        }
        FactKind::BuildFinished(id) => {
            let mut build = listing::build_case(conn, id, details)?;
            if let Some(build) = &mut build {
                contents(conn, build, choices)?;
            }
            build.map(|build| Case::BuildFinished(Arc::new(build)))
        }
        FactKind::BuildsetCompleted(id) => {
            let mut set = listing::buildset_case(conn, id, details)?;
            for build in set.iter_mut().flat_map(|set| &mut set.builds) {
                contents(conn, build, choices)?;
            }
            set.map(|set| Case::BuildsetCompleted(Arc::new(set)))
        }
        FactKind::WorkerMissing(_) | FactKind::WorkerReturned(_) => None,
    })
}

fn begun(mut build: BuildCase) -> BuildCase {
    build.results = None;
    for (key, value) in [("results", Value::Null), ("complete_at", Value::Null)] {
        build.entity[key] = value;
    }
    build.entity["complete"] = json!(false);
    build
}

/// Adds the text of those logs that a template wants.
fn contents(conn: &mut Conn, build: &mut BuildCase, choices: &[LogChoice]) -> Result<(), DbError> {
    if choices.is_empty() {
        return Ok(());
    }
    let takes = |step: &str, log: &str| choices.iter().any(|choice| choice.takes(step, log));
    listing::attach_contents(conn, build, &takes)
}

/// The worker with those whom its configuration wants notified.
async fn worker_case(handles: &Handles, id: WorkerId) -> Result<Option<Value>, DbError> {
    let worker = handles.db.read(move |conn| listing::worker_case(conn, id)).await?;
    let Some(mut worker) = worker else { return Ok(None) };
    let config = handles.config.borrow().clone();
    let configured = config.workers.iter().find(|known| worker["name"] == known.name.as_str());
    worker["notify"] = json!(configured.map_or(&[][..], |known| &known.notify_on_missing));
    Ok(Some(worker))
}
