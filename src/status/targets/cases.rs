//! What the tables say about a fact, as far as somebody wants to know.

use std::sync::Arc;

use serde_json::{Value, json};

use super::worker_facts;
use crate::actors::handles::Handles;
use crate::db::facts::{Fact, FactKind};
use crate::db::listing::{self, BuildCase, Details};
use crate::db::{Conn, DbError};
use crate::reporters::formatters::LogChoice;
use crate::reporters::generators::{Case, Generator};

/// The fact with its rows; `None` when they are gone. Those about workers are gathered first.
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
    let kind = fact.kind;
    handles.db.read(move |conn| of_builds(conn, kind, details, &choices)).await
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
        // They are gathered, and told by `workers`.
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

/// The workers of facts about workers.
pub(super) async fn workers(handles: &Handles, facts: Vec<Fact>) -> Result<Vec<Value>, DbError> {
    let config = handles.config.borrow().clone();
    handles.db.read(move |conn| worker_facts::load(conn, &facts, &config)).await
}
