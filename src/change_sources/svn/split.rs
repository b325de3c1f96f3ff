//! `split_file`: which branch, and which project, a path of a Subversion repository belongs to.
//!
//! Stock takes a function; here it is the name of one of stock's functions, or a list of rules with
//! regular expressions.

use crate::config::fields::Fields;
use crate::config::raw::{Raw, RawValue};
use crate::flow::pattern::Pattern;

/// How paths are split.
#[derive(Debug, Clone, PartialEq)]
pub enum Split {
    /// `split_file_alwaystrunk`: everything is on the default branch.
    AlwaysTrunk,
    /// `split_file_branches`: `trunk/…` and `branches/NAME/…`.
    Branches,
    /// `split_file_projects_branches`: a project's name in front of these.
    ProjectsBranches,
    Rules(Vec<Rule>),
}

/// One rule: a pattern whose named groups are parts of the answer, and fixed parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pattern: Pattern,
    /// In the order of [`PARTS`].
    fixed: [Option<String>; 4],
}

/// Where a path belongs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Relative to the branch; `…/` for a directory, empty for the branch itself.
    pub path: String,
    /// `None` is the trunk.
    pub branch: Option<String>,
    pub project: Option<String>,
    pub repository: Option<String>,
    pub codebase: Option<String>,
}

/// What a rule can say besides the path.
const PARTS: [&str; 4] = ["branch", "project", "repository", "codebase"];

impl Split {
    /// Reads `split_file`.
    pub fn read(fields: &mut Fields<'_>) -> Split {
        let Some(raw) = fields.take("split_file").filter(|raw| raw.value != RawValue::Null) else {
            return Split::AlwaysTrunk;
        };
        if let Some(name) = raw.as_text() {
            return named(name).unwrap_or_else(|| {
                let message = format!(
                    "'{name}' is none of split_file_alwaystrunk, split_file_branches and \
                     split_file_projects_branches; or give a list of rules"
                );
                fields.problem_at("split_file", &raw.place, message);
                Split::AlwaysTrunk
            });
        }
        let (path, problems) = fields.nested("split_file");
        let items = match &raw.value {
            RawValue::List(items) => items.iter().collect(),
            _ => vec![&raw],
        };
        let rules = items.into_iter().enumerate();
        let rules = rules.filter_map(|(index, item)| {
            rule(item, Fields::of(item, format!("{path}[{index}]"), problems))
        });
        Split::Rules(rules.collect())
    }

    /// Where the path belongs; `None` when nobody wants to know of it. `path` is relative to
    /// `repourl` and ends in `/` for a directory.
    pub fn place(&self, path: &str) -> Option<Place> {
        match self {
            Split::AlwaysTrunk => Some(Place { path: path.to_owned(), ..Place::default() }),
            Split::Branches => branches(path),
            Split::ProjectsBranches => {
                let (project, rest) = path.split_once('/')?;
                Some(Place { project: Some(project.to_owned()), ..branches(rest)? })
            }
            Split::Rules(rules) => rules.iter().find_map(|rule| rule.place(path)),
        }
    }
}

fn named(name: &str) -> Option<Split> {
    match name.trim_start_matches("svnpoller.") {
        "split_file_alwaystrunk" => Some(Split::AlwaysTrunk),
        "split_file_branches" => Some(Split::Branches),
        "split_file_projects_branches" => Some(Split::ProjectsBranches),
        _ => None,
    }
}

/// `trunk/a` is `a` on the trunk, `branches/x/a` is `a` on `branches/x`.
fn branches(path: &str) -> Option<Place> {
    if let Some(path) = path.strip_prefix("trunk/") {
        return Some(Place { path: path.to_owned(), ..Place::default() });
    }
    let (name, path) = path.strip_prefix("branches/")?.split_once('/')?;
    let branch = Some(format!("branches/{name}"));
    Some(Place { path: path.to_owned(), branch, ..Place::default() })
}

