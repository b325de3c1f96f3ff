//! Does a scheduler care about this change?

use serde_json::Value;

use super::change_facts::stored_facts;
use super::expression::Expression;
pub use super::file_filter::FileFilter;
use super::pattern::Pattern;
use crate::config::fields::Fields;
use crate::config::problems::Problems;
use crate::config::raw::{Raw, RawValue};
use crate::flow::interpolate::text;
use crate::model::Change;

/// Which changes a scheduler takes: all conditions must hold. Empty takes all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChangeFilter {
    conditions: Vec<Condition>,
    /// Where stock takes a callable.
    expressions: Vec<Expression>,
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
    Author,
    /// One of them decides.
    Files,
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
const ATTRIBUTES: [(Attribute, [&str; 4]); 7] = [
    (Attribute::Project, ["project", "project_not_eq", "project_re", "project_not_re"]),
    (
        Attribute::Repository,
        ["repository", "repository_not_eq", "repository_re", "repository_not_re"],
    ),
    (Attribute::Branch, ["branch", "branch_not_eq", "branch_re", "branch_not_re"]),
    (Attribute::Category, ["category", "category_not_eq", "category_re", "category_not_re"]),
    (Attribute::Codebase, ["codebase", "codebase_not_eq", "codebase_re", "codebase_not_re"]),
    (Attribute::Author, ["author", "author_not_eq", "author_re", "author_not_re"]),
    (Attribute::Files, ["files", "files_not_eq", "files_re", "files_not_re"]),
];

/// What tells a filter that looks at Gerrit's own branch and type of event.
const GERRIT: &str = "GerritChangeFilter";
/// The property with Gerrit's branch; the change's own is the ref of its patch set.
const GERRIT_BRANCH: &str = "event.change.branch";
const GERRIT_TYPE: &str = "event.type";

impl ChangeFilter {
    /// Reads a `change_filter` table. `branch = false` stands for Python's `None`, the default
    /// branch.
    pub fn parse(raw: &Raw, path: &str, problems: &mut Problems) -> ChangeFilter {
        let mut fields = Fields::of(raw, path, problems);
        let filter = ChangeFilter::read(&mut fields);
        fields.finish();
        filter
    }

    /// Reads the keys of a filter that are left in a table.
    pub fn read(fields: &mut Fields<'_>) -> ChangeFilter {
        let class = fields.class(Some("ChangeFilter"), &["ChangeFilter", GERRIT], &[]);
        let mut filter = ChangeFilter::default();
        if class == Some(GERRIT) {
            filter.gerrit(fields);
        }
        for (what, keys) in ATTRIBUTES {
            let none_allowed = what == Attribute::Branch;
            for (kind, key) in keys.into_iter().enumerate() {
                filter.condition(fields, key, kind, what.clone(), none_allowed);
            }
        }
        for (kind, key) in ["property_eq", "property_not_eq", "property_re", "property_not_re"]
            .into_iter()
            .enumerate()
        {
            filter.properties(fields, key, kind);
        }
        for key in ["filter", "filter_fn"] {
            filter.expressions.extend(read_expression(fields, key));
        }
        filter
    }

    /// Reads one key, if it is there.
    fn condition(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
        kind: usize,
        what: Attribute,
        none_allowed: bool,
    ) {
        let Some(raw) = fields.take(key) else { return };
        match Test::parse(kind, &raw, none_allowed) {
            Ok(test) => self.conditions.push(Condition { what, test }),
            Err(message) => fields.problem_at(key, &raw.place, message),
        }
    }

    fn properties(&mut self, fields: &mut Fields<'_>, key: &'static str, kind: usize) {
        let Some(raw) = fields.take(key) else { return };
        let RawValue::Table(table) = &raw.value else {
            let message = format!("must be a table, not {}", raw.kind());
            return fields.problem_at(key, &raw.place, message);
        };
        for (name, raw) in table {
            match Test::parse(kind, raw, false) {
                Ok(test) => self
                    .conditions
                    .push(Condition { what: Attribute::Property(name.clone()), test }),
                Err(message) => fields.problem_at(key, &raw.place, message),
            }
        }
    }

