//! `/waterfall`: builders side by side, time runs down from the newest.

use std::collections::{BTreeSet, HashMap};

use actix_web::web;
use serde::{Deserialize, Serialize};

use super::waterfall_grid::{Span, grid};
use super::{Page, text};
use crate::db::listing::{
    self, BuildLine, BuilderRow, ChangeRow, Scope, StepRow, all, authors, configured_builders,
    in_list, latest_per_builder, newest, waiting_per_builder,
};
use crate::db::{Conn, DbError};
use crate::model::{Timestamp, now};
use crate::status::web::render::Frame;
use crate::status::web::site::Site;

/// Builds on one page.
const BUILDS: i64 = 100;
/// Steps shown in a cell; the others are counted.
const STEPS: usize = 10;
/// Changes shown beside the builds.
const CHANGES: i64 = 200;

#[derive(Deserialize)]
pub struct Choice {
    tag: Option<String>,
    /// Id of the build to go on before.
    before: Option<i64>,
}

#[derive(Serialize)]
struct Waterfall {
    columns: Vec<Column>,
    rows: Vec<Row>,
    tags: BTreeSet<String>,
    tag: Option<String>,
    older: Option<i64>,
    /// This is not the newest page.
    newest: bool,
}

#[derive(Serialize)]
struct Column {
    builderid: i64,
    name: String,
    lanes: usize,
    state: &'static str,
    word: &'static str,
    waiting: i64,
}

#[derive(Serialize)]
struct Row {
    at: Timestamp,
    exact: String,
    /// The time of day, where it differs from the row above.
    clock: Option<String>,
    /// The day, in the first row of it.
    day: Option<String>,
    changes: Vec<ChangeRow>,
    cells: Vec<CellView>,
}

#[derive(Default, Serialize)]
struct CellView {
    span: usize,
    build: Option<BuildLine>,
    symbol: &'static str,
    word: &'static str,
    took: i64,
    authors: Vec<String>,
    /// Newest first, as everything here.
    steps: Vec<Mini>,
    more: usize,
}

#[derive(Serialize)]
struct Mini {
    name: String,
    state: &'static str,
    took: Option<i64>,
}

pub async fn page(site: web::Data<Site>, choice: web::Query<Choice>) -> Page {
    let choice = choice.into_inner();
    let waterfall = site.db.read(move |conn| load(conn, choice)).await?;
    Ok(Frame::new("waterfall", "Waterfall", "waterfall")
        .events("steps=1")
        .render(&site, &waterfall))
}

fn load(conn: &mut Conn, choice: Choice) -> Result<Waterfall, DbError> {
    let now = now();
    let mut builders: Vec<BuilderRow> = all(conn, &configured_builders())?;
    builders.sort_by(|a, b| a.name.cmp(&b.name));
    let tags = listing::tags(conn, builders.iter().map(|builder| builder.builderid))?;
    let known = tags.values().flatten().cloned().collect();
    let tag = choice.tag.filter(|tag| !tag.is_empty());
    if let Some(tag) = &tag {
        builders
            .retain(|builder| tags.get(&builder.builderid).is_some_and(|tags| tags.contains(tag)));
    }
    let mut scope = Scope::condition(in_list(
        "builds.builderid",
        builders.iter().map(|builder| builder.builderid),
    ));
    if let Some(before) = choice.before {
        scope = scope.and(Scope::condition(format!("builds.id < {before}")));
    }
    let builds: Vec<BuildLine> = newest(conn, &scope, "buildid", BUILDS)?;
    let full = builds.len() as i64 == BUILDS;
    let older = builds.last().map(|build| build.buildid).filter(|_| full);
    let spans: Vec<Span> = builds
        .iter()
        .filter_map(|build| {
            let builder = builders.iter().position(|b| b.builderid == build.builderid)?;
            Some(Span { builder, from: build.started_at, to: build.complete_at.unwrap_or(now) })
        })
        .collect();
    let grid = grid(builders.len(), &spans);
    let oldest = spans.iter().map(|span| span.from).min().unwrap_or(now);
    let changes = changes_since(conn, oldest, choice.before.and(grid.moments.first().copied()))?;
    let mut cells = CellMaker::load(conn, builds, now)?;
    let columns = columns(conn, builders, &grid.lanes)?;
    let mut rows: Vec<Row> = Vec::with_capacity(grid.rows.len());
    for (at, row) in grid.moments.iter().zip(grid.rows) {
        let cells = row.into_iter().map(|cell| cells.cell(cell.build, cell.rows)).collect();
        let day = text::day(*at);
        let first = rows.last().is_none_or(|above| text::day(above.at) != day);
        let clock = text::clock(*at);
        let same = rows.last().is_some_and(|above| text::clock(above.at) == clock);
        rows.push(Row {
            at: *at,
            exact: text::exact(*at),
            clock: (first || !same).then_some(clock),
            day: first.then_some(day),
            changes: Vec::new(),
            cells,
        });
    }
    place_changes(&mut rows, changes);
    Ok(Waterfall { columns, rows, tags: known, tag, older, newest: choice.before.is_some() })
}

