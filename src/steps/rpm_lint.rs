//! RpmLint: checks RPM packages and spec files on the worker.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::Command;

use super::command::{ProgramOptions, Words};
use super::observe::KeptLines;
use super::plan::StepOptions;
use super::registry::{Draft, StepType};
use super::shell::described;
use super::warnings::{Counting, WarningOptions};
use super::{Capture, LineObserver, Outcome, Step, StepError, Stream, Workbench};
use crate::config::fields::Fields;
use crate::flow::interpolate::Renderable;
use crate::model::{LogType, Results};

#[derive(Debug)]
struct RpmLint {
    program: ProgramOptions,
    warnings: WarningOptions,
    /// Shell pattern of what to check.
    fileloc: Renderable,
    /// The user's configuration of rpmlint.
    config: Option<Renderable>,
}

#[async_trait(?Send)]
impl Step for RpmLint {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let mut words = Words::default();
        words.plain("rpmlint");
        words.plain("-i");
        if let Some(config) = &self.config {
            words.plain("-f");
            words.add(bench, config)?;
        }
        words.add(bench, &self.fileloc)?;
        let (shell, _) = self.program.shell(bench, words.finish())?;
        let Some(rules) = self.warnings.render(bench, &shell.workdir).await? else {
            return Ok(Outcome::plain(Results::Failure));
        };
        self.program.open_logs(bench, Some("stdio")).await?;
        let mut heard = Heard { counting: Counting::new(&rules), kinds: Default::default() };
        let command = Command::Shell(shell);
        let finished = bench.observed(command, Capture::default(), &mut heard).await?;
        for (kind, lines) in ["Warnings", "Errors"].iter().zip(&heard.kinds) {
            if lines.count() > 0 {
                let name = format!("{} {kind}", lines.count());
                bench.log(&name, LogType::Text, Stream::Stdout, &lines.text()).await?;
            }
        }
        let results = rules.judge(heard.counting.count(), self.program.results(&finished));
        Ok(Outcome { limit: finished.limit(), ..Outcome::plain(results) })
    }
}

/// The lines of each kind: warnings, errors.
struct Heard<'r> {
    counting: Counting<'r>,
    kinds: [KeptLines; 2],
}

impl LineObserver for Heard<'_> {
    fn line(&mut self, stream: Stream, line: &str) {
        self.counting.line(stream, line);
        if stream == Stream::Stdout {
            let beginnings = ["W: ", "E: "];
            if let Some(kind) = beginnings.iter().position(|words| line.starts_with(words)) {
                self.kinds[kind].push(line);
            }
        }
    }
}

pub(super) const TYPES: &[StepType] =
    &[StepType { class: "RpmLint", name: "rpmlint", defaults, parse }];

/// It is a kind of Test.
fn defaults() -> StepOptions {
    let running = "Checking for RPM/SPEC issues";
    let done = "Finished checking RPM/SPEC issues";
    StepOptions { warn_on_failure: true, ..described(false, running, done) }
}

fn parse(fields: &mut Fields<'_>, _draft: &mut Draft) -> Arc<dyn Step> {
    Arc::new(RpmLint {
        fileloc: fields.or("fileloc", Renderable::literal(".")),
        config: fields.optional("config"),
        warnings: WarningOptions::parse(fields),
        program: ProgramOptions::parse_shared(fields),
    })
}
