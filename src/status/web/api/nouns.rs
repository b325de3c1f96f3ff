//! Who answers for each noun: the scope that the path gives, the rows, and what is filled in.

use serde_json::{Map, Value, json};

use crate::db::listing::{
    self, BuildRow, BuilderRow, BuildsetRow, ChangeRow, ChangeSourceRow, Field, Listed, LogRow,
    MasterRow, Order, ProblemRow, RequestRow, SchedulerRow, Scope, SourceStampRow, Spec, StepRow,
    TestResultRow, TestResultSetRow, WorkerRow, in_list,
};
use crate::db::{Conn, DbError};
use crate::model::{BuildId, BuildRequestId};

use super::answer::plain;
use super::query::Query;
use super::{Answer, ApiError, Ask};

type Answered = Result<Answer, ApiError>;

/// Fields of the entity `_property`.
pub const PROPERTY: &[Field] =
    &[Field::text("name", "name"), Field::text("source", "source"), Field::text("value", "value")];

pub fn root_links(_: &mut Conn, ask: &Ask) -> Answered {
    let names = [
        "builders",
        "builds",
        "buildrequests",
        "workers",
        "logchunks",
        "buildsets",
        "changes",
        "changesources",
        "masters",
        "sourcestamps",
        "schedulers",
        "forceschedulers",
        "projects",
    ];
    Ok(ask.memory(names.iter().map(|name| json!({ "name": name })).collect(), &[]))
}

// Builders

fn with_tags(conn: &mut Conn, rows: &[BuilderRow], _: &Query) -> Result<Vec<Value>, DbError> {
    listing::attach_builders(conn, rows)
}

pub fn builders(conn: &mut Conn, ask: &Ask) -> Answered {
    ask.small(conn, &builder_scope(ask), with_tags)
}

pub fn builders_of_project(conn: &mut Conn, ask: &Ask) -> Answered {
    let project = super::data::project_id(conn, ask)?.unwrap_or(-1);
    ask.small(conn, &Scope::is("builders.projectid", project), with_tags)
}

pub fn builder(conn: &mut Conn, ask: &Ask) -> Answered {
    ask.one(conn, &builder_scope(ask), with_tags)
}

fn builder_scope(ask: &Ask) -> Scope {
    let number = |name: &str| ask.captures.number(name);
    let mut scope = Scope::all();
    if let Some(id) = number("builderid") {
        scope = scope.and(Scope::is("builders.id", id));
    }
    if let Some(name) = ask.captures.text("buildername") {
        scope = scope.and(Scope::text("builders.name", name));
    }
    if let Some(master) = number("masterid") {
        scope = scope.and(Scope::condition(format!(
            "builders.id IN (SELECT builderid FROM builder_masters WHERE masterid = {master})"
        )));
    }
    if let Some(worker) = number("workerid") {
        scope = scope.and(Scope::condition(format!(
            "builders.id IN (SELECT bm.builderid FROM builder_masters bm \
             JOIN configured_workers cw ON cw.buildermasterid = bm.id WHERE cw.workerid = {worker})"
        )));
    }
    scope
}

// Builds

fn with_properties(
    conn: &mut Conn,
    rows: &[BuildRow],
    query: &Query,
) -> Result<Vec<Value>, DbError> {
    let ids: Vec<i64> = rows.iter().map(|row| row.buildid).collect();
    let wanted = !query.properties.is_empty();
    let mut found =
        if wanted { listing::build_properties(conn, &ids)? } else { Default::default() };
    let mut entities = plain(conn, rows, query)?;
    for (entity, row) in entities.iter_mut().zip(rows) {
        let properties = found.remove(&row.buildid).unwrap_or_default();
        entity["properties"] = wanted_of(properties, &query.properties);
        entity["rs_expected_complete_at"] =
            json!(row.rs_expected_s.map(|seconds| row.started_at + seconds));
    }
    Ok(entities)
}

fn wanted_of(properties: Map<String, Value>, names: &[String]) -> Value {
    let all = names.iter().any(|name| name == "*");
    Value::Object(properties.into_iter().filter(|(name, _)| all || names.contains(name)).collect())
}

