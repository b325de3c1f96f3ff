//! Which waiting requests a newer one makes superfluous (`collapseRequests`).

use minijinja::value::Value as Jinja;

use super::expression::Variables;
use super::rules::{Collapse, PendingRequest, PendingSource};
use crate::model::{BuildRequestId, Properties};

/// A request that another one replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    pub gone: BuildRequestId,
    pub by: BuildRequestId,
}

/// Older requests, the newest of them, that an expression is asked about.
const LOOK: usize = 100;

/// What becomes of the unclaimed requests of one builder when those after `seen` are new: each new
/// one, oldest first, may replace older ones. Whoever was replaced by one that is itself replaced
/// belongs to the last.
///
/// # Errors
/// What is wrong with the rule's expression; nothing is replaced then.
pub fn replaced(
    requests: &[PendingRequest],
    seen: BuildRequestId,
    rule: &Collapse,
) -> Result<Vec<Replaced>, String> {
    let mut by_age: Vec<&PendingRequest> = requests.iter().collect();
    by_age.sort_unstable_by_key(|request| request.id);
    let mut replaced: Vec<Replaced> = Vec::new();
    for (place, new) in by_age.iter().enumerate().filter(|(_, request)| request.id > seen) {
        let first = match rule {
            Collapse::If(_) => place.saturating_sub(LOOK),
            _ => 0,
        };
        for old in &by_age[first..place] {
            let by = replaced.iter().position(|other| other.gone == old.id);
            if by.is_none() && may_replace(new, old, rule)? {
                for earlier in replaced.iter_mut().filter(|other| other.by == old.id) {
                    earlier.by = new.id;
                }
                replaced.push(Replaced { gone: old.id, by: new.id });
            }
        }
    }
    Ok(replaced)
}

/// May `new` replace `old`? Whatever the rule says, only older requests of the same builder
/// collapse, so that two never replace each other, and none that a build waits for.
///
/// # Errors
/// What is wrong with the rule's expression.
pub fn may_replace(
    new: &PendingRequest,
    old: &PendingRequest,
    rule: &Collapse,
) -> Result<bool, String> {
    if new.builder != old.builder || old.id >= new.id || new.waited_for || old.waited_for {
        return Ok(false);
    }
    Ok(match rule {
        Collapse::Never => false,
        Collapse::Compatible => are_compatible(new, old),
        Collapse::SameSources => sources_agree(new, old, same_version),
        Collapse::SameBranch => sources_agree(new, old, same_place),
        Collapse::If(expression) => {
            let variables = Variables::default()
                .with("new", Jinja::from_serialize(new.to_json()))
                .with("old", Jinja::from_serialize(old.to_json()))
                .with("compatible", are_compatible(new, old));
            expression.value(&variables)?.is_true()
        }
    })
}

/// Stock's default rule: one buildset, or the same sources without patch, each with changes on both
/// sides or the same revision, and the same properties from the scheduler.
fn are_compatible(new: &PendingRequest, old: &PendingRequest) -> bool {
    new.buildset == old.buildset
        || sources_agree(new, old, same_version)
            && scheduler_properties(&new.properties) == scheduler_properties(&old.properties)
}

fn sources_agree(
    new: &PendingRequest,
    old: &PendingRequest,
    agree: fn(&PendingSource, &PendingSource) -> bool,
) -> bool {
    new.sources.len() == old.sources.len()
        && new.sources.iter().all(|source| {
            let other = old.sources.iter().find(|other| other.codebase == source.codebase);
            other.is_some_and(|other| agree(source, other))
        })
}

fn same_place(new: &PendingSource, old: &PendingSource) -> bool {
    let same =
        new.repository == old.repository && new.branch == old.branch && new.project == old.project;
    same && !new.has_patch && !old.has_patch
}

fn same_version(new: &PendingSource, old: &PendingSource) -> bool {
    let version = match (new.has_changes, old.has_changes) {
        (true, true) => true,
        (false, false) => new.revision == old.revision,
        _ => false,
    };
    version && same_place(new, old)
}

