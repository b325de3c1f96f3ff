//! Hears the output of a command and counts.

use regex::Captures;
use serde_json::Value;

use super::suppression::Warning;
use super::{Extractor, WarningRules};
use crate::model::LogType;
use crate::steps::observe::KeptLines;
use crate::steps::{LineObserver, StepError, Stream, Workbench};

/// Counts while a command runs. As in stock its own remarks, such as the command line, count too.
pub struct Counting<'r> {
    rules: &'r WarningRules,
    /// Directories that make has entered and not left.
    directories: Vec<String>,
    warnings: KeptLines,
}

impl<'r> Counting<'r> {
    pub fn new(rules: &'r WarningRules) -> Counting<'r> {
        Counting { rules, directories: Vec::new(), warnings: KeptLines::default() }
    }

    pub fn count(&self) -> i64 {
        self.warnings.count()
    }

    /// Writes the log `warnings (N)` and adds to the build's `warnings-count`.
    pub async fn tell(&self, bench: &mut dyn Workbench) -> Result<(), StepError> {
        let count = self.count();
        if count > 0 {
            let name = format!("warnings ({count})");
            let text = self.warnings.text();
            bench.log(&name, LogType::Text, Stream::Stdout, &text).await?;
        }
        let before = bench.properties().get("warnings-count").and_then(Value::as_i64).unwrap_or(0);
        let source = "WarningCountingShellCommand";
        bench.set_property("warnings-count", (before + count).into(), source);
        Ok(())
    }

    fn is_suppressed(&self, line: &str, found: &Captures<'_>) -> bool {
        if self.rules.suppressions.is_empty() {
            return false;
        }
        let group = |group: usize| found.get(group).map(|part| part.as_str());
        let warning = match self.rules.extractor {
            Extractor::WholeLine => Warning { text: line, ..Warning::default() },
            Extractor::Groups => Warning {
                file: group(1).map(|file| self.in_directory(file)),
                line: group(2).and_then(|line| line.trim().parse().ok()),
                text: group(3).unwrap_or_default(),
            },
        };
        self.rules.suppressions.iter().any(|suppression| suppression.covers(&warning))
    }

    /// The path with the directories that make is in.
    fn in_directory(&self, file: &str) -> String {
        let directory = self.directories.join("/");
        if file.is_empty() || directory.is_empty() {
            return file.to_owned();
        }
        format!("{directory}/{file}")
    }
}

impl LineObserver for Counting<'_> {
    fn line(&mut self, _stream: Stream, line: &str) {
        let Some(pattern) = &self.rules.pattern else { return };
        if let Some(entered) = self.rules.enter.captures(line) {
            let directory = entered.get(1).map_or("", |group| group.as_str());
            self.directories.push(directory.to_owned());
        } else if !self.directories.is_empty() && self.rules.leave.is_match(line) {
            self.directories.pop();
        } else if let Some(found) = pattern.regex().captures(line)
            && !self.is_suppressed(line, &found)
        {
            self.warnings.push(line);
        }
    }
}
