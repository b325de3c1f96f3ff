//! What the tables say about a fact, as far as somebody wants to know.

use std::sync::Arc;

use serde_json::{Value, json};

use super::worker_facts;
use crate::actors::handles::Handles;
use crate::config::checked::MasterConfig;
use crate::db::facts::{Fact, FactKind};
use crate::db::listing::{self, BuildCase, Details};
use crate::db::{Conn, DbError, buildsets, sourcestamps};
use crate::flow::build_properties::{Early, early};
use crate::model::{BuildsetId, Properties, WorkerId};
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
    let (kind, config) = (fact.kind, handles.config.borrow().clone());
    handles.db.read(move |conn| of_builds(conn, kind, details, &choices, &config)).await
}

fn of_builds(
    conn: &mut Conn,
    kind: FactKind,
    details: Details,
    choices: &[LogChoice],
    config: &MasterConfig,
) -> Result<Option<Case>, DbError> {
    Ok(match kind {
        FactKind::BuildsetSubmitted(id) => {
            let mut requests = listing::request_cases(conn, id)?;
            add_early_properties(conn, id, &mut requests, config)?;
            Some(Case::Requested(requests.into_iter().map(Arc::new).collect()))
        }
        FactKind::RequestCancelled(id) => match listing::cancelled_case(conn, id)? {
            Some((set, mut request)) => {
                add_early_properties(conn, set, std::slice::from_mut(&mut request), config)?;
                Some(Case::Requested(vec![Arc::new(request)]))
            }
            None => None,
        },
        FactKind::BuildStarted(id) => {
            // It may have ended meanwhile; what is told is how it was then.
            let Some(mut build) = listing::build_case(conn, id, Details::default())? else {
                return Ok(None);
            };
            add_first_properties(conn, &mut build, config)?;
            Some(Case::BuildStarted(Arc::new(begun(build))))
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

/// A build's row comes before its properties, and this may be the moment between: gives it those
/// that do not depend on the worker, and the worker's name.
fn add_first_properties(
    conn: &mut Conn,
    build: &mut BuildCase,
    config: &MasterConfig,
) -> Result<(), DbError> {
    let stored = build.entity["properties"].take();
    let Some(set) = build.entity["buildset"]["bsid"].as_i64().map(BuildsetId) else {
        build.entity["properties"] = stored;
        return Ok(());
    };
    add_early_properties(conn, set, std::slice::from_mut(build), config)?;
    let worker = build.entity["workerid"].as_i64().map(WorkerId);
    let workers = listing::worker_cases(conn, worker.as_slice())?;
    if let Some(worker) = worker.and_then(|id| workers.get(&id)) {
        build.entity["properties"]["workername"] = json!([worker["name"], "Worker"]);
    }
    build.entity["properties"]["buildnumber"] = json!([build.entity["number"], "Build"]);
    let stored = stored.as_object().into_iter().flatten();
    for (name, property) in stored {
        build.entity["properties"][name] = property.clone();
    }
    Ok(())
}

/// Gives requests the properties with which a build of theirs would begin.
fn add_early_properties(
    conn: &mut Conn,
    buildset: BuildsetId,
    requests: &mut [BuildCase],
    config: &MasterConfig,
) -> Result<(), DbError> {
    let (properties, changes) =
        (buildsets::properties(conn, buildset)?, buildsets::changes(conn, buildset)?);
    let sources = sourcestamps::for_buildset(conn, buildset)?;
    let none = Properties::new();
    for request in requests {
        let name = request.entity["builder"]["name"].as_str().unwrap_or_default().to_owned();
        let builder = config.builders.iter().find(|builder| builder.name == name);
        let first = early(&Early {
            global: &config.properties,
            changes: &changes,
            buildset: &properties,
            builder_name: &name,
            builder_id: request.entity["builderid"].as_i64().unwrap_or_default(),
            builder: builder.map_or(&none, |builder| &builder.properties),
            builder_defaults: builder.map_or(&none, |builder| &builder.default_properties),
            sources: &sources,
        });
        let pairs = first
            .iter()
            .map(|(name, property)| (name.to_owned(), json!([property.value, property.source])));
        request.entity["properties"] = Value::Object(pairs.collect());
    }
    Ok(())
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
