//! Builds with everything that reports about them tell: builder, request, buildset, source stamps,
//! properties, previous result, people; steps and logs when wanted. Loaded for many builds at once.

use std::collections::HashMap;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable};
use serde_json::{Map, Value, json};

use super::sql::Sql;
use super::{
    BuildRow, BuildsetRow, Conn, DbError, Listed, LogRow, RequestRow, Scope, StepRow, WorkerRow,
    all, attach_builders, attach_workers, build_properties, buildset_properties, in_list, one,
    stamps_of_buildsets,
};
use crate::db::changes;
use crate::model::{BuildId, BuildsetId, Results, WorkerId};

/// Builds of one buildset that are told at most.
const BUILDS: i64 = 500;

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
    /// Who is responsible for it: authors of its changes and owners, sorted, as they were written.
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
            BuildCase { entity, results: None, previous: None, users: Vec::new() }
        })
        .collect())
}

/// The worker as the REST interface shows it, if it is still there.
pub fn worker_case(conn: &mut Conn, id: WorkerId) -> Result<Option<Value>, DbError> {
    let Some(row) = one::<WorkerRow>(conn, &Scope::is("workers.id", id.0))? else {
        return Ok(None);
    };
    Ok(attach_workers(conn, &[row])?.pop())
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
    let previous = previous_results(conn, &ids)?;
    let mut steps = steps(conn, &ids, details)?;
    let mut cases = Vec::with_capacity(rows.len());
    for row in rows {
        let request = requests.get(&row.buildrequestid);
        let set = request.and_then(|request| sets.get(&request.buildsetid));
        let parent =
            set.and_then(|set| set["parent_buildid"].as_i64()).and_then(|id| parents.get(&id));
        let previous = previous.get(&row.buildid).copied();
        let properties = properties.remove(&row.buildid).unwrap_or_default();
        let users = responsible(conn, BuildId(row.buildid), &properties)?;
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
            users,
        });
    }
    Ok(cases)
}

/// Authors of the build's changes, and whoever its properties `owner` and `owners` name.
fn responsible(
    conn: &mut Conn,
    build: BuildId,
    properties: &Map<String, Value>,
) -> Result<Vec<String>, DbError> {
    let changes = changes::for_build(conn, build)?;
    let mut users: Vec<String> = changes.into_iter().map(|change| change.author).collect();
    for name in ["owner", "owners"] {
        match properties.get(name).map(|property| &property[0]) {
            Some(Value::String(owner)) => users.push(owner.clone()),
            Some(Value::Array(owners)) => {
                users.extend(owners.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            _ => {}
        }
    }
    users.sort();
    users.dedup();
    Ok(users)
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

#[derive(QueryableByName)]
struct Previous {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    results: Option<i64>,
}

fn previous_results(conn: &mut Conn, builds: &[i64]) -> Result<HashMap<i64, i64>, DbError> {
    let rows: Vec<Previous> = Sql::new(&format!(
        "SELECT CAST(builds.id AS BIGINT) AS id, \
         (SELECT CAST(earlier.results AS BIGINT) FROM builds earlier \
          WHERE earlier.builderid = builds.builderid AND earlier.number < builds.number \
          AND earlier.results <> {} ORDER BY earlier.number DESC LIMIT 1) AS results \
         FROM builds WHERE {}",
        Results::Retry.code(),
        in_list("builds.id", builds.iter().copied())
    ))
    .load(conn)?;
    Ok(rows.into_iter().filter_map(|row| Some((row.id, row.results?))).collect())
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
