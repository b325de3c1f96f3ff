//! ShellSequence: several commands in one step, each with its own log and its own say about the
//! result.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::Command;
use serde_json::Value;

use super::command::ProgramOptions;
use super::plan::StepOptions;
use super::registry::{Draft, StepType};
use super::render::{render, render_optional};
use super::transfer::options::renamed;
use super::{Capture, Outcome, Step, StepError, Workbench};
use crate::config::fields::Fields;
use crate::config::raw::{Raw, RawValue};
use crate::flow::build_state::{StepFlags, effect};
use crate::flow::interpolate::Renderable;
use crate::model::Results;

#[derive(Debug)]
struct ShellSequence {
    /// What all commands share.
    program: ProgramOptions,
    commands: Vec<ShellArg>,
    show_command: bool,
}

/// One command.
#[derive(Debug)]
struct ShellArg {
    command: Renderable,
    /// As in stock, a command without one leaves no output.
    log: Option<Renderable>,
    flags: StepFlags,
}

#[async_trait(?Send)]
impl Step for ShellSequence {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let mut outcome = Outcome::plain(Results::Success);
        for arg in &self.commands {
            if is_empty(&render(bench, &arg.command)?.value)? {
                continue;
            }
            let (shell, summary) = self.program.render_with(bench, &arg.command)?;
            let log = render_optional(bench, arg.log.as_ref())?;
            if let Some(log) = &log {
                bench.set_output_log(log);
            }
            self.program.open_logs(bench, log.as_deref()).await?;
            let capture = Capture { quiet: log.is_none(), ..Capture::default() };
            let finished = bench.command(Command::Shell(shell), capture).await?;
            let (effect, ends) = effect(arg.flags, self.program.results(&finished));
            outcome.results = outcome.results.worst(effect);
            outcome.limit = finished.limit().or(outcome.limit);
            if self.show_command {
                outcome.summary = summary;
            }
            if ends {
                break;
            }
        }
        Ok(outcome)
    }
}

/// Is the command one that is not to be run?
fn is_empty(command: &Value) -> Result<bool, StepError> {
    match command {
        Value::String(text) => Ok(text.is_empty()),
        Value::Array(items) => Ok(items.is_empty()),
        _ => Err(StepError::Failed("a 'command' must be a string or a list".to_owned())),
    }
}

pub(super) const TYPES: &[StepType] =
    &[StepType { class: "ShellSequence", name: "generic", defaults: StepOptions::default, parse }];

fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    Arc::new(ShellSequence {
        commands: commands(fields),
        program: ProgramOptions::parse_shared(fields),
        show_command: draft.options.description_done.is_none(),
    })
}

fn commands(fields: &mut Fields<'_>) -> Vec<ShellArg> {
    let items = match fields.take("commands") {
        Some(Raw { value: RawValue::List(items), .. }) => items,
        Some(raw) => {
            let message = format!("must be a list of tables, not {}", raw.kind());
            fields.problem_at("commands", &raw.place, message);
            Vec::new()
        }
        None => {
            fields.problem("needs a value for 'commands'");
            Vec::new()
        }
    };
    let (path, problems) = fields.nested("commands");
    let each = items.iter().enumerate();
    each.map(|(index, raw)| shell_arg(Fields::of(raw, format!("{path}[{index}]"), problems)))
        .collect()
}

fn shell_arg(mut fields: Fields<'_>) -> ShellArg {
    fields.class(Some("ShellArg"), &["ShellArg"], &[]);
    renamed(&mut fields, "logfile", "logname");
    let arg = ShellArg {
        command: fields.required("command"),
        log: fields.optional("logname"),
        flags: StepFlags {
            halt_on_failure: fields.or("haltOnFailure", false),
            flunk_on_failure: fields.or("flunkOnFailure", true),
            flunk_on_warnings: fields.or("flunkOnWarnings", false),
            warn_on_failure: fields.or("warnOnFailure", false),
            warn_on_warnings: fields.or("warnOnWarnings", false),
            always_run: false,
        },
    };
    fields.finish();
    arg
}
