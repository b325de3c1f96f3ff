//! Git: brings the sources to the worker.
//!
//! `mode = "incremental"` updates a checkout and leaves what builds made of it; `mode = "full"`
//! starts clean by `method`: `clobber` (new clone), `fresh` (removes everything untracked),
//! `clean` (keeps ignored files) or `copy` (updates a directory of its own and copies it). A
//! directory that is no checkout, or a broken one, is replaced by a new clone.
//!
//! GitHub, GitLab and Gerrit are the same step; they know where these systems keep a change that
//! is under review.

mod access;
mod checkout;
mod command;
mod credentials;
mod describe;
mod fetch;
mod options;
mod review;
#[cfg(test)]
mod tests;
mod version;

use std::sync::Arc;

use async_trait::async_trait;

use super::Step;
use super::registry::{Draft, StepType};
use super::source::options::SourceOptions;
use super::source::site::Site;
use super::source::{self, End, SourceControl, SourceStep, Wanted};
use crate::config::fields::Fields;
use crate::flow::interpolate::Renderable;

use checkout::Checkout;
use credentials::Credentials;
use describe::Describe;
use options::ModeOption;
use review::Review;

/// The options, as read.
#[derive(Debug)]
struct Git {
    source: SourceOptions,
    review: Review,
    repourl: Renderable,
    /// For addresses like `host:path`.
    port: u16,
    branch: Option<Renderable>,
    mode: ModeOption,
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
    credentials: Credentials,
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

#[async_trait(?Send)]
impl SourceControl for Git {
    fn class(&self) -> &'static str {
        self.review.class()
    }

    fn options(&self) -> &SourceOptions {
        &self.source
    }

    fn default_branch(&self) -> Option<&Renderable> {
        self.branch.as_ref()
    }

    async fn check_out(&self, site: &mut Site<'_>, wanted: &Wanted) -> Result<(), End> {
        let mut wanted = wanted.clone();
        let proposed = self.review.find(site, self.source.always_use_latest, &mut wanted)?;
        let url = match proposed {
            Some(url) => url,
            None => site.word(&self.repourl)?,
        };
        Checkout::prepare(self, site, url, wanted)?.run().await
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

pub(super) const TYPES: &[StepType] = &[
    StepType { class: "Git", name: "git", defaults: source::defaults, parse: git },
    StepType { class: "GitHub", name: "git", defaults: source::defaults, parse: github },
    StepType { class: "GitLab", name: "git", defaults: source::defaults, parse: gitlab },
    StepType { class: "Gerrit", name: "git", defaults: source::defaults, parse: gerrit },
];

fn git(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    Arc::new(SourceStep(options::parse(fields, draft, Review::None)))
}

fn github(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    Arc::new(SourceStep(options::parse(fields, draft, Review::GitHub)))
}

fn gitlab(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    Arc::new(SourceStep(options::parse(fields, draft, Review::GitLab)))
}

fn gerrit(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    Arc::new(SourceStep(options::parse(fields, draft, Review::Gerrit)))
}
