//! How often a build is tried again after its worker was lost.

use crate::config::fields::FromRaw;
use crate::config::raw::{Raw, RawValue};

/// What a build's line says when its connection broke; stock's words, too.
pub const LOST: &str = "lost connection";
/// What it says when the worker did not answer at its start.
pub const SILENT: &str = "does not answer";

/// `maxRetries`: builds of one request that may be lost with their workers before the request is
/// given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries(Option<u32>);

impl Default for Retries {
    fn default() -> Retries {
        Retries(Some(10))
    }
}

impl Retries {
    /// Is a request given up whose builds ended as RETRY with these lines, the last one included?
    /// Those that a shutdown of the master cut off do not count. The answer is how many were lost.
    pub fn exhausted<'l>(self, lines: impl IntoIterator<Item = &'l str>) -> Option<usize> {
        let lost = lines.into_iter().filter(|line| is_loss(line)).count();
        let most = usize::try_from(self.0?).unwrap_or(usize::MAX);
        (lost > most).then_some(lost)
    }
}

/// Does a build's line tell of a lost worker? Who stops a build gives a reason in parentheses.
pub fn is_loss(line: &str) -> bool {
    let stopped = line.starts_with("retry (");
    line.starts_with("retry") && !stopped && (line.contains(LOST) || line.contains(SILENT))
}

/// The line of a build whose request is given up.
pub fn given_up(line: &str, lost: usize) -> String {
    let line = line.strip_prefix("retry ").unwrap_or(line);
    match lost {
        1 => format!("exception {line} (not tried again: maxRetries = 0)"),
        lost => format!("exception {line} (given up after {lost} lost builds: maxRetries)"),
    }
}

/// A number, or false for no limit.
impl FromRaw for Retries {
    fn from_raw(raw: &Raw) -> Result<Retries, String> {
        match raw.value {
            RawValue::Bool(false) => Ok(Retries(None)),
            RawValue::Int(number) => u32::try_from(number)
                .map(|number| Retries(Some(number)))
                .map_err(|_| format!("must be 0 or more, and is {number}")),
            _ => Err(format!("must be a number, or false for no limit, not {}", raw.kind())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_builds_are_counted() {
        let lost = "retry lost connection 'make'";
        let silent = "retry worker w1 does not answer";
        let shutdown = "retry (master shutdown) lost connection";
        let table: [(Option<u32>, &[&str], Option<usize>); 6] = [
            (Some(0), &[lost], Some(1)),
            (Some(1), &[lost], None),
            (Some(1), &[lost, silent], Some(2)),
            (Some(1), &[shutdown, shutdown, lost], None),
            (Some(0), &[shutdown], None),
            (None, &[lost; 90], None),
        ];
        for (most, lines, expected) in table {
            assert_eq!(Retries(most).exhausted(lines.iter().copied()), expected, "{lines:?}");
        }
        assert_eq!(
            given_up(lost, 3),
            "exception lost connection 'make' (given up after 3 lost builds: maxRetries)"
        );
        assert_eq!(
            given_up(lost, 1),
            "exception lost connection 'make' (not tried again: maxRetries = 0)"
        );
    }
}
