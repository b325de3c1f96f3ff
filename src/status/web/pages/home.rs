//! `/`: what is red, what runs, what ended last.

use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::lines::{Line, lines, running_lines};
use super::{Page, local};
use crate::db::listing::{
    BuildLine, BuilderRow, Scope, WorkerRow, all, configured_builders, count_connected,
    count_waiting, latest_per_builder, newest,
};
use crate::db::{Conn, DbError};
use crate::model::{Results, now};
use crate::status::web::render::Frame;
use crate::status::web::site::Site;

const RECENT: i64 = 20;

#[derive(Serialize)]
struct Home {
    tally: Tally,
    red: Vec<Line>,
    running: Vec<Line>,
    recent: Vec<Line>,
}

#[derive(Serialize)]
struct Tally {
    red: usize,
    orange: usize,
    green: usize,
    running: usize,
    waiting: i64,
    workers: usize,
    connected: i64,
}

pub async fn page(request: HttpRequest, site: web::Data<Site>) -> Page {
    let home = site.db.read(load).await?;
    Ok(Frame::new("home", "Home", "home")
        .events("steps=1")
        .local(local(&request))
        .render(&site, &home))
}

fn load(conn: &mut Conn) -> Result<Home, DbError> {
    let now = now();
    let builders: Vec<BuilderRow> = all(conn, &configured_builders())?;
    let workers: Vec<WorkerRow> = all(conn, &Scope::all())?;
    let configured = |build: &BuildLine| builders.iter().any(|b| b.builderid == build.builderid);
    let mut latest: Vec<BuildLine> = all(conn, &latest_per_builder())?;
    latest.retain(configured);
    let has = |build: &BuildLine, results: Results| build.results == Some(results.code());
    let count = |results| latest.iter().filter(|build| has(build, results)).count();
    let (orange, green) = (count(Results::Warnings), count(Results::Success));
    latest.retain(|build| has(build, Results::Failure) || has(build, Results::Exception));
    latest.sort_by_key(|build| std::cmp::Reverse(build.complete_at));
    let running = running_lines(conn, Scope::all(), now)?;
    let finished = Scope::condition("builds.complete_at IS NOT NULL");
    let recent = newest::<BuildLine>(conn, &finished, "buildid", RECENT)?;
    let tally = Tally {
        red: latest.len(),
        orange,
        green,
        running: running.len(),
        waiting: count_waiting(conn)?,
        workers: workers.len(),
        connected: count_connected(conn)?,
    };
    let red = lines(conn, latest, now)?;
    Ok(Home { tally, red, running, recent: lines(conn, recent, now)? })
}
