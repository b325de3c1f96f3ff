//! `/builders` and `/builders/NAME-OR-ID`.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, web};
use serde::{Deserialize, Serialize};

use super::lines::{Line, Waiting, lines, running_lines, with_reasons};
use super::{Page, PageError, local, text};
use crate::db::listing::{
    self, BuildLine, BuilderRow, ProblemRow, ProjectRow, RequestLine, Scope, WorkerRow, all,
    configured_builders, latest_per_builder, newest, recent_per_builder, waiting,
    waiting_per_builder,
};
use crate::db::{Conn, DbError, problems};
use crate::model::{BuilderId, now};
use crate::status::web::api::force_schedulers;
use crate::status::web::backstage::Explain;
use crate::status::web::render::Frame;
use crate::status::web::site::Site;

/// Squares of history per builder.
const HISTORY: i64 = 12;
/// Builds on one page.
const BUILDS: i64 = 50;

#[derive(Deserialize)]
pub struct Choice {
    tag: Option<String>,
}

#[derive(Serialize)]
struct List {
    builders: Vec<Item>,
    tags: BTreeSet<String>,
    tag: Option<String>,
}

#[derive(Serialize)]
struct Item {
    builderid: i64,
    name: String,
    tags: Vec<String>,
    /// Class of the row.
    state: &'static str,
    last: Option<BuildLine>,
    took: i64,
    /// Oldest first.
    history: Vec<BuildLine>,
    waiting: i64,
}

pub async fn list(site: web::Data<Site>, choice: web::Query<Choice>) -> Page {
    let tag = choice.into_inner().tag.filter(|tag| !tag.is_empty());
    let list = site.db.read(move |conn| load_list(conn, tag)).await?;
    Ok(Frame::new("builders", "Builders", "builders").render(&site, &list))
}

fn load_list(conn: &mut Conn, tag: Option<String>) -> Result<List, DbError> {
    let mut rows: Vec<BuilderRow> = all(conn, &configured_builders())?;
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    let mut tags = listing::tags(conn, rows.iter().map(|row| row.builderid))?;
    let known = tags.values().flatten().cloned().collect();
    let mut latest: Vec<BuildLine> = all(conn, &latest_per_builder())?;
    let mut history: Vec<BuildLine> = all(conn, &recent_per_builder(HISTORY))?;
    let waiting = waiting_per_builder(conn)?;
    let builders = rows.into_iter().filter_map(|row| {
        let tags = tags.remove(&row.builderid).unwrap_or_default();
        if tag.as_ref().is_some_and(|tag| !tags.contains(tag)) {
            return None;
        }
        let last = latest.iter().position(|build| build.builderid == row.builderid);
        let last = last.map(|at| latest.swap_remove(at));
        let mine = history.extract_if(.., |build| build.builderid == row.builderid).collect();
        Some(Item {
            waiting: waiting.get(&row.builderid).copied().unwrap_or(0),
            state: last.as_ref().map_or("", |build| text::class(build.results, true)),
            took: last.as_ref().map_or(0, |build| {
                build.complete_at.unwrap_or(build.started_at) - build.started_at
            }),
            builderid: row.builderid,
            name: row.name,
            tags,
            last,
            history: mine,
        })
    });
    Ok(List { builders: builders.collect(), tags: known, tag })
}

#[derive(Deserialize)]
pub struct Before {
    before: Option<i64>,
}

#[derive(Serialize)]
struct One {
    builderid: i64,
    name: String,
    description: Option<String>,
    /// The same, where it has a format.
    description_html: Option<String>,
    project: Option<ProjectRow>,
    tags: Vec<String>,
    workers: Vec<WorkerRow>,
    running: Vec<Line>,
    builds: Vec<Line>,
    requests: Vec<Waiting>,
    /// The one that is not closed.
    problem: Option<ProblemRow>,
    forces: Vec<Force>,
    /// The number to go on before.
    older: Option<i64>,
}

#[derive(Serialize)]
struct Force {
    name: String,
    label: String,
}

pub async fn one(
    request: HttpRequest,
    site: web::Data<Site>,
    path: web::Path<String>,
    before: web::Query<Before>,
) -> Page {
    let wanted = path.into_inner();
    let before = before.before;
    let name = wanted.clone();
    let explain = site.backstage.explain();
    let loaded = site.db.read(move |conn| load_one(conn, &explain, &name, before)).await?;
    let Some(mut one) = loaded else {
        return Err(PageError::NotFound(format!("builder '{wanted}'")));
    };
    let config = site.config();
    one.forces = force_schedulers(&config)
        .filter(|(scheduler, _)| scheduler.builder_names.contains(&one.name))
        .map(|(scheduler, force)| Force {
            name: scheduler.name.clone(),
            label: if force.label.is_empty() {
                scheduler.name.clone()
            } else {
                force.label.clone()
            },
        })
        .collect();
    let frame = Frame::new("builder", &one.name, "builders");
    let events = format!("steps=1&builder={}", one.builderid);
    Ok(frame.events(events).local(local(&request)).render(&site, &one))
}

/// The builder of an id or a name.
pub(super) fn find(conn: &mut Conn, wanted: &str) -> Result<Option<BuilderRow>, DbError> {
    if let Ok(id) = wanted.parse() {
        let found = listing::one::<BuilderRow>(conn, &Scope::is("builders.id", id))?;
        if found.is_some() {
            return Ok(found);
        }
    }
    listing::one(conn, &Scope::text("builders.name", wanted))
}

fn load_one(
    conn: &mut Conn,
    explain: &Explain,
    wanted: &str,
    before: Option<i64>,
) -> Result<Option<One>, DbError> {
    let Some(row) = find(conn, wanted)? else { return Ok(None) };
    let now = now();
    let id = row.builderid;
    let of_builder = Scope::is("builds.builderid", id);
    let mut finished = of_builder.clone();
    if let Some(before) = before {
        finished = finished.and(Scope::condition(format!("builds.number < {before}")));
    }
    let builds = newest::<BuildLine>(conn, &finished, "number", BUILDS)?;
    let older = (builds.len() as i64 == BUILDS).then(|| builds.last().map(|build| build.number));
    let of_requests = waiting().and(Scope::is("buildrequests.builderid", id));
    let requests: Vec<RequestLine> = newest(conn, &of_requests, "buildrequestid", BUILDS)?;
    let workers: Vec<WorkerRow> = all(
        conn,
        &Scope::condition(format!(
            "workers.id IN (SELECT cw.workerid FROM configured_workers cw \
             JOIN builder_masters bm ON bm.id = cw.buildermasterid WHERE bm.builderid = {id})"
        )),
    )?;
    let one = One {
        builderid: id,
        tags: listing::tags(conn, [id])?.remove(&id).unwrap_or_default(),
        running: running_lines(conn, of_builder, now)?,
        builds: lines(conn, builds, now)?,
        name: row.name,
        description: row.description,
        description_html: row.description_html,
        project: match row.projectid {
            Some(project) => listing::one(conn, &Scope::is("projects.id", project))?,
            None => None,
        },
        workers,
        requests: with_reasons(conn, explain, requests)?,
        problem: problems::of_builder(conn, BuilderId(id))?,
        forces: Vec::new(),
        older: older.flatten().filter(|number| *number > 1),
    };
    Ok(Some(one))
}
