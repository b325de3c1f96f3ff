//! WarningCountingShellCommand and what is built on it: Compile and Test.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::Command;

use super::command::ProgramOptions;
use super::plan::StepOptions;
use super::registry::{Draft, StepType};
use super::shell::described;
use super::warnings::{Counting, WarningOptions};
use super::{Capture, Outcome, Step, StepError, Workbench};
use crate::config::fields::Fields;
use crate::model::Results;

/// Runs a program and counts the warnings that it prints.
#[derive(Debug)]
struct WarningCounting {
    program: ProgramOptions,
    warnings: WarningOptions,
    /// The line shows the command, because nobody configured `descriptionDone`.
    show_command: bool,
}

#[async_trait(?Send)]
impl Step for WarningCounting {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let (shell, summary) = self.program.render(bench)?;
        let summary = if self.show_command { summary } else { String::new() };
        let Some(rules) = self.warnings.render(bench, &shell.workdir).await? else {
            let stopped = bench.interruption().borrow().is_some();
            let results = if stopped { Results::Cancelled } else { Results::Failure };
            return Ok(Outcome::new(results, summary));
        };
        self.program.open_logs(bench, Some("stdio")).await?;
        let mut counting = Counting::new(&rules);
        let command = Command::Shell(shell);
        let finished = bench.observed(command, Capture::default(), &mut counting).await?;
        counting.tell(bench).await?;
        let results = rules.judge(counting.count(), self.program.results(&finished));
        Ok(Outcome { results, summary, limit: finished.limit() })
    }
}

pub(super) const TYPES: &[StepType] = &[
    StepType {
        class: "WarningCountingShellCommand",
        name: "generic",
        defaults: StepOptions::default,
        parse: |fields, draft| build(fields, draft, None),
    },
    StepType {
        class: "Compile",
        name: "compile",
        defaults: || described(true, "compiling", "compile"),
        parse: |fields, draft| build(fields, draft, Some(&["make", "all"])),
    },
    StepType {
        class: "Test",
        name: "test",
        defaults: test_defaults,
        parse: |fields, draft| build(fields, draft, Some(&["make", "test"])),
    },
];

/// As in stock a failing Test does not halt the build.
fn test_defaults() -> StepOptions {
    StepOptions { warn_on_failure: true, ..described(false, "testing", "test") }
}

fn build(fields: &mut Fields<'_>, draft: &Draft, command: Option<&[&str]>) -> Arc<dyn Step> {
    Arc::new(WarningCounting {
        warnings: WarningOptions::parse(fields),
        program: ProgramOptions::parse(fields, command),
        show_command: draft.options.description_done.is_none(),
    })
}
