//! Which waiting requests a newer one makes superfluous (`collapseRequests`).

use crate::model::{BuildRequestId, BuilderId, BuildsetId, Properties};

/// An unclaimed request with what decides about collapsing.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingRequest {
    pub id: BuildRequestId,
    pub buildset: BuildsetId,
    pub builder: BuilderId,
    /// A Trigger step waits for it.
    pub waited_for: bool,
    pub sources: Vec<PendingSource>,
    /// The buildset's properties.
    pub properties: Properties,
}

/// A source stamp of a pending request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PendingSource {
    pub codebase: String,
    pub repository: String,
    pub project: String,
    pub branch: Option<String>,
    pub revision: Option<String>,
    pub has_patch: bool,
    /// Some change has this source stamp.
    pub has_changes: bool,
}

/// The requests among `unclaimed` that `new` replaces, oldest first.
pub fn collapsed_by(new: &PendingRequest, unclaimed: &[PendingRequest]) -> Vec<BuildRequestId> {
    let mut ids: Vec<BuildRequestId> =
        unclaimed.iter().filter(|old| can_collapse(new, old)).map(|old| old.id).collect();
    ids.sort_unstable();
    ids
}

/// Stock's default rule: same builder, same sources without patch, and either changes on both
/// sides or the same revision; same properties from the scheduler. Only older requests collapse,
/// so that two never replace each other, and none that a build waits for.
pub fn can_collapse(new: &PendingRequest, old: &PendingRequest) -> bool {
    if new.builder != old.builder || old.id >= new.id || new.waited_for || old.waited_for {
        return false;
    }
    if new.buildset == old.buildset {
        return true;
    }
    new.sources.len() == old.sources.len()
        && new.sources.iter().all(|source| {
            let other = old.sources.iter().find(|other| other.codebase == source.codebase);
            other.is_some_and(|other| are_compatible(source, other))
        })
        && scheduler_properties(&new.properties) == scheduler_properties(&old.properties)
}

fn are_compatible(new: &PendingSource, old: &PendingSource) -> bool {
    let same_place =
        new.repository == old.repository && new.branch == old.branch && new.project == old.project;
    let same_version = match (new.has_changes, old.has_changes) {
        (true, true) => true,
        (false, false) => new.revision == old.revision,
        _ => false,
    };
    same_place && same_version && !new.has_patch && !old.has_patch
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
    use serde_json::json;

    use super::*;

    fn request(id: i64, change: impl FnOnce(&mut PendingRequest)) -> PendingRequest {
        let mut request = PendingRequest {
            id: BuildRequestId(id),
            buildset: BuildsetId(id),
            builder: BuilderId(1),
            waited_for: false,
            sources: vec![PendingSource {
                branch: Some("main".into()),
                revision: Some(id.to_string()),
                has_changes: true,
                ..PendingSource::default()
            }],
            properties: Properties::from_iter([("scheduler", json!(id), "Scheduler")]),
        };
        change(&mut request);
        request
    }

    #[test]
    fn only_compatible_older_requests_collapse() {
        type Change = fn(&mut PendingRequest);
        let cases: [(&str, Change, bool); 11] = [
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
        ];
        let new = request(9, |_| ());
        for (what, change, expected) in cases {
            assert_eq!(can_collapse(&new, &request(3, change)), expected, "{what}");
        }
        assert!(can_collapse(&new, &request(3, |r| _ = r.properties.set("p", 1, "Force"))));
        assert!(!can_collapse(&request(3, |_| ()), &new), "newer ones stay");
    }

    #[test]
    fn forced_requests_need_the_same_revision() {
        let forced = |id, revision: &str| {
            request(id, |r| {
                r.sources[0].has_changes = false;
                r.sources[0].revision = Some(revision.into());
            })
        };
        let unclaimed = [forced(2, "a"), forced(1, "a"), forced(3, "b"), forced(4, "a")];
        assert_eq!(
            collapsed_by(&forced(4, "a"), &unclaimed),
            [BuildRequestId(1), BuildRequestId(2)]
        );
    }
}
