//! Which requests a newer commit has made pointless: what stock's `OldBuildCanceller` decides.
//!
//! A request is pointless when a newer one comes for the same builder and branch, and that because
//! of a change: forced builds cancel nothing. Moments are counted, not timed, so that two in one
//! second keep their order.

use std::collections::{HashMap, HashSet};

use super::expression::Expression;
use super::source_filter::{SourceFilter, variables};
use crate::model::{BuildRequestId, SourceStamp};

/// Branches of which the last change is remembered, at most.
const BRANCHES: usize = 10_000;

/// One entry of `filters`.
#[derive(Debug, Clone, PartialEq)]
pub struct OldBuildFilter {
    pub builders: Vec<String>,
    pub filter: SourceFilter,
}

/// `branch_key`: which stamps are states of one line of work.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum BranchKey {
    /// The branch; of Gerrit's `refs/changes/…` all patch sets together.
    #[default]
    Branch,
    Expression(Expression),
}

impl BranchKey {
    /// # Errors
    /// What is wrong with the expression.
    fn of(&self, stamp: &SourceStamp) -> Result<Option<String>, String> {
        match self {
            BranchKey::Branch => Ok(stamp.branch.as_deref().map(without_patch_set)),
            BranchKey::Expression(expression) => {
                let value = expression.value(&variables(stamp))?;
                let none = value.is_none() || value.is_undefined();
                Ok((!none).then(|| value.to_string()))
            }
        }
    }
}

/// `refs/changes/34/1234/5` is the fifth state of `refs/changes/34/1234`.
fn without_patch_set(branch: &str) -> String {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = branch.split('/').collect();
    match parts.as_slice() {
        ["refs", "changes", group, change, patch_set, ..]
            if number(group)
                && number(change)
                && patch_set.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            format!("refs/changes/{group}/{change}")
        }
        _ => branch.to_owned(),
    }
}

/// Project, codebase, repository and branch key.
type Line = (String, String, String, Option<String>);

/// The rules of one canceller, and what it has seen.
#[derive(Debug, Clone, Default)]
pub struct OldBuilds {
    filters: Vec<OldBuildFilter>,
    branch_key: BranchKey,
    tracked: HashMap<BuildRequestId, Tracked>,
    by_line: HashMap<Line, HashSet<BuildRequestId>>,
    changed: HashMap<Line, u64>,
    moment: u64,
}

#[derive(Debug, Clone)]
struct Tracked {
    builder: String,
    since: u64,
    lines: Vec<Line>,
}

impl OldBuilds {
    pub fn new(filters: Vec<OldBuildFilter>, branch_key: BranchKey) -> OldBuilds {
        OldBuilds { filters, branch_key, ..OldBuilds::default() }
    }

    /// A change came in.
    ///
    /// # Errors
    /// What is wrong with `branch_key`.
    pub fn change(&mut self, stamp: &SourceStamp) -> Result<(), String> {
        self.moment += 1;
        let line = self.line(stamp)?;
        if self.changed.len() >= BRANCHES {
            let mut moments: Vec<u64> = self.changed.values().copied().collect();
            moments.sort_unstable();
            let middle = moments[moments.len() / 2];
            self.changed.retain(|_, moment| *moment > middle);
        }
        self.changed.insert(line, self.moment);
        Ok(())
    }

    /// A request came in; answers those that it makes pointless.
    ///
    /// # Errors
    /// What is wrong with `branch_key`.
    pub fn request(
        &mut self,
        id: BuildRequestId,
        builder: &str,
        stamps: &[SourceStamp],
    ) -> Result<Vec<BuildRequestId>, String> {
        if self.tracked.contains_key(&id) {
            return Ok(Vec::new());
        }
        self.moment += 1;
        let mut pointless = Vec::new();
        for stamp in stamps {
            let line = self.line(stamp)?;
            let Some(changed) = self.changed.get(&line).copied() else { continue };
            let old = self.by_line.get(&line).into_iter().flatten().copied();
            pointless.extend(old.filter(|old| {
                self.tracked
                    .get(old)
                    .is_some_and(|old| old.builder == builder && old.since < changed)
            }));
        }
        pointless.sort_unstable();
        pointless.dedup();
        for old in &pointless {
            self.done(*old);
        }
        self.track(id, builder, stamps)?;
        Ok(pointless)
    }

    /// As in stock, a request with a stamp without a branch is nobody's.
    fn track(
        &mut self,
        id: BuildRequestId,
        builder: &str,
        stamps: &[SourceStamp],
    ) -> Result<(), String> {
        if stamps.iter().any(|stamp| stamp.branch.is_none()) {
            return Ok(());
        }
        let meant = |stamp: &&SourceStamp| {
            self.filters.iter().any(|filter| {
                filter.builders.iter().any(|name| name == builder) && filter.filter.matches(stamp)
            })
        };
        let lines = stamps.iter().filter(meant).map(|stamp| self.line(stamp));
        let lines = lines.collect::<Result<Vec<Line>, String>>()?;
        if lines.is_empty() {
            return Ok(());
        }
        for line in &lines {
            self.by_line.entry(line.clone()).or_default().insert(id);
        }
        let tracked = Tracked { builder: builder.to_owned(), since: self.moment, lines };
        self.tracked.insert(id, tracked);
        Ok(())
    }

