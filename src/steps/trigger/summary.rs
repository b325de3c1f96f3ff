//! `triggered compile, docs, 2 successes, 1 failure`

use crate::model::Results;
use crate::steps::ChildRequest;

/// The step's line: whom it asked, and how many of the builds that are done ended how.
pub(super) fn line(schedulers: &[String], children: &[ChildRequest]) -> String {
    let mut line = format!("triggered {}", schedulers.join(", "));
    let done = children.iter().filter(|child| child.results.is_some());
    let builds: Vec<Results> =
        done.flat_map(|child| &child.builds).filter_map(|build| build.results).collect();
    for results in Results::ALL {
        let count = builds.iter().filter(|one| **one == results).count();
        if count > 0 {
            let word = if count > 1 { plural(results) } else { results.name() };
            line.push_str(&format!(", {count} {word}"));
        }
    }
    line
}

/// Stock's plurals.
fn plural(results: Results) -> &'static str {
    match results {
        Results::Success => "successes",
        Results::Warnings => "warnings",
        Results::Failure => "failures",
        Results::Skipped => "skipped",
        Results::Exception => "exceptions",
        Results::Retry => "retries",
        Results::Cancelled => "cancelled",
    }
}