    /// The keys of a `GerritChangeFilter` that mean something else, or that only it has.
    fn gerrit(&mut self, fields: &mut Fields<'_>) {
        for (key, kind, property) in [
            ("eventtype", 0, GERRIT_TYPE),
            ("eventtype_re", 2, GERRIT_TYPE),
            ("branch", 0, GERRIT_BRANCH),
            ("branch_re", 2, GERRIT_BRANCH),
        ] {
            self.condition(fields, key, kind, Attribute::Property(property.to_owned()), false);
        }
    }

    /// A filter on exact branches, for the scheduler's own `branch` and `branches` options.
    pub fn branches(names: Vec<Option<String>>) -> ChangeFilter {
        let test = Test::OneOf(names);
        let conditions = vec![Condition { what: Attribute::Branch, test }];
        ChangeFilter { conditions, expressions: Vec::new() }
    }

    /// Do all conditions hold?
    pub fn matches(&self, change: &Change) -> bool {
        if !self.conditions.iter().all(|condition| condition.holds(change)) {
            return false;
        }
        // Without the words of `why_not`: every scheduler asks for every change.
        self.expressions.is_empty() || {
            let facts = stored_facts(change);
            self.expressions.iter().all(|expression| expression.holds(&facts) == Ok(true))
        }
    }

    /// The first condition that fails, for people; `None` when the change matches. An expression
    /// that cannot be evaluated fails.
    pub fn why_not(&self, change: &Change) -> Option<String> {
        if let Some(failed) = self.conditions.iter().find(|condition| !condition.holds(change)) {
            return Some(failed.complaint(change));
        }
        if self.expressions.is_empty() {
            return None;
        }
        let facts = stored_facts(change);
        self.expressions.iter().find_map(|expression| match expression.holds(&facts) {
            Ok(true) => None,
            Ok(false) => Some(format!("'{}' is not true", expression.source())),
            Err(error) => Some(error),
        })
    }
}

/// Reads an expression over a change, if it is there.
pub(super) fn read_expression(fields: &mut Fields<'_>, key: &'static str) -> Option<Expression> {
    let raw = fields.take(key).filter(|raw| raw.value != RawValue::Null)?;
    let read = match raw.as_text() {
        Some(source) => Expression::parse(source),
        None => Err(format!("must be an expression in quotes, not {}", raw.kind())),
    };
    read.map_err(|message| fields.problem_at(key, &raw.place, message)).ok()
}