pub fn builds(conn: &mut Conn, ask: &Ask) -> Answered {
    let number = |name: &str| ask.captures.number(name);
    let scope = if let Some(change) = number("changeid") {
        listing::builds_of_change(conn, change)?
    } else if let Some(request) = number("buildrequestid") {
        Scope::is("builds.buildrequestid", request)
    } else if let Some(worker) = number("workerid") {
        Scope::is("builds.workerid", worker)
    } else if let Some(parent) = number("parent") {
        Scope::condition(format!(
            "builds.buildrequestid IN (SELECT br.id FROM buildrequests br \
             JOIN buildsets bs ON bs.id = br.buildsetid WHERE bs.parent_buildid = {parent})"
        ))
    } else if ask.pattern == "builds" {
        Scope::all()
    } else {
        // An unknown builder has no builds.
        Scope::is("builds.builderid", ask.builder_id(conn)?.unwrap_or(-1))
    };
    ask.table(conn, &scope, with_properties)
}

pub fn build(conn: &mut Conn, ask: &Ask) -> Answered {
    let id = ask.build_id(conn)?.ok_or_else(|| ask.not_found())?;
    ask.one(conn, &Scope::is("builds.id", id), with_properties)
}

// Properties

fn map_of(found: Option<Map<String, Value>>) -> Answered {
    Ok(Answer::One(Value::Object(found.unwrap_or_default())))
}

pub fn build_properties(conn: &mut Conn, ask: &Ask) -> Answered {
    let id = ask.build_id(conn)?.ok_or_else(|| ask.not_found())?;
    map_of(listing::build_properties(conn, &[id])?.remove(&id))
}

pub fn buildset_properties(conn: &mut Conn, ask: &Ask) -> Answered {
    let id = ask.captures.number("bsid").unwrap_or(-1);
    map_of(listing::buildset_properties(conn, &[id])?.remove(&id))
}

fn property_list(ask: &Ask, found: Option<Map<String, Value>>) -> Answered {
    let entities = found.unwrap_or_default().into_iter().map(|(name, pair)| {
        json!({ "name": name, "source": pair[1], "value": super::json::compact(&pair[0]) })
    });
    Ok(ask.memory(entities.collect(), PROPERTY))
}

pub fn build_property_list(conn: &mut Conn, ask: &Ask) -> Answered {
    let id = ask.captures.number("buildid").unwrap_or(-1);
    property_list(ask, listing::build_properties(conn, &[id])?.remove(&id))
}

pub fn buildset_property_list(conn: &mut Conn, ask: &Ask) -> Answered {
    let id = ask.captures.number("bsid").unwrap_or(-1);
    property_list(ask, listing::buildset_properties(conn, &[id])?.remove(&id))
}

pub fn change_property_list(conn: &mut Conn, ask: &Ask) -> Answered {
    let id = ask.captures.number("changeid").unwrap_or(-1);
    property_list(ask, listing::change_properties(conn, &[id])?.remove(&id))
}

// Build requests and buildsets

/// Properties of a request are those of its buildset; null unless asked for.
fn with_buildset_properties(
    conn: &mut Conn,
    rows: &[RequestRow],
    query: &Query,
) -> Result<Vec<Value>, DbError> {
    let mut entities = plain(conn, rows, query)?;
    let buildsets: Vec<i64> = rows.iter().map(|row| row.buildsetid).collect();
    let wanted = !query.properties.is_empty();
    let found =
        if wanted { listing::buildset_properties(conn, &buildsets)? } else { Default::default() };
    let open = rows.iter().filter(|row| !row.complete);
    let open: Vec<BuildRequestId> = open.map(|row| BuildRequestId(row.buildrequestid)).collect();
    let reasons = query.explain.why(conn, &open)?;
    for (entity, row) in entities.iter_mut().zip(rows) {
        entity["rs_pending_reason"] = json!(reasons.get(&BuildRequestId(row.buildrequestid)));
        entity["properties"] = if wanted {
            wanted_of(found.get(&row.buildsetid).cloned().unwrap_or_default(), &query.properties)
        } else {
            Value::Null
        };
    }
    Ok(entities)
}

