//! Counting warnings in a command's output, for Compile and Test.

use serde_json::Value;

use super::{Finished, StepError, Stream, Workbench};
use crate::config::fields::Fields;
use crate::flow::pattern::Pattern;
use crate::model::{LogType, Results};

/// Stock's expression for a line that is a warning.
const WARNING: &str = "(?i).*warning[: ].*";

/// `warningPattern` and `maxWarnCount`. Reads the captured output, at most the first
/// [`CAPTURE_LIMIT`](super::CAPTURE_LIMIT) bytes of each stream.
#[derive(Debug)]
pub(super) struct WarningCounter {
    /// `None` counts nothing (`warningPattern = false`).
    pattern: Option<Pattern>,
    /// More warnings than this are a failure.
    most: Option<i64>,
}

impl WarningCounter {
    pub fn parse(fields: &mut Fields<'_>) -> WarningCounter {
        use crate::config::raw::RawValue;
        let place = fields.place().clone();
        let source = match fields.take("warningPattern").map(|raw| raw.value) {
            None => Some(WARNING.to_owned()),
            Some(RawValue::Text(source)) => Some(source),
            Some(RawValue::Null | RawValue::Bool(false)) => None,
            Some(_) => {
                let message = "must be a regular expression or false";
                fields.problem_at("warningPattern", &place, message);
                None
            }
        };
        let pattern = source.and_then(|source| match Pattern::new(&source) {
            Ok(pattern) => Some(pattern),
            Err(message) => {
                fields.problem_at("warningPattern", &place, message);
                None
            }
        });
        WarningCounter { pattern, most: fields.optional("maxWarnCount") }
    }

    /// Writes the log `warnings (N)`, adds to the build's `warnings-count` and worsens `results`.
    pub async fn count(
        &self,
        bench: &mut dyn Workbench,
        finished: &Finished,
        results: Results,
    ) -> Result<Results, StepError> {
        let Some(pattern) = &self.pattern else { return Ok(results) };
        let lines = finished.stdout.lines().chain(finished.stderr.lines());
        let warnings: Vec<&str> = lines.filter(|line| pattern.matches(line)).collect();
        let count = warnings.len() as i64;
        if count > 0 {
            let text = warnings.join("\n") + "\n";
            let name = format!("warnings ({count})");
            bench.log(&name, LogType::Text, Stream::Stdout, &text).await?;
        }
        let before = bench.properties().get("warnings-count").and_then(Value::as_i64).unwrap_or(0);
        let source = "WarningCountingShellCommand";
        bench.set_property("warnings-count", (before + count).into(), source);
        Ok(match (count, self.most) {
            (count, Some(most)) if count > most => results.worst(Results::Failure),
            (0, _) => results,
            _ => results.worst(Results::Warnings),
        })
    }
}
