//! What a message says about workers that went or came.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::config::checked::{MasterConfig, WorkerConfig};
use crate::db::facts::Fact;
use crate::db::listing::{self, BuildLine};
use crate::db::{Conn, DbError, absences};
use crate::flow::absence::{ctime, how_long};
use crate::model::{Attendance, Results, Timestamp, WorkerId};

/// Builds of one worker that are named at most.
const BUILDS: usize = 5;

/// The workers of these facts, as the REST interface shows them, with what a template may use
/// besides: `notify`, `last_connection`, `ago`, `never_connected` and `building`. Those whose rows
/// are gone are left out.
///
/// # Errors
/// When the database refuses.
pub(super) fn load(
    conn: &mut Conn,
    facts: &[Fact],
    config: &MasterConfig,
) -> Result<Vec<Value>, DbError> {
    let workers: Vec<WorkerId> = facts.iter().filter_map(|fact| fact.kind.worker()).collect();
    let known = absences::of_workers(conn, &workers)?;
    let mut entities = listing::worker_cases(conn, &workers)?;
    let mut building = building(conn, &workers, &known)?;
    let told = facts.iter().filter_map(|fact| {
        let id = fact.kind.worker()?;
        let mut worker = entities.remove(&id)?;
        let name = worker["name"].as_str().unwrap_or_default().to_owned();
        let configured = config.workers.iter().find(|known| known.name == name);
        worker["notify"] = json!(configured.map_or(&[][..], |known| &known.notify_on_missing));
        worker["building"] = json!(building.remove(&id).unwrap_or_default());
        trim(&mut worker["workerinfo"]);
        seen(&mut worker, known.get(&id), configured, fact.at);
        Some(worker)
    });
    Ok(told.collect())
}

/// When it was seen before it went, and how long before the fact.
fn seen(
    worker: &mut Value,
    known: Option<&Attendance>,
    configured: Option<&WorkerConfig>,
    at: Timestamp,
) {
    let left = known.and_then(|known| known.left_at);
    // Stock counts back from now, too.
    let timeout = configured.map_or(0, |known| known.missing_timeout.as_secs());
    let begun = at.saturating_sub(i64::try_from(timeout).unwrap_or(0));
    worker["never_connected"] = json!(known.is_some() && left.is_none());
    worker["last_seen"] = json!(left);
    worker["last_connection"] = json!(ctime(left.unwrap_or(begun), TimeZone::system()));
    worker["ago"] = json!(left.map(|left| how_long(at - left)));
}

/// What workers told about themselves comes from files that end in a newline.
fn trim(info: &mut Value) {
    for value in info.as_object_mut().into_iter().flat_map(|info| info.values_mut()) {
        if let Value::String(text) = value {
            *text = text.trim_end().to_owned();
        }
    }
}

/// The builds that each worker was working on when it went: `linux #7`.
fn building(
    conn: &mut Conn,
    workers: &[WorkerId],
    known: &HashMap<WorkerId, Attendance>,
) -> Result<HashMap<WorkerId, Vec<String>>, DbError> {
    let lefts: HashMap<i64, Timestamp> =
        workers.iter().filter_map(|id| Some((id.0, known.get(id)?.left_at?))).collect();
    let mut found: HashMap<WorkerId, Vec<String>> = HashMap::new();
    let Some(first) = lefts.values().min() else { return Ok(found) };
    let lines: Vec<BuildLine> = listing::builds_cut_since(conn, lefts.keys().copied(), *first)?;
    for line in lines {
        let Some((worker, left)) = line.workerid.and_then(|id| Some((id, *lefts.get(&id)?))) else {
            continue;
        };
        let results = line.results.and_then(Results::from_code);
        let cut = matches!(results, None | Some(Results::Retry | Results::Exception));
        let then = line.started_at <= left && line.complete_at.is_none_or(|end| end >= left);
        let names = found.entry(WorkerId(worker)).or_default();
        if cut && then && names.len() < BUILDS {
            names.push(format!("{} #{}", line.builder, line.number));
        }
    }
    Ok(found)
}
