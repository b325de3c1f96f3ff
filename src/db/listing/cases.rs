//! Builds with everything that reports about them tell: builder, request, buildset, source stamps,
//! properties, previous result, people; steps and logs when wanted. Loaded for many builds at once.

use std::collections::HashMap;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable};
use serde_json::{Value, json};

use super::sql::Sql;
use super::{
    BuildLine, BuildRow, BuildsetRow, Conn, DbError, Listed, LogRow, RequestRow, Scope, StepRow,
    WorkerRow, all, attach_builders, attach_workers, build_properties, buildset_properties,
    in_list, newest, one, stamps_of_buildsets,
};
use crate::db::{blame, logs};
use crate::model::{BuildId, BuildRequestId, BuildsetId, LogId, Results, Timestamp, WorkerId};

/// Builds of one buildset that are told at most.
const BUILDS: i64 = 500;

/// Logs of a build whose text is given to a template, and lines of each, at most.
const LOGS: usize = 20;
const LINES: i64 = 2_000;

/// Builds that a lost worker may have cut off, at most.
const CUT: i64 = 1_000;

/// How much of each build is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Details {
    pub steps: bool,
    /// Implies steps.
    pub logs: bool,
}

impl Details {
    /// What both need.
    pub fn or(self, other: Details) -> Details {
        Details { steps: self.steps || other.steps, logs: self.logs || other.logs }
    }
}

/// A build as reports see it.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildCase {
    /// The build as the REST interface shows it, with `builder`, `buildrequest`, `buildset` (with
    /// `sourcestamps`), `properties` (`name -> [value, source]`), `prev_build`, and `steps` with
    /// `logs` when wanted: the shape that stock hands to its templates.
    pub entity: Value,
    /// `None` while it runs.
    pub results: Option<Results>,
    /// Of the last earlier build of the builder that ended other than as RETRY.
    pub previous: Option<Results>,
    /// The number of the builder's first bad build (FAILURE, EXCEPTION) since its last good one
    /// (SUCCESS, WARNINGS) before this, up to and including this; `None` when all is well.
    pub trouble_since: Option<i64>,
    /// Who is responsible for it: authors of its changes and patches, and owners; sorted, as they
    /// were written.
    pub users: Vec<String>,
}

/// A buildset with its builds.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildsetCase {
    /// The buildset as the REST interface shows it, with `sourcestamps`.
    pub entity: Value,
    pub results: Option<Results>,
    pub builds: Vec<BuildCase>,
}

/// The build, if it is still there.
pub fn build_case(
    conn: &mut Conn,
    id: BuildId,
    details: Details,
) -> Result<Option<BuildCase>, DbError> {
    Ok(build_cases(conn, &Scope::is("builds.id", id.0), details)?.pop())
}

/// The buildset with the newest builds of each of its requests, if it is still there.
pub fn buildset_case(
    conn: &mut Conn,
    id: BuildsetId,
    details: Details,
) -> Result<Option<BuildsetCase>, DbError> {
    let Some(entity) = buildsets(conn, &[id.0])?.remove(&id.0) else { return Ok(None) };
    let scope = Scope::condition(format!(
        "builds.id IN (SELECT made.id FROM builds made \
         JOIN buildrequests br ON br.id = made.buildrequestid WHERE br.buildsetid = {} \
         ORDER BY made.id DESC LIMIT {BUILDS})",
        id.0
    ));
    let builds = build_cases(conn, &scope, details)?;
    let results = entity["results"].as_i64().and_then(Results::from_code);
    Ok(Some(BuildsetCase { entity, results, builds }))
}

/// The requests of a buildset, each as a build that has not begun: without id, number and results.
pub fn request_cases(conn: &mut Conn, id: BuildsetId) -> Result<Vec<BuildCase>, DbError> {
    let requests: Vec<RequestRow> = all(conn, &Scope::is("buildrequests.buildsetid", id.0))?;
    cases_of_requests(conn, id, &requests)
}

/// A request that was cancelled, as a build that ended before it began; `None` when it is gone.
pub fn cancelled_case(
    conn: &mut Conn,
    id: BuildRequestId,
) -> Result<Option<(BuildsetId, BuildCase)>, DbError> {
    let Some(request) = one::<RequestRow>(conn, &Scope::is("buildrequests.id", id.0))? else {
        return Ok(None);
    };
    let set = BuildsetId(request.buildsetid);
    let case = cases_of_requests(conn, set, &[request])?.pop();
    Ok(case.map(|mut case| {
        case.results = Some(Results::Cancelled);
        case.entity["complete"] = json!(true);
        case.entity["results"] = json!(Results::Cancelled.code());
        (set, case)
    }))
}

