//! Git: brings the sources to the worker.
//!
//! `mode = "incremental"` updates a checkout and leaves what builds made of it; `mode = "full"`
//! starts clean by `method`: `clobber` (new clone), `fresh` (removes everything untracked),
//! `clean` (keeps ignored files) or `copy` (updates a directory of its own and copies it). A
//! directory that is no checkout, or a broken one, is replaced by a new clone.

mod checkout;
mod describe;
mod options;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::Limits;
use serde_json::Value;

use super::plan::StepOptions;
use super::registry::{Draft, StepType};
use super::render::{render, render_optional};
use super::{Outcome, Step, StepError, Stream, Workbench};
use crate::config::fields::Fields;
use crate::flow::interpolate::{Renderable, UsedSecret};
use crate::model::{LogType, Patch, Results};

use checkout::{Checkout, End};
use describe::Describe;

/// The options, as read.
#[derive(Debug)]
struct Git {
    repourl: Renderable,
    /// For addresses like `host:path`.
    port: u16,
    branch: Option<Renderable>,
    mode: Mode,
    reference: Option<Renderable>,
    origin: Option<Renderable>,
    submodules: bool,
    remote_submodules: bool,
    tags: bool,
    /// Commits to fetch of the history.
    shallow: Option<u64>,
    filters: Vec<String>,
    progress: bool,
    retry_fetch: bool,
    clobber_on_failure: bool,
    describe: Option<Describe>,
    config: Vec<(String, Renderable)>,
    codebase: String,
    always_use_latest: bool,
    retry: Option<Retry>,
    workdir: Option<Renderable>,
    env: Renderable,
    limits: Limits,
    /// What the step's line begins with when it has to say more.
    done: String,
}

/// How thorough a checkout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Incremental,
    Clobber,
    Fresh,
    Clean,
    Copy,
}

/// `retry = [delay, repeats]`: a failed clone is tried again.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Retry {
    delay: std::time::Duration,
    repeats: u32,
}

/// Which version to check out.
#[derive(Debug, Clone, Default, PartialEq)]
struct Wanted {
    branch: Option<String>,
    revision: Option<String>,
    patch: Option<Patch>,
}

#[async_trait(?Send)]
impl Step for Git {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let Some(wanted) = self.wanted(bench)? else {
            let text = format!("no source stamp of codebase '{}' in this build\n", self.codebase);
            bench.log("log", LogType::Text, Stream::Stdout, &text).await?;
            let summary = format!("Codebase {} not in build", self.codebase);
            return Ok(Outcome::new(Results::Failure, summary));
        };
        if let Some(patch) = &wanted.patch {
            let text = String::from_utf8_lossy(&patch.body).into_owned();
            bench.log("patch", LogType::Text, Stream::Stdout, &text).await?;
        }
        let mut checkout = Checkout::prepare(self, bench, wanted)?;
        match checkout.run().await {
            Ok(()) => Ok(Outcome::plain(Results::Success)),
            Err(End::Result { results, reason, limit }) => {
                let summary = match reason {
                    Some(reason) => format!("{}: {reason}", self.done),
                    None => String::new(),
                };
                Ok(Outcome { results, summary, limit })
            }
            Err(End::Error(error)) => Err(error),
        }
    }
}

impl Git {
    /// The version that the build's source stamp asks for; `None` without a stamp. The option
    /// `branch` stands in for a stamp without one, the last change's revision likewise.
    fn wanted(&self, bench: &mut dyn Workbench) -> Result<Option<Wanted>, StepError> {
        let default_branch = render_optional(bench, self.branch.as_ref())?;
        if self.always_use_latest {
            return Ok(Some(Wanted { branch: default_branch, ..Wanted::default() }));
        }
        let stamp = bench.sources().iter().find(|stamp| stamp.codebase == self.codebase).cloned();
        let Some(stamp) = stamp else { return Ok(None) };
        let mut revision = stamp.revision.filter(|revision| !revision.is_empty());
        if revision.is_none() {
            let mut changes = bench.changes().iter().rev();
            let last = changes.find(|change| change.codebase == self.codebase);
            revision = last.and_then(|change| change.revision.clone());
            if let Some(revision) = &revision {
                self.set_source_property(bench, "revision", revision)?;
            }
        }
        let branch = stamp.branch.filter(|branch| !branch.is_empty()).or(default_branch);
        Ok(Some(Wanted { branch, revision, patch: stamp.patch }))
    }

    /// Sets a property of the sources: a table by codebase, unless the codebase is the default.
    fn set_source_property(
        &self,
        bench: &mut dyn Workbench,
        name: &str,
        value: &str,
    ) -> Result<(), StepError> {
        let value = if self.codebase.is_empty() {
            Value::from(value)
        } else {
            let mut table = match bench.properties().get(name) {
                Some(Value::Object(table)) => table.clone(),
                // A scheduler sets `revision` to text or nothing; the codebases' table replaces it.
                _ => serde_json::Map::new(),
            };
            table.insert(self.codebase.clone(), Value::from(value));
            Value::Object(table)
        };
        bench.set_property(name, value, "Git");
        Ok(())
    }

    /// The repository's address, and the secrets in it.
    fn address(&self, bench: &dyn Workbench) -> Result<(String, Vec<UsedSecret>), StepError> {
        let rendered = render(bench, &self.repourl)?;
        let (url, _) = rendered.texts();
        if url.is_empty() {
            return Err(StepError::Failed("'repourl' is empty".to_owned()));
        }
        Ok((with_port(&url, self.port), rendered.secrets))
    }
}

/// `host:path` becomes an ssh URL with the port; URLs and paths stay as they are.
fn with_port(url: &str, port: u16) -> String {
    match url.split_once(':') {
        Some((host, path))
            if !url.contains("://") && !url.contains(":\\") && !path.contains(':') =>
        {
            format!("ssh://{host}:{port}/{path}")
        }
        _ => url.to_owned(),
    }
}

pub(super) const TYPES: &[StepType] = &[StepType { class: "Git", name: "git", defaults, parse }];

/// As for all source steps: without sources there is nothing to do.
fn defaults() -> StepOptions {
    StepOptions {
        halt_on_failure: true,
        description: Some("updating".to_owned()),
        description_done: Some("update".to_owned()),
        ..StepOptions::default()
    }
}

fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    Arc::new(options::parse(fields, draft))
}