impl Condition {
    fn holds(&self, change: &Change) -> bool {
        let values = self.what.of(change);
        let any = |fits: &dyn Fn(&str) -> bool| values.iter().flatten().any(|value| fits(value));
        let listed = |list: &[Option<String>]| values.iter().any(|value| list.contains(value));
        let matched = |list: &[Pattern]| any(&|value| list.iter().any(|p| p.matches(value)));
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
        let values = self.what.of(change);
        let value = match values.as_slice() {
            [] => "none".to_owned(),
            [first, rest @ ..] if rest.len() >= SHOWN => {
                format!("{} and {} others", shown(first), rest.len())
            }
            values => names(values),
        };
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

/// Files that are named in a complaint at most.
const SHOWN: usize = 3;

impl Attribute {
    fn name(&self) -> &str {
        match self {
            Attribute::Project => "project",
            Attribute::Repository => "repository",
            Attribute::Branch => "branch",
            Attribute::Category => "category",
            Attribute::Codebase => "codebase",
            Attribute::Author => "author",
            Attribute::Files => "files",
            Attribute::Property(name) => name,
        }
    }

    /// The change's values, one but for files. A property that is not set reads as empty text, as
    /// in stock.
    fn of(&self, change: &Change) -> Vec<Option<String>> {
        let one = match self {
            Attribute::Files => return change.files.iter().cloned().map(Some).collect(),
            Attribute::Project => Some(change.project.clone()),
            Attribute::Repository => Some(change.repository.clone()),
            Attribute::Branch => change.branch.clone(),
            Attribute::Category => change.category.clone(),
            Attribute::Codebase => Some(change.codebase.clone()),
            Attribute::Author => Some(change.author.clone()),
            Attribute::Property(name) => match change.properties.get(name) {
                None => Some(String::new()),
                Some(Value::Null) => None,
                Some(value) => Some(text(value)),
            },
        };
        vec![one]
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{ChangeId, Properties, SourceStamp, SourceStampId};

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
            author: "Ann <a@h>".into(),
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
        let filter = ChangeFilter::parse(&Raw::from_json(value), "change_filter", &mut problems);
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
    fn authors_files_and_expressions_choose_too() {
        let some = change(Some("main"), &["src/a.c", "README.md"]);
        let none = change(Some("main"), &[]);
        let cases = [
            (json!({"author": "Ann <a@h>"}), true, true),
            (json!({"author_re": ".*@h"}), true, true),
            (json!({"author_not_re": "Ann"}), false, false),
            (json!({"author_not_eq": ["Bob", "Ann <a@h>"]}), false, false),
            (json!({"files": "README.md"}), true, false),
            (json!({"files_re": "src/"}), true, false),
            (json!({"files_not_eq": "README.md"}), false, true),
            (json!({"files_not_re": ["src/", "doc/"]}), false, true),
            (json!({"filter": "branch == 'main' and files | length > 1"}), true, false),
            (json!({"filter_fn": "properties.kind == 'pull'"}), true, true),
            (json!({"filter": "properties.other"}), false, false),
            (json!({"filter": "no_such_function()"}), false, false),
        ];
        for (value, of_some, of_none) in cases {
            let filter = filter(value.clone());
            assert_eq!(filter.matches(&some), of_some, "{value} some");
            assert_eq!(filter.matches(&none), of_none, "{value} none");
        }
        let why = filter(json!({"files_re": "doc/"})).why_not(&some).unwrap();
        assert_eq!(why, "files 'src/a.c', 'README.md' does not match 'doc/'");
        let why = filter(json!({"filter": "branch == 'dev'"})).why_not(&some).unwrap();
        assert_eq!(why, "'branch == 'dev'' is not true");
    }

    #[test]
    fn a_gerrit_filter_looks_at_what_gerrit_says() {
        let mut change = change(Some("refs/changes/1/1/1"), &[]);
        change.properties.set("event.type", "patchset-created", "Change");
        change.properties.set("event.change.branch", "main", "Change");
        let cases = [
            (json!({"branch": "main", "eventtype": "patchset-created"}), true),
            (json!({"branch": ["dev"]}), false),
            (json!({"branch_re": "ma", "eventtype_re": "patch.*"}), true),
            (json!({"eventtype": "ref-updated"}), false),
            (json!({"branch_not_re": "refs/changes/"}), false),
        ];
        for (mut value, expected) in cases {
            value["type"] = json!("GerritChangeFilter");
            assert_eq!(filter(value.clone()).matches(&change), expected, "{value}");
        }
    }

    #[test]
    fn mistakes_are_reported_with_their_key() {
        let mut problems = Problems::new();
        ChangeFilter::parse(
            &Raw::from_json(json!({
                "branch_re": "(", "project": 3, "brnach": "x", "filter": "a ==",
                "property_re": { "p": "[" }, "files_not_re": "*",
            })),
            "f",
            &mut problems,
        );
        let text = problems.to_string();
        for part in [
            "f.branch_re: '(' is not",
            "f.project: must be",
            "did you mean 'branch'",
            "f.filter: the expression 'a ==' is wrong",
            "f.property_re: '[' is not",
            "f.files_not_re: '*' is not",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
