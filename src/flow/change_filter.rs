//! Does a scheduler care about this change, and is it important?

use serde_json::Value;

use super::pattern::{Pattern, Shell};
use crate::config::fields::Fields;
use crate::config::problems::Problems;
use crate::config::raw::{Raw, RawValue};
use crate::flow::interpolate::text;
use crate::model::Change;

/// Which changes a scheduler takes: all conditions must hold. Empty takes all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChangeFilter {
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq)]
struct Condition {
    what: Attribute,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Attribute {
    Project,
    Repository,
    Branch,
    Category,
    Codebase,
    Property(String),
}

/// `None` stands for a missing branch or category. A regular expression never matches it.
#[derive(Debug, Clone, PartialEq)]
enum Test {
    OneOf(Vec<Option<String>>),
    NoneOf(Vec<Option<String>>),
    Matches(Vec<Pattern>),
    MatchesNot(Vec<Pattern>),
}

/// Option names of one attribute, in the order equal, not equal, matches, matches not.
const ATTRIBUTES: [(Attribute, [&str; 4]); 5] = [
    (Attribute::Project, ["project", "project_not_eq", "project_re", "project_not_re"]),
    (
        Attribute::Repository,
        ["repository", "repository_not_eq", "repository_re", "repository_not_re"],
    ),
    (Attribute::Branch, ["branch", "branch_not_eq", "branch_re", "branch_not_re"]),
    (Attribute::Category, ["category", "category_not_eq", "category_re", "category_not_re"]),
    (Attribute::Codebase, ["codebase", "codebase_not_eq", "codebase_re", "codebase_not_re"]),
];

impl ChangeFilter {
    /// Reads a `change_filter` table. `branch = false` stands for Python's `None`, the default
    /// branch.
    pub fn parse(raw: &Raw, path: &str, problems: &mut Problems) -> ChangeFilter {
        let mut fields = Fields::of(raw, path, problems);
        let mut conditions = Vec::new();
        for (what, keys) in ATTRIBUTES {
            for (kind, key) in keys.into_iter().enumerate() {
                let Some(raw) = fields.take(key) else { continue };
                match Test::parse(kind, &raw, what == Attribute::Branch) {
                    Ok(test) => conditions.push(Condition { what: what.clone(), test }),
                    Err(message) => fields.problem_at(key, &raw.place, message),
                }
            }
        }
        for (kind, key) in ["property_eq", "property_not_eq", "property_re", "property_not_re"]
            .into_iter()
            .enumerate()
        {
            let Some(raw) = fields.take(key) else { continue };
            let RawValue::Table(table) = &raw.value else {
                fields.problem_at(key, &raw.place, format!("must be a table, not {}", raw.kind()));
                continue;
            };
            for (name, raw) in table {
                match Test::parse(kind, raw, false) {
                    Ok(test) => {
                        conditions.push(Condition { what: Attribute::Property(name.clone()), test })
                    }
                    Err(message) => fields.problem_at(key, &raw.place, message),
                }
            }
        }
        fields.finish();
        ChangeFilter { conditions }
    }

    /// A filter on exact branches, for the scheduler's own `branch` and `branches` options.
    pub fn branches(names: Vec<Option<String>>) -> ChangeFilter {
        let test = Test::OneOf(names);
        ChangeFilter { conditions: vec![Condition { what: Attribute::Branch, test }] }
    }

    /// Do all conditions hold?
    pub fn matches(&self, change: &Change) -> bool {
        self.conditions.iter().all(|condition| condition.holds(change))
    }

    /// The first condition that fails, for people; `None` when the change matches.
    pub fn why_not(&self, change: &Change) -> Option<String> {
        let failed = self.conditions.iter().find(|condition| !condition.holds(change))?;
        Some(failed.complaint(change))
    }
}

impl Condition {
    fn holds(&self, change: &Change) -> bool {
        let value = self.what.of(change);
        let value = value.as_deref();
        let listed = |list: &[Option<String>]| list.iter().any(|item| item.as_deref() == value);
        let matched = |list: &[Pattern]| value.is_some_and(|v| list.iter().any(|p| p.matches(v)));
        match &self.test {
            Test::OneOf(list) => listed(list),
            Test::NoneOf(list) => !listed(list),
            Test::Matches(list) => matched(list),
            Test::MatchesNot(list) => !matched(list),
        }
    }

    fn complaint(&self, change: &Change) -> String {
        let shown =
            |value: &Option<String>| value.as_ref().map_or("none".into(), |v| format!("'{v}'"));
        let names = |list: &[Option<String>]| list.iter().map(shown).collect::<Vec<_>>().join(", ");
        let sources =
            |list: &[Pattern]| list.iter().map(Pattern::source).collect::<Vec<_>>().join("' nor '");
        let value = shown(&self.what.of(change));
        let what = self.what.name();
        match &self.test {
            Test::OneOf(list) => format!("{what} {value} is not among {}", names(list)),
            Test::NoneOf(list) => format!("{what} {value} is excluded ({})", names(list)),
            Test::Matches(list) => format!("{what} {value} does not match '{}'", sources(list)),
            Test::MatchesNot(list) => {
                format!(
                    "{what} {value} is excluded by the pattern '{}'",
                    sources(list).replace(" nor ", " or ")
                )
            }
        }
    }
}

impl Attribute {
    fn name(&self) -> &str {
        match self {
            Attribute::Project => "project",
            Attribute::Repository => "repository",
            Attribute::Branch => "branch",
            Attribute::Category => "category",
            Attribute::Codebase => "codebase",
            Attribute::Property(name) => name,
        }
    }

