//! The options of `GitPoller`, but for its credentials.

use std::fmt;
use std::path::PathBuf;

use crate::change_sources::registry::Draft;
use crate::config::fields::{Fields, FromRaw};
use crate::config::raw::{Raw, RawValue};
use crate::config::values::{directory, non_empty, properties, shell_patterns, utf8_only};
use crate::flow::branches::{Watched, masked};
use crate::flow::category::Category;
use crate::flow::expression::Expression;
use crate::model::Properties;

/// Stock's default directory; each poller has its own below it.
const WORKDIR: &str = "gitpoller-work";

/// What a `GitPoller` is told.
#[derive(Clone)]
pub struct GitOptions {
    pub repourl: String,
    pub watched: Watched,
    pub project: String,
    pub codebase: String,
    /// Program name or path, default `git`.
    pub gitbin: String,
    /// Directory of the poller's bare clone, relative to the base directory.
    pub workdir: PathBuf,
    /// Take the committer's date (`usetimestamps`, default true) instead of the time of the poll.
    pub usetimestamps: bool,
    /// Extra properties of each change.
    pub properties: Properties,
    /// Report a change for a new branch's commits that are already known elsewhere.
    pub build_pushes_with_no_commits: bool,
}

/// Without the password that a URL may hold.
impl fmt::Debug for GitOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitOptions")
            .field("repourl", &masked(&self.repourl))
            .finish_non_exhaustive()
    }
}

impl GitOptions {
    pub fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> GitOptions {
        let repourl: String = fields.required_checked("repourl", non_empty);
        let name = draft.name(|| repourl.clone());
        let workdir = fields.optional_checked("workdir", non_empty);
        let gitbin = fields.optional_checked("gitbin", non_empty);
        draft.category = Category::read(fields);
        utf8_only(fields, "encoding");
        fields.refuse("fetch_refspec", "is no longer supported; only what is watched is fetched");
        GitOptions {
            repourl,
            watched: watched(fields),
            project: fields.or_default("project"),
            codebase: fields.or_default("codebase"),
            gitbin: gitbin.unwrap_or_else(|| "git".to_owned()),
            workdir: workdir.unwrap_or_else(|| format!("{WORKDIR}/{}", directory(&name))).into(),
            usetimestamps: fields.or("usetimestamps", true),
            properties: properties(fields, "properties", "Change"),
            build_pushes_with_no_commits: fields.or_default("buildPushesWithNoCommits"),
        }
    }
}

/// `only_tags`, `branch`, or `branches`: true, names and shell patterns, or an expression.
fn watched(fields: &mut Fields<'_>) -> Watched {
    let branch = fields.optional_checked("branch", non_empty);
    let branches = fields.take("branches").filter(|raw| raw.value != RawValue::Null);
    let only_tags = fields.take("only_tags").filter(|raw| raw.value != RawValue::Null);
    let tags = match only_tags.as_ref().map(|raw| (raw, bool::from_raw(raw))) {
        Some((raw, Err(message))) => {
            fields.problem_at("only_tags", &raw.place, message);
            false
        }
        Some((raw, Ok(true))) if branch.is_some() || branches.is_some() => {
            let message = "is given beside 'branch' or 'branches'; give one of them";
            fields.problem_at("only_tags", &raw.place, message);
            true
        }
        Some((_, Ok(tags))) => tags,
        None => false,
    };
    match (branch, branches) {
        (Some(_), Some(raw)) => {
            fields.problem_at("branches", &raw.place, "is given beside 'branch'; give one of them");
            Watched::Head
        }
        (Some(branch), None) => Watched::Named(vec![branch]),
        (None, Some(raw)) => chosen(fields, &raw),
        (None, None) if tags => Watched::Tags,
        (None, None) => Watched::Head,
    }
}

fn chosen(fields: &mut Fields<'_>, raw: &Raw) -> Watched {
    match &raw.value {
        RawValue::Bool(true) => return Watched::All,
        RawValue::Bool(false) => return Watched::Head,
        RawValue::Table(_) => return computed(fields, raw),
        _ => {}
    }
    match Vec::<String>::from_raw(raw) {
        Ok(names) if names.is_empty() => Watched::Head,
        Ok(names) => {
            if let Some(message) = shell_patterns(&names) {
                fields.problem_at("branches", &raw.place, message);
            }
            Watched::Named(names)
        }
        Err(_) => {
            let message = "must be true for all branches, a list of names and shell patterns, or \
                           { expression = \"…\" }";
            fields.problem_at("branches", &raw.place, message);
            Watched::Head
        }
    }
}

/// Where stock takes a callable.
fn computed(fields: &mut Fields<'_>, raw: &Raw) -> Watched {
    let (path, problems) = fields.nested("branches");
    let mut table = Fields::of(raw, path, problems);
    let place = table.place().clone();
    let source: String = table.required("expression");
    let expression = Expression::parse(&source);
    if let Err(message) = &expression
        && !source.is_empty()
    {
        table.problem_at("expression", &place, message.clone());
    }
    table.finish();
    expression.map_or(Watched::Head, Watched::Computed)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::change_sources::registry;
    use crate::config::problems::Problems;

    fn options(more: Value) -> GitOptions {
        let mut table = more.as_object().unwrap().clone();
        table.insert("repourl".into(), json!("https://example.org/hello.git"));
        let raw = Raw::from_json(Value::Object(table));
        let mut problems = Problems::new();
        let mut fields = Fields::of(&raw, "", &mut problems);
        let options = GitOptions::parse(&mut fields, &mut Draft::default());
        fields.finish();
        assert!(problems.is_empty(), "{problems}");
        options
    }

    #[test]
    fn defaults_are_stocks() {
        let poller = options(json!({}));
        assert!(poller.usetimestamps && !poller.build_pushes_with_no_commits);
        assert_eq!((poller.gitbin.as_str(), poller.codebase.as_str()), ("git", ""));
        assert_eq!(poller.workdir.to_str(), Some("gitpoller-work/https___example_org_hello_git"));
        assert!(registry::find("GitPoller").is_some());
    }

    #[test]
    fn branches_and_tags_are_chosen() {
        let named = |name: &str| Watched::Named(vec![name.into()]);
        for (written, watched) in [
            (json!({}), Watched::Head),
            (json!({ "branches": true }), Watched::All),
            (json!({ "branches": "rel-*" }), named("rel-*")),
            (json!({ "branches": [] }), Watched::Head),
            (json!({ "branch": "main" }), named("main")),
            (json!({ "only_tags": true }), Watched::Tags),
        ] {
            assert_eq!(options(written.clone()).watched, watched, "{written}");
        }
    }
}