pub fn requests(conn: &mut Conn, ask: &Ask) -> Answered {
    let scope = match ask.captures.number("builderid") {
        Some(builder) => Scope::is("buildrequests.builderid", builder),
        None => Scope::all(),
    };
    ask.table(conn, &scope, with_buildset_properties)
}

pub fn request(conn: &mut Conn, ask: &Ask) -> Answered {
    let id = ask.captures.number("buildrequestid").unwrap_or(-1);
    ask.one(conn, &Scope::is("buildrequests.id", id), with_buildset_properties)
}

fn with_stamps(
    conn: &mut Conn,
    rows: &[BuildsetRow],
    query: &Query,
) -> Result<Vec<Value>, DbError> {
    let ids: Vec<i64> = rows.iter().map(|row| row.bsid).collect();
    let mut stamps = listing::stamps_of_buildsets(conn, &ids)?;
    let mut entities = plain(conn, rows, query)?;
    for (entity, row) in entities.iter_mut().zip(rows) {
        let stamps = stamps.remove(&row.bsid).unwrap_or_default();
        entity["sourcestamps"] = stamps.iter().map(SourceStampRow::to_json).collect();
    }
    Ok(entities)
}

pub fn buildsets(conn: &mut Conn, ask: &Ask) -> Answered {
    ask.table(conn, &Scope::all(), with_stamps)
}

pub fn buildset(conn: &mut Conn, ask: &Ask) -> Answered {
    let id = ask.captures.number("bsid").unwrap_or(-1);
    ask.one(conn, &Scope::is("buildsets.id", id), with_stamps)
}

// Steps and logs

pub fn steps(conn: &mut Conn, ask: &Ask) -> Answered {
    let build = ask.build_id(conn)?.ok_or_else(|| ask.not_found())?;
    ask.small::<StepRow>(conn, &StepRow::of_build(build), plain)
}

pub fn step(conn: &mut Conn, ask: &Ask) -> Answered {
    let scope = ask.step_scope(conn)?.ok_or_else(|| ask.not_found())?;
    ask.one::<StepRow>(conn, &scope, plain)
}

pub fn logs(conn: &mut Conn, ask: &Ask) -> Answered {
    let step = match ask.captures.number("stepid") {
        Some(step) => step,
        None => ask.step_id(conn)?.ok_or_else(|| ask.not_found())?,
    };
    ask.small::<LogRow>(conn, &Scope::is("logs.stepid", step), plain)
}

pub fn log(conn: &mut Conn, ask: &Ask) -> Answered {
    let scope = ask.log_scope(conn)?.ok_or_else(|| ask.not_found())?;
    ask.one::<LogRow>(conn, &scope, plain)
}

// Test results

/// Of a builder, a build or a step; of an unknown one there are none.
pub fn test_result_sets(conn: &mut Conn, ask: &Ask) -> Answered {
    let of = |key: &str, id| Scope::is(&format!("test_result_sets.{key}"), id);
    let scope = if let Some(step) = ask.captures.number("stepid") {
        of("stepid", step)
    } else if let Some(build) = ask.captures.number("buildid") {
        of("buildid", build)
    } else if ask.captures.text("buildername").is_some() {
        of("builderid", ask.builder_id(conn)?.unwrap_or(-1))
    } else if let Some(builder) = ask.captures.number("builderid") {
        of("builderid", builder)
    } else {
        Scope::all()
    };
    ask.table::<TestResultSetRow>(conn, &scope, plain)
}

pub fn test_result_set(conn: &mut Conn, ask: &Ask) -> Answered {
    let id = ask.captures.number("test_result_setid").unwrap_or(-1);
    ask.one::<TestResultSetRow>(conn, &Scope::is("test_result_sets.id", id), plain)
}

pub fn test_results(conn: &mut Conn, ask: &Ask) -> Answered {
    let id = ask.captures.number("test_result_setid").unwrap_or(-1);
    ask.table::<TestResultRow>(conn, &Scope::is("test_results.test_result_setid", id), plain)
}

// Changes and source stamps

