//! `/builders/B/builds/N`: everything about one build.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;

use super::builders::find;
use super::lines::lines;
use super::requests::taken_in;
use super::{Page, PageError, local, text};
use crate::db::listing::{
    self, BuildLine, BuildRow, ChangeRow, LogRow, Scope, Spec, StepRow, TestLine, TestResultSetRow,
    all, build_of, in_list,
};
use crate::db::{Conn, DbError, blame};
use crate::model::{BuildId, now};
use crate::status::web::api::json::compact;
use crate::status::web::render::Frame;
use crate::status::web::site::Site;

/// Sets of test results listed on the page.
const TEST_SETS: i64 = 50;
/// Tests listed on the page.
const TESTS: usize = 100;
/// Changes listed on the page.
const CHANGES: usize = 200;

#[derive(Serialize)]
struct View {
    build: BuildLine,
    took: i64,
    left: Option<i64>,
    blame: Vec<String>,
    /// Requests that were collapsed into this build's.
    took_over: Vec<i64>,
    steps: Vec<StepView>,
    changes: Vec<ChangeRow>,
    stamps: Vec<Value>,
    properties: Vec<Property>,
    tests: Option<Tests>,
}

/// The build's test results, as far as the page has room for them.
#[derive(Serialize)]
struct Tests {
    sets: Vec<TestResultSetRow>,
    notable: Vec<TestView>,
    /// There are more notable ones.
    more: bool,
}

#[derive(Serialize)]
struct TestView {
    test: TestLine,
    /// The word for it, and the style of its badge.
    kind: &'static str,
    mark: &'static str,
    took: Option<String>,
}

#[derive(Serialize)]
struct StepView {
    step: StepRow,
    state: &'static str,
    /// Not started yet, or without its locks.
    waiting: bool,
    /// When it began to run; while it waits, when it began to wait.
    since: Option<i64>,
    took: i64,
    logs: Vec<LogRow>,
    urls: Vec<Url>,
    /// There are logs or urls.
    links: bool,
}

#[derive(Serialize, serde::Deserialize)]
struct Url {
    name: String,
    url: String,
}

#[derive(Serialize)]
struct Property {
    name: String,
    value: String,
    source: String,
}

/// `/builds/ID` leads to the build's own address.
pub async fn canonical(site: web::Data<Site>, path: web::Path<i64>) -> Page {
    let id = path.into_inner();
    let build = site
        .db
        .read(move |conn| listing::one::<BuildRow>(conn, &Scope::is("builds.id", id)))
        .await?
        .ok_or_else(|| PageError::NotFound(format!("build {id}")))?;
    let place = format!("/builders/{}/builds/{}", build.builderid, build.number);
    Ok(HttpResponse::SeeOther().insert_header((header::LOCATION, place)).finish())
}

pub async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    path: web::Path<(String, i64)>,
) -> Page {
    let (builder, number) = path.into_inner();
    let missing = format!("build {number} of a builder '{builder}'");
    let view = site.db.read(move |conn| load(conn, &builder, number)).await?;
    let view = view.ok_or(PageError::NotFound(missing))?;
    let title = format!("{} #{}", view.build.builder, view.build.number);
    let mut frame = Frame::new("build", &title, "builders").local(local(&request));
    frame = if view.build.complete {
        frame.still()
    } else {
        frame.events(format!("build={}", view.build.buildid))
    };
    Ok(frame.render(&site, &view))
}

