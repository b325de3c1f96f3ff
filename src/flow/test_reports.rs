//! Reports of test programs: what JUnit XML and TAP say, as one list of tests.

pub mod junit;
pub mod tap;
#[cfg(test)]
mod tests;

/// Bytes of a test's name or path that are kept.
const LONGEST_NAME: usize = 1024;
/// Bytes of a failure's message that are kept.
const LONGEST_MESSAGE: usize = 4096;

/// One test of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCase {
    pub name: String,
    pub file: Option<String>,
    pub line: Option<i64>,
    /// Nanoseconds.
    pub duration_ns: Option<i64>,
    pub outcome: TestOutcome,
}

/// How it ended; the text says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestOutcome {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Takes one test after the other; `false` ends the reading.
pub type Sink<'s> = dyn FnMut(TestCase) -> bool + 's;

/// The beginning of a text, without surrounding white space.
fn shortened(text: &str, most: usize) -> String {
    let text = text.trim();
    let end = text.floor_char_boundary(most);
    if end == text.len() { text.to_owned() } else { format!("{}…", &text[..end]) }
}

/// Seconds as text, in nanoseconds. Some programs write `1,234.5`.
fn nanoseconds(seconds: &str) -> Option<i64> {
    let seconds: f64 = seconds.trim().replace(',', "").parse().ok()?;
    let nanoseconds = seconds * 1e9;
    (nanoseconds.is_finite() && (0.0..9e18).contains(&nanoseconds)).then_some(nanoseconds as i64)
}