fn rule(raw: &Raw, mut fields: Fields<'_>) -> Option<Rule> {
    let source: String = fields.required("pattern");
    let fixed = PARTS.map(|part| fields.optional::<String>(part));
    let pattern = Pattern::new(&source).and_then(|pattern| {
        let has_path = pattern.regex().capture_names().flatten().any(|name| name == "path");
        if has_path { Ok(pattern) } else { Err("needs a group (?P<path>…)".to_owned()) }
    });
    let place = raw.get("pattern").map_or(&raw.place, |raw| &raw.place);
    let pattern = match pattern {
        Ok(pattern) => Some(pattern),
        Err(message) => {
            if !source.is_empty() {
                fields.problem_at("pattern", place, message);
            }
            None
        }
    };
    fields.finish();
    Some(Rule { pattern: pattern?, fixed })
}

impl Rule {
    fn place(&self, path: &str) -> Option<Place> {
        let found = self.pattern.regex().captures(path)?;
        let group = |name: &str| found.name(name).map(|group| group.as_str().to_owned());
        let part = |index: usize| {
            let part = self.fixed[index].clone().or_else(|| group(PARTS[index]));
            part.filter(|text| !text.is_empty())
        };
        Some(Place {
            path: group("path").unwrap_or_default(),
            branch: part(0),
            project: part(1),
            repository: part(2),
            codebase: part(3),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::problems::Problems;

    fn split(written: Value) -> Result<Split, String> {
        let raw = Raw::from_json(json!({ "split_file": written }));
        let mut problems = Problems::new();
        let split = Split::read(&mut Fields::of(&raw, "", &mut problems));
        if problems.is_empty() { Ok(split) } else { Err(problems.to_string()) }
    }

    /// `project branch path`, with `-` for what is not there.
    fn placed(split: &Split, path: &str) -> String {
        let Some(place) = split.place(path) else { return "nowhere".to_owned() };
        let or = |part: Option<String>| part.unwrap_or_else(|| "-".to_owned());
        format!("{} {} {}", or(place.project), or(place.branch), place.path)
    }

    #[test]
    fn stocks_functions_by_their_names() {
        let table = [
            (Value::Null, "trunk/a", "- - trunk/a"),
            (json!("split_file_alwaystrunk"), "a/b/", "- - a/b/"),
            (json!("split_file_branches"), "trunk/sub/a", "- - sub/a"),
            (json!("split_file_branches"), "trunk/", "- - "),
            (json!("split_file_branches"), "trunk", "nowhere"),
            (json!("split_file_branches"), "branches/1.x/sub/", "- branches/1.x sub/"),
            (json!("split_file_branches"), "branches/1.x/", "- branches/1.x "),
            (json!("split_file_branches"), "branches/1.x", "nowhere"),
            (json!("split_file_branches"), "tags/1/a", "nowhere"),
            (json!("svnpoller.split_file_projects_branches"), "p/trunk/a", "p - a"),
            (json!("split_file_projects_branches"), "p/branches/x/a", "p branches/x a"),
            (json!("split_file_projects_branches"), "README", "nowhere"),
        ];
        for (written, path, expected) in table {
            assert_eq!(
                placed(&split(written.clone()).unwrap(), path),
                expected,
                "{written} {path}"
            );
        }
    }

    #[test]
    fn rules_with_groups() {
        let rules = split(json!([
            { "pattern": "trunk/(?P<project>[^/]+)/(?P<path>.*)" },
            { "pattern": "branches/(?P<branch>[^/]+)/(?P<path>.*)", "project": "all" },
        ]))
        .unwrap();
        for (path, expected) in [
            ("trunk/app/src/a.c", "app - src/a.c"),
            ("branches/next/a.c", "all next a.c"),
            ("branches/next/", "all next "),
            ("tags/1/a.c", "nowhere"),
        ] {
            assert_eq!(placed(&rules, path), expected, "{path}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for (written, expected) in [
            (json!("split_file_branch"), "is none of split_file_alwaystrunk"),
            (json!([{ "pattern": "(" }]), "split_file[0].pattern: '(' is not a regular expression"),
            (json!([{ "pattern": "a" }]), "needs a group (?P<path>…)"),
            (json!([{ "patern": "(?P<path>a)" }]), "did you mean 'pattern'?"),
            (json!(5), "must be a table"),
        ] {
            let told = split(written).unwrap_err();
            assert!(told.contains(expected), "{told}");
        }
    }
}
