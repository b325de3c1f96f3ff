//! `treeStableTimer`: when has the tree been quiet for long enough?
//!
//! Decided from the stored classifications alone, so that a restart neither loses a change nor
//! starts the wait again.

use crate::model::{Change, ChangeId, Timestamp};

/// A change that a scheduler remembers and has not built yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassifiedChange {
    pub change: ChangeId,
    pub important: bool,
    /// When the master heard of it; see [`seen_at`].
    pub seen_at: Timestamp,
    pub timer: TimerKey,
}

/// Which timer a change belongs to: one for all, or one per branch of a codebase.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum TimerKey {
    /// SingleBranchScheduler
    #[default]
    Only,
    /// AnyBranchScheduler
    Branch { codebase: String, project: String, repository: String, branch: Option<String> },
}

/// What a scheduler does now about one timer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Build these changes, in the order of their ids; then forget them.
    Submit(Vec<ChangeId>),
    /// Look again at this time.
    WaitUntil(Timestamp),
    /// Nothing important is waiting.
    Idle,
}

impl TimerKey {
    /// The timer of `change`.
    pub fn of(change: &Change, per_branch: bool) -> TimerKey {
        if !per_branch {
            return TimerKey::Only;
        }
        TimerKey::Branch {
            codebase: change.codebase.clone(),
            project: change.project.clone(),
            repository: change.repository.clone(),
            branch: change.branch.clone(),
        }
    }
}

/// When the master heard of a stored change: its source stamp was created with it. The commit's
/// own date may lie days back.
pub fn seen_at(change: &Change) -> Timestamp {
    change.sourcestamp.created_at
}

/// Decides about the changes of one timer.
///
/// As in stock an important change starts the wait of `stable_s` seconds, and every change that
/// follows, important or not, starts it again. A `seen_at` in the future, as after the clock was
/// set back, counts as now.
pub fn decide(changes: &[&ClassifiedChange], stable_s: i64, now: Timestamp) -> Decision {
    let Some(first) = changes.iter().filter(|c| c.important).map(|c| c.change).min() else {
        return Decision::Idle;
    };
    let following = changes.iter().filter(|c| c.change >= first);
    let last_seen = following.map(|c| c.seen_at.min(now)).max().unwrap_or(now);
    let quiet_at = last_seen.saturating_add(stable_s.max(0));
    if quiet_at > now {
        return Decision::WaitUntil(quiet_at);
    }
    let mut ids: Vec<ChangeId> = changes.iter().map(|c| c.change).collect();
    ids.sort_unstable();
    ids.dedup();
    Decision::Submit(ids)
}

/// Decides about every timer, in the order of their first change.
pub fn decide_all(
    changes: &[ClassifiedChange],
    stable_s: i64,
    now: Timestamp,
) -> Vec<(TimerKey, Decision)> {
    let mut timers: indexmap::IndexMap<&TimerKey, Vec<&ClassifiedChange>> = Default::default();
    for change in changes {
        timers.entry(&change.timer).or_default().push(change);
    }
    timers.into_iter().map(|(key, all)| (key.clone(), decide(&all, stable_s, now))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(id: i64, important: bool, seen_at: Timestamp, branch: &str) -> ClassifiedChange {
        let timer = match branch {
            "" => TimerKey::Only,
            branch => TimerKey::Branch {
                codebase: String::new(),
                project: String::new(),
                repository: String::new(),
                branch: Some(branch.into()),
            },
        };
        ClassifiedChange { change: ChangeId(id), important, seen_at, timer }
    }

    #[test]
    fn the_tree_must_be_quiet() {
        let submit = |ids: &[i64]| Decision::Submit(ids.iter().map(|id| ChangeId(*id)).collect());
        // Changes as (id, important, seen), the time now, and the decision.
        type Case = (&'static [(i64, bool, i64)], i64, Decision);
        let cases: [Case; 8] = [
            (&[], 100, Decision::Idle),
            (&[(1, false, 0)], 100, Decision::Idle),
            (&[(1, true, 50)], 100, Decision::WaitUntil(110)),
            (&[(1, true, 50)], 110, submit(&[1])),
            (&[(1, true, 50), (2, false, 70)], 110, Decision::WaitUntil(130)),
            (&[(3, false, 70), (2, true, 50), (1, false, 10)], 130, submit(&[1, 2, 3])),
            (&[(1, false, 90), (2, true, 40)], 100, submit(&[1, 2])),
            (&[(1, true, 900)], 100, Decision::WaitUntil(160)),
        ];
        for (changes, now, expected) in cases {
            let changes: Vec<_> = changes.iter().map(|(i, b, t)| change(*i, *b, *t, "")).collect();
            let refs: Vec<_> = changes.iter().collect();
            assert_eq!(decide(&refs, 60, now), expected, "{changes:?} at {now}");
        }
    }

    #[test]
    fn branches_wait_apart() {
        let changes = [change(1, true, 0, "a"), change(2, true, 50, "b"), change(3, false, 1, "a")];
        let decisions: Vec<Decision> =
            decide_all(&changes, 60, 100).into_iter().map(|(_, d)| d).collect();
        let first = Decision::Submit(vec![ChangeId(1), ChangeId(3)]);
        assert_eq!(decisions, [first, Decision::WaitUntil(110)]);
    }
}
