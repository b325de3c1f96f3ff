//! Counting the warnings that a command prints: what stock's WarningCountingShellCommand can be told.

mod counting;
mod suppression;
#[cfg(test)]
mod tests;

use regex::Regex;
use serde_json::Value;

use super::render::{render, render_optional, render_text};
use super::transfer::text::{SmallFile, read_text};
use super::{StepError, Workbench};
use crate::config::fields::Fields;
use crate::config::raw::RawValue;
use crate::flow::interpolate::Renderable;
use crate::flow::pattern::Pattern;
use crate::model::Results;

pub(super) use counting::Counting;
use suppression::Suppression;

/// Stock's expression for a line that is a warning.
const WARNING: &str = "(?i).*warning[: ].*";
/// What GNU make says when it enters and leaves a directory.
const ENTER: &str = "make.*: Entering directory [\u{2019}\"`'](.*)[\u{2019}'`\"]";
const LEAVE: &str = "make.*: Leaving directory";

/// Bytes of a suppression file at most.
const SUPPRESSION_FILE: u64 = 1 << 20;

/// The keys that are about warnings.
#[derive(Debug)]
pub(super) struct WarningOptions {
    /// `None` counts nothing (`warningPattern = false`).
    pattern: Option<Renderable>,
    extractor: Extractor,
    enter: Renderable,
    leave: Renderable,
    suppression_file: Option<Renderable>,
    suppressions: Vec<Suppression>,
    /// More warnings than this are a failure.
    most: Option<Renderable>,
}

/// `warningExtractor`: where file, line and text of a warning stand, for suppressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extractor {
    /// The whole line is the text; no file, no line number.
    WholeLine,
    /// Groups 1, 2 and 3 of `warningPattern`.
    Groups,
}

/// The same, rendered for a build and compiled.
#[derive(Debug)]
pub(super) struct WarningRules {
    pattern: Option<Pattern>,
    extractor: Extractor,
    enter: Regex,
    leave: Regex,
    suppressions: Vec<Suppression>,
    most: Option<i64>,
}

impl WarningOptions {
    pub fn parse(fields: &mut Fields<'_>) -> WarningOptions {
        let extractor = extractor(fields);
        let groups = if extractor == Extractor::Groups { 3 } else { 0 };
        let enter = pattern(fields, "directoryEnterPattern", ENTER, 1);
        WarningOptions {
            pattern: pattern(fields, "warningPattern", WARNING, groups),
            extractor,
            enter: enter.unwrap_or_else(|| Renderable::literal(ENTER)),
            leave: pattern(fields, "directoryLeavePattern", LEAVE, 0)
                .unwrap_or_else(|| Renderable::literal(LEAVE)),
            suppression_file: fields.optional("suppressionFile"),
            suppressions: suppression::list(fields),
            most: fields.optional_checked("maxWarnCount", |most: &Renderable| {
                let wrong = most.as_literal().is_some_and(|value| value.as_i64().is_none());
                wrong.then(|| "must be a whole number".to_owned())
            }),
        }
    }

    /// The rules for this build. `None` when the suppression file cannot be read; the log says why.
    pub async fn render(
        &self,
        bench: &mut dyn Workbench,
        workdir: &str,
    ) -> Result<Option<WarningRules>, StepError> {
        let mut suppressions = self.suppressions.clone();
        if let Some(source) = render_optional(bench, self.suppression_file.as_ref())? {
            let file = SmallFile { workdir: workdir.to_owned(), source, limit: SUPPRESSION_FILE };
            let Some(text) = read_text(bench, file).await? else { return Ok(None) };
            suppressions.extend(suppression::of_file(&text).map_err(StepError::Failed)?);
        }
        let pattern = match &self.pattern {
            Some(pattern) => match render_text(bench, pattern)? {
                text if text.is_empty() => None,
                text => Some(Pattern::new(&text).map_err(StepError::Failed)?),
            },
            None => None,
        };
        Ok(Some(WarningRules {
            pattern,
            extractor: self.extractor,
            enter: search(&render_text(bench, &self.enter)?).map_err(StepError::Failed)?,
            leave: search(&render_text(bench, &self.leave)?).map_err(StepError::Failed)?,
            suppressions,
            most: self.most(bench)?,
        }))
    }

    fn most(&self, bench: &dyn Workbench) -> Result<Option<i64>, StepError> {
        let Some(most) = &self.most else { return Ok(None) };
        match render(bench, most)?.value {
            Value::Null => Ok(None),
            Value::Number(number) => Ok(number.as_i64()),
            value => {
                let number = value.as_str().and_then(|text| text.trim().parse().ok());
                let wrong = "'maxWarnCount' must render to a whole number";
                number.map(Some).ok_or_else(|| StepError::Failed(wrong.to_owned()))
            }
        }
    }
}

impl WarningRules {
    /// What so many warnings make of a command's result.
    pub fn judge(&self, count: i64, results: Results) -> Results {
        match self.most {
            Some(most) if count > most => results.worst(Results::Failure),
            _ if count > 0 => results.worst(Results::Warnings),
            _ => results,
        }
    }
}

/// `warningExtractor`, by the names of stock's functions.
fn extractor(fields: &mut Fields<'_>) -> Extractor {
    let known = |name: &String| match name.as_str() {
        "warnExtractWholeLine" | "warnExtractFromRegexpGroups" => None,
        _ => Some("must be \"warnExtractWholeLine\" or \"warnExtractFromRegexpGroups\"".to_owned()),
    };
    match fields.optional_checked("warningExtractor", known).as_deref() {
        Some("warnExtractFromRegexpGroups") => Extractor::Groups,
        _ => Extractor::WholeLine,
    }
}

/// A regular expression with at least so many groups. `false` gives none.
fn pattern(
    fields: &mut Fields<'_>,
    key: &'static str,
    default: &str,
    groups: usize,
) -> Option<Renderable> {
    let place = fields.place().clone();
    let found = match fields.take(key) {
        None => Renderable::literal(default),
        Some(raw) => match raw.value {
            RawValue::Null | RawValue::Bool(false) => return None,
            RawValue::Text(text) => match Renderable::parse(&text.as_str().into()) {
                Ok(pattern) => pattern,
                Err(error) => {
                    fields.problem_at(key, &raw.place, error.to_string());
                    return None;
                }
            },
            _ => {
                fields.problem_at(key, &raw.place, "must be a regular expression or false");
                return None;
            }
        },
    };
    let Some(Value::String(text)) = found.as_literal() else { return Some(found) };
    let message = match search(text) {
        Ok(regex) if regex.captures_len() > groups => return Some(found),
        Ok(_) => format!("needs {groups} groups in parentheses: '{text}'"),
        Err(message) => message,
    };
    fields.problem_at(key, &place, message);
    None
}

/// An expression that may match anywhere in a line.
fn search(source: &str) -> Result<Regex, String> {
    // For its message.
    Pattern::new(source)?;
    Regex::new(source).map_err(|error| error.to_string())
}
