//! TreeSize: measures the directory that is built in.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::Command;
use serde_json::Value;

use super::command::ProgramOptions;
use super::line::Line;
use super::plan::StepOptions;
use super::registry::{Draft, StepType};
use super::{Capture, Outcome, Step, StepError, Workbench};
use crate::config::fields::Fields;
use crate::model::Results;

#[derive(Debug)]
struct TreeSize {
    program: ProgramOptions,
    line: Line,
}

#[async_trait(?Send)]
impl Step for TreeSize {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let (shell, _) = self.program.render(bench)?;
        self.program.open_logs(bench, Some("stdio")).await?;
        let capture = Capture { stdout: true, ..Capture::default() };
        let finished = bench.command(Command::Shell(shell), capture).await?;
        let digits = finished.stdout.split(|c: char| !c.is_ascii_digit()).next();
        let size = digits.and_then(|digits| digits.parse::<i64>().ok());
        if let Some(size) = size {
            bench.set_property("tree-size-KiB", Value::from(size), "treesize");
        }
        let results = match self.program.results(&finished) {
            Results::Success if size.is_none() => Results::Warnings,
            results => results,
        };
        let text = match size {
            Some(size) => format!("treesize {size} KiB"),
            None => "treesize unknown".to_owned(),
        };
        let outcome = self.line.outcome(bench, results, &text)?;
        Ok(Outcome { limit: finished.limit(), ..outcome })
    }
}

pub(super) const TYPES: &[StepType] =
    &[StepType { class: "TreeSize", name: "treesize", defaults, parse }];

fn defaults() -> StepOptions {
    StepOptions { description: Some("measuring tree size".to_owned()), ..StepOptions::default() }
}

fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    let program = ProgramOptions::parse(fields, Some(&["du", "-s", "-k", "."]));
    Arc::new(TreeSize { program, line: Line::of(draft) })
}
