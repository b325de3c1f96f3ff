//! Which versions to build: the changes' where there are some, the codebases' defaults elsewhere.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::model::{Change, NewSourceStamp, SourceStamp, SourceStampId};

/// One stamp per codebase, in the order of `defaults`: of its last change, or the default.
///
/// `defaults` are the scheduler's codebases. Changes of other codebases are left out; a scheduler
/// refuses them beforehand. Without any default the codebase `""` is meant.
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

/// What somebody says about the version of one codebase: what is left open comes from the
/// scheduler's codebases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartialStamp {
    pub codebase: String,
    /// A stored stamp, taken as it is with its patch; the other parts say nothing then.
    pub id: Option<SourceStampId>,
    /// `Some(None)` is no branch, the default one.
    pub branch: Option<Option<String>>,
    /// `Some(None)` is the newest revision.
    pub revision: Option<Option<String>>,
    pub repository: Option<String>,
    pub project: Option<String>,
}

impl PartialStamp {
    /// Leaves nothing open.
    pub fn of(stamp: &SourceStamp) -> PartialStamp {
        PartialStamp {
            codebase: stamp.codebase.clone(),
            id: None,
            branch: Some(stamp.branch.clone()),
            revision: Some(stamp.revision.clone()),
            repository: Some(stamp.repository.clone()),
            project: Some(stamp.project.clone()),
        }
    }

    /// As stock writes it: what is left open is left out.
    pub fn to_json(&self) -> Value {
        let mut table = Map::new();
        table.insert("codebase".to_owned(), self.codebase.as_str().into());
        for (key, value) in [
            ("branch", self.branch.clone()),
            ("revision", self.revision.clone()),
            ("repository", self.repository.clone().map(Some)),
            ("project", self.project.clone().map(Some)),
        ] {
            if let Some(value) = value {
                table.insert(key.to_owned(), value.map_or(Value::Null, Value::String));
            }
        }
        Value::Object(table)
    }

    /// The reverse of [`to_json`](Self::to_json); what it does not know is left out.
    pub fn from_json(value: &Value) -> PartialStamp {
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let given = |key: &str| value.get(key).map(|value| value.as_str().map(str::to_owned));
        PartialStamp {
            codebase: text("codebase").unwrap_or_default(),
            id: None,
            branch: given("branch"),
            revision: given("revision"),
            repository: text("repository"),
            project: text("project"),
        }
    }

    fn over(self, default: NewSourceStamp) -> NewSourceStamp {
        NewSourceStamp {
            branch: self.branch.unwrap_or(default.branch),
            revision: self.revision.unwrap_or(default.revision),
            repository: self.repository.unwrap_or(default.repository),
            project: self.project.unwrap_or(default.project),
            codebase: self.codebase,
            patch: None,
        }
    }
}

/// One stamp for each codebase of the scheduler, with what was said about it, then those of other
/// codebases: new ones and stored ones. Nothing at all means the codebase `""`.
pub fn filled_up(
    said: Vec<PartialStamp>,
    defaults: &[NewSourceStamp],
) -> (Vec<NewSourceStamp>, Vec<SourceStampId>) {
    let mut said: IndexMap<String, PartialStamp> =
        said.into_iter().map(|stamp| (stamp.codebase.clone(), stamp)).collect();
    let (mut new, mut stored) = (Vec::new(), Vec::new());
    for default in defaults {
        match said.shift_remove(&default.codebase) {
            Some(PartialStamp { id: Some(id), .. }) => stored.push(id),
            Some(stamp) => new.push(stamp.over(default.clone())),
            None => new.push(default.clone()),
        }
    }
    for stamp in said.into_values() {
        match stamp.id {
            Some(id) => stored.push(id),
            None => new.push(stamp.over(NewSourceStamp::default())),
        }
    }
    if new.is_empty() && stored.is_empty() {
        new.push(NewSourceStamp::default());
    }
    (new, stored)
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
    }

    #[test]
    fn what_is_left_open_comes_from_the_defaults() {
        let default = |codebase: &str, branch: &str| NewSourceStamp {
            codebase: codebase.into(),
            branch: Some(branch.into()),
            repository: format!("{codebase}.git"),
            ..NewSourceStamp::default()
        };
        let defaults = [default("app", "main"), default("lib", "main"), default("doc", "main")];
        let said = vec![
            PartialStamp {
                codebase: "app".into(),
                revision: Some(Some("abc".into())),
                ..PartialStamp::default()
            },
            PartialStamp {
                codebase: "lib".into(),
                id: Some(SourceStampId(7)),
                ..PartialStamp::default()
            },
            PartialStamp {
                codebase: "other".into(),
                branch: Some(None),
                ..PartialStamp::default()
            },
        ];
        let app = NewSourceStamp { revision: Some("abc".into()), ..default("app", "main") };
        let other = NewSourceStamp { codebase: "other".into(), ..NewSourceStamp::default() };
        let expected = (vec![app, default("doc", "main"), other], vec![SourceStampId(7)]);
        assert_eq!(filled_up(said.clone(), &defaults), expected);
        assert_eq!(filled_up(vec![], &[]), (vec![NewSourceStamp::default()], vec![]));
        for stamp in [&said[0], &said[2]] {
            assert_eq!(PartialStamp::from_json(&stamp.to_json()), *stamp);
        }
    }
}
