//! The options of every step that runs a program on the worker, and how they become a command.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use protocol::command::{Arg, CommandLine, EnvValue, Limits, LogFile, Shell};
use serde_json::Value;

use super::registry::results;
use super::render::{render, render_optional, render_text, table};
use super::{Finished, StepError, Stream, Workbench};
use crate::config::fields::{Fields, FromRaw};
use crate::config::raw::{Raw, RawValue};
use crate::flow::interpolate::{Renderable, UsedSecret, mask, text};
use crate::model::{LogType, Results};

/// Where steps work unless `workdir` says otherwise; the stock default.
pub(super) const WORKDIR: &str = "build";

/// Stock's 20 minutes without output.
pub(super) const TIMEOUT_S: f64 = 1200.0;

/// The options of stock's `ShellMixin`.
#[derive(Debug, Clone)]
pub(super) struct ProgramOptions {
    pub command: Renderable,
    pub workdir: Option<Renderable>,
    pub env: Renderable,
    pub want_stdout: bool,
    pub want_stderr: bool,
    pub use_pty: bool,
    pub logfiles: Vec<(String, Renderable, bool)>,
    pub lazylogfiles: bool,
    pub limits: Limits,
    pub max_lines: Option<u64>,
    pub interrupt_signal: Option<String>,
    pub sigterm_time: Option<f64>,
    pub initial_stdin: Option<Renderable>,
    pub decode_rc: BTreeMap<Option<i64>, Results>,
}

/// A command with its secrets both as executed and as shown.
pub(super) struct RenderedCommand {
    pub line: CommandLine,
    /// `'make test'`, `'sh -c ...'`; empty for an empty command.
    pub summary: String,
}

impl ProgramOptions {
    /// Reads the options; `command` is the class's default and required when there is none.
    pub fn parse(fields: &mut Fields<'_>, command: Option<&[&str]>) -> ProgramOptions {
        let command = match command {
            None => fields.required("command"),
            Some(words) => {
                let default = words.iter().map(|word| Value::from(*word)).collect::<Value>();
                fields.or("command", Renderable::literal(default))
            }
        };
        ProgramOptions { command, ..ProgramOptions::parse_shared(fields) }
    }

    /// Reads everything but the command.
    pub fn parse_shared(fields: &mut Fields<'_>) -> ProgramOptions {
        ProgramOptions {
            command: Renderable::default(),
            workdir: fields.optional("workdir"),
            env: environment(fields),
            want_stdout: fields.or("want_stdout", true),
            want_stderr: fields.or("want_stderr", true),
            use_pty: fields.or("usePTY", false),
            logfiles: logfiles(fields),
            lazylogfiles: fields.or("lazylogfiles", false),
            limits: limits(fields),
            max_lines: positive(fields, "max_lines", None).map(|lines| lines as u64),
            interrupt_signal: interrupt_signal(fields),
            sigterm_time: positive(fields, "sigtermTime", None),
            initial_stdin: fields.optional("initialStdin"),
            decode_rc: decode_rc(fields),
        }
    }

    /// The worker command for this build, and what its line shows.
    pub fn render(&self, bench: &dyn Workbench) -> Result<(Shell, String), StepError> {
        self.render_with(bench, &self.command)
    }

    /// As [`ProgramOptions::render`], for another command.
    pub fn render_with(
        &self,
        bench: &dyn Workbench,
        command: &Renderable,
    ) -> Result<(Shell, String), StepError> {
        self.shell(bench, render_command(bench, command)?)
    }

    /// As [`ProgramOptions::render`], for a command that the step has put together.
    pub fn shell(
        &self,
        bench: &dyn Workbench,
        command: RenderedCommand,
    ) -> Result<(Shell, String), StepError> {
        let mut logfiles = Vec::new();
        for (name, filename, follow) in &self.logfiles {
            let filename = render_text(bench, filename)?;
            logfiles.push((name.clone(), LogFile { filename, follow: *follow }));
        }
        let shell = Shell {
            workdir: render_workdir(bench, self.workdir.as_ref())?,
            command: command.line,
            env: render_env(bench, &self.env)?,
            want_stdout: self.want_stdout,
            want_stderr: self.want_stderr,
            limits: self.limits.clone(),
            max_lines: self.max_lines,
            sigterm_time: self.sigterm_time,
            interrupt_signal: self.interrupt_signal.clone(),
            initial_stdin: self
                .initial_stdin
                .as_ref()
                .map(|text| render_text(bench, text))
                .transpose()?,
            logfiles,
            use_pty: self.use_pty,
        };
        Ok((shell, command.summary))
    }

    /// The log of the output comes first, as in stock. Followed files show as empty logs at once,
    /// unless they are to appear lazily.
    pub async fn open_logs(
        &self,
        bench: &mut dyn Workbench,
        output: Option<&str>,
    ) -> Result<(), StepError> {
        let files = self.logfiles.iter().map(|(name, ..)| name.as_str());
        for name in output.into_iter().chain(files.filter(|_| !self.lazylogfiles)) {
            bench.log(name, LogType::Stdio, Stream::Stdout, "").await?;
        }
        Ok(())
    }

