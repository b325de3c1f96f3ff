//! Which versions to build: the changes' where there are some, the codebases' defaults elsewhere.

use crate::model::{Change, NewSourceStamp};

/// One stamp per codebase, in the order of `defaults`: of its last change, or the default.
///
/// `defaults` are the scheduler's codebases. Changes of other codebases are left out; a scheduler
/// refuses them beforehand ([`is_known`]). Without any default the codebase `""` is meant.
pub fn sourcestamps(changes: &[&Change], defaults: &[NewSourceStamp]) -> Vec<NewSourceStamp> {
    let only = [NewSourceStamp::default()];
    let defaults = if defaults.is_empty() { &only } else { defaults };
    let newest = |codebase: &str| {
        changes.iter().filter(|change| change.codebase == codebase).max_by_key(|change| change.id)
    };
    let stamp = |default: &NewSourceStamp| match newest(&default.codebase) {
        Some(change) => NewSourceStamp {
            branch: change.branch.clone(),
            revision: change.revision.clone(),
            repository: change.repository.clone(),
            project: change.project.clone(),
            codebase: change.codebase.clone(),
            patch: None,
        },
        None => default.clone(),
    };
    defaults.iter().map(stamp).collect()
}

/// Does a scheduler with these codebases take changes of `codebase`?
pub fn is_known(codebase: &str, defaults: &[NewSourceStamp]) -> bool {
    match defaults {
        [] => codebase.is_empty(),
        defaults => defaults.iter().any(|default| default.codebase == codebase),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChangeId, Properties, SourceStamp, SourceStampId};

    fn change(id: i64, codebase: &str, revision: &str) -> Change {
        let stamp = SourceStamp {
            id: SourceStampId(id),
            branch: Some("main".into()),
            revision: Some(revision.into()),
            repository: "r".into(),
            project: String::new(),
            codebase: codebase.into(),
            created_at: 0,
            patch: None,
        };
        Change {
            id: ChangeId(id),
            author: String::new(),
            committer: None,
            comments: String::new(),
            files: Vec::new(),
            branch: stamp.branch.clone(),
            revision: stamp.revision.clone(),
            revlink: None,
            when_timestamp: 0,
            category: None,
            repository: stamp.repository.clone(),
            project: String::new(),
            codebase: codebase.into(),
            properties: Properties::new(),
            sourcestamp: stamp,
            parent: None,
        }
    }

    #[test]
    fn the_last_change_wins_and_defaults_fill_up() {
        let lib = NewSourceStamp {
            codebase: "lib".into(),
            branch: Some("stable".into()),
            ..NewSourceStamp::default()
        };
        let app = NewSourceStamp { codebase: "app".into(), ..NewSourceStamp::default() };
        let changes = [change(2, "app", "new"), change(1, "app", "old"), change(3, "other", "x")];
        let changes: Vec<&Change> = changes.iter().collect();
        let stamps = sourcestamps(&changes, &[app, lib.clone()]);
        assert_eq!(stamps.len(), 2);
        assert_eq!(stamps[0].revision.as_deref(), Some("new"));
        assert_eq!(stamps[1], lib);
        assert_eq!(sourcestamps(&[], &[]), [NewSourceStamp::default()]);
        assert!(is_known("", &[]) && !is_known("x", &[]) && is_known("lib", &[lib]));
    }
}
