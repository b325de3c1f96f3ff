//! MakeDirectory, RemoveDirectory and CopyDirectory, on the worker.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::{Command, Limits};

use super::command::positive;
use super::line::Line;
use super::plan::StepOptions;
use super::registry::{Draft, StepType};
use super::render::{render, render_text, render_texts};
use super::{Capture, Finished, Outcome, Step, StepError, Stream, Workbench};
use crate::config::fields::Fields;
use crate::flow::interpolate::Renderable;
use crate::model::{LogType, Results};

/// Stock's 2 minutes without output.
const TIMEOUT_S: f64 = 120.0;

/// One command that either works or does not.
#[derive(Debug)]
struct Directories {
    action: Action,
    line: Line,
}

#[derive(Debug)]
enum Action {
    Make(Renderable),
    /// One directory or several.
    Remove(Renderable),
    Copy {
        from: Renderable,
        to: Renderable,
        limits: Limits,
    },
}

#[async_trait(?Send)]
impl Step for Directories {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let command = self.action.command(bench)?;
        let finished = work_quietly(bench, command).await?;
        let results = match finished {
            _ if finished.interrupted.is_some() => Results::Cancelled,
            _ if finished.ok() => Results::Success,
            _ => Results::Failure,
        };
        let text = self.action.text(bench, results == Results::Failure)?;
        let outcome = self.line.outcome(bench, results, &text)?;
        Ok(Outcome { limit: finished.limit(), ..outcome })
    }
}

impl Action {
    fn command(&self, bench: &dyn Workbench) -> Result<Command, StepError> {
        Ok(match self {
            Action::Make(dir) => Command::MakeDirectory { dir: render_text(bench, dir)? },
            Action::Remove(dirs) => {
                let limits = Limits { timeout: Some(TIMEOUT_S), max_time: None, log_environ: true };
                Command::RemoveDirectory { dirs: render_texts(bench, dirs)?, limits }
            }
            Action::Copy { from, to, limits } => Command::CopyDirectory {
                from: render_text(bench, from)?,
                to: render_text(bench, to)?,
                limits: limits.clone(),
            },
        })
    }

    fn text(&self, bench: &dyn Workbench, failed: bool) -> Result<String, StepError> {
        Ok(match self {
            Action::Make(_) if failed => "Create failed.".to_owned(),
            Action::Make(_) => "Created".to_owned(),
            Action::Remove(_) if failed => "Delete failed.".to_owned(),
            Action::Remove(_) => "Deleted".to_owned(),
            Action::Copy { from, to, .. } => {
                let from = render(bench, from)?.texts().1;
                let to = render(bench, to)?.texts().1;
                match failed {
                    true => format!("Copying {from} to {to} failed."),
                    false => format!("Copied {from} to {to}"),
                }
            }
        })
    }
}

/// Runs a command that, as in stock, has no log; but when it fails, its log says why.
pub(super) async fn work_quietly(
    bench: &mut dyn Workbench,
    command: Command,
) -> Result<Finished, StepError> {
    let programs =
        matches!(command, Command::RemoveDirectory { .. } | Command::CopyDirectory { .. });
    let capture = Capture { stdout: false, stderr: true, quiet: true };
    let finished = bench.command(command, capture).await?;
    if finished.ok() || finished.interrupted.is_some() {
        return Ok(finished);
    }
    let mut text = finished.stderr.clone();
    if let Some(rc) = finished.rc.filter(|_| !programs).and_then(|rc| i32::try_from(rc).ok()) {
        // The worker's words for it are not kept; the number is that of the system's error.
        text.push_str(&format!("{}\n", std::io::Error::from_raw_os_error(rc)));
    }
    if !text.is_empty() {
        bench.log("stdio", LogType::Stdio, Stream::Stderr, &text).await?;
    }
    Ok(finished)
}

fn build(action: Action, draft: &mut Draft, done: &str) -> Arc<dyn Step> {
    let line = Line::of(draft);
    draft.options.description_done.get_or_insert_with(|| done.to_owned());
    Arc::new(Directories { action, line })
}

/// A failure ends the build.
fn described(running: &str) -> StepOptions {
    StepOptions {
        halt_on_failure: true,
        description: Some(running.to_owned()),
        ..StepOptions::default()
    }
}

pub(super) const TYPES: &[StepType] = &[
    StepType {
        class: "MakeDirectory",
        name: "MakeDirectory",
        defaults: make_defaults,
        parse: make,
    },
    StepType {
        class: "RemoveDirectory",
        name: "RemoveDirectory",
        defaults: remove_defaults,
        parse: remove,
    },
    StepType {
        class: "CopyDirectory",
        name: "CopyDirectory",
        defaults: copy_defaults,
        parse: copy,
    },
];

fn make_defaults() -> StepOptions {
    described("Creating")
}

fn make(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    build(Action::Make(fields.required("dir")), draft, "Created")
}

fn remove_defaults() -> StepOptions {
    described("Deleting")
}

fn remove(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    build(Action::Remove(fields.required("dir")), draft, "Deleted")
}

fn copy_defaults() -> StepOptions {
    described("Copying")
}

fn copy(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    let action = Action::Copy {
        from: fields.required("src"),
        to: fields.required("dest"),
        limits: Limits {
            timeout: positive(fields, "timeout", Some(TIMEOUT_S)),
            max_time: positive(fields, "maxTime", None),
            log_environ: true,
        },
    };
    build(action, draft, "Copied")
}
