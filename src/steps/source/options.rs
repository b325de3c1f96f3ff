//! The options that all source steps share.

use std::fmt;
use std::time::Duration;

use protocol::command::Limits;

use super::NAME_LENGTH;
use crate::config::fields::{Fields, FromRaw};
use crate::config::raw::{Raw, RawValue};
use crate::flow::interpolate::Renderable;
use crate::steps::command::{WORKDIR, environment, limits};
use crate::steps::registry::Draft;

/// Stock's options of every source step.
#[derive(Debug)]
pub struct SourceOptions {
    /// Which source stamp of the build is meant.
    pub codebase: String,
    /// The newest version, whatever the source stamp says.
    pub always_use_latest: bool,
    pub retry: Option<Retry>,
    pub workdir: Option<Renderable>,
    pub env: Renderable,
    pub limits: Limits,
    /// What the step's line begins with when it has to say more.
    pub done: String,
}

/// `retry = [delay, repeats]`: a checkout that fails is tried again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    pub delay: Duration,
    pub repeats: u32,
}

/// An option that may stand plainly in the configuration and is not to be seen elsewhere.
pub struct Hidden(pub Renderable);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

impl FromRaw for Hidden {
    fn from_raw(raw: &Raw) -> Result<Hidden, String> {
        Renderable::from_raw(raw).map(Hidden)
    }
}

impl SourceOptions {
    /// Reads the options. A codebase with a name goes into the step's name and line, as in stock.
    pub fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> SourceOptions {
        let codebase: String = fields.or_default("codebase");
        if !codebase.is_empty() {
            let name = format!("{}-{codebase}", draft.name);
            draft.name = name.chars().take(NAME_LENGTH).collect();
            draft.options.description_suffix.get_or_insert_with(|| codebase.clone());
        }
        let options = &draft.options;
        let mut done = options.description_done.clone().unwrap_or_else(|| "update".to_owned());
        if let Some(suffix) = &options.description_suffix {
            done = format!("{done} {suffix}");
        }
        SourceOptions {
            codebase,
            always_use_latest: fields.or("alwaysUseLatest", false),
            retry: retry(fields),
            workdir: fields.optional("workdir"),
            env: environment(fields),
            limits: limits(fields),
            done,
        }
    }

    /// The work directory when it is the same for every build.
    pub fn literal_workdir(&self) -> Option<&str> {
        match &self.workdir {
            None => Some(WORKDIR),
            Some(workdir) => workdir.literal_text(),
        }
    }

    /// Where a checkout is kept that builds get a copy of.
    pub fn kept_checkout(&self, separator: char) -> String {
        match self.codebase.as_str() {
            "" => "source".to_owned(),
            codebase => format!("source{separator}{codebase}"),
        }
    }
}

/// `[delay in seconds, repeats]`.
fn retry(fields: &mut Fields<'_>) -> Option<Retry> {
    let raw = fields.take("retry").filter(|raw| raw.value != RawValue::Null)?;
    if let RawValue::List(items) = &raw.value
        && let [delay, repeats] = items.as_slice()
    {
        let delay = match delay.value {
            RawValue::Int(delay) => delay as f64,
            RawValue::Float(delay) => delay,
            _ => -1.0,
        };
        if let RawValue::Int(repeats) = repeats.value
            && let Ok(repeats) = u32::try_from(repeats)
            && (0.0..=86_400.0).contains(&delay)
        {
            return Some(Retry { delay: Duration::from_secs_f64(delay), repeats });
        }
    }
    let message = "must be [delay in seconds, number of repeats], as in [10, 3]";
    fields.problem_at("retry", &raw.place, message);
    None
}

/// `mode` and `method` of a system whose `methods` are these, the first being stock's for
/// `mode = "full"`; `None` is incremental.
pub fn method(fields: &mut Fields<'_>, methods: &[&'static str]) -> Option<&'static str> {
    let mode: String = fields.or("mode", "incremental".to_owned());
    let method: Option<String> = fields.optional("method");
    let chosen = chosen_method(&mode, method.as_deref(), methods);
    chosen.unwrap_or_else(|message| {
        fields.problem(message);
        None
    })
}

/// As [`method`], of texts.
///
/// # Errors
/// A message for people.
pub fn chosen_method(
    mode: &str,
    method: Option<&str>,
    methods: &[&'static str],
) -> Result<Option<&'static str>, String> {
    let given = method.map(|method| methods.iter().find(|known| **known == method));
    match (mode, given) {
        (_, Some(None)) => Err(format!(
            "'method' must be {}, not '{}'",
            listed(methods),
            method.unwrap_or_default()
        )),
        ("incremental", _) => Ok(None),
        ("full", Some(Some(method))) => Ok(Some(method)),
        ("full", None) => Ok(methods.first().copied()),
        (other, _) => Err(format!("'mode' must be incremental or full, not '{other}'")),
    }
}

/// `a, b or c`.
fn listed(words: &[&str]) -> String {
    match words {
        [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        words => words.concat(),
    }
}
