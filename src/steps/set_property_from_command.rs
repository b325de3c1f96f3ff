//! SetPropertyFromCommand: what a command prints becomes a property.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::Command;
use regex::Regex;
use serde_json::Value;

use super::command::ProgramOptions;
use super::registry::Draft;
use super::render::render_text;
use super::{Capture, Finished, Outcome, Step, StepError, Stream, Workbench};
use crate::config::fields::Fields;
use crate::flow::interpolate::{Renderable, repr};
use crate::model::{LogType, Results};

const SOURCE: &str = "SetPropertyFromCommand Step";

#[derive(Debug)]
struct SetPropertyFromCommand {
    program: ProgramOptions,
    extract: Extract,
    include_stdout: bool,
    include_stderr: bool,
    show_command: bool,
}

/// How output becomes properties.
#[derive(Debug)]
enum Extract {
    /// `property`: standard output, without surrounding space when `strip`.
    Whole { property: Renderable, strip: bool },
    /// `extract_re`: each named group that matched sets the property of its name.
    Groups(Regex),
}

#[async_trait(?Send)]
impl Step for SetPropertyFromCommand {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let (shell, command) = self.program.render(bench)?;
        self.program.open_logs(bench, Some("stdio")).await?;
        let capture =
            Capture { stdout: self.include_stdout, stderr: self.include_stderr, quiet: false };
        let finished = bench.command(Command::Shell(shell), capture).await?;
        let results = self.program.results(&finished);
        let properties = self.extract(bench, &finished, results)?;
        for (name, value) in &properties {
            bench.set_property(name, Value::from(value.as_str()), SOURCE);
        }
        if !matches!((&self.extract, results), (Extract::Whole { .. }, Results::Failure)) {
            let shown: Vec<String> = properties
                .iter()
                .map(|(name, value)| format!("{name}: {}\n", repr(&Value::from(value.as_str()))))
                .collect();
            bench.log("property changes", LogType::Text, Stream::Stdout, &shown.concat()).await?;
        }
        let summary = match properties.as_slice() {
            [] if self.show_command => command,
            [] => String::new(),
            [(name, _)] => format!("property '{name}' set"),
            several => format!("{} properties set", several.len()),
        };
        Ok(Outcome { results, summary, limit: finished.limit() })
    }
}

impl SetPropertyFromCommand {
    /// The properties to set, by name.
    fn extract(
        &self,
        bench: &dyn Workbench,
        finished: &Finished,
        results: Results,
    ) -> Result<Vec<(String, String)>, StepError> {
        let mut properties = match &self.extract {
            _ if results == Results::Cancelled => Vec::new(),
            Extract::Whole { .. } if results == Results::Failure => Vec::new(),
            Extract::Whole { property, strip } => {
                let text = finished.stdout.as_str();
                let text = if *strip { text.trim() } else { text };
                vec![(render_text(bench, property)?, text.to_owned())]
            }
            Extract::Groups(regex) => {
                let text = match finished.stderr.as_str() {
                    "" => &finished.stdout,
                    stderr => &format!("{}\n{stderr}", finished.stdout),
                };
                let names = regex.capture_names().flatten();
                let matched = regex.captures(text);
                let group = |name: &str| {
                    let value = matched.as_ref()?.name(name)?.as_str();
                    Some((name.to_owned(), value.to_owned()))
                };
                names.filter_map(group).collect()
            }
        };
        properties.sort();
        Ok(properties)
    }
}

pub(super) fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    let program = ProgramOptions::parse(fields, None);
    let property: Option<Renderable> = fields.optional("property");
    let strip = fields.or("strip", true);
    let pattern: Option<String> = fields.optional("extract_re");
    if let Some(raw) = fields.take("extract_fn") {
        let message = "a function cannot stand here; use 'extract_re' with named groups";
        fields.problem_at("extract_fn", &raw.place, message);
    } else if property.is_some() == pattern.is_some() {
        fields.problem("needs exactly one of 'property' and 'extract_re'");
    }
    let regex = pattern.and_then(|pattern| match Regex::new(&pattern) {
        Ok(regex) if regex.capture_names().flatten().next().is_some() => Some(regex),
        Ok(_) => {
            fields.problem("'extract_re' needs named groups, as in '(?P<version>[0-9.]+)'");
            None
        }
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().to_owned();
            fields.problem(format!("'extract_re' is not a regular expression: {reason}"));
            None
        }
    });
    let groups = regex.is_some();
    Arc::new(SetPropertyFromCommand {
        program,
        extract: match regex {
            Some(regex) => Extract::Groups(regex),
            None => Extract::Whole { property: property.unwrap_or_default(), strip },
        },
        include_stdout: fields.or("includeStdout", true),
        include_stderr: fields.or("includeStderr", false) || groups,
        show_command: draft.options.description_done.is_none(),
    })
}
