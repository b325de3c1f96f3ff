//! JUnit XML, as JUnit, pytest, gtest, ctest, nextest and others write it: `testcase` elements
//! anywhere below `testsuites` or `testsuite`. A testcase with `failure`, `error` or `skipped` in it
//! has not passed.

use std::borrow::Cow;
use std::io::BufRead;

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::{LONGEST_MESSAGE, LONGEST_NAME, Sink, TestCase, TestOutcome, nanoseconds, shortened};

/// Elements within each other at most; deeper ones are no report.
const DEEPEST: usize = 64;

/// Reads a report and gives its tests to `sink`.
///
/// # Errors
/// A message for people with the place in the file. What came before the place has been given.
pub fn read(input: impl BufRead, sink: &mut Sink<'_>) -> Result<(), String> {
    let mut reader = Reader::from_reader(input);
    let mut buffer = Vec::new();
    let mut report = Report::default();
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer);
        let at = reader.buffer_position();
        let event = event.map_err(|error| format!("is not XML at byte {at}: {error}"))?;
        let goes_on = match event {
            Event::Eof => break,
            event => report.take(event, sink).map_err(|error| format!("{error} at byte {at}"))?,
        };
        if !goes_on {
            return Ok(());
        }
    }
    match report {
        Report { depth: 0, is_report: true, .. } => Ok(()),
        Report { is_report: false, .. } => Err("is not JUnit XML: it has no 'testsuite'".into()),
        _ => Err("ends in the middle".into()),
    }
}

/// A report as far as it has been read.
#[derive(Default)]
struct Report {
    depth: usize,
    is_report: bool,
    case: Option<Case>,
}

/// The testcase that is being read.
struct Case {
    case: TestCase,
    /// Depth of its element.
    depth: usize,
    /// Text of the element that says why it did not pass, and whether it is read just now.
    reason: String,
    reading: bool,
}

impl Report {
    fn take(&mut self, event: Event<'_>, sink: &mut Sink<'_>) -> Result<bool, String> {
        match event {
            Event::Start(element) => {
                self.begin(&element)?;
                Ok(true)
            }
            Event::Empty(element) => {
                self.begin(&element)?;
                Ok(self.end(sink))
            }
            Event::End(_) => Ok(self.end(sink)),
            Event::Text(text) => self.text(&text),
            Event::CData(text) => self.text(&text),
            Event::GeneralRef(reference) => self.text(&resolved(&reference)),
            _ => Ok(true),
        }
    }

    fn text(&mut self, text: &str) -> Result<bool, String> {
        if let Some(case) = self.case.as_mut().filter(|case| case.reading) {
            let room = LONGEST_MESSAGE.saturating_sub(case.reason.len());
            case.reason.push_str(&text[..text.floor_char_boundary(room)]);
        }
        Ok(true)
    }

    fn begin(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("has more than {DEEPEST} elements in each other"));
        }
        let name = element.local_name();
        match name.as_ref() {
            "testsuite" | "testsuites" => self.is_report = true,
            "testcase" if self.case.is_none() => {
                self.is_report = true;
                self.case = Some(Case::of(element, self.depth)?);
            }
            kind @ ("failure" | "error" | "skipped") => {
                if let Some(case) = &mut self.case {
                    case.did_not_pass(kind, element)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, sink: &mut Sink<'_>) -> bool {
        self.depth = self.depth.saturating_sub(1);
        let Some(mut case) = self.case.take() else { return true };
        if self.depth >= case.depth {
            if self.depth == case.depth {
                case.reading = false;
            }
            self.case = Some(case);
            return true;
        }
        sink(case.finished())
    }
}

impl Case {
    fn of(element: &BytesStart<'_>, depth: usize) -> Result<Case, String> {
        let mut found = [const { None }; 5];
        let keys = ["classname", "name", "file", "line", "time"];
        for (key, value) in attributes(element)? {
            if let Some(index) = keys.iter().position(|known| *known == key) {
                found[index] = Some(value);
            }
        }
        let [class, name, file, line, time] = found;
        let name = match (class.filter(|class| !class.is_empty()), name) {
            (Some(class), Some(name)) => format!("{class}.{name}"),
            (class, name) => class.or(name).unwrap_or_else(|| "(without a name)".to_owned()),
        };
        let case = TestCase {
            name: shortened(&name, LONGEST_NAME),
            file: file.map(|file| shortened(&file, LONGEST_NAME)).filter(|file| !file.is_empty()),
            line: line.and_then(|line| line.trim().parse().ok()),
            duration_ns: time.and_then(|time| nanoseconds(&time)),
            outcome: TestOutcome::Passed,
        };
        Ok(Case { case, depth, reason: String::new(), reading: false })
    }

    /// A failure wins over a skip, the first of several over the others.
    fn did_not_pass(&mut self, kind: &str, element: &BytesStart<'_>) -> Result<(), String> {
        let outcome = match (kind, &self.case.outcome) {
            (_, TestOutcome::Failed(_)) | ("skipped", TestOutcome::Skipped(_)) => return Ok(()),
            ("skipped", _) => TestOutcome::Skipped(String::new()),
            _ => TestOutcome::Failed(String::new()),
        };
        self.case.outcome = outcome;
        self.reading = true;
        self.reason.clear();
        let attributes = attributes(element)?;
        let said = attributes.iter().find(|(key, value)| key == "message" && !value.is_empty());
        let said = said.or_else(|| attributes.iter().find(|(key, _)| key == "type"));
        if let Some((_, text)) = said {
            self.reason = shortened(text, LONGEST_MESSAGE) + "\n";
        }
        Ok(())
    }

    fn finished(self) -> TestCase {
        let reason = shortened(&self.reason, LONGEST_MESSAGE);
        let outcome = match self.case.outcome {
            TestOutcome::Passed => TestOutcome::Passed,
            TestOutcome::Failed(_) => TestOutcome::Failed(reason),
            TestOutcome::Skipped(_) => TestOutcome::Skipped(reason),
        };
        TestCase { outcome, ..self.case }
    }
}

fn attributes(element: &BytesStart<'_>) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|error| format!("is not XML: {error}"))?;
        // What names an unknown entity stays as it is written.
        let value = attribute.normalized_value(XmlVersion::Implicit1_0);
        let value = value.unwrap_or(Cow::Borrowed(attribute.value.as_ref())).into_owned();
        found.push((attribute.key.local_name().as_ref().to_owned(), value));
    }
    Ok(found)
}

/// The character that `&name;` stands for; an unknown one stays as it is written.
fn resolved(reference: &BytesRef<'_>) -> String {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string();
    }
    match quick_xml::escape::resolve_predefined_entity(reference) {
        Some(text) => text.to_owned(),
        None => format!("&{};", &**reference),
    }
}