fn cases_of_requests(
    conn: &mut Conn,
    id: BuildsetId,
    requests: &[RequestRow],
) -> Result<Vec<BuildCase>, DbError> {
    let Some(buildset) = buildsets(conn, &[id.0])?.remove(&id.0) else { return Ok(Vec::new()) };
    let properties = buildset_properties(conn, &[id.0])?.remove(&id.0).unwrap_or_default();
    let builders = builders(conn, requests.iter().map(|row| row.builderid))?;
    Ok(requests
        .iter()
        .map(|request| {
            let mut properties = properties.clone();
            let name = builders.get(&request.builderid).map_or(Value::Null, |b| b["name"].clone());
            properties.insert("buildername".to_owned(), json!([name, "Builder"]));
            let entity = json!({
                "complete": false, "results": null, "builderid": request.builderid,
                "state_string": "", "buildrequest": request, "buildset": buildset,
                "builder": builders.get(&request.builderid), "properties": properties,
                "parentbuild": null, "parentbuilder": null,
            });
            BuildCase {
                entity,
                results: None,
                previous: None,
                trouble_since: None,
                users: Vec::new(),
            }
        })
        .collect())
}

/// These workers as the REST interface shows them, as far as they are still there.
pub fn worker_cases(
    conn: &mut Conn,
    ids: &[WorkerId],
) -> Result<HashMap<WorkerId, Value>, DbError> {
    let scope = Scope::condition(in_list("workers.id", ids.iter().map(|id| id.0)));
    let rows: Vec<WorkerRow> = all(conn, &scope)?;
    let entities = attach_workers(conn, &rows)?;
    Ok(rows.iter().map(|row| WorkerId(row.workerid)).zip(entities).collect())
}

/// The newest builds of these workers that had not ended before `since`.
pub fn builds_cut_since(
    conn: &mut Conn,
    workers: impl IntoIterator<Item = i64>,
    since: Timestamp,
) -> Result<Vec<BuildLine>, DbError> {
    let scope = Scope::condition(format!(
        "{} AND (builds.complete_at IS NULL OR builds.complete_at >= {since})",
        in_list("builds.workerid", workers)
    ));
    newest(conn, &scope, "buildid", CUT)
}

/// Adds to the logs that `takes` (step, log) chooses their `content`: the last lines of each.
pub fn attach_contents(
    conn: &mut Conn,
    case: &mut BuildCase,
    takes: &dyn Fn(&str, &str) -> bool,
) -> Result<(), DbError> {
    let steps = case.entity["steps"].as_array_mut().into_iter().flatten();
    let logs = steps.filter_map(|step| step["logs"].as_array_mut()).flatten();
    let name = |log: &Value, key: &str| log[key].as_str().unwrap_or_default().to_owned();
    for log in logs.filter(|log| takes(&name(log, "stepname"), &name(log, "name"))).take(LOGS) {
        let (id, lines) = (log["logid"].as_i64(), log["num_lines"].as_i64().unwrap_or(0));
        let Some(id) = id else { continue };
        let part = logs::lines(conn, LogId(id), (lines - LINES).max(0), LINES)?;
        log["content"] = json!({ "logid": id, "firstline": part.first_line, "content": part.text });
    }
    Ok(())
}

fn build_cases(
    conn: &mut Conn,
    scope: &Scope,
    details: Details,
) -> Result<Vec<BuildCase>, DbError> {
    let rows: Vec<BuildRow> = all(conn, scope)?;
    let ids: Vec<i64> = rows.iter().map(|row| row.buildid).collect();
    let requests = by_id::<RequestRow>(
        conn,
        "buildrequests.id",
        rows.iter().map(|row| row.buildrequestid),
        |row| row.buildrequestid,
    )?;
    let sets: Vec<i64> = requests.values().map(|request| request.buildsetid).collect();
    let sets = buildsets(conn, &sets)?;
    let parents = parents(conn, &sets)?;
    let parent_builders = parents.values().map(|parent| parent.builderid);
    let builders = builders(conn, rows.iter().map(|row| row.builderid).chain(parent_builders))?;
    let mut properties = build_properties(conn, &ids)?;
    let earlier = earlier(conn, &ids)?;
    let mut blame = blame::of_builds(conn, &ids.iter().copied().map(BuildId).collect::<Vec<_>>())?;
    let mut steps = steps(conn, &ids, details)?;
    let mut cases = Vec::with_capacity(rows.len());
    for row in rows {
        let request = requests.get(&row.buildrequestid);
        let set = request.and_then(|request| sets.get(&request.buildsetid));
        let parent =
            set.and_then(|set| set["parent_buildid"].as_i64()).and_then(|id| parents.get(&id));
        let earlier = earlier.get(&row.buildid);
        let previous = earlier.and_then(|earlier| earlier.results);
        let properties = properties.remove(&row.buildid).unwrap_or_default();
        let blame = blame.remove(&BuildId(row.buildid)).unwrap_or_default();
        let mut users: Vec<String> = blame.people.into_iter().map(|person| person.who).collect();
        users.sort();
        users.dedup();
        let mut entity = serde_json::to_value(&row).unwrap_or_default();
        if let Some(entity) = entity.as_object_mut() {
            entity.remove("rs_expected_s");
        }
        entity["builder"] = json!(builders.get(&row.builderid));
        entity["buildrequest"] = json!(request);
        entity["buildset"] = json!(set);
        entity["parentbuild"] = json!(parent);
        entity["parentbuilder"] = json!(parent.and_then(|p| builders.get(&p.builderid)));
        entity["properties"] = Value::Object(properties);
        entity["prev_build"] = previous.map_or(Value::Null, |code| json!({ "results": code }));
        if details.steps || details.logs {
            entity["steps"] = Value::Array(steps.remove(&row.buildid).unwrap_or_default());
        }
        cases.push(BuildCase {
            entity,
            results: row.results.and_then(Results::from_code),
            previous: previous.and_then(Results::from_code),
            trouble_since: earlier.and_then(|earlier| earlier.trouble),
            users,
        });
    }
    Ok(cases)
}

