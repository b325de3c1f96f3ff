//! What must hold whatever the day was like.

use std::collections::BTreeMap;

use buildbot::db::{Conn, changes, schedulers, state};
use buildbot::model::{Results, SourceStamp, Timestamp};

use super::history::{History, Request, Run, Set};
use super::script::{Act, DAY};
use super::worker::Ran;

/// From and until.
type Span = (Timestamp, Timestamp);

/// Everything has ended, and like its parts.
pub fn everything_is_complete(history: &History) {
    for Set { row, scheduler, requests } in &history.sets {
        assert!(row.complete, "buildset {} of {scheduler}", row.id);
        let parts = requests.iter().map(|request| request.row.results.expect("it is complete"));
        let worst = parts.fold(Results::Success, Results::worst);
        assert_eq!(row.results, Some(worst), "buildset {} of {scheduler}", row.id);
        for Request { row, builder, collapsed_into, runs } in requests {
            let last = runs.last().and_then(|run| run.row.results);
            assert!(runs.iter().all(|run| run.row.complete_at.is_some()), "{builder}");
            match collapsed_into {
                Some(_) => assert!(runs.is_empty() && row.results == Some(Results::Skipped)),
                None => assert!(last.is_none() || last == row.results, "{builder}: {row:?}"),
            }
        }
    }
}

/// Nobody shares what is exclusive, and a lock is never overdrawn.
pub fn locks_were_kept(history: &History) {
    let of_builds = |prefix: &'static str, worker: Option<&'static str>| -> Vec<Span> {
        let runs = history.runs().filter(|(_, request, run)| {
            request.builder.starts_with(prefix) && worker.is_none_or(|worker| run.worker == worker)
        });
        runs.map(|(_, _, run)| (run.row.started_at, end(run))).collect()
    };
    let of_steps: Vec<Span> = history
        .runs()
        .flat_map(|(_, _, run)| run.steps.iter().filter(|step| step.name == "tape"))
        .map(|step| (step.locks_acquired_at.expect("it ran"), step.complete_at.expect("an end")))
        .collect();
    for (what, spans, builds, most) in [
        ("license", of_builds("alone-", None), 3, 1),
        ("bandwidth", of_builds("shared-", None), 4, 2),
        ("disk of one", of_builds("spin-", Some("one")), 2, 1),
        ("disk of two", of_builds("spin-", Some("two")), 1, 1),
        ("tape", of_steps, 2, 1),
        // A worker's max_builds is kept like a lock.
        (
            "solo",
            of_builds("quick", None).into_iter().chain(of_builds("urgent", None)).collect(),
            0,
            1,
        ),
    ] {
        assert!(spans.len() >= builds, "{what}: {spans:?}");
        assert!(most_at_once(&spans) <= most, "{what}: {spans:?}");
    }
}

fn end(run: &Run) -> Timestamp {
    run.row.complete_at.expect("it has ended")
}

/// How many of them there are at one moment. Where one ends another may begin.
fn most_at_once(spans: &[Span]) -> usize {
    let at = |moment| spans.iter().filter(|(from, to)| *from <= moment && moment < *to).count();
    spans.iter().map(|(from, _)| at(*from)).max().unwrap_or(0)
}

/// Each command worked on what its buildset says.
pub fn builds_had_their_sources(history: &History, diary: &[Ran]) {
    let mut expected: Vec<(Timestamp, &str, String)> = history
        .runs()
        .filter(|(_, request, _)| request.builder != "flaky")
        .map(|(set, request, run)| {
            (run.row.started_at, request.builder.as_str(), sources(&set.row.sourcestamps))
        })
        .collect();
    let other = ["tape", "bad"];
    let ran = diary.iter().filter(|ran| !other.contains(&ran.sources.as_str()));
    let mut ran: Vec<(Timestamp, &str, String)> =
        ran.map(|ran| (ran.at, ran.builder.as_str(), ran.sources.clone())).collect();
    expected.sort();
    ran.sort();
    assert_eq!(ran, expected);
}

/// As the steps of the configuration write it.
fn sources(stamps: &[SourceStamp]) -> String {
    let text = |stamp: &SourceStamp| {
        let [branch, revision] =
            [&stamp.branch, &stamp.revision].map(|part| part.as_deref().unwrap_or(""));
        format!("{branch}/{revision}")
    };
    let of = |name: &str| stamps.iter().find(|stamp| stamp.codebase == name).map(text);
    match of("") {
        Some(text) => text,
        None => ["app", "lib", "docs"]
            .map(|name| format!("{name}={}", of(name).unwrap_or_default()))
            .join(" "),
    }
}

/// A commit of the script.
struct Commit {
    codebase: &'static str,
    branch: &'static str,
    revision: &'static str,
    urgent: bool,
}

fn commits() -> impl Iterator<Item = Commit> {
    DAY.iter().filter_map(|(_, act)| match *act {
        Act::Commit(codebase, branch, revision, _) => {
            Some(Commit { codebase, branch, revision, urgent: false })
        }
        Act::Urgent(codebase, branch, revision, _) => {
            Some(Commit { codebase, branch, revision, urgent: true })
        }
        _ => None,
    })
}

/// Schedulers without a timer have one buildset for each change that they take, in order: none is
/// lost, none is taken twice, whatever became of the master and the configuration.
pub fn no_change_was_lost_or_repeated(history: &History) {
    type Takes = fn(&Commit) -> bool;
    let takers: [(&str, Takes); 5] = [
        ("quick", |c| c.branch == "main" && c.codebase != "docs"),
        ("urgent", |c| c.urgent),
        ("each", |c| c.branch == "main" && c.codebase == "lib"),
        ("locked", |c| c.branch == "locks"),
        ("smoke", |c| c.revision == "l4"),
    ];
    for (name, takes) in takers {
        let taken: Vec<&str> = commits().filter(takes).map(|commit| commit.revision).collect();
        let codebases: Vec<&str> = commits().filter(takes).map(|commit| commit.codebase).collect();
        let sets: Vec<&Set> = history.sets.iter().filter(|set| set.scheduler == name).collect();
        let built: Vec<&str> = sets
            .iter()
            .zip(codebases)
            .map(|(set, codebase)| {
                let stamp = set.row.sourcestamps.iter().find(|stamp| stamp.codebase == codebase);
                stamp.and_then(|stamp| stamp.revision.as_deref()).unwrap_or("")
            })
            .collect();
        assert_eq!((sets.len(), built), (taken.len(), taken), "{name}");
    }
}

/// Everybody has looked at everything, and nobody keeps a change back.
pub fn nothing_is_left_over(conn: &mut Conn) {
    let newest = changes::max_id(conn).unwrap().expect("changes");
    assert_eq!(newest.0, commits().count() as i64, "every commit came in once");
    let mut behind = BTreeMap::new();
    for name in ["quick", "urgent", "each", "platforms", "docs", "locked", "nightly"] {
        let object = state::object(conn, name, "rs_scheduler").unwrap();
        let cursor = state::get(conn, object, "last_change").unwrap();
        let scheduler = schedulers::find_or_create(conn, name).unwrap();
        let kept = schedulers::count_classified(conn, scheduler).unwrap();
        if cursor != Some(newest.0.into()) || kept != 0 {
            behind.insert(name, (cursor, kept));
        }
    }
    assert!(behind.is_empty(), "{behind:?}");
}