    /// The request is complete.
    pub fn done(&mut self, id: BuildRequestId) {
        let Some(tracked) = self.tracked.remove(&id) else { return };
        for line in tracked.lines {
            if let Some(ids) = self.by_line.get_mut(&line) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.by_line.remove(&line);
                }
            }
        }
    }

    fn line(&self, stamp: &SourceStamp) -> Result<Line, String> {
        let key = self.branch_key.of(stamp).map_err(|error| format!("branch_key: {error}"))?;
        Ok((stamp.project.clone(), stamp.codebase.clone(), stamp.repository.clone(), key))
    }
}

/// One entry of FailingBuildsetCanceller's `filters`.
#[derive(Debug, Clone, PartialEq)]
pub struct FailingFilter {
    pub builders: Vec<String>,
    /// `None` is all.
    pub builders_to_cancel: Option<Vec<String>>,
    pub filter: SourceFilter,
}

/// Whom a failed build of `builder` takes along: `None` is every builder of the buildset, an empty
/// list nobody.
pub fn taken_along(
    filters: &[FailingFilter],
    builder: &str,
    stamps: &[SourceStamp],
) -> Option<HashSet<String>> {
    let mut names = HashSet::new();
    for filter in filters.iter().filter(|f| f.builders.iter().any(|name| name == builder)) {
        if stamps.iter().any(|stamp| filter.filter.matches(stamp)) {
            names.extend(filter.builders_to_cancel.clone()?);
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::super::source_filter::tests::stamp;
    use super::*;

    fn tracker(key: BranchKey) -> OldBuilds {
        let filter = OldBuildFilter {
            builders: vec!["one".into(), "two".into()],
            filter: SourceFilter::default(),
        };
        OldBuilds::new(vec![filter], key)
    }

    /// `+1 one main`: the request 1; `* main`: a change; `-1`: complete. Answers what is cancelled.
    fn play(tracker: &mut OldBuilds, story: &str) -> Vec<i64> {
        let mut cancelled = Vec::new();
        for event in story.split(", ") {
            let words: Vec<&str> = event.split(' ').collect();
            let branch = |word: &str| stamp((word != "-").then_some(word));
            match words.as_slice() {
                ["*", name] => tracker.change(&branch(name)).unwrap(),
                [id, builder, name] => {
                    let id = BuildRequestId(id.parse().unwrap());
                    let gone = tracker.request(id, builder, &[branch(name)]).unwrap();
                    cancelled.extend(gone.iter().map(|id| id.0));
                }
                [id] => tracker.done(BuildRequestId(-id.parse::<i64>().unwrap())),
                other => panic!("{other:?}"),
            }
        }
        cancelled
    }

    #[test]
    fn a_newer_commit_makes_older_requests_pointless() {
        let table: [(&str, &[i64]); 9] = [
            ("* main, +1 one main, * main, +2 one main", &[1]),
            ("* main, +1 one main, +2 one main", &[]), // one change, two requests
            ("+1 one main, +2 one main", &[]),         // forced
            ("+1 one main, * main, +2 two main", &[]),
            ("+1 one main, * other, +2 one other", &[]),
            ("+1 one main, * main, -1, +2 one main", &[]),
            ("+1 one -, * -, +2 one -", &[]),
            ("+1 three main, * main, +2 three main", &[]),
            (
                "+1 one refs/changes/34/1234/1, * refs/changes/34/1234/2, +2 one refs/changes/34/1234/2",
                &[1],
            ),
        ];
        for (story, expected) in table {
            assert_eq!(play(&mut tracker(BranchKey::Branch), story), expected, "{story}");
        }
        let by_first = Expression::parse("branch|split('/')|first").unwrap();
        let mut tracker = tracker(BranchKey::Expression(by_first));
        assert_eq!(play(&mut tracker, "+1 one pr/1, * pr/2, +2 one pr/2"), [1]);
        assert!(tracker.by_line.len() == 1 && tracker.tracked.len() == 1, "{tracker:?}");
    }

    #[test]
    fn old_branches_are_forgotten() {
        let mut tracker = tracker(BranchKey::Branch);
        for number in 0..BRANCHES + 10 {
            tracker.change(&stamp(Some(&number.to_string()))).unwrap();
        }
        assert!(tracker.changed.len() <= BRANCHES);
    }

    #[test]
    fn a_failure_takes_siblings_along() {
        let filter = |builders: &str, cancel: Option<&str>| FailingFilter {
            builders: vec![builders.into()],
            builders_to_cancel: cancel.map(|name| vec![name.into()]),
            filter: SourceFilter::default(),
        };
        let filters = [filter("one", Some("a")), filter("one", Some("b")), filter("two", None)];
        let of = |builder: &str, stamps: &[SourceStamp]| {
            taken_along(&filters, builder, stamps).map(|names| names.len())
        };
        let stamps = [stamp(Some("main"))];
        assert_eq!(of("one", &stamps), Some(2));
        assert_eq!(of("two", &stamps), None);
        assert_eq!(of("three", &stamps), Some(0));
        assert_eq!(of("two", &[]), Some(0));
    }
}