    /// A property that is not set reads as empty text, as in stock.
    fn of(&self, change: &Change) -> Option<String> {
        match self {
            Attribute::Project => Some(change.project.clone()),
            Attribute::Repository => Some(change.repository.clone()),
            Attribute::Branch => change.branch.clone(),
            Attribute::Category => change.category.clone(),
            Attribute::Codebase => Some(change.codebase.clone()),
            Attribute::Property(name) => match change.properties.get(name) {
                None => Some(String::new()),
                Some(Value::Null) => None,
                Some(value) => Some(text(value)),
            },
        }
    }
}

impl Test {
    fn parse(kind: usize, raw: &Raw, none_allowed: bool) -> Result<Test, String> {
        let items = match &raw.value {
            RawValue::List(items) => items.iter().collect(),
            _ => vec![raw],
        };
        let words = || -> Result<Vec<Option<String>>, String> {
            let word = |raw: &&Raw| match &raw.value {
                RawValue::Text(text) => Ok(Some(text.clone())),
                RawValue::Null | RawValue::Bool(false) if none_allowed => Ok(None),
                _ => Err(format!("must be a string or a list of strings, not {}", raw.kind())),
            };
            items.iter().map(word).collect()
        };
        let patterns = || -> Result<Vec<Pattern>, String> {
            let pattern = |raw: &&Raw| match &raw.value {
                RawValue::Text(text) => Pattern::new(text),
                _ => Err(format!("must be a regular expression, not {}", raw.kind())),
            };
            items.iter().map(pattern).collect()
        };
        Ok(match kind {
            0 => Test::OneOf(words()?),
            1 => Test::NoneOf(words()?),
            2 => Test::Matches(patterns()?),
            _ => Test::MatchesNot(patterns()?),
        })
    }
}

/// `fileIsImportant` as patterns: a change is important when one of its files is included and not
/// excluded. Empty finds every change important.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileFilter {
    include: Vec<FilePattern>,
    exclude: Vec<FilePattern>,
}

#[derive(Debug, Clone, PartialEq)]
enum FilePattern {
    Shell(Shell),
    Regex(Pattern),
}

impl FileFilter {
    /// Reads `fileIsImportant`: a shell pattern, a list of them, or a table of `include`,
    /// `exclude` (shell patterns), `include_re` and `exclude_re` (regular expressions).
    pub fn parse(raw: &Raw, path: &str, problems: &mut Problems) -> FileFilter {
        let mut filter = FileFilter::default();
        if !matches!(raw.value, RawValue::Table(_)) {
            match FilePattern::list(raw, false) {
                Ok(patterns) => filter.include = patterns,
                Err(message) => problems.add(&raw.place, path, message),
            }
            return filter;
        }
        let mut fields = Fields::of(raw, path, problems);
        for (key, regex) in
            [("include", false), ("include_re", true), ("exclude", false), ("exclude_re", true)]
        {
            let Some(raw) = fields.take(key) else { continue };
            match FilePattern::list(&raw, regex) {
                Ok(patterns) if key.starts_with("include") => filter.include.extend(patterns),
                Ok(patterns) => filter.exclude.extend(patterns),
                Err(message) => fields.problem_at(key, &raw.place, message),
            }
        }
        fields.finish();
        filter
    }

    /// Does one of its files count?
    pub fn is_important(&self, change: &Change) -> bool {
        self.why_not(change).is_none()
    }

    /// Why no file of the change counts; `None` when the change is important.
    pub fn why_not(&self, change: &Change) -> Option<String> {
        if self.include.is_empty() && self.exclude.is_empty() {
            return None;
        }
        let included =
            |file: &str| self.include.is_empty() || self.include.iter().any(|p| p.matches(file));
        let excluded = |file: &str| self.exclude.iter().any(|p| p.matches(file));
        if change.files.iter().any(|file| included(file) && !excluded(file)) {
            return None;
        }
        Some(match change.files.as_slice() {
            [] => "the change names no files".to_owned(),
            [file] => format!("its only file '{file}' is not important"),
            files => format!("none of its {} files is important", files.len()),
        })
    }
}

impl FilePattern {
    fn list(raw: &Raw, regex: bool) -> Result<Vec<FilePattern>, String> {
        let items = match &raw.value {
            RawValue::List(items) => items.iter().collect(),
            _ => vec![raw],
        };
        let one = |raw: &Raw| match &raw.value {
            RawValue::Text(text) if regex => Pattern::new(text).map(FilePattern::Regex),
            RawValue::Text(text) => Shell::new(text).map(FilePattern::Shell),
            _ => Err(format!("must be a pattern or a list of patterns, not {}", raw.kind())),
        };
        items.into_iter().map(one).collect()
    }

