//! FileExists: is there a file on the worker?

use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::Command;
use protocol::update::Update;

use super::line::Line;
use super::plan::StepOptions;
use super::registry::{Draft, StepType};
use super::render::render_text;
use super::{Capture, Outcome, Step, StepError, Workbench};
use crate::config::fields::Fields;
use crate::flow::interpolate::Renderable;
use crate::model::Results;

/// Relative to the builder's directory.
#[derive(Debug)]
struct FileExists {
    file: Renderable,
    line: Line,
}

#[async_trait(?Send)]
impl Step for FileExists {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let stat = Command::Stat { file: render_text(bench, &self.file)? };
        let quiet = Capture { quiet: true, ..Capture::default() };
        let finished = bench.command(stat, quiet).await?;
        if finished.interrupted.is_some() {
            return Ok(Outcome::plain(Results::Cancelled));
        }
        let mode = finished.updates.iter().find_map(|update| match update {
            Update::Stat([mode, ..]) if finished.ok() => Some(mode & 0o170_000),
            _ => None,
        });
        let (results, text) = match mode {
            None => (Results::Failure, "File not found."),
            Some(0o100_000) => (Results::Success, "File found."),
            Some(_) => (Results::Failure, "Not a file."),
        };
        self.line.outcome(bench, results, text)
    }
}

pub(super) const TYPES: &[StepType] =
    &[StepType { class: "FileExists", name: "FileExists", defaults, parse }];

/// A failure ends the build.
fn defaults() -> StepOptions {
    StepOptions { halt_on_failure: true, ..StepOptions::default() }
}

fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    Arc::new(FileExists { file: fields.required("file"), line: Line::of(draft) })
}
