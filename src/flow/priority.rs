//! `priority` of a scheduler: a number, or an expression over what is about to be built.
//!
//! The expression sees `builderNames`, `changes` (codebase → list of changes) and `branch`,
//! `repository`, `project`, `codebase`, `category` and `author` of the newest change. Without
//! changes all but `builderNames` are empty.

use serde_json::{Map, Value, json};

use super::expression::Expression;
use crate::config::raw::{Raw, RawValue};
use crate::model::{Change, Properties};

/// How urgent the requests of a scheduler are. Higher is built first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Priority {
    Number(i64),
    Rule(Expression),
}

impl Default for Priority {
    fn default() -> Priority {
        Priority::Number(0)
    }
}

impl Priority {
    /// # Errors
    /// A message for people. An expression must give a number even when there are no changes.
    pub fn parse(raw: &Raw) -> Result<Priority, String> {
        match &raw.value {
            RawValue::Int(number) => Ok(Priority::Number(*number)),
            RawValue::Text(source) => {
                let rule = Priority::Rule(Expression::parse(source)?);
                let told = |error| {
                    format!("must be a whole number, or an expression that gives one: {error}")
                };
                rule.of(&[], &[]).map_err(told)?;
                Ok(rule)
            }
            _ => Err(format!(
                "must be a whole number, or an expression that gives one, not {}",
                raw.kind()
            )),
        }
    }

    /// The priority of a buildset of these changes for these builders.
    ///
    /// # Errors
    /// A message for people when the expression gives no number.
    pub fn of(&self, builder_names: &[String], changes: &[&Change]) -> Result<i64, String> {
        match self {
            Priority::Number(number) => Ok(*number),
            Priority::Rule(rule) => rule.number(&scope(builder_names, changes)),
        }
    }
}

fn scope(builder_names: &[String], changes: &[&Change]) -> Properties {
    let mut scope = Properties::new();
    let mut set = |name: &str, value: Value| {
        scope.set(name, value, "");
    };
    set("builderNames", json!(builder_names));
    let mut by_codebase: Map<String, Value> = Map::new();
    for change in changes {
        let list = by_codebase.entry(&change.codebase).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(told(change));
        }
    }
    set("changes", Value::Object(by_codebase));
    let newest = changes.iter().max_by_key(|change| change.id).map(|change| told(change));
    for name in ["branch", "repository", "project", "codebase", "category", "author"] {
        let value = newest.as_ref().and_then(|change| change.get(name));
        set(name, value.cloned().unwrap_or_default());
    }
    scope
}

fn told(change: &Change) -> Value {
    let properties: Map<String, Value> = change
        .properties
        .iter()
        .map(|(name, property)| (name.to_owned(), property.value.clone()))
        .collect();
    json!({
        "author": change.author, "branch": change.branch, "revision": change.revision,
        "repository": change.repository, "project": change.project, "codebase": change.codebase,
        "category": change.category, "files": change.files, "comments": change.comments,
        "properties": properties,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problems::Place;
    use crate::model::{ChangeId, SourceStamp, SourceStampId};

    fn parse(value: RawValue) -> Result<Priority, String> {
        Priority::parse(&Raw { value, place: Place::default() })
    }

    fn change(id: i64, codebase: &str, branch: &str) -> Change {
        let stamp = SourceStamp {
            id: SourceStampId(id),
            branch: Some(branch.into()),
            revision: None,
            repository: String::new(),
            project: String::new(),
            codebase: codebase.into(),
            created_at: 0,
            patch: None,
        };
        Change {
            id: ChangeId(id),
            author: "Ann".into(),
            committer: None,
            comments: String::new(),
            files: vec!["a.c".into()],
            branch: stamp.branch.clone(),
            revision: None,
            revlink: None,
            when_timestamp: 0,
            category: None,
            repository: String::new(),
            project: String::new(),
            codebase: codebase.into(),
            properties: Properties::from_iter([("urgent", json!(true), "Change")]),
            sourcestamp: stamp,
            parent: None,
        }
    }

    #[test]
    fn numbers_and_rules() {
        let changes = [change(1, "app", "main"), change(2, "lib", "dev")];
        let changes: Vec<&Change> = changes.iter().collect();
        let builders = ["quick".to_owned()];
        let cases = [
            ("10 if branch == 'dev' else 1", 10),
            ("changes | length", 2),
            ("changes.app[0].branch == 'main' and 7 or 3", 7),
            ("5 if 'quick' in builderNames else 0", 5),
            ("9 if changes.lib and changes.lib[0].properties.urgent else 2", 9),
            ("2.0 * 3", 6),
        ];
        for (source, expected) in cases {
            let rule = parse(RawValue::Text(source.into())).unwrap();
            assert_eq!(rule.of(&builders, &changes), Ok(expected), "{source}");
        }
        assert_eq!(parse(RawValue::Int(-3)).unwrap().of(&[], &[]), Ok(-3));
    }

    #[test]
    fn what_gives_no_number_is_refused() {
        for (value, expected) in [
            (RawValue::Text("high".into()), "must be a whole number"),
            (RawValue::Text("1 +".into()), "1 +"),
            (RawValue::Text("'10'".into()), "must be a whole number"),
            (RawValue::Bool(true), "not true or false"),
        ] {
            let message = parse(value).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
