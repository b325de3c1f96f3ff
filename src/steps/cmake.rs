//! CMake: runs `cmake` on the worker.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::Command;
use serde_json::Value;

use super::command::{ProgramOptions, RenderedCommand, Words};
use super::registry::{Draft, StepType};
use super::render::{render, table};
use super::shell::described;
use super::{Capture, Outcome, Step, StepError, Workbench};
use crate::config::fields::Fields;
use crate::flow::interpolate::{Renderable, is_true, text};

#[derive(Debug)]
struct CMake {
    program: ProgramOptions,
    /// The program itself.
    cmake: Renderable,
    generator: Option<Renderable>,
    /// A table; each entry becomes `-Dname=value`.
    definitions: Renderable,
    /// A list.
    options: Renderable,
    /// Sources or build directory, relative to `workdir`.
    path: Option<Renderable>,
}

#[async_trait(?Send)]
impl Step for CMake {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let command = self.command(bench)?;
        let (shell, _) = self.program.shell(bench, command)?;
        self.program.open_logs(bench, Some("stdio")).await?;
        let finished = bench.command(Command::Shell(shell), Capture::default()).await?;
        let results = self.program.results(&finished);
        Ok(Outcome { limit: finished.limit(), ..Outcome::plain(results) })
    }
}

impl CMake {
    fn command(&self, bench: &dyn Workbench) -> Result<RenderedCommand, StepError> {
        let mut words = Words::default();
        words.add(bench, &self.cmake)?;
        if let Some(generator) = given(bench, self.generator.as_ref())? {
            words.plain("-G");
            words.add(bench, generator)?;
        }
        let definitions = render(bench, &self.definitions)?;
        for (name, value) in table(definitions.value, "definitions")? {
            words.word(format!("-D{name}={}", text(&value)), &definitions.secrets);
        }
        let options = render(bench, &self.options)?.value;
        match options {
            Value::Null => {}
            Value::Array(_) => words.add(bench, &self.options)?,
            _ => return Err(StepError::Failed("'options' must render to a list".to_owned())),
        }
        if let Some(path) = given(bench, self.path.as_ref())? {
            words.add(bench, path)?;
        }
        Ok(words.finish())
    }
}

/// The value unless it renders to nothing.
fn given<'v>(
    bench: &dyn Workbench,
    value: Option<&'v Renderable>,
) -> Result<Option<&'v Renderable>, StepError> {
    match value {
        Some(value) if is_true(&render(bench, value)?.value) => Ok(Some(value)),
        _ => Ok(None),
    }
}

pub(super) const TYPES: &[StepType] = &[StepType {
    class: "CMake",
    name: "cmake",
    defaults: || described(true, "running cmake", "cmake"),
    parse,
}];

fn parse(fields: &mut Fields<'_>, _draft: &mut Draft) -> Arc<dyn Step> {
    let literal = |value: &Renderable, fits: fn(&Value) -> bool, what: &str| {
        let wrong = value.as_literal().is_some_and(|value| !value.is_null() && !fits(value));
        wrong.then(|| format!("must be {what}"))
    };
    let definitions =
        fields.optional_checked("definitions", |value| literal(value, Value::is_object, "a table"));
    let options =
        fields.optional_checked("options", |value| literal(value, Value::is_array, "a list"));
    Arc::new(CMake {
        cmake: fields.or("cmake", Renderable::literal("cmake")),
        generator: fields.optional("generator"),
        definitions: definitions.unwrap_or_default(),
        options: options.unwrap_or_default(),
        path: fields.optional("path"),
        program: ProgramOptions::parse_shared(fields),
    })
}