fn columns(
    conn: &mut Conn,
    builders: Vec<BuilderRow>,
    lanes: &[usize],
) -> Result<Vec<Column>, DbError> {
    let latest: Vec<BuildLine> = all(conn, &latest_per_builder())?;
    let waiting = waiting_per_builder(conn)?;
    let columns = builders.into_iter().zip(lanes).map(|(builder, lanes)| {
        let last = latest.iter().find(|build| build.builderid == builder.builderid);
        let state = last.map_or("", |build| text::class(build.results, true));
        Column {
            state,
            word: if state.is_empty() { "no result yet" } else { state },
            waiting: waiting.get(&builder.builderid).copied().unwrap_or(0),
            builderid: builder.builderid,
            name: builder.name,
            lanes: *lanes,
        }
    });
    Ok(columns.collect())
}

fn changes_since(
    conn: &mut Conn,
    oldest: Timestamp,
    newest_moment: Option<Timestamp>,
) -> Result<Vec<ChangeRow>, DbError> {
    // A change comes a little before its first build.
    let mut condition = format!("changes.when_timestamp >= {}", oldest - 3600);
    if let Some(end) = newest_moment {
        condition.push_str(&format!(" AND changes.when_timestamp <= {end}"));
    }
    newest(conn, &Scope::condition(condition), "when_timestamp", CHANGES)
}

/// Puts each change into the row during which it came; what is newer than all goes to the top.
fn place_changes(rows: &mut [Row], changes: Vec<ChangeRow>) {
    for change in changes {
        let below = rows.partition_point(|row| row.at >= change.when_timestamp);
        if let Some(row) = rows.get_mut(below.saturating_sub(1)) {
            row.changes.push(change);
        }
    }
}

/// Makes cells of builds, their steps and authors.
struct CellMaker {
    builds: Vec<Option<BuildLine>>,
    steps: HashMap<i64, Vec<StepRow>>,
    authors: HashMap<i64, Vec<String>>,
    now: Timestamp,
}

impl CellMaker {
    fn load(conn: &mut Conn, builds: Vec<BuildLine>, now: Timestamp) -> Result<CellMaker, DbError> {
        let ids: Vec<i64> = builds.iter().map(|build| build.buildid).collect();
        let rows: Vec<StepRow> =
            all(conn, &Scope::condition(in_list("steps.buildid", ids.iter().copied())))?;
        let mut steps: HashMap<i64, Vec<StepRow>> = HashMap::new();
        for step in rows.into_iter().filter(|step| !step.hidden && step.started_at.is_some()) {
            steps.entry(step.buildid).or_default().push(step);
        }
        let authors = authors(conn, &ids)?;
        Ok(CellMaker { builds: builds.into_iter().map(Some).collect(), steps, authors, now })
    }

    fn cell(&mut self, build: Option<usize>, rows: usize) -> CellView {
        let build = build.and_then(|index| self.builds.get_mut(index)).and_then(Option::take);
        let Some(build) = build else { return CellView { span: rows, ..CellView::default() } };
        let word = text::class(build.results, build.complete);
        let steps = self.steps.remove(&build.buildid).unwrap_or_default();
        let (steps, more) = notable(steps, self.now);
        CellView {
            span: rows,
            symbol: text::symbol(word),
            word,
            took: (build.complete_at.unwrap_or(self.now) - build.started_at).max(0),
            authors: self.authors.remove(&build.buildid).unwrap_or_default(),
            steps,
            more,
            build: Some(build),
        }
    }
}

/// The steps worth a line, newest first, and how many were left out. Preparation and good steps
/// go first when there are too many.
fn notable(mut steps: Vec<StepRow>, now: Timestamp) -> (Vec<Mini>, usize) {
    steps.retain(|step| step.name != "worker_preparation" || step.results != Some(0));
    steps.sort_by_key(|step| std::cmp::Reverse(step.number));
    let all = steps.len();
    let good = |step: &StepRow| matches!(step.results, Some(0 | 3));
    let mut spare = all.saturating_sub(STEPS);
    steps.retain(|step| {
        let drop = spare > 0 && good(step);
        spare -= usize::from(drop);
        !drop
    });
    steps.truncate(STEPS);
    let more = all - steps.len();
    let mini = steps.into_iter().map(|step| Mini {
        state: text::class(step.results, step.complete),
        took: step
            .locks_acquired_at
            .or(step.started_at)
            .map(|at| step.complete_at.unwrap_or(now) - at)
            .filter(|s| *s > 0),
        name: step.name,
    });
    (mini.collect(), more)
}