    /// The result of an ended command.
    pub fn results(&self, finished: &Finished) -> Results {
        if finished.interrupted.is_some() {
            return Results::Cancelled;
        }
        self.decode_rc.get(&finished.rc).copied().unwrap_or(Results::Failure)
    }
}

/// Renders a command. A list may be nested; its parts need not be strings. A part that holds a
/// secret is sent obfuscated; a command line with a secret is given to `/bin/sh -c` by ourselves,
/// because only arguments can be obfuscated.
pub(super) fn render_command(
    bench: &dyn Workbench,
    command: &Renderable,
) -> Result<RenderedCommand, StepError> {
    let whole = render(bench, command)?;
    if let Value::String(_) = whole.value {
        let (real, shown) = whole.texts();
        return Ok(command_line(bench, real, shown));
    }
    let mut words = Words::default();
    words.add(bench, command)?;
    if words.0.is_empty() || whole.value.is_null() {
        return Err(StepError::Failed("'command' is empty".to_owned()));
    }
    Ok(words.finish())
}

/// A command line for a shell, which is shown as `shown`.
pub(super) fn command_line(bench: &dyn Workbench, real: String, shown: String) -> RenderedCommand {
    let words: Vec<&str> = shown.split_whitespace().collect();
    let summary = command_summary(&words);
    let line = if real == shown || bench.worker().system == "nt" {
        CommandLine::Text(real)
    } else {
        let shell = ["/bin/sh", "-c"].map(|arg| Arg::Plain(arg.to_owned()));
        CommandLine::Args(shell.into_iter().chain([Arg::Obfuscated { real, shown }]).collect())
    };
    RenderedCommand { line, summary }
}

/// The words of a command without a shell; those with secrets in them are obfuscated.
#[derive(Default)]
pub(super) struct Words(Vec<Arg>);

impl Words {
    pub fn plain(&mut self, word: impl Into<String>) {
        self.0.push(Arg::Plain(word.into()));
    }

    /// A word in which these secrets may stand.
    pub fn word(&mut self, real: String, secrets: &[UsedSecret]) {
        let shown = mask(&real, secrets).into_owned();
        self.0.push(match real == shown {
            true => Arg::Plain(real),
            false => Arg::Obfuscated { real, shown },
        });
    }

    /// The words of a value: those of a list, however nested, or the one.
    pub fn add(&mut self, bench: &dyn Workbench, value: &Renderable) -> Result<(), StepError> {
        for item in value.items() {
            let item = render(bench, &item)?;
            for value in flatten(item.value) {
                self.word(text(&value), &item.secrets);
            }
        }
        Ok(())
    }

    pub fn finish(self) -> RenderedCommand {
        let words: Vec<&str> = self.0.iter().map(shown).collect();
        let summary = command_summary(&words);
        RenderedCommand { line: CommandLine::Args(self.0), summary }
    }
}

fn shown(arg: &Arg) -> &str {
    match arg {
        Arg::Plain(text) => text,
        Arg::Obfuscated { shown, .. } => shown,
    }
}

fn flatten(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.into_iter().flat_map(flatten).collect(),
        value => vec![value],
    }
}

/// The first two words in quotes, with dots for the rest.
pub(super) fn command_summary(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [first, second, _, ..] => format!("'{first} {second} ...'"),
        words => format!("'{}'", words.join(" ")),
    }
}

pub(super) fn render_workdir(
    bench: &dyn Workbench,
    workdir: Option<&Renderable>,
) -> Result<String, StepError> {
    Ok(render_optional(bench, workdir)?.unwrap_or_else(|| WORKDIR.to_owned()))
}

/// The builder's environment with the step's over it.
pub(super) fn render_env(
    bench: &dyn Workbench,
    env: &Renderable,
) -> Result<Vec<(String, Option<EnvValue>)>, StepError> {
    let mut variables: IndexMap<String, Option<EnvValue>> = IndexMap::new();
    for (name, value) in &bench.builder().env {
        let value = render(bench, &Renderable::parse(value)?)?.value;
        variables.insert(name.clone(), env_value(name, value)?);
    }
    variables.extend(render_own_env(bench, env)?);
    Ok(variables.into_iter().collect())
}

/// The step's own environment alone.
pub(super) fn render_own_env(
    bench: &dyn Workbench,
    env: &Renderable,
) -> Result<Vec<(String, Option<EnvValue>)>, StepError> {
    let mut variables = Vec::new();
    for (name, value) in table(render(bench, env)?.value, "env")? {
        let value = env_value(&name, value)?;
        variables.push((name, value));
    }
    Ok(variables)
}

/// `None` and `false` remove the variable.
fn env_value(name: &str, value: Value) -> Result<Option<EnvValue>, StepError> {
    match value {
        Value::Null | Value::Bool(false) => Ok(None),
        Value::String(text) => Ok(Some(EnvValue::Text(text))),
        Value::Number(number) => Ok(Some(EnvValue::Text(number.to_string()))),
        Value::Array(items) => Ok(Some(EnvValue::Paths(items.iter().map(text).collect()))),
        _ => {
            Err(StepError::Failed(format!("'env' values must be strings or lists; mend '{name}'")))
        }
    }
}

