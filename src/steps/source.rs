//! Source steps: what all version control systems have in common.
//!
//! A version control system is a file with a [`SourceControl`], and a line in the registry. This
//! module finds the version that the build's source stamp asks for and tells how the step ended;
//! the [`Site`] is the place on the worker where the commands run.

pub(super) mod options;
pub(super) mod patch;
pub(super) mod site;

use async_trait::async_trait;

use super::plan::StepOptions;
use super::render::render_optional;
use super::{CheckOut, LimitReached, Outcome, Step, StepError, Stream, Workbench};
use crate::flow::interpolate::Renderable;
use crate::model::{Change, LogType, Patch, Results};

use options::SourceOptions;
use site::{Site, set_source_property};

/// Longest name that the `steps.name` column takes.
const NAME_LENGTH: usize = 50;

/// A version control system with its options.
#[async_trait(?Send)]
pub(super) trait SourceControl: std::fmt::Debug + Send + Sync {
    /// The step's class, which is the source of the properties it sets.
    fn class(&self) -> &'static str;

    fn options(&self) -> &SourceOptions;

    /// The branch of a source stamp that names none.
    fn default_branch(&self) -> Option<&Renderable> {
        None
    }

    /// The revision that holds all `changes`, for a source stamp that names none. They come in the
    /// order of their arrival.
    ///
    /// # Errors
    /// A message for people when the changes are none of this system's.
    fn newest(&self, changes: &[&Change]) -> Result<Option<String>, String> {
        Ok(changes.last().and_then(|change| change.revision.clone()))
    }

    /// Brings the wanted version to the worker, applies its patch, and sets `got_revision`.
    async fn check_out(&self, site: &mut Site<'_>, wanted: &Wanted) -> Result<(), End>;
}

/// Which version to check out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Wanted {
    pub branch: Option<String>,
    /// `None` is the newest.
    pub revision: Option<String>,
    pub patch: Option<Patch>,
}

/// Why a checkout ended early.
#[derive(Debug)]
pub(super) enum End {
    Result { results: Results, reason: Option<String>, limit: Option<LimitReached> },
    Error(StepError),
}

impl From<StepError> for End {
    fn from(error: StepError) -> End {
        End::Error(error)
    }
}

impl End {
    pub fn failure(reason: impl Into<String>) -> End {
        End::Result { results: Results::Failure, reason: Some(reason.into()), limit: None }
    }

    pub fn cancelled() -> End {
        End::Result { results: Results::Cancelled, reason: None, limit: None }
    }
}

/// The step of a version control system.
#[derive(Debug)]
pub(super) struct SourceStep<V>(pub V);

#[async_trait(?Send)]
impl<V: SourceControl> Step for SourceStep<V> {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let options = self.0.options();
        let Some(wanted) = self.wanted(bench)? else {
            let text =
                format!("no source stamp of codebase '{}' in this build\n", options.codebase);
            bench.log("log", LogType::Text, Stream::Stdout, &text).await?;
            let summary = format!("Codebase {} not in build", options.codebase);
            return Ok(Outcome::new(Results::Failure, summary));
        };
        if let Some(patch) = &wanted.patch {
            let text = String::from_utf8_lossy(&patch.body).into_owned();
            bench.log("patch", LogType::Text, Stream::Stdout, &text).await?;
        }
        let mut site = Site::new(bench, options, self.0.class())?;
        let end = match wanted.odd() {
            Some(reason) => Err(End::failure(reason)),
            None => self.0.check_out(&mut site, &wanted).await,
        };
        match end {
            Ok(()) => Ok(Outcome::plain(Results::Success)),
            Err(End::Result { results, reason, limit }) => {
                let summary = match reason {
                    Some(reason) => format!("{}: {reason}", options.done),
                    None => String::new(),
                };
                Ok(Outcome { results, summary, limit })
            }
            Err(End::Error(error)) => Err(error),
        }
    }

    fn checks_out(&self) -> Option<CheckOut<'_>> {
        let options = self.0.options();
        Some(CheckOut {
            codebase: &options.codebase,
            workdir: options.literal_workdir(),
            needs_stamp: !options.always_use_latest,
        })
    }
}

impl<V: SourceControl> SourceStep<V> {
    /// The version that the build's source stamp asks for; `None` without a stamp. The option
    /// `branch` stands in for a stamp without one, the changes' revision likewise.
    fn wanted(&self, bench: &mut dyn Workbench) -> Result<Option<Wanted>, StepError> {
        let options = self.0.options();
        let default_branch = render_optional(bench, self.0.default_branch())?;
        if options.always_use_latest {
            return Ok(Some(Wanted { branch: default_branch, ..Wanted::default() }));
        }
        let mut stamps = bench.sources().iter();
        let stamp = stamps.find(|stamp| stamp.codebase == options.codebase).cloned();
        let Some(stamp) = stamp else { return Ok(None) };
        let mut revision = stamp.revision.filter(|revision| !revision.is_empty());
        if revision.is_none() {
            let changes = bench.changes().iter();
            let changes: Vec<_> = changes.filter(|c| c.codebase == options.codebase).collect();
            revision = self.0.newest(&changes).map_err(StepError::Failed)?;
            if let Some(revision) = &revision {
                let class = self.0.class();
                set_source_property(bench, &options.codebase, class, "revision", revision);
            }
        }
        let branch = stamp.branch.filter(|branch| !branch.is_empty()).or(default_branch);
        Ok(Some(Wanted { branch, revision, patch: stamp.patch }))
    }
}

impl Wanted {
    /// Says what a program would take for an option of its own. Stamps come from outside.
    fn odd(&self) -> Option<String> {
        let named = [("branch", &self.branch), ("revision", &self.revision)];
        named.into_iter().find_map(|(what, name)| odd_word(what, name.as_deref()?))
    }
}

/// Says that `word` would be taken for an option.
pub(super) fn odd_word(what: &str, word: &str) -> Option<String> {
    word.starts_with('-').then(|| format!("the {what} '{word}' must not begin with a hyphen"))
}

/// As for all source steps: without sources there is nothing to do.
pub(super) fn defaults() -> StepOptions {
    StepOptions {
        halt_on_failure: true,
        description: Some("updating".to_owned()),
        description_done: Some("update".to_owned()),
        ..StepOptions::default()
    }
}
