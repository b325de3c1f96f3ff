//! `GitLabStatusPush`: statuses of commits at GitLab.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::generators::{Generator, registry};
use super::super::{Failure, Office, Report, Reporter, Site};
use super::commit::{Phase, Told, short, shortened, text};
use super::options::{context, forge};
use super::server::{Content, Server};
use super::{PLAIN, first_of_each, standard, stored};
use crate::config::fields::Fields;
use crate::db::outbox::{Message, NewMessage};
use crate::flow::git_url;
use crate::flow::interpolate::{self, Renderable};
use crate::flow::links::path_segment;
use crate::http::Answer;
use crate::model::{Results, now};

const HOSTED: &str = "https://gitlab.com";
/// What GitLab takes of a text, in characters.
const LONGEST: usize = 255;

/// A push to GitLab.
#[derive(Debug)]
pub struct GitLab {
    server: Server,
    context: Renderable,
    verbose: bool,
    generators: Vec<Box<dyn Generator>>,
    /// Ids of projects by their paths, as far as they were asked for.
    ids: Mutex<HashMap<String, i64>>,
}

/// Reads the options of a `GitLabStatusPush`.
pub fn parse(fields: &mut Fields<'_>) -> GitLab {
    GitLab {
        server: forge(fields, HOSTED, "private-token", ""),
        context: context(fields),
        verbose: fields.or_default("verbose"),
        generators: registry::read(fields, PLAIN, standard),
        ids: Mutex::default(),
    }
}

/// A status that waits.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Status {
    project: Project,
    sha: String,
    json: Value,
}

/// Which project at GitLab.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Project {
    Id(String),
    Path(String),
}

#[async_trait]
impl Reporter for GitLab {
    fn generators(&self) -> &[Box<dyn Generator>] {
        &self.generators
    }

    fn compose(&self, reports: Vec<Report>, site: &Site) -> Result<Vec<NewMessage>, String> {
        let mut messages = Vec::new();
        for report in first_of_each(reports) {
            let Some(told) = Told::of(&report, site) else { continue };
            let context = told.render(&self.context)?;
            messages.extend(told.stamps().iter().filter_map(|at| status(&told, at, &context)));
        }
        Ok(messages)
    }

    async fn deliver(&self, message: &Message, _: &Office) -> Result<(), Failure> {
        let Status { project, sha, json } = stored(message)?;
        let id = match project {
            Project::Id(id) => path_segment(&id),
            Project::Path(path) => self.project_id(&path).await?.to_string(),
        };
        let path = format!("/api/v4/projects/{id}/statuses/{}", path_segment(&sha));
        let answer = self.server.ask(Method::POST, &path, Content::Json(&json)).await?;
        if !is_so_already(&answer, &json) {
            self.server.accepted(&Method::POST, &path, answer, hint)?;
        }
        if self.verbose {
            tracing::info!("GitLab was told: {}", message.about);
        }
        Ok(())
    }
}

impl GitLab {
    /// The id of the project at this path; GitLab is asked once.
    async fn project_id(&self, project: &str) -> Result<i64, Failure> {
        let known = || self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = known().get(project).copied() {
            return Ok(id);
        }
        let path = format!("/api/v4/projects/{}", path_segment(project));
        let answer = self.server.ask(Method::GET, &path, Content::Nothing).await?;
        let answer = self.server.accepted(&Method::GET, &path, answer, hint)?;
        let id = answer.json().and_then(|told| told["id"].as_i64()).ok_or_else(|| {
            let place = format!("GET {}{path}", self.server.shown);
            Failure::lasting(format!("{place}: no project is answered; check 'baseURL'"))
        })?;
        known().insert(project.to_owned(), id);
        Ok(id)
    }
}

/// The status of a commit; none without a revision, and when nothing tells the project.
fn status(told: &Told<'_>, stamp: &Value, context: &str) -> Option<NewMessage> {
    let sha = text(stamp, "revision")?.to_owned();
    let repository = git_url::parse(text(stamp, "repository").unwrap_or_default());
    let (project, name) = match told.property("source_project_id") {
        Value::Null => {
            let path = repository.map(|url| format!("{}/{}", url.owner, url.repo))?;
            (Project::Path(path.clone()), path)
        }
        id => (Project::Id(interpolate::text(id)), format!("project {}", interpolate::text(id))),
    };
    let state = state(told.phase);
    let mut json = json!({ "state": state, "target_url": told.url });
    let branch = told.property("source_branch").as_str().or_else(|| text(stamp, "branch"));
    if let Some(branch) = branch {
        json["ref"] = json!(branch);
    }
    if let Some(description) = &told.description {
        json["description"] = json!(shortened(description, LONGEST));
    }
    json["name"] = json!(shortened(context, LONGEST));
    let about = format!("{state}: {context} at {name} {}", short(&sha));
    let lane = Some(format!("{name} {sha} {context}"));
    let body = serde_json::to_value(Status { project, sha, json }).unwrap_or_default();
    Some(NewMessage { about, body, lane, due_at: now() })
}

fn state(phase: Phase) -> &'static str {
    match phase {
        Phase::Waiting | Phase::Ended(Results::Retry) => "pending",
        Phase::Running => "running",
        Phase::Ended(Results::Success | Results::Warnings | Results::Skipped) => "success",
        Phase::Ended(Results::Failure | Results::Exception) => "failed",
        Phase::Ended(Results::Cancelled) => "canceled",
    }
}

/// GitLab refuses a state that the commit has already: somebody told it so before, perhaps we did
/// and could not note it.
fn is_so_already(answer: &Answer, json: &Value) -> bool {
    let told = answer.json().map(|told| told["message"].to_string()).unwrap_or_default();
    let state = json["state"].as_str().unwrap_or_default();
    answer.status == StatusCode::BAD_REQUEST
        && told.contains("Cannot transition status")
        && told.contains(&format!("from :{state} "))
}

fn hint(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "check 'token': it is wrong or has expired",
        403 => "check that the token has the scope 'api' and a role of Developer or more there",
        404 => "check that the project and the commit exist and that the token may see them",
        _ => "check 'baseURL'",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_has_a_state() {
        let states = Results::ALL.map(|results| state(Phase::Ended(results)));
        let expected = ["success", "success", "failed", "success", "failed", "pending", "canceled"];
        assert_eq!(states, expected);
        assert_eq!([state(Phase::Waiting), state(Phase::Running)], ["pending", "running"]);
    }

    #[test]
    fn a_state_that_is_so_already_is_told() {
        let refusal = r#"{"message": "Cannot transition status via :run from :running (Reason(s): Status cannot transition via \"run\")"}"#;
        let table = [
            (400, refusal, "running", true),
            (400, refusal, "success", false),
            (500, refusal, "running", false),
            (400, "{}", "running", false),
            (400, "no JSON", "running", false),
        ];
        for (status, body, state, expected) in table {
            let status = StatusCode::from_u16(status).unwrap();
            let answer = Answer { status, body: body.as_bytes().to_vec(), pause: None };
            assert_eq!(is_so_already(&answer, &json!({ "state": state })), expected, "{state}");
        }
    }
}
