//! Lines about builds that several pages share.

use serde::Serialize;

use crate::db::listing::{
    BuildLine, RequestLine, Scope, StepRow, all, authors, in_list, newest, running,
};
use crate::db::{Conn, DbError};
use crate::model::{BuildRequestId, Timestamp};
use crate::status::web::backstage::Explain;

/// Running builds shown on one page at most.
const RUNNING: i64 = 200;

/// A build in a list.
#[derive(Debug, Serialize)]
pub struct Line {
    pub build: BuildLine,
    /// Seconds it took, or takes so far.
    pub took: i64,
    /// Seconds it will still take, as far as earlier builds tell.
    pub left: Option<i64>,
    /// The step that runs.
    pub step: Option<String>,
    pub authors: Vec<String>,
}

impl Line {
    fn new(build: BuildLine, authors: Vec<String>, now: Timestamp) -> Line {
        let took = (build.complete_at.unwrap_or(now) - build.started_at).max(0);
        let left = build.expected_s.map(|expected| expected - took);
        let left = left.filter(|left| *left > 0 && !build.complete);
        Line { build, took, left, step: None, authors }
    }
}

/// Builds with the authors of their changes.
pub fn lines(
    conn: &mut Conn,
    builds: Vec<BuildLine>,
    now: Timestamp,
) -> Result<Vec<Line>, DbError> {
    let ids: Vec<i64> = builds.iter().map(|build| build.buildid).collect();
    let mut found = authors(conn, &ids)?;
    let line = |build: BuildLine| {
        let authors = found.remove(&build.buildid).unwrap_or_default();
        Line::new(build, authors, now)
    };
    Ok(builds.into_iter().map(line).collect())
}

/// Running builds of `scope`, each with its current step.
pub fn running_lines(conn: &mut Conn, scope: Scope, now: Timestamp) -> Result<Vec<Line>, DbError> {
    let builds = newest::<BuildLine>(conn, &running().and(scope), "buildid", RUNNING)?;
    let ids = in_list("steps.buildid", builds.iter().map(|build| build.buildid));
    let started = "steps.started_at IS NOT NULL AND steps.complete_at IS NULL";
    let scope = Scope::condition(ids).and(Scope::condition(started));
    let steps: Vec<StepRow> = all(conn, &scope)?;
    let mut lines = lines(conn, builds, now)?;
    for line in &mut lines {
        let step = steps.iter().find(|step| step.buildid == line.build.buildid);
        line.step = step.map(doing);
    }
    Ok(lines)
}

/// The step's name, and what it waits for when it does not run yet.
fn doing(step: &StepRow) -> String {
    match step.locks_acquired_at {
        Some(_) => step.name.clone(),
        None => format!("{}, {}", step.name, step.state_string),
    }
}

/// A request that waits, and why.
#[derive(Debug, Serialize)]
pub struct Waiting {
    request: RequestLine,
    why: String,
}

/// Adds to each request why it waits.
pub fn with_reasons(
    conn: &mut Conn,
    explain: &Explain,
    requests: Vec<RequestLine>,
) -> Result<Vec<Waiting>, DbError> {
    let ids: Vec<BuildRequestId> =
        requests.iter().map(|request| BuildRequestId(request.buildrequestid)).collect();
    let mut reasons = explain.why(conn, &ids)?;
    let mut why = |request: &RequestLine| {
        reasons.remove(&BuildRequestId(request.buildrequestid)).unwrap_or_default()
    };
    Ok(requests.into_iter().map(|request| Waiting { why: why(&request), request }).collect())
}
