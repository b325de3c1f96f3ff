//! What the tables say about the day, in lines for people.

use std::collections::HashMap;

use buildbot::db::listing::{RequestRow, Scope, newest};
use buildbot::db::{Conn, DbError, builders, buildrequests, builds, buildsets, steps, workers};
use buildbot::model::{Build, BuildId, BuildRequest, Buildset, SourceStamp, Step, Timestamp};

/// More than a day has.
const ALL: i64 = 10_000;

/// Everything that was submitted.
pub struct History {
    pub start: Timestamp,
    pub sets: Vec<Set>,
    builders: Vec<String>,
    builds: HashMap<BuildId, Origin>,
}

/// Builder and number of a build.
type Origin = (String, i64);

/// A buildset.
pub struct Set {
    pub row: Buildset,
    pub scheduler: String,
    pub requests: Vec<Request>,
}

/// A build request.
pub struct Request {
    pub row: BuildRequest,
    pub builder: String,
    /// When the request that took this one was submitted.
    pub collapsed_into: Option<Timestamp>,
    /// In their order.
    pub runs: Vec<Run>,
}

/// A build.
pub struct Run {
    pub row: Build,
    pub worker: String,
    pub steps: Vec<Step>,
}

impl History {
    pub fn read(conn: &mut Conn, start: Timestamp) -> Result<History, DbError> {
        let builders = builders::list(conn)?;
        let names: HashMap<_, _> = builders.iter().map(|row| (row.id, row.name.clone())).collect();
        let workers: HashMap<_, _> =
            workers::list(conn)?.into_iter().map(|row| (row.id, row.name)).collect();
        let mut runs: HashMap<_, Vec<Run>> = HashMap::new();
        let mut origins = HashMap::new();
        for row in builds::recent(conn, ALL, 0)?.into_iter().rev() {
            origins.insert(row.id, (names[&row.builder].clone(), row.number));
            let worker = row.worker.map(|id| workers[&id].clone()).unwrap_or_default();
            let steps = steps::of_build(conn, row.id)?;
            runs.entry(row.request).or_default().push(Run { row, worker, steps });
        }
        let requests = buildrequests::recent(conn, ALL, 0)?;
        let times: HashMap<i64, Timestamp> =
            requests.iter().map(|row| (row.id.0, row.submitted_at)).collect();
        let taken = newest::<RequestRow>(conn, &Scope::all(), "buildrequestid", ALL)?;
        let taken: HashMap<i64, i64> = taken
            .iter()
            .filter_map(|row| Some((row.buildrequestid, row.rs_collapsed_into?)))
            .collect();
        let mut of_set: HashMap<_, Vec<Request>> = HashMap::new();
        for row in requests.into_iter().rev() {
            of_set.entry(row.buildset).or_default().push(Request {
                builder: names[&row.builder].clone(),
                collapsed_into: taken.get(&row.id.0).map(|by| times[by]),
                runs: runs.remove(&row.id).unwrap_or_default(),
                row,
            });
        }
        let mut sets = Vec::new();
        for row in buildsets::recent(conn, ALL, 0)?.into_iter().rev() {
            let properties = buildsets::properties(conn, row.id)?;
            sets.push(Set {
                scheduler: properties.get_str("scheduler").unwrap_or("nobody").to_owned(),
                requests: of_set.remove(&row.id).unwrap_or_default(),
                row,
            });
        }
        let builders = builders.into_iter().map(|row| row.name).collect();
        Ok(History { start, sets, builders, builds: origins })
    }

    pub fn runs(&self) -> impl Iterator<Item = (&Set, &Request, &Run)> {
        self.sets.iter().flat_map(|set| {
            set.requests
                .iter()
                .flat_map(move |request| request.runs.iter().map(move |run| (set, request, run)))
        })
    }

    /// Every builder that is configured.
    pub fn builders(&self) -> &[String] {
        &self.builders
    }

    /// One line for each buildset, by time, scheduler and sources.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.sets.iter().map(|set| self.line(set)).collect();
        lines.sort();
        lines
    }

    fn line(&self, set: &Set) -> String {
        let stamps: Vec<String> = ["app", "lib", "docs", ""]
            .iter()
            .filter_map(|name| set.row.sourcestamps.iter().find(|stamp| stamp.codebase == *name))
            .map(stamp)
            .collect();
        let parent = set.row.parent_build.map(|id| {
            let (builder, number) = &self.builds[&id];
            format!(" for {builder} {number}")
        });
        // Builders that went the same way stand together.
        let mut ways: Vec<(String, Vec<&str>)> = Vec::new();
        for request in &set.requests {
            let way = self.way(request);
            match ways.iter_mut().find(|(other, _)| *other == way) {
                Some((_, names)) => names.push(&request.builder),
                None => ways.push((way, vec![&request.builder])),
            }
        }
        let mut ways: Vec<String> =
            ways.into_iter().map(|(way, names)| format!("{} {way}", list(names))).collect();
        ways.sort();
        format!(
            "{} {} {}{}: {}",
            self.time(set.row.submitted_at),
            set.scheduler,
            stamps.join(" "),
            parent.unwrap_or_default(),
            ways.join(", ")
        )
    }

    /// What became of a request.
    fn way(&self, request: &Request) -> String {
        if let Some(at) = request.collapsed_into {
            return format!("into {}", self.time(at));
        }
        let run = |run: &Run| {
            let end = run.row.complete_at.map_or("?".to_owned(), |at| self.time(at));
            let results = run.row.results.map_or("?".to_owned(), |r| r.name().to_uppercase());
            let place = match run.worker.as_str() {
                worker @ ("one" | "two") => format!("{worker} "),
                _ => String::new(),
            };
            format!("{place}{}-{end} {results}", self.time(run.row.started_at))
        };
        let runs: Vec<String> = request.runs.iter().map(run).collect();
        match runs.is_empty() {
            true => request.row.results.map_or("waits".into(), |r| r.name().to_uppercase()),
            false => runs.join(" then "),
        }
    }

    /// `09:05`, `09:05:02`
    pub fn time(&self, at: Timestamp) -> String {
        let seconds = at - self.start;
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        match seconds {
            0 => format!("{hours:02}:{minutes:02}"),
            _ => format!("{hours:02}:{minutes:02}:{seconds:02}"),
        }
    }
}

/// `app=a1`, `app=u1@hotfix`, `lib=main`, `=a5+patch`
fn stamp(stamp: &SourceStamp) -> String {
    // Of a form, what is left open is an empty text.
    let given = |part: &Option<String>| part.clone().filter(|text| !text.is_empty());
    let (branch, revision) = (given(&stamp.branch), given(&stamp.revision));
    let version = match (revision.as_deref(), branch.as_deref()) {
        (Some(revision), None | Some("main")) => revision.to_owned(),
        (Some(revision), Some(branch)) => format!("{revision}@{branch}"),
        (None, branch) => branch.unwrap_or("newest").to_owned(),
    };
    let patch = if stamp.patch.is_some() { "+patch" } else { "" };
    format!("{}={version}{patch}", stamp.codebase)
}

/// `p01..p24`, `child-1 child-2`
fn list(mut names: Vec<&str>) -> String {
    names.sort_unstable();
    match names.as_slice() {
        [first, .., last] if names.len() > 3 => format!("{first}..{last}"),
        _ => names.join(" "),
    }
}