fn by_id<T: Listed>(
    conn: &mut Conn,
    column: &str,
    ids: impl IntoIterator<Item = i64>,
    id: impl Fn(&T) -> i64,
) -> Result<HashMap<i64, T>, DbError> {
    let rows: Vec<T> = all(conn, &Scope::condition(in_list(column, ids)))?;
    Ok(rows.into_iter().map(|row| (id(&row), row)).collect())
}

fn buildsets(conn: &mut Conn, ids: &[i64]) -> Result<HashMap<i64, Value>, DbError> {
    let scope = Scope::condition(in_list("buildsets.id", ids.iter().copied()));
    let rows: Vec<BuildsetRow> = all(conn, &scope)?;
    let mut stamps = stamps_of_buildsets(conn, ids)?;
    let entity = |row: BuildsetRow| {
        let mut entity = serde_json::to_value(&row).unwrap_or_default();
        entity["sourcestamps"] = json!(stamps.remove(&row.bsid).unwrap_or_default());
        (row.bsid, entity)
    };
    Ok(rows.into_iter().map(entity).collect())
}

/// The builds that triggered these buildsets.
fn parents(conn: &mut Conn, sets: &HashMap<i64, Value>) -> Result<HashMap<i64, BuildRow>, DbError> {
    let ids: Vec<i64> = sets.values().filter_map(|set| set["parent_buildid"].as_i64()).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    by_id::<BuildRow>(conn, "builds.id", ids, |row| row.buildid)
}

fn builders(
    conn: &mut Conn,
    ids: impl IntoIterator<Item = i64>,
) -> Result<HashMap<i64, Value>, DbError> {
    let rows = super::builders(conn, &Scope::condition(in_list("builders.id", ids)))?;
    let entities = attach_builders(conn, &rows)?;
    Ok(rows.iter().map(|row| row.builderid).zip(entities).collect())
}

/// What came before a build.
#[derive(QueryableByName)]
struct Earlier {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    results: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    trouble: Option<i64>,
}

fn earlier(conn: &mut Conn, builds: &[i64]) -> Result<HashMap<i64, Earlier>, DbError> {
    let (retry, failure, exception) =
        (Results::Retry.code(), Results::Failure.code(), Results::Exception.code());
    let rows: Vec<Earlier> = Sql::new(&format!(
        "SELECT CAST(builds.id AS BIGINT) AS id, \
         (SELECT CAST(earlier.results AS BIGINT) FROM builds earlier \
          WHERE earlier.builderid = builds.builderid AND earlier.number < builds.number \
          AND earlier.results <> {retry} ORDER BY earlier.number DESC LIMIT 1) AS results, \
         (SELECT CAST(bad.number AS BIGINT) FROM builds bad \
          WHERE bad.builderid = builds.builderid AND bad.number <= builds.number \
          AND bad.results IN ({failure}, {exception}) AND bad.number > COALESCE(\
          (SELECT good.number FROM builds good WHERE good.builderid = builds.builderid \
           AND good.number < builds.number AND good.results IN (0, 1) \
           ORDER BY good.number DESC LIMIT 1), 0) ORDER BY bad.number LIMIT 1) AS trouble \
         FROM builds WHERE {}",
        in_list("builds.id", builds.iter().copied())
    ))
    .load(conn)?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// The steps of each build in order, with their logs when wanted.
fn steps(
    conn: &mut Conn,
    builds: &[i64],
    details: Details,
) -> Result<HashMap<i64, Vec<Value>>, DbError> {
    let mut found: HashMap<i64, Vec<Value>> = HashMap::new();
    if !details.steps && !details.logs {
        return Ok(found);
    }
    let scope = Scope::condition(in_list("steps.buildid", builds.iter().copied()));
    let rows: Vec<StepRow> = all(conn, &scope)?;
    let mut logs: HashMap<i64, Vec<Value>> = HashMap::new();
    if details.logs {
        let scope = Scope::condition(in_list("logs.stepid", rows.iter().map(|row| row.stepid)));
        for log in all::<LogRow>(conn, &scope)? {
            logs.entry(log.stepid).or_default().push(json!(log));
        }
    }
    for row in rows {
        let mut entity = json!(row);
        if details.logs {
            let mut logs = logs.remove(&row.stepid).unwrap_or_default();
            logs.iter_mut().for_each(|log| log["stepname"] = json!(row.name));
            entity["logs"] = Value::Array(logs);
        }
        found.entry(row.buildid).or_default().push(entity);
    }
    Ok(found)
}
