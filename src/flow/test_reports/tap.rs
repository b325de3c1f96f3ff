//! TAP, the Test Anything Protocol, versions 12 to 14. Subtests count with their summary line only.

use std::io::{BufRead, Read};

use super::{LONGEST_MESSAGE, LONGEST_NAME, Sink, TestCase, TestOutcome, nanoseconds, shortened};

/// Bytes of a line that are read; what exceeds it is left out.
const LONGEST_LINE: u64 = 64 * 1024;

/// Reads a report and gives its tests to `sink`. A plan that was not kept, or a `Bail out!`, counts
/// as one more failed test.
///
/// # Errors
/// A message for people.
pub fn read(mut input: impl BufRead, sink: &mut Sink<'_>) -> Result<(), String> {
    let mut report = Report::default();
    let mut number = 0u64;
    loop {
        let line = next_line(&mut input);
        let line = line.map_err(|error| format!("cannot be read after line {number}: {error}"))?;
        let Some(line) = line else { break };
        number += 1;
        if !report.line(&line, sink).map_err(|error| format!("{error} in line {number}"))? {
            return Ok(());
        }
    }
    report.finish(sink)
}

/// The next line without its end, odd bytes replaced; `None` at the end.
fn next_line(input: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    if input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    while line.last() != Some(&b'\n') {
        let mut rest = Vec::new();
        if input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut rest)? == 0
            || rest.ends_with(b"\n")
        {
            break;
        }
    }
    let text = String::from_utf8_lossy(&line);
    Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()))
}

#[derive(Default)]
struct Report {
    plan: Option<u64>,
    seen: u64,
    /// The test that may still be explained by the lines behind it.
    last: Option<TestCase>,
    /// Within a YAML block.
    block: bool,
    ended: bool,
}

impl Report {
    fn line(&mut self, line: &str, sink: &mut Sink<'_>) -> Result<bool, String> {
        let inner = line.trim_start();
        if self.block || inner.len() < line.len() {
            self.detail(inner);
            return Ok(true);
        }
        if let Some(rest) = after_word(line, "ok") {
            return Ok(self.test(rest, true, sink));
        }
        if let Some(rest) = after_word(line, "not ok") {
            return Ok(self.test(rest, false, sink));
        }
        if let Some(plan) = line.strip_prefix("1..") {
            let plan = plan.split_whitespace().next().unwrap_or_default();
            let plan = plan
                .parse()
                .map_err(|_| format!("has no number of tests: '{}'", shortened(line, 80)))?;
            self.plan = Some(plan);
        } else if let Some(reason) = line.strip_prefix("Bail out!") {
            let failed = TestOutcome::Failed(shortened(reason, LONGEST_MESSAGE));
            self.ended = true;
            return Ok(self.flush(sink) && sink(case("Bail out!".to_owned(), failed)));
        } else if let Some(comment) = line.strip_prefix('#') {
            self.explain(comment.trim());
        }
        Ok(true)
    }

    /// An indented line: part of a YAML block that explains the last test, or of a subtest.
    fn detail(&mut self, line: &str) {
        match line {
            "---" => self.block = true,
            "..." => self.block = false,
            line if self.block => match line.strip_prefix("duration_ms:") {
                Some(duration) => self.took(duration),
                None => self.explain(line),
            },
            _ => {}
        }
    }

    fn took(&mut self, milliseconds: &str) {
        let milliseconds: Option<f64> = milliseconds.trim().parse().ok();
        if let (Some(case), Some(milliseconds)) = (&mut self.last, milliseconds) {
            case.duration_ns = nanoseconds(&(milliseconds / 1000.0).to_string());
        }
    }

    /// Says more about the last test if it failed.
    fn explain(&mut self, text: &str) {
        if let Some(TestCase { outcome: TestOutcome::Failed(reason), .. }) = &mut self.last
            && reason.len() < LONGEST_MESSAGE
        {
            reason.push_str(text);
            reason.push('\n');
        }
    }

    fn test(&mut self, rest: &str, passed: bool, sink: &mut Sink<'_>) -> bool {
        self.seen += 1;
        let rest = rest.trim_start();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = rest.split_at(digits);
        let (description, directive) = directive(rest);
        let description = description.trim().trim_start_matches("- ").trim();
        let name = match (description, number) {
            ("" | "-", "") => format!("test {}", self.seen),
            ("" | "-", number) => format!("test {number}"),
            (description, _) => description.to_owned(),
        };
        let word = directive.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
        let reason = || shortened(directive[word.len()..].trim_start_matches(':'), LONGEST_MESSAGE);
        let outcome = match word.to_ascii_uppercase().as_str() {
            // A test that is expected to fail, or was left out, whatever its word for it.
            "SKIP" | "SKIPPED" | "TODO" => TestOutcome::Skipped(reason()),
            _ if passed => TestOutcome::Passed,
            _ => TestOutcome::Failed(String::new()),
        };
        let mut case = case(shortened(&name, LONGEST_NAME), outcome);
        if let Some(time) = directive.strip_prefix("time=") {
            let (time, unit) = time.split_at(
                time.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(time.len()),
            );
            let time: Option<f64> = time.parse().ok();
            let scale = if unit.starts_with("ms") { 1000.0 } else { 1.0 };
            case.duration_ns = time.and_then(|time| nanoseconds(&(time / scale).to_string()));
        }
        let goes_on = self.flush(sink);
        self.last = Some(case);
        goes_on
    }

    fn flush(&mut self, sink: &mut Sink<'_>) -> bool {
        let Some(mut case) = self.last.take() else { return true };
        if let TestOutcome::Failed(reason) = &mut case.outcome {
            *reason = shortened(reason, LONGEST_MESSAGE);
        }
        sink(case)
    }

    fn finish(mut self, sink: &mut Sink<'_>) -> Result<(), String> {
        if self.seen == 0 && self.plan.is_none() && !self.ended {
            return Err("is not TAP: it has neither tests nor a plan".to_owned());
        }
        if !self.flush(sink) {
            return Ok(());
        }
        match self.plan {
            Some(plan) if plan != self.seen && !self.ended => {
                let text = format!("{plan} tests were planned, {} ran", self.seen);
                sink(case("(plan)".to_owned(), TestOutcome::Failed(text)));
            }
            _ => {}
        }
        Ok(())
    }
}

fn case(name: String, outcome: TestOutcome) -> TestCase {
    TestCase { name, file: None, line: None, duration_ns: None, outcome }
}

/// What follows a word at the line's beginning.
fn after_word<'l>(line: &'l str, word: &str) -> Option<&'l str> {
    let rest = line.strip_prefix(word)?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then_some(rest)
}

/// Description and directive; a hash that is escaped divides nothing.
fn directive(text: &str) -> (&str, &str) {
    let hash = text.match_indices('#').find(|(at, _)| !text[..*at].ends_with('\\'));
    match hash {
        Some((at, _)) => (&text[..at], text[at + 1..].trim()),
        None => (text, ""),
    }
}
