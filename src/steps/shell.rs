//! ShellCommand and Configure: one program on the worker.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::Command;

use super::command::ProgramOptions;
use super::plan::StepOptions;
use super::registry::{Draft, StepType};
use super::{Capture, Outcome, Step, StepError, Workbench};

/// Runs a program on the worker.
#[derive(Debug)]
struct ShellCommand {
    program: ProgramOptions,
    /// The line shows the command, because nobody configured `descriptionDone`.
    show_command: bool,
}

#[async_trait(?Send)]
impl Step for ShellCommand {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let (shell, summary) = self.program.render(bench)?;
        self.program.open_logs(bench, Some("stdio")).await?;
        let finished = bench.command(Command::Shell(shell), Capture::default()).await?;
        let results = self.program.results(&finished);
        let summary = if self.show_command { summary } else { String::new() };
        Ok(Outcome { results, summary, limit: finished.limit() })
    }
}

pub(super) const TYPES: &[StepType] = &[
    StepType {
        class: "ShellCommand",
        name: "shell",
        defaults: StepOptions::default,
        parse: |fields, draft| build(ProgramOptions::parse(fields, None), draft),
    },
    StepType {
        class: "Configure",
        name: "configure",
        defaults: || described(true, "configuring", "configure"),
        parse: |fields, draft| build(ProgramOptions::parse(fields, Some(&["./configure"])), draft),
    },
];

/// Options of a class that has words for its line.
pub(super) fn described(halt_on_failure: bool, running: &str, done: &str) -> StepOptions {
    StepOptions {
        halt_on_failure,
        description: Some(running.to_owned()),
        description_done: Some(done.to_owned()),
        ..StepOptions::default()
    }
}

fn build(program: ProgramOptions, draft: &Draft) -> Arc<dyn Step> {
    let show_command = draft.options.description_done.is_none();
    Arc::new(ShellCommand { program, show_command })
}