fn whole_changes(conn: &mut Conn, rows: &[ChangeRow], _: &Query) -> Result<Vec<Value>, DbError> {
    listing::attach_changes(conn, rows)
}

/// Newest first unless the query orders otherwise.
pub fn changes(conn: &mut Conn, ask: &Ask) -> Answered {
    let scope = match ask.captures.number("ssid") {
        Some(stamp) => Scope::is("changes.sourcestampid", stamp),
        None => Scope::all(),
    };
    newest_first(ask).table(conn, &scope, whole_changes)
}

fn newest_first(ask: &Ask) -> Ask {
    let mut query = ask.query.clone();
    if query.spec.order.is_empty() {
        query.spec.order.push(Order { field: ChangeRow::KEY, descending: true });
    }
    ask.with_query(query)
}

pub fn change(conn: &mut Conn, ask: &Ask) -> Answered {
    let id = ask.captures.number("changeid").unwrap_or(-1);
    ask.one(conn, &Scope::is("changes.changeid", id), whole_changes)
}

pub fn changes_of_build(conn: &mut Conn, ask: &Ask) -> Answered {
    let build = ask.build_id(conn)?.ok_or_else(|| ask.not_found())?;
    let ids = crate::db::changes::for_build(conn, BuildId(build))?.into_iter().map(|c| c.id.0);
    let scope = Scope::condition(in_list("changes.changeid", ids));
    newest_first(ask).table(conn, &scope, whole_changes)
}

pub fn sourcestamps(conn: &mut Conn, ask: &Ask) -> Answered {
    let scope = match ask.captures.number("bsid") {
        Some(buildset) => Scope::condition(format!(
            "sourcestamps.id IN (SELECT sourcestampid FROM buildset_sourcestamps \
             WHERE buildsetid = {buildset})"
        )),
        None => Scope::all(),
    };
    ask.table::<SourceStampRow>(conn, &scope, plain)
}

pub fn sourcestamp(conn: &mut Conn, ask: &Ask) -> Answered {
    let id = ask.captures.number("ssid").unwrap_or(-1);
    ask.one::<SourceStampRow>(conn, &Scope::is("sourcestamps.id", id), plain)
}

// Masters, workers, schedulers, change sources

fn master_scope(ask: &Ask) -> Scope {
    let mut scope = Scope::all();
    if let Some(id) = ask.captures.number("masterid") {
        scope = scope.and(Scope::is("masters.id", id));
    }
    if let Some(builder) = ask.captures.number("builderid") {
        scope = scope.and(Scope::condition(format!(
            "masters.id IN (SELECT masterid FROM builder_masters WHERE builderid = {builder})"
        )));
    }
    scope
}

pub fn masters(conn: &mut Conn, ask: &Ask) -> Answered {
    ask.small::<MasterRow>(conn, &master_scope(ask), plain)
}

pub fn master(conn: &mut Conn, ask: &Ask) -> Answered {
    ask.one::<MasterRow>(conn, &master_scope(ask), plain)
}

fn with_links(conn: &mut Conn, rows: &[WorkerRow], _: &Query) -> Result<Vec<Value>, DbError> {
    listing::attach_workers(conn, rows)
}

/// Workers configured for the master and builder of the path.
fn configured_scope(ask: &Ask) -> Scope {
    let conditions: Vec<String> = [("masterid", "bm.masterid"), ("builderid", "bm.builderid")]
        .into_iter()
        .filter_map(|(name, column)| Some((column, ask.captures.number(name)?)))
        .map(|(column, id)| format!("{column} = {id}"))
        .collect();
    if conditions.is_empty() {
        return Scope::all();
    }
    Scope::condition(format!(
        "workers.id IN (SELECT cw.workerid FROM configured_workers cw \
         JOIN builder_masters bm ON bm.id = cw.buildermasterid WHERE {})",
        conditions.join(" AND ")
    ))
}

pub fn workers(conn: &mut Conn, ask: &Ask) -> Answered {
    ask.small(conn, &configured_scope(ask), with_links)
}

pub fn worker(conn: &mut Conn, ask: &Ask) -> Answered {
    ask.one(conn, &ask.worker_scope().and(configured_scope(ask)), with_links)
}

