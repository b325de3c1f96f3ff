//! Which source stamps are meant: stock's `SourceStampFilter`.

use super::expression::{Expression, Variables};
use super::pattern::Pattern;
use crate::config::fields::Fields;
use crate::config::problems::Problems;
use crate::config::raw::{Raw, RawValue};
use crate::model::SourceStamp;

/// All conditions must hold; none takes every stamp.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SourceFilter {
    conditions: Vec<(Attribute, Test)>,
    filter_fn: Option<Expression>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attribute {
    Project,
    Codebase,
    Repository,
    Branch,
}

/// `None` stands for a missing branch. A regular expression never matches it.
#[derive(Debug, Clone, PartialEq)]
enum Test {
    OneOf(Vec<Option<String>>),
    NoneOf(Vec<Option<String>>),
    Matches(Vec<Pattern>),
    MatchesNot(Vec<Pattern>),
}

/// Option names in the order equal, not equal, matches, matches not.
const KEYS: [(Attribute, [&str; 4]); 4] = [
    (Attribute::Project, ["project_eq", "project_not_eq", "project_re", "project_not_re"]),
    (Attribute::Codebase, ["codebase_eq", "codebase_not_eq", "codebase_re", "codebase_not_re"]),
    (
        Attribute::Repository,
        ["repository_eq", "repository_not_eq", "repository_re", "repository_not_re"],
    ),
    (Attribute::Branch, ["branch_eq", "branch_not_eq", "branch_re", "branch_not_re"]),
];

impl SourceFilter {
    /// Reads a table. `branch_eq = false` stands for Python's `None`, the default branch;
    /// `filter_fn` is an expression over `project`, `codebase`, `repository`, `branch` and
    /// `revision`.
    pub fn parse(raw: &Raw, path: &str, problems: &mut Problems) -> SourceFilter {
        let mut fields = Fields::of(raw, path, problems);
        let mut filter = SourceFilter::default();
        for (what, keys) in KEYS {
            for (kind, key) in keys.into_iter().enumerate() {
                let Some(raw) = fields.take(key) else { continue };
                match Test::parse(kind, &raw, what == Attribute::Branch) {
                    Ok(test) => filter.conditions.push((what, test)),
                    Err(message) => fields.problem_at(key, &raw.place, message),
                }
            }
        }
        filter.filter_fn = fields.optional("filter_fn");
        fields.finish();
        filter
    }

    /// Is this stamp meant? An expression that fails says no.
    pub fn matches(&self, stamp: &SourceStamp) -> bool {
        let value = |what: Attribute| match what {
            Attribute::Project => Some(stamp.project.as_str()),
            Attribute::Codebase => Some(stamp.codebase.as_str()),
            Attribute::Repository => Some(stamp.repository.as_str()),
            Attribute::Branch => stamp.branch.as_deref(),
        };
        let says_yes = |expression: &Expression| {
            expression.value(&variables(stamp)).is_ok_and(|value| value.is_true())
        };
        self.conditions.iter().all(|(what, test)| test.holds(value(*what)))
            && self.filter_fn.as_ref().is_none_or(says_yes)
    }
}

/// A stamp's attributes as an expression sees them.
pub fn variables(stamp: &SourceStamp) -> Variables {
    Variables::default()
        .with("project", stamp.project.clone())
        .with("codebase", stamp.codebase.clone())
        .with("repository", stamp.repository.clone())
        .with("branch", minijinja::Value::from_serialize(&stamp.branch))
        .with("revision", minijinja::Value::from_serialize(&stamp.revision))
}

impl Test {
    fn parse(kind: usize, raw: &Raw, may_be_none: bool) -> Result<Test, String> {
        let items = match &raw.value {
            RawValue::List(items) => items.iter().collect(),
            _ => vec![raw],
        };
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            values.push(match &item.value {
                RawValue::Text(text) => Some(text.clone()),
                RawValue::Bool(false) | RawValue::Null if may_be_none && kind < 2 => None,
                _ => {
                    return Err(format!("must be a string or a list of them, not {}", item.kind()));
                }
            });
        }
        let patterns = || -> Result<Vec<Pattern>, String> {
            values.iter().flatten().map(|text| Pattern::new(text)).collect()
        };
        Ok(match kind {
            0 => Test::OneOf(values),
            1 => Test::NoneOf(values),
            2 => Test::Matches(patterns()?),
            _ => Test::MatchesNot(patterns()?),
        })
    }

    fn holds(&self, value: Option<&str>) -> bool {
        let is = |wanted: &Option<String>| wanted.as_deref() == value;
        let fits = |pattern: &Pattern| value.is_some_and(|value| pattern.matches(value));
        match self {
            Test::OneOf(values) => values.iter().any(is),
            Test::NoneOf(values) => !values.iter().any(is),
            Test::Matches(patterns) => patterns.iter().any(fits),
            Test::MatchesNot(patterns) => !patterns.iter().any(fits),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::problems::Place;
    use crate::model::SourceStampId;

    pub fn stamp(branch: Option<&str>) -> SourceStamp {
        SourceStamp {
            id: SourceStampId(1),
            branch: branch.map(str::to_owned),
            revision: None,
            repository: "repo".into(),
            project: "proj".into(),
            codebase: String::new(),
            created_at: 0,
            patch: None,
        }
    }

    fn filter(pairs: &[(&str, RawValue)]) -> Result<SourceFilter, String> {
        let raw = |value: &RawValue| Raw { value: value.clone(), place: Place::default() };
        let table = pairs.iter().map(|(key, value)| ((*key).to_owned(), raw(value))).collect();
        let mut problems = Problems::new();
        let filter = SourceFilter::parse(&raw(&RawValue::Table(table)), "filter", &mut problems);
        if problems.is_empty() { Ok(filter) } else { Err(problems.to_string()) }
    }

    fn text(text: &str) -> RawValue {
        RawValue::Text(text.to_owned())
    }

    /// Keys, a branch, and whether it is meant.
    type Case<'c> = (&'c [(&'c str, RawValue)], Option<&'c str>, bool);

    #[test]
    fn conditions_hold_together() {
        let table: [Case<'_>; 10] = [
            (&[], None, true),
            (&[("branch_eq", text("main"))], Some("main"), true),
            (&[("branch_eq", RawValue::Bool(false))], None, true),
            (&[("branch_not_eq", text("main"))], Some("main"), false),
            (&[("branch_re", text("ma"))], Some("main"), true),
            (&[("branch_re", text("in"))], Some("main"), false),
            (&[("branch_re", text(".*"))], None, false),
            (&[("branch_not_re", text(".*"))], None, true),
            (&[("project_eq", text("proj")), ("codebase_eq", text("x"))], None, false),
            (&[("filter_fn", text("repository == 'repo' and not branch"))], None, true),
        ];
        for (pairs, branch, expected) in table {
            assert_eq!(filter(pairs).unwrap().matches(&stamp(branch)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for (key, value, message) in [
            ("branch_re", text("("), "is not a regular expression"),
            ("brunch_eq", text("x"), "did you mean 'branch_eq'?"),
            ("project_eq", RawValue::Int(5), "must be a string or a list of them"),
            ("filter_fn", text("a =="), "is wrong"),
        ] {
            let report = filter(&[(key, value)]).unwrap_err();
            assert!(report.contains(message), "{report}");
        }
    }
}