/// The `env` option.
pub(super) fn environment(fields: &mut Fields<'_>) -> Renderable {
    let Some(raw) = fields.take("env") else { return Renderable::literal(Value::Null) };
    if let RawValue::Table(table) = &raw.value {
        for (name, value) in table {
            if matches!(value.value, RawValue::Bool(true)) {
                let message = format!("'{name}' must be a string, a list or false, not true");
                fields.problem_at("env", &value.place, message);
            }
        }
    } else {
        fields.problem_at("env", &raw.place, format!("must be a table, not {}", raw.kind()));
        return Renderable::literal(Value::Null);
    }
    match Renderable::from_raw(&raw) {
        Ok(env) => env,
        Err(message) => {
            fields.problem_at("env", &raw.place, message);
            Renderable::default()
        }
    }
}

/// `timeout`, `maxTime` and `logEnviron`.
pub(super) fn limits(fields: &mut Fields<'_>) -> Limits {
    Limits {
        timeout: positive(fields, "timeout", Some(TIMEOUT_S)),
        max_time: positive(fields, "maxTime", None),
        log_environ: fields.or("logEnviron", true),
    }
}

/// A number above 0; `false`, 0 and Python's `None` switch it off.
pub(super) fn positive(
    fields: &mut Fields<'_>,
    key: &'static str,
    default: Option<f64>,
) -> Option<f64> {
    let Some(raw) = fields.take(key) else { return default };
    match raw.value {
        RawValue::Null | RawValue::Bool(false) | RawValue::Int(0) => None,
        RawValue::Int(number) if number > 0 => Some(number as f64),
        RawValue::Float(number) if number > 0.0 && number.is_finite() => Some(number),
        _ => {
            let message = format!("must be a number above 0 or false, not {}", described(&raw));
            fields.problem_at(key, &raw.place, message);
            default
        }
    }
}

fn described(raw: &Raw) -> String {
    match raw.value {
        RawValue::Int(number) => number.to_string(),
        RawValue::Float(number) => number.to_string(),
        _ => raw.kind().to_owned(),
    }
}

/// `interruptSignal`: stock's default is KILL; `false` leaves the choice to the worker.
fn interrupt_signal(fields: &mut Fields<'_>) -> Option<String> {
    let Some(raw) = fields.take("interruptSignal") else { return Some("KILL".to_owned()) };
    match &raw.value {
        RawValue::Null | RawValue::Bool(false) => None,
        RawValue::Text(name)
            if name.chars().all(|c| c.is_ascii_alphanumeric()) && !name.is_empty() =>
        {
            Some(name.strip_prefix("SIG").unwrap_or(name).to_owned())
        }
        _ => {
            let message = "must be the name of a signal, such as \"TERM\"";
            fields.problem_at("interruptSignal", &raw.place, message);
            None
        }
    }
}

fn logfiles(fields: &mut Fields<'_>) -> Vec<(String, Renderable, bool)> {
    let Some(raw) = fields.take("logfiles") else { return Vec::new() };
    let (path, problems) = fields.nested("logfiles");
    let RawValue::Table(table) = &raw.value else {
        problems.add(&raw.place, path, format!("must be a table, not {}", raw.kind()));
        return Vec::new();
    };
    let mut files = Vec::new();
    for (name, value) in table {
        if let RawValue::Table(_) = value.value {
            let mut fields = Fields::of(value, format!("{path}.{name}"), problems);
            let filename = fields.required("filename");
            files.push((name.clone(), filename, fields.or("follow", false)));
            fields.finish();
            continue;
        }
        match Renderable::from_raw(value) {
            Ok(filename) => files.push((name.clone(), filename, false)),
            Err(message) => problems.add(&value.place, format!("{path}.{name}"), message),
        }
    }
    files
}

/// `decodeRC`: exit status → result, given as name or number. Stock's default is `{0: SUCCESS}`.
fn decode_rc(fields: &mut Fields<'_>) -> BTreeMap<Option<i64>, Results> {
    let default = BTreeMap::from([(Some(0), Results::Success)]);
    let Some(raw) = fields.take("decodeRC") else { return default };
    let RawValue::Table(table) = &raw.value else {
        fields.problem_at("decodeRC", &raw.place, format!("must be a table, not {}", raw.kind()));
        return default;
    };
    let mut decoded = BTreeMap::new();
    for (key, value) in table {
        let rc = match key.as_str() {
            "None" => Some(None),
            key => key.parse().ok().map(Some),
        };
        match (rc, results(&value.value)) {
            (Some(rc), Some(results)) => {
                decoded.insert(rc, results);
            }
            _ => fields.problem_at(
                "decodeRC",
                &value.place,
                format!("'{key}' must be an exit status with a result, as in 77 = \"SKIPPED\""),
            ),
        }
    }
    decoded
}