fn on_master(ask: &Ask) -> Scope {
    match ask.captures.number("masterid") {
        Some(master) => Scope::is("on_master.masterid", master),
        None => Scope::all(),
    }
}

fn of_masters<T: listing::Owned>(
    conn: &mut Conn,
    rows: &[T],
    _: &Query,
) -> Result<Vec<Value>, DbError> {
    listing::owned_by_masters(conn, rows)
}

pub fn schedulers(conn: &mut Conn, ask: &Ask) -> Answered {
    Ok(noted(ask, ask.small::<SchedulerRow>(conn, &on_master(ask), of_masters)?))
}

pub fn scheduler(conn: &mut Conn, ask: &Ask) -> Answered {
    let id = ask.captures.number("schedulerid").unwrap_or(-1);
    let scope = Scope::is("schedulers.id", id).and(on_master(ask));
    Ok(noted(ask, ask.one::<SchedulerRow>(conn, &scope, of_masters)?))
}

/// Adds to schedulers that run here what stock does not tell: `kind`, `waiting_until`,
/// `pending_changes`, `idle_because`. Not where somebody has chosen the fields.
fn noted(ask: &Ask, mut answer: Answer) -> Answer {
    if !ask.query.fields.is_empty() {
        return answer;
    }
    let notes = ask.backstage.schedulers();
    let entities = match &mut answer {
        Answer::One(entity) => std::slice::from_mut(entity),
        Answer::Many { rows, .. } => rows.as_mut_slice(),
    };
    for entity in entities {
        let Some(note) = notes.iter().find(|note| entity["name"] == note.name) else { continue };
        if let (Value::Object(entity), Ok(Value::Object(note))) =
            (entity, serde_json::to_value(note))
        {
            entity.extend(note);
        }
    }
    answer
}

pub fn change_sources(conn: &mut Conn, ask: &Ask) -> Answered {
    ask.small::<ChangeSourceRow>(conn, &on_master(ask), of_masters)
}

pub fn change_source(conn: &mut Conn, ask: &Ask) -> Answered {
    let id = ask.captures.number("changesourceid").unwrap_or(-1);
    let scope = Scope::is("changesources.id", id).and(on_master(ask));
    ask.one::<ChangeSourceRow>(conn, &scope, of_masters)
}

/// The entity of `noun` (its plural) with this id, as the endpoint by id would give it.
///
/// # Errors
/// When the database refuses.
pub fn entity(conn: &mut Conn, noun: &str, id: i64) -> Result<Option<Value>, DbError> {
    fn by_id<T: Listed>(
        conn: &mut Conn,
        key: &str,
        id: i64,
        attach: super::answer::Attach<T>,
    ) -> Result<Option<Value>, DbError> {
        let page = listing::list::<T>(conn, &Scope::is(key, id), &Spec::default())?;
        Ok(attach(conn, &page.rows, &Query::default())?.pop())
    }
    match noun {
        "builders" => by_id::<BuilderRow>(conn, "builders.id", id, with_tags),
        "builds" => by_id::<BuildRow>(conn, "builds.id", id, with_properties),
        "buildrequests" => {
            by_id::<RequestRow>(conn, "buildrequests.id", id, with_buildset_properties)
        }
        "buildsets" => by_id::<BuildsetRow>(conn, "buildsets.id", id, with_stamps),
        "steps" => by_id::<StepRow>(conn, "steps.id", id, plain),
        "test_result_sets" => by_id::<TestResultSetRow>(conn, "test_result_sets.id", id, plain),
        "logs" => by_id::<LogRow>(conn, "logs.id", id, plain),
        "changes" => by_id::<ChangeRow>(conn, "changes.changeid", id, whole_changes),
        "workers" => by_id::<WorkerRow>(conn, "workers.id", id, with_links),
        "schedulers" => by_id::<SchedulerRow>(conn, "schedulers.id", id, of_masters),
        "rs_problems" => {
            by_id::<ProblemRow>(conn, "rs_problems.id", id, super::problems::with_people)
        }
        _ => Ok(None),
    }
}