fn load(conn: &mut Conn, builder: &str, number: i64) -> Result<Option<View>, DbError> {
    let Some(builder) = find(conn, builder)? else { return Ok(None) };
    let builds = all::<BuildLine>(conn, &build_of(builder.builderid, number))?;
    let now = now();
    let Some(line) = lines(conn, builds, now)?.pop() else { return Ok(None) };
    let id = line.build.buildid;
    let steps: Vec<StepRow> = all(conn, &StepRow::of_build(id))?;
    let logs: Vec<LogRow> = all(
        conn,
        &Scope::condition(format!(
            "logs.stepid IN (SELECT steps.id FROM steps WHERE steps.buildid = {id})"
        )),
    )?;
    let blamed = blame::of_builds(conn, &[BuildId(id)])?.remove(&BuildId(id)).unwrap_or_default();
    let ids = in_list("changes.changeid", blamed.changes.iter().take(CHANGES).map(|id| id.0));
    let mut changes: Vec<ChangeRow> = all(conn, &Scope::condition(ids))?;
    changes.reverse();
    let stamps = listing::stamps_of_buildsets(conn, &[line.build.bsid])?;
    let stamps = stamps.into_values().flatten().map(|stamp| stamp.to_json()).collect();
    let properties = listing::build_properties(conn, &[id])?.remove(&id).unwrap_or_default();
    Ok(Some(View {
        took: line.took,
        left: line.left,
        took_over: taken_in(conn, line.build.buildrequestid)?,
        build: line.build,
        blame: blamed.people.into_iter().map(|person| person.who).collect(),
        steps: step_views(steps, logs, now),
        changes,
        stamps,
        properties: properties
            .into_iter()
            .map(|(name, pair)| Property {
                name,
                value: pair[0].as_str().map_or_else(|| compact(&pair[0]), str::to_owned),
                source: pair[1].as_str().unwrap_or_default().to_owned(),
            })
            .collect(),
        tests: tests(conn, id)?,
    }))
}

/// `None` for a build without any.
fn tests(conn: &mut Conn, build: i64) -> Result<Option<Tests>, DbError> {
    let spec = Spec { limit: Some(TEST_SETS), ..Spec::default() };
    let sets = listing::list(conn, &Scope::is("test_result_sets.buildid", build), &spec)?.rows;
    if sets.is_empty() {
        return Ok(None);
    }
    let mut lines = listing::notable_tests(conn, build, TESTS as i64 + 1)?;
    let more = lines.len() > TESTS;
    lines.truncate(TESTS);
    let view = |mut test: TestLine| {
        let (kind, mark) = match test.category.as_str() {
            "skip_only" => ("skipped", "skipped"),
            "code_issue" => ("issue", "warnings"),
            _ => ("failed", "failure"),
        };
        if test.category == "pass_fail" {
            test.value.clear();
        }
        let took = test.duration_ns.map(|ns| format!("{:.3} s", ns as f64 / 1e9));
        TestView { test, kind, mark, took }
    };
    Ok(Some(Tests { sets, notable: lines.into_iter().map(view).collect(), more }))
}

fn step_views(steps: Vec<StepRow>, mut logs: Vec<LogRow>, now: i64) -> Vec<StepView> {
    let visible = steps.into_iter().filter(|step| !step.hidden);
    let view = |step: StepRow| {
        let waiting = step.locks_acquired_at.is_none() && !step.complete;
        let since = step.locks_acquired_at.or(step.started_at);
        let logs: Vec<LogRow> = logs.extract_if(.., |log| log.stepid == step.stepid).collect();
        let urls: Vec<Url> = serde_json::from_str(&step.urls).unwrap_or_default();
        let urls: Vec<Url> = urls.into_iter().filter(|url| is_web(&url.url)).collect();
        StepView {
            state: if waiting { "waiting" } else { text::class(step.results, step.complete) },
            waiting,
            since,
            took: since.map_or(0, |at| step.complete_at.unwrap_or(now) - at),
            links: !logs.is_empty() || !urls.is_empty(),
            logs,
            urls,
            step,
        }
    };
    visible.map(view).collect()
}

/// A link that a browser may follow: no scripts.
fn is_web(url: &str) -> bool {
    let lower = url.trim_start().to_ascii_lowercase();
    lower.starts_with("http://") || lower.starts_with("https://") || lower.starts_with('/')
}
