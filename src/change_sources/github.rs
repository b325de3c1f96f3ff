//! `GitHubPullrequestPoller`: polls the open pull requests of one GitHub repository.

mod pull;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::payload::Wanted;
use super::registry::Draft;
use super::web::Server;
use super::{Desk, Found, Source, Trouble};
use crate::config::fields::Fields;
use crate::config::raw::RawValue;
use crate::config::values::{non_empty, web_address};
use crate::flow::category::Category;
use crate::flow::expression::Expression;
use pull::Details;

const HOSTED: &str = "https://api.github.com";
/// The most that GitHub answers at a time, and how many such pages of pull requests are read.
const PAGE: usize = 100;
const PAGES: usize = 20;

/// Where the clones of each `repository_type` are told.
const TYPES: [(&str, &str); 4] =
    [("https", "clone_url"), ("svn", "svn_url"), ("git", "git_url"), ("ssh", "ssh_url")];

#[derive(Debug)]
struct GitHubPoller {
    server: Server,
    /// `/repos/OWNER/REPO/pulls`
    pulls: String,
    /// `None` takes pull requests against every branch.
    branches: Option<Vec<String>>,
    filter: Filter,
    shape: Shape,
}

/// Which pull requests are taken.
#[derive(Debug)]
enum Filter {
    All(bool),
    Expression(Expression),
}

/// What a change is made like.
#[derive(Debug)]
pub struct Shape {
    /// `None` is the full name of the base repository.
    pub project: Option<String>,
    pub codebase: String,
    /// The branch is `refs/pull/N/merge` of the base repository, instead of the head's own.
    pub magic_link: bool,
    /// The key of a repository's URL.
    pub url_key: &'static str,
    pub wanted: Wanted,
}

/// Reads the poller's own keys.
pub fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Source> {
    let owner: String = fields.required_checked("owner", non_empty);
    let repo: String = fields.required_checked("repo", non_empty);
    draft.name(|| format!("GitHubPullrequestPoller:{owner}/{repo}"));
    // Stock's name of the object.
    draft.remember_as(format!("{owner}/{repo}"));
    draft.category = Category::read(fields);
    let base = fields.optional_checked("baseURL", web_address);
    let mut server = Server::new(base.as_deref().unwrap_or(HOSTED));
    let one_line = |token: &String| {
        (!token.bytes().all(|byte| byte.is_ascii_graphic())).then(|| "is no token".to_owned())
    };
    if let Some(token) = fields.optional_checked("token", one_line) {
        server.headers.push(("Authorization", format!("token {token}")));
    }
    Arc::new(GitHubPoller {
        server,
        pulls: format!("/repos/{owner}/{repo}/pulls"),
        branches: fields.optional("branches"),
        filter: filter(fields),
        shape: Shape {
            project: fields.optional("project"),
            codebase: fields.or_default("codebase"),
            magic_link: fields.or_default("magic_link"),
            url_key: url_key(fields),
            wanted: Wanted::read(fields, "github_property_whitelist"),
        },
    })
}

fn url_key(fields: &mut Fields<'_>) -> &'static str {
    let find = |name: &str| TYPES.iter().find(|(known, _)| *known == name);
    let chosen = fields.optional_checked("repository_type", |name: &String| {
        find(name).is_none().then(|| format!("is '{name}' and must be https, svn, git or ssh"))
    });
    chosen.and_then(|name| find(&name)).map_or(TYPES[0].1, |(_, key)| key)
}

/// `true`, `false`, or an expression where stock takes a callable.
fn filter(fields: &mut Fields<'_>) -> Filter {
    let Some(raw) = fields.take("pullrequest_filter") else { return Filter::All(true) };
    let message = match &raw.value {
        RawValue::Null => return Filter::All(true),
        RawValue::Bool(all) => return Filter::All(*all),
        RawValue::Text(source) => match Expression::parse(source) {
            Ok(expression) => return Filter::Expression(expression),
            Err(message) => message,
        },
        _ => format!("must be true, false or an expression, not {}", raw.kind()),
    };
    fields.problem_at("pullrequest_filter", &raw.place, message);
    Filter::All(true)
}

#[async_trait]
impl Source for GitHubPoller {
    async fn look(&self, desk: &dyn Desk) -> Result<Found, Trouble> {
        let mut found = Found::default();
        for summary in self.open_pulls().await? {
            let Some((number, revision)) = self.wanted(&summary, &mut found.notes) else {
                continue;
            };
            let key = format!("pull_request{number}");
            let known = desk.recall(&key).await?;
            let known = known.as_ref().and_then(Value::as_str).unwrap_or_default();
            if is_same(known, &revision) {
                continue;
            }
            let details = self.details(number).await?;
            match pull::change(&details, number, &revision, &self.shape) {
                Ok(change) => {
                    desk.report(vec![change], vec![(key, Value::from(revision))]).await?;
                    found.changes += 1;
                }
                Err(why) => found.notes.push(format!("pull request {number}: {why}")),
            }
        }
        Ok(found)
    }
}

/// Stock compares the first twelve digits.
fn is_same(known: &str, revision: &str) -> bool {
    let short = |hash: &str| hash.chars().take(12).collect::<String>();
    !known.is_empty() && short(known) == short(revision)
}

impl GitHubPoller {
    /// All open pull requests, newest first.
    async fn open_pulls(&self) -> Result<Vec<Value>, Trouble> {
        let mut pulls = Vec::new();
        for page in 1..=PAGES {
            let path = format!("{}?per_page={PAGE}&page={page}", self.pulls);
            let Value::Array(items) = self.server.json(&path).await? else {
                return Err(Trouble::Remote(format!("{}: no list is answered", self.pulls)));
            };
            let full = items.len() >= PAGE;
            pulls.extend(items);
            if !full {
                break;
            }
        }
        Ok(pulls)
    }

    /// Number and head of a pull request that somebody wants to know of.
    fn wanted(&self, summary: &Value, notes: &mut Vec<String>) -> Option<(i64, String)> {
        let number = summary["number"].as_i64();
        let Some((number, revision)) = number.zip(summary["head"]["sha"].as_str()) else {
            notes.push("a pull request without number or head is left out".to_owned());
            return None;
        };
        let base = summary["base"]["ref"].as_str().unwrap_or_default();
        if self.branches.as_ref().is_some_and(|wanted| !wanted.iter().any(|name| name == base)) {
            return None;
        }
        let taken = match &self.filter {
            Filter::All(all) => *all,
            Filter::Expression(expression) => expression.holds(summary).unwrap_or_else(|error| {
                notes.push(format!("pull request {number}: {error}"));
                false
            }),
        };
        taken.then(|| (number, revision.to_owned()))
    }

    async fn details(&self, number: i64) -> Result<Details, Trouble> {
        let path = format!("{}/{number}", self.pulls);
        let (commits, files) =
            (format!("{path}/commits?per_page={PAGE}"), format!("{path}/files?per_page={PAGE}"));
        let pull = self.server.json(&path).await?;
        let (commits, first_files) =
            tokio::try_join!(self.server.json(&commits), self.server.json(&files))?;
        let mut files = listed(first_files);
        let mut page = 1;
        while files.len() == page * PAGE && page < PAGES {
            page += 1;
            let next = format!("{path}/files?per_page={PAGE}&page={page}");
            files.extend(listed(self.server.json(&next).await?));
        }
        Ok(Details { pull, commits: listed(commits), files })
    }
}

fn listed(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}
