//! Which versions a triggered build gets.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::flow::interpolate::{Renderable, is_true, text};
use crate::flow::sources::PartialStamp;
use crate::steps::render::{render, table};
use crate::steps::{StepError, Workbench};

/// Where the source stamps come from.
#[derive(Debug)]
pub(super) enum Sources {
    /// Those of the build; with `update`, in the revisions that its source steps found.
    OfBuild { update: Renderable },
    /// If true, none: each scheduler takes its defaults, and builds what is newest then.
    Latest(Renderable),
    /// One table each.
    Given(Vec<Renderable>),
}

impl Sources {
    /// The stamps for the schedulers, at most one per codebase, in order of codebase.
    pub fn of(&self, bench: &dyn Workbench) -> Result<Vec<PartialStamp>, StepError> {
        match self {
            Sources::OfBuild { update } => {
                let update = is_true(&render(bench, update)?.value);
                Ok(of_build(bench, update))
            }
            Sources::Latest(latest) if is_true(&render(bench, latest)?.value) => Ok(Vec::new()),
            Sources::Latest(_) => Ok(of_build(bench, false)),
            Sources::Given(tables) => given(bench, tables),
        }
    }
}

/// Stored stamps are taken as they are, with their patches; only another revision makes a new one.
fn of_build(bench: &dyn Workbench, update: bool) -> Vec<PartialStamp> {
    let got = bench.properties().get("got_revision").filter(|_| update);
    let mut stamps: Vec<PartialStamp> = bench
        .sources()
        .iter()
        .map(|stamp| {
            let found = got.and_then(|got| got_revision(got, &stamp.codebase));
            let mut partial = PartialStamp::of(stamp);
            if stamp.patch.is_some() || found.is_none() || found == stamp.revision {
                partial.id = Some(stamp.id);
            } else {
                partial.revision = Some(found);
            }
            partial
        })
        .collect();
    stamps.sort_by(|a, b| a.codebase.cmp(&b.codebase));
    stamps
}

/// `got_revision` is a table by codebase, or the text of the one codebase without a name.
fn got_revision(got: &Value, codebase: &str) -> Option<String> {
    let revision = match got {
        Value::Object(table) => table.get(codebase)?,
        other if codebase.is_empty() => other,
        _ => return None,
    };
    (!revision.is_null()).then(|| text(revision))
}

fn given(bench: &dyn Workbench, tables: &[Renderable]) -> Result<Vec<PartialStamp>, StepError> {
    let mut stamps = BTreeMap::new();
    for one in tables {
        let stamp = stamp(&table(render(bench, one)?.value, "sourceStamps")?)?;
        let codebase = stamp.codebase.clone();
        if stamps.insert(codebase.clone(), stamp).is_some() {
            let message = format!("'sourceStamps' has codebase '{codebase}' twice");
            return Err(StepError::Failed(message));
        }
    }
    Ok(stamps.into_values().collect())
}

fn stamp(table: &Map<String, Value>) -> Result<PartialStamp, StepError> {
    const KNOWN: [&str; 5] = ["codebase", "branch", "revision", "repository", "project"];
    if let Some(odd) = table.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        let message = format!("'sourceStamps' has '{odd}'; known are: {}", KNOWN.join(", "));
        return Err(StepError::Failed(message));
    }
    Ok(PartialStamp::from_json(&Value::Object(table.clone())))
}
