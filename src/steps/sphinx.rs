//! Sphinx: builds documentation on the worker and counts what sphinx complains about.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::Command;
use serde_json::Value;

use super::command::{ProgramOptions, RenderedCommand, Words};
use super::observe::KeptLines;
use super::registry::{Draft, StepType};
use super::render::{render, table};
use super::shell::described;
use super::{Capture, LineObserver, Outcome, Step, StepError, Stream, Workbench};
use crate::config::fields::Fields;
use crate::flow::interpolate::{Renderable, text};
use crate::model::{LogType, Results};

#[derive(Debug)]
struct Sphinx {
    program: ProgramOptions,
    sphinx: Renderable,
    builder: Option<Renderable>,
    tags: Renderable,
    /// A table.
    defines: Renderable,
    /// Leave no saved environment from earlier builds in use.
    full: bool,
    strict_warnings: bool,
    sources: Renderable,
    target: Renderable,
    /// The step's name, with which its line begins.
    name: String,
}

#[async_trait(?Send)]
impl Step for Sphinx {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let command = self.command(bench)?;
        let (shell, _) = self.program.shell(bench, command)?;
        self.program.open_logs(bench, Some("stdio")).await?;
        let mut heard = Heard::default();
        let command = Command::Shell(shell);
        let finished = bench.observed(command, Capture::default(), &mut heard).await?;
        let count = heard.warnings.count();
        if count > 0 {
            let text = heard.warnings.text();
            bench.log("warnings", LogType::Text, Stream::Stdout, &text).await?;
        }
        let results = match heard.succeeded {
            _ if finished.interrupted.is_some() => Results::Cancelled,
            false => Results::Failure,
            true if count > 0 => Results::Warnings,
            true => Results::Success,
        };
        Ok(Outcome::new(results, format!("{} {count} warnings", self.name)))
    }
}

impl Sphinx {
    fn command(&self, bench: &dyn Workbench) -> Result<RenderedCommand, StepError> {
        let mut words = Words::default();
        words.add(bench, &self.sphinx)?;
        if let Some(builder) = &self.builder {
            words.plain("-b");
            words.add(bench, builder)?;
        }
        for tag in self.tags.items() {
            words.plain("-t");
            words.add(bench, &tag)?;
        }
        let defines = render(bench, &self.defines)?;
        let mut defined: Vec<(String, Value)> =
            table(defines.value, "defines")?.into_iter().collect();
        defined.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, value) in defined {
            words.plain("-D");
            let word = match value {
                Value::Null => name,
                Value::Bool(value) => format!("{name}={}", i32::from(value)),
                value => format!("{name}={}", text(&value)),
            };
            words.word(word, &defines.secrets);
        }
        for (given, option) in [(self.full, "-E"), (self.strict_warnings, "-W")] {
            if given {
                words.plain(option);
            }
        }
        words.add(bench, &self.sources)?;
        words.add(bench, &self.target)?;
        Ok(words.finish())
    }
}

/// What sphinx has said so far.
#[derive(Default)]
struct Heard {
    succeeded: bool,
    warnings: KeptLines,
    /// The next line is a warning that `-W` made an error of.
    announced: bool,
}

impl LineObserver for Heard {
    fn line(&mut self, _stream: Stream, line: &str) {
        let succeeded = ["build succeeded", "no targets are out of date."];
        if succeeded.iter().any(|words| line.starts_with(words)) {
            self.succeeded = true;
        } else if line.starts_with("Warning, treated as error:") {
            self.announced = true;
        } else if std::mem::take(&mut self.announced) {
            self.warnings.push(line);
        } else {
            // As in stock a line with two of the words counts twice.
            let words = ["WARNING", "ERROR", "SEVERE"];
            for _ in words.iter().filter(|word| line.contains(*word)) {
                self.warnings.push(line);
            }
        }
    }
}

pub(super) const TYPES: &[StepType] = &[StepType {
    class: "Sphinx",
    name: "sphinx",
    defaults: || described(true, "running sphinx", "sphinx"),
    parse,
}];

fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    let mode = fields.optional_checked("mode", |mode: &String| {
        let known = matches!(mode.as_str(), "incremental" | "full");
        (!known).then(|| "must be \"incremental\" or \"full\"".to_owned())
    });
    Arc::new(Sphinx {
        sphinx: fields.or("sphinx", Renderable::literal("sphinx-build")),
        builder: fields.optional("sphinx_builder"),
        tags: fields.or("tags", Renderable::literal(Vec::<Value>::new())),
        defines: fields.or_default("defines"),
        full: mode.as_deref() == Some("full"),
        strict_warnings: fields.or("strict_warnings", false),
        sources: fields.or("sphinx_sourcedir", Renderable::literal(".")),
        target: fields.required("sphinx_builddir"),
        program: ProgramOptions::parse_shared(fields),
        name: draft.name.clone(),
    })
}
