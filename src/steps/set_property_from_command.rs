//! SetPropertyFromCommand: what a command prints becomes a property.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::Command;
use regex::Regex;
use serde_json::Value;

use super::command::ProgramOptions;
use super::plan::StepOptions;
use super::registry::{Draft, StepType};
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
    /// `extract_fn = "json"`: standard output is a JSON object, whose entries become properties.
    Json,
    /// `extract_fn = "assignments"`: so does every line `NAME=VALUE` of standard output.
    Assignments,
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
            bench.set_property(name, value.clone(), SOURCE);
        }
        if !matches!((&self.extract, results), (Extract::Whole { .. }, Results::Failure)) {
            let shown: Vec<String> = properties
                .iter()
                .map(|(name, value)| format!("{name}: {}\n", repr(value)))
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
    ) -> Result<Vec<(String, Value)>, StepError> {
        let mut properties: Vec<(String, Value)> = match &self.extract {
            _ if results == Results::Cancelled => Vec::new(),
            Extract::Whole { .. } if results == Results::Failure => Vec::new(),
            Extract::Whole { property, strip } => {
                let text = finished.stdout.as_str();
                let text = if *strip { text.trim() } else { text };
                vec![(render_text(bench, property)?, text.into())]
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
                    Some((name.to_owned(), value.into()))
                };
                names.filter_map(group).collect()
            }
            Extract::Json => of_json(&finished.stdout)?,
            Extract::Assignments => finished.stdout.lines().filter_map(assignment).collect(),
        };
        properties.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(properties)
    }
}

fn of_json(text: &str) -> Result<Vec<(String, Value)>, StepError> {
    match serde_json::from_str(text) {
        Ok(Value::Object(table)) => Ok(table.into_iter().collect()),
        Ok(_) => Err(StepError::Failed("the output is JSON, but no object".to_owned())),
        Err(error) => Err(StepError::Failed(format!("the output is no JSON: {error}"))),
    }
}

/// `NAME=VALUE`, where the name has no white space in it.
fn assignment(line: &str) -> Option<(String, Value)> {
    let (name, value) = line.trim_end().split_once('=')?;
    let named = !name.is_empty() && !name.contains(char::is_whitespace);
    named.then(|| (name.to_owned(), value.into()))
}

pub(super) const TYPES: &[StepType] = &[StepType {
    class: "SetPropertyFromCommand",
    name: "setproperty",
    defaults: StepOptions::default,
    parse,
}];

fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    let program = ProgramOptions::parse(fields, None);
    let property: Option<Renderable> = fields.optional("property");
    let strip = fields.or("strip", true);
    let pattern: Option<String> = fields.optional("extract_re");
    let rule = fields.optional_checked("extract_fn", |rule: &String| {
        let known = matches!(rule.as_str(), "json" | "assignments");
        let message = "must be \"json\" or \"assignments\"; a function cannot stand here, but \
                       'extract_re' takes an expression with named groups";
        (!known).then(|| message.to_owned())
    });
    let given = [property.is_some(), pattern.is_some(), rule.is_some()];
    if given.iter().filter(|given| **given).count() != 1 {
        fields.problem("needs exactly one of 'property', 'extract_re' and 'extract_fn'");
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
        extract: match (regex, rule.as_deref()) {
            (Some(regex), _) => Extract::Groups(regex),
            (None, Some("json")) => Extract::Json,
            (None, Some(_)) => Extract::Assignments,
            (None, None) => Extract::Whole { property: property.unwrap_or_default(), strip },
        },
        include_stdout: fields.or("includeStdout", true),
        include_stderr: fields.or("includeStderr", false) || groups,
        show_command: draft.options.description_done.is_none(),
    })
}