    fn matches(&self, file: &str) -> bool {
        match self {
            FilePattern::Shell(shell) => shell.matches(file),
            FilePattern::Regex(pattern) => pattern.matches(file),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::problems::Place;
    use crate::model::{ChangeId, Properties, SourceStamp, SourceStampId};

    fn raw(value: Value) -> Raw {
        let value = match value {
            Value::Null => RawValue::Null,
            Value::Bool(b) => RawValue::Bool(b),
            Value::Number(n) => RawValue::Int(n.as_i64().unwrap()),
            Value::String(s) => RawValue::Text(s),
            Value::Array(items) => RawValue::List(items.into_iter().map(raw).collect()),
            Value::Object(map) => {
                RawValue::Table(map.into_iter().map(|(k, v)| (k, raw(v))).collect())
            }
        };
        Raw { value, place: Place::default() }
    }

    fn change(branch: Option<&str>, files: &[&str]) -> Change {
        let stamp = SourceStamp {
            id: SourceStampId(1),
            branch: branch.map(str::to_owned),
            revision: None,
            repository: "git://r".into(),
            project: "p".into(),
            codebase: String::new(),
            created_at: 0,
            patch: None,
        };
        Change {
            id: ChangeId(1),
            author: "a".into(),
            committer: None,
            comments: String::new(),
            files: files.iter().map(|f| (*f).to_owned()).collect(),
            branch: branch.map(str::to_owned),
            revision: None,
            revlink: None,
            when_timestamp: 0,
            category: None,
            repository: "git://r".into(),
            project: "p".into(),
            codebase: String::new(),
            properties: Properties::from_iter([("kind", json!("pull"), "Change")]),
            sourcestamp: stamp,
            parent: None,
        }
    }

    fn filter(value: Value) -> ChangeFilter {
        let mut problems = Problems::new();
        let filter = ChangeFilter::parse(&raw(value), "change_filter", &mut problems);
        assert!(problems.is_empty(), "{problems}");
        filter
    }

    #[test]
    fn conditions_follow_stock() {
        let main = change(Some("main"), &[]);
        let none = change(None, &[]);
        let cases = [
            (json!({}), true, true),
            (json!({"branch": "main"}), true, false),
            (json!({"branch": ["main", "dev"]}), true, false),
            (json!({"branch": [false, "dev"]}), false, true),
            (json!({"branch": null}), false, true),
            (json!({"branch_not_eq": "main"}), false, true),
            (json!({"branch_re": "ma"}), true, false),
            (json!({"branch_re": "ain"}), false, false),
            (json!({"branch_not_re": "ma"}), false, true),
            (json!({"project": "p", "repository": "git://r"}), true, true),
            (json!({"project": "q"}), false, false),
            (json!({"category_re": ".*"}), false, false),
            (json!({"category_not_re": ".*"}), true, true),
            (json!({"codebase": ""}), true, true),
            (json!({"property_eq": {"kind": ["pull", "push"]}}), true, true),
            (json!({"property_not_eq": {"other": ""}}), false, false),
        ];
        for (value, of_main, of_none) in cases {
            let filter = filter(value.clone());
            assert_eq!(filter.matches(&main), of_main, "{value} main");
            assert_eq!(filter.matches(&none), of_none, "{value} none");
            assert_eq!(filter.why_not(&none).is_none(), of_none, "{value}");
        }
        let why = filter(json!({"branch": ["dev"]})).why_not(&main).unwrap();
        assert_eq!(why, "branch 'main' is not among 'dev'");
    }

    #[test]
    fn files_decide_importance() {
        let cases = [
            (json!("src/*"), vec!["src/a/b.rs"], true),
            (json!(["*.md"]), vec!["src/a.rs"], false),
            (json!({"exclude": ["docs/*", "*.md"]}), vec!["README.md", "docs/x"], false),
            (json!({"exclude": ["docs/*"]}), vec!["docs/x", "Makefile"], true),
            (
                json!({"include_re": "src/.*\\.c$", "exclude": "src/gen/*"}),
                vec!["src/gen/a.c"],
                false,
            ),
            (json!({"include_re": "src/.*\\.c$"}), vec!["a.c", "src/a.c"], true),
            (json!({}), vec![], true),
        ];
        for (value, files, expected) in cases {
            let mut problems = Problems::new();
            let filter = FileFilter::parse(&raw(value.clone()), "fileIsImportant", &mut problems);
            assert!(problems.is_empty(), "{problems}");
            assert_eq!(filter.is_important(&change(None, &files)), expected, "{value}");
        }
    }

    #[test]
    fn mistakes_are_reported_with_their_key() {
        let mut problems = Problems::new();
        ChangeFilter::parse(
            &raw(json!({"branch_re": "(", "project": 3, "brnach": "x"})),
            "f",
            &mut problems,
        );
        let text = problems.to_string();
        for part in ["f.branch_re: '(' is not", "f.project: must be", "did you mean 'branch'"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
