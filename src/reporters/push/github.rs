//! `GitHubStatusPush` and `GitHubCommentPush`: statuses of commits, and comments on pull requests.

use std::sync::LazyLock;

use async_trait::async_trait;
use regex::Regex;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::formatters::Formatter;
use super::super::generators::{BuildStartEnd, Generator, registry};
use super::super::{Failure, Office, Report, Reporter, Site};
use super::commit::{Phase, Told, owner_and_repo, short, shortened, text};
use super::options::{context, forge};
use super::server::{Content, Server};
use super::{PLAIN, first_of_each, standard, stored};
use crate::config::fields::Fields;
use crate::db::outbox::{Message, NewMessage};
use crate::flow::interpolate::Renderable;
use crate::flow::links::path_segment;
use crate::model::{Results, now};

const HOSTED: &str = "https://api.github.com";
/// What GitHub takes of a status, in characters; it refuses longer ones.
const DESCRIPTION: usize = 140;
const CONTEXT: usize = 255;

/// A push to GitHub or a GitHub Enterprise server.
#[derive(Debug)]
pub struct GitHub {
    server: Server,
    says: Says,
    verbose: bool,
    generators: Vec<Box<dyn Generator>>,
}

#[derive(Debug)]
enum Says {
    /// The status of a commit, under this name.
    Status(Renderable),
    /// A comment on the pull request.
    Comment,
}

/// Reads the options of a `GitHubStatusPush`.
pub fn status(fields: &mut Fields<'_>) -> GitHub {
    let says = Says::Status(context(fields));
    read(fields, says, standard)
}

/// Reads the options of a `GitHubCommentPush`.
pub fn comment(fields: &mut Fields<'_>) -> GitHub {
    // Stock takes a context and does nothing with it.
    let _: Option<Renderable> = fields.optional("context");
    read(fields, Says::Comment, || {
        let done = Formatter::renderable("Build done.");
        vec![Box::new(BuildStartEnd::standard(Formatter::empty(), done))]
    })
}

fn read(fields: &mut Fields<'_>, says: Says, standard: fn() -> Vec<Box<dyn Generator>>) -> GitHub {
    GitHub {
        server: forge(fields, HOSTED, "authorization", "token "),
        says,
        verbose: fields.or_default("verbose"),
        generators: registry::read(fields, PLAIN, standard),
    }
}

/// A request that waits.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Posting {
    path: String,
    json: Value,
}

#[async_trait]
impl Reporter for GitHub {
    fn generators(&self) -> &[Box<dyn Generator>] {
        &self.generators
    }

    fn compose(&self, reports: Vec<Report>, site: &Site) -> Result<Vec<NewMessage>, String> {
        let mut messages = Vec::new();
        for report in first_of_each(reports) {
            let Some(told) = Told::of(&report, site) else { continue };
            match &self.says {
                Says::Status(context) => messages.extend(statuses(&told, &told.render(context)?)),
                Says::Comment => messages.extend(comments(&told)),
            }
        }
        Ok(messages)
    }

    async fn deliver(&self, message: &Message, _: &Office) -> Result<(), Failure> {
        let Posting { path, json } = stored(message)?;
        self.server.tell(&path, Content::Json(&json), hint).await?;
        if self.verbose {
            tracing::info!("GitHub was told: {}", message.about);
        }
        Ok(())
    }
}

/// The status of each commit that the build has.
fn statuses<'a>(told: &'a Told<'_>, context: &'a str) -> impl Iterator<Item = NewMessage> + 'a {
    let state = state(told.phase);
    commits(told).map(move |commit| {
        let mut json = json!({ "state": state, "target_url": told.url });
        if let Some(description) = &told.description {
            json["description"] = json!(shortened(description, DESCRIPTION));
        }
        json["context"] = json!(shortened(context, CONTEXT));
        let Commit { owner, repo, sha } = &commit;
        let path = format!("{}/statuses/{}", commit.path(), path_segment(sha));
        let about = format!("{state}: {context} at {owner}/{repo} {}", short(sha));
        message(Posting { path, json }, about, format!("{owner}/{repo} {sha} {context}"))
    })
}

/// The comment on the pull request that was built, if one was.
fn comments<'a>(told: &'a Told<'_>) -> impl Iterator<Item = NewMessage> + 'a {
    let issue = told.description.as_ref().and_then(|text| Some((text, pull_request(told)?)));
    issue.into_iter().flat_map(move |(text, number)| {
        commits(told).map(move |commit| {
            let Commit { owner, repo, .. } = &commit;
            let path = format!("{}/issues/{number}/comments", commit.path());
            let about = format!("comment on {owner}/{repo}#{number}: {}", shortened(text, 60));
            let lane = format!("{owner}/{repo}#{number}");
            message(Posting { path, json: json!({ "body": text }) }, about, lane)
        })
    })
}

fn message(posting: Posting, about: String, lane: String) -> NewMessage {
    let body = serde_json::to_value(posting).unwrap_or_default();
    NewMessage { about, body, lane: Some(lane), due_at: now() }
}

/// A commit that GitHub may know.
struct Commit {
    owner: String,
    repo: String,
    sha: String,
}

impl Commit {
    fn path(&self) -> String {
        format!("/repos/{}/{}", path_segment(&self.owner), path_segment(&self.repo))
    }
}

/// Source stamps without a revision, and of repositories elsewhere, are none.
fn commits<'a>(told: &'a Told<'_>) -> impl Iterator<Item = Commit> + 'a {
    told.stamps().iter().filter_map(|stamp| {
        let found = owner_and_repo(stamp);
        if found.is_none() {
            tracing::debug!(stamp = %stamp["ssid"], "GitHub is not told: no owner and repository");
        }
        let (owner, repo) = found?;
        Some(Commit { owner, repo, sha: text(stamp, "revision")?.to_owned() })
    })
}

fn state(phase: Phase) -> &'static str {
    match phase {
        Phase::Waiting | Phase::Running | Phase::Ended(Results::Retry) => "pending",
        Phase::Ended(Results::Success | Results::Warnings | Results::Skipped) => "success",
        Phase::Ended(Results::Failure) => "failure",
        Phase::Ended(Results::Exception | Results::Cancelled) => "error",
    }
}

static PULL: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"refs/pull/([0-9]+)/(?:head|merge)").ok());

/// The number of the pull request: in the branch, or the property `github.number`.
fn pull_request(told: &Told<'_>) -> Option<String> {
    let branch = told.property("branch").as_str().unwrap_or_default();
    if let Some(found) = PULL.as_ref().and_then(|pattern| pattern.captures(branch)) {
        return Some(found[1].to_owned());
    }
    told.property("github.number").as_u64().map(|number| number.to_string())
}

fn hint(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "check 'token': it is wrong or has expired",
        403 => "check that the token may write commit statuses or comments there",
        404 => "check that the repository exists and that the token may write to it",
        410 => "the repository takes no comments",
        422 => "check that the commit is on GitHub, and that it has less than 1000 statuses",
        _ => "check 'baseURL'",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_has_a_state() {
        let states = Results::ALL.map(|results| state(Phase::Ended(results)));
        let expected = ["success", "success", "failure", "success", "error", "pending", "error"];
        assert_eq!(states, expected);
        assert_eq!([state(Phase::Waiting), state(Phase::Running)], ["pending", "pending"]);
    }
}