/// Properties a scheduler set, except its own name.
fn scheduler_properties(
    properties: &Properties,
) -> std::collections::BTreeMap<&str, &serde_json::Value> {
    let set = properties
        .iter()
        .filter(|(name, property)| *name != "scheduler" && property.source == "Scheduler");
    set.map(|(name, property)| (name, &property.value)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::expression::Expression;
    use super::super::rules::tests::request as plain;
    use super::*;
    use crate::model::{BuilderId, BuildsetId};

    fn request(id: i64, change: impl FnOnce(&mut PendingRequest)) -> PendingRequest {
        plain(id, |request| {
            request.sources[0].revision = Some(id.to_string());
            request.properties.set("scheduler", id, "Scheduler");
            change(request);
        })
    }

    fn forced(id: i64, revision: &str) -> PendingRequest {
        request(id, |r| {
            r.sources[0].has_changes = false;
            r.sources[0].revision = Some(revision.into());
        })
    }

    #[test]
    fn only_compatible_older_requests_collapse() {
        type Change = fn(&mut PendingRequest);
        let cases: [(&str, Change, bool); 13] = [
            ("same branch", |_| (), true),
            ("other branch", |r| r.sources[0].branch = None, false),
            ("other builder", |r| r.builder = BuilderId(2), false),
            ("other repository", |r| r.sources[0].repository = "x".into(), false),
            ("other project", |r| r.sources[0].project = "x".into(), false),
            ("patch", |r| r.sources[0].has_patch = true, false),
            ("no changes", |r| r.sources[0].has_changes = false, false),
            ("other codebase", |r| r.sources[0].codebase = "x".into(), false),
            ("more codebases", |r| r.sources.push(PendingSource::default()), false),
            ("waited for", |r| r.waited_for = true, false),
            ("own property", |r| _ = r.properties.set("p", 1, "Scheduler"), false),
            ("forced property", |r| _ = r.properties.set("p", 1, "Force"), true),
            ("same buildset", |r| (r.buildset, r.sources[0].branch) = (BuildsetId(9), None), true),
        ];
        let new = request(9, |_| ());
        let may = |new: &PendingRequest, old: &PendingRequest| {
            may_replace(new, old, &Collapse::Compatible).unwrap()
        };
        for (what, change, expected) in cases {
            assert_eq!(may(&new, &request(3, change)), expected, "{what}");
        }
        assert!(!may(&request(3, |_| ()), &new), "newer ones stay");
    }

    #[test]
    fn other_rules_see_more_or_less() {
        let expression = |text: &str| Collapse::If(Expression::parse(text).unwrap());
        let newer = request(9, |r| _ = r.properties.set("p", 1, "Scheduler"));
        let table = [
            (Collapse::Never, false, false),
            (Collapse::Compatible, false, false),
            (Collapse::SameSources, true, false),
            (Collapse::SameBranch, true, true),
            (expression("true"), true, true),
            (expression("compatible"), false, false),
            (expression("new.branch == old.branch and old.has_changes"), true, false),
            (expression("new.properties.p == 1 and not old.properties.p"), true, true),
        ];
        for (rule, with_changes, without) in table {
            assert_eq!(
                may_replace(&newer, &request(3, |_| ()), &rule),
                Ok(with_changes),
                "{rule:?}"
            );
            assert_eq!(may_replace(&newer, &forced(3, "x"), &rule), Ok(without), "{rule:?}");
        }
        let broken = expression("new.nothing()");
        assert!(may_replace(&newer, &request(3, |_| ()), &broken).is_err());
    }

    #[test]
    fn the_last_one_takes_them_all() {
        let pairs = |requests: &[PendingRequest], seen: i64| -> Vec<(i64, i64)> {
            let found = replaced(requests, BuildRequestId(seen), &Collapse::Compatible).unwrap();
            found.iter().map(|r| (r.gone.0, r.by.0)).collect()
        };
        let queue = [forced(2, "a"), forced(1, "a"), forced(3, "b"), forced(4, "a")];
        assert_eq!(pairs(&queue, 0), [(1, 4), (2, 4)]);
        assert_eq!(pairs(&queue, 2), [(1, 4), (2, 4)]);
        assert_eq!(pairs(&queue, 4), [], "nothing is new");
    }
}
