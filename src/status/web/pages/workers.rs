//! `/workers` and `/workers/NAME-OR-ID`.

use actix_web::{HttpRequest, web};
use serde::Serialize;
use serde_json::Value;

use super::lines::{Line, lines};
use super::{Page, PageError, local};
use crate::db::listing::{
    BuildLine, BuilderRow, Scope, WorkerRow, all, attach_workers, newest, running,
};
use crate::db::{Conn, DbError, absences};
use crate::model::{Attendance, WorkerId, now};
use crate::status::web::backstage::Connection;
use crate::status::web::render::Frame;
use crate::status::web::site::Site;

const BUILDS: i64 = 50;

/// A worker for display.
#[derive(Serialize)]
struct View {
    workerid: i64,
    name: String,
    state: String,
    state_class: &'static str,
    symbol: &'static str,
    paused: bool,
    connected: bool,
    peer: Option<String>,
    protocol: Option<&'static str>,
    lacks: Vec<String>,
    facts: Vec<(&'static str, String)>,
    last_seen: Option<i64>,
    /// Since when people know that it is missing.
    missing_since: Option<i64>,
    rests_until: Option<i64>,
    info: Value,
    builds: Vec<BuildLine>,
}

#[derive(Serialize)]
struct List {
    workers: Vec<View>,
}

#[derive(Serialize)]
struct One {
    worker: View,
    builders: Vec<BuilderRow>,
    builds: Vec<Line>,
}

fn view((entity, row, attendance, builds): Loaded, site: &Site) -> View {
    let attendance = attendance.as_ref();
    let here = site.backstage.connections().remove(&WorkerId(row.workerid)).unwrap_or_default();
    let elsewhere = entity["connected_to"].as_array().is_some_and(|masters| !masters.is_empty());
    let connected = here.connected || elsewhere;
    let missing_since = attendance.and_then(Attendance::missing_since).filter(|_| !connected);
    let (state, state_class, symbol) =
        words(&row, connected, builds.is_empty(), missing_since.is_some());
    let Connection { peer, protocol, last_seen, rests_until, lacks, facts, .. } = here;
    View {
        workerid: row.workerid,
        name: row.name.clone(),
        state,
        state_class,
        symbol,
        paused: row.paused,
        connected,
        peer,
        protocol,
        lacks,
        facts,
        last_seen: last_seen.or(attendance.and_then(|known| known.last_seen)),
        missing_since,
        rests_until,
        info: plain_info(&entity["workerinfo"]),
        builds,
    }
}

/// State, colour and sign.
fn words(
    row: &WorkerRow,
    connected: bool,
    idle: bool,
    missing: bool,
) -> (String, &'static str, &'static str) {
    let reason = row.pause_reason.as_deref().unwrap_or_default();
    match (connected, row.paused) {
        (_, true) if reason.is_empty() => ("paused".to_owned(), "warnings", "‖"),
        (_, true) => (format!("paused: {reason}"), "warnings", "‖"),
        (false, _) if missing => ("missing".to_owned(), "exception", "○"),
        (false, _) => ("not connected".to_owned(), "exception", "○"),
        (true, _) if row.graceful => ("shutting down".to_owned(), "warnings", "⏻"),
        (true, _) if idle => ("idle".to_owned(), "success", "●"),
        (true, _) => ("building".to_owned(), "running", "▸"),
    }
}

/// What the worker told, texts without their last line end, nothing else.
fn plain_info(info: &Value) -> Value {
    let told = info.as_object().into_iter().flatten().filter_map(|(key, value)| {
        let text = value.as_str().map(|text| text.trim_end().to_owned());
        let text = text.or_else(|| value.is_number().then(|| value.to_string()))?;
        Some((key.clone(), Value::String(text)))
    });
    Value::Object(told.collect())
}

type Loaded = (Value, WorkerRow, Option<Attendance>, Vec<BuildLine>);

fn load(conn: &mut Conn, scope: &Scope) -> Result<Vec<Loaded>, DbError> {
    let mut rows: Vec<WorkerRow> = all(conn, scope)?;
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    let entities = attach_workers(conn, &rows)?;
    let ids: Vec<WorkerId> = rows.iter().map(|row| WorkerId(row.workerid)).collect();
    let mut known = absences::of_workers(conn, &ids)?;
    let mut builds: Vec<BuildLine> = newest(conn, &running(), "buildid", 500)?;
    let with_builds = entities.into_iter().zip(rows).map(|(entity, row)| {
        let mine = builds.extract_if(.., |build| build.workerid == Some(row.workerid)).collect();
        let attendance = known.remove(&WorkerId(row.workerid));
        (entity, row, attendance, mine)
    });
    Ok(with_builds.collect())
}

pub async fn list(site: web::Data<Site>) -> Page {
    let loaded = site.db.read(|conn| load(conn, &Scope::all())).await?;
    let workers = loaded.into_iter().map(|loaded| view(loaded, &site));
    let list = List { workers: workers.collect() };
    Ok(Frame::new("workers", "Workers", "workers").render(&site, &list))
}

pub async fn one(request: HttpRequest, site: web::Data<Site>, path: web::Path<String>) -> Page {
    let wanted = path.into_inner();
    let scope = match wanted.parse() {
        Ok(id) => Scope::is("workers.id", id),
        Err(_) => Scope::text("workers.name", &wanted),
    };
    let loaded = site.db.read(move |conn| load_one(conn, &scope)).await?;
    let missing = || PageError::NotFound(format!("worker '{wanted}'"));
    let (loaded, builders, builds) = loaded.ok_or_else(missing)?;
    let one = One { worker: view(loaded, &site), builders, builds };
    let View { name, workerid, .. } = &one.worker;
    let frame = Frame::new("worker", name, "workers").local(local(&request));
    Ok(frame.events(format!("worker={workerid}")).render(&site, &one))
}

type LoadedOne = (Loaded, Vec<BuilderRow>, Vec<Line>);

fn load_one(conn: &mut Conn, scope: &Scope) -> Result<Option<LoadedOne>, DbError> {
    let Some(loaded) = load(conn, scope)?.pop() else { return Ok(None) };
    let id = loaded.1.workerid;
    let builders = all(
        conn,
        &Scope::condition(format!(
            "builders.id IN (SELECT bm.builderid FROM builder_masters bm \
             JOIN configured_workers cw ON cw.buildermasterid = bm.id WHERE cw.workerid = {id})"
        )),
    )?;
    let builds = newest::<BuildLine>(conn, &Scope::is("builds.workerid", id), "buildid", BUILDS)?;
    Ok(Some((loaded, builders, lines(conn, builds, now())?)))
}
