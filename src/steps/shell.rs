//! ShellCommand and its presets Configure, Compile and Test.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::Command;

use super::command::ProgramOptions;
use super::plan::StepOptions;
use super::registry::Draft;
use super::warnings::WarningCounter;
use super::{Capture, Outcome, Step, StepError, Workbench};
use crate::config::fields::Fields;

/// Runs a program on the worker.
#[derive(Debug)]
struct ShellCommand {
    program: ProgramOptions,
    /// The line shows the command, because nobody configured `descriptionDone`.
    show_command: bool,
    /// Only Compile and Test count warnings.
    warnings: Option<WarningCounter>,
}

#[async_trait(?Send)]
impl Step for ShellCommand {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let (shell, summary) = self.program.render(bench)?;
        self.program.open_logs(bench, Some("stdio")).await?;
        let counts = self.warnings.is_some();
        let capture = Capture { stdout: counts, stderr: counts, quiet: false };
        let finished = bench.command(Command::Shell(shell), capture).await?;
        let mut results = self.program.results(&finished);
        if let Some(counter) = &self.warnings {
            results = counter.count(bench, &finished, results).await?;
        }
        let summary = if self.show_command { summary } else { String::new() };
        Ok(Outcome { results, summary, limit: finished.limit() })
    }
}

pub(super) fn shell_command(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    build(ProgramOptions::parse(fields, None), draft, None)
}

pub(super) fn configure_defaults() -> StepOptions {
    described(true, "configuring", "configure")
}

pub(super) fn configure(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    build(ProgramOptions::parse(fields, Some(&["./configure"])), draft, None)
}

pub(super) fn compile_defaults() -> StepOptions {
    described(true, "compiling", "compile")
}

pub(super) fn compile(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    let warnings = WarningCounter::parse(fields);
    build(ProgramOptions::parse(fields, Some(&["make", "all"])), draft, Some(warnings))
}

/// As in stock a failing Test does not halt the build.
pub(super) fn test_defaults() -> StepOptions {
    StepOptions { warn_on_failure: true, ..described(false, "testing", "test") }
}

pub(super) fn test(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    let warnings = WarningCounter::parse(fields);
    build(ProgramOptions::parse(fields, Some(&["make", "test"])), draft, Some(warnings))
}

fn described(halt_on_failure: bool, running: &str, done: &str) -> StepOptions {
    StepOptions {
        halt_on_failure,
        description: Some(running.to_owned()),
        description_done: Some(done.to_owned()),
        ..StepOptions::default()
    }
}

fn build(
    program: ProgramOptions,
    draft: &Draft,
    warnings: Option<WarningCounter>,
) -> Arc<dyn Step> {
    let show_command = draft.options.description_done.is_none();
    Arc::new(ShellCommand { program, show_command, warnings })
}
