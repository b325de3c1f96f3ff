//! Result codes of steps, builds, requests and buildsets.

use serde::{Deserialize, Serialize};

/// Buildbot's result codes; the number is what the database and the REST interface carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "i64", try_from = "i64")]
pub enum Results {
    Success = 0,
    Warnings = 1,
    Failure = 2,
    Skipped = 3,
    Exception = 4,
    Retry = 5,
    Cancelled = 6,
}

impl Results {
    /// Every code, in numeric order.
    pub const ALL: [Results; 7] = [
        Results::Success,
        Results::Warnings,
        Results::Failure,
        Results::Skipped,
        Results::Exception,
        Results::Retry,
        Results::Cancelled,
    ];

    /// The code of the `results` columns.
    pub fn code(self) -> i64 {
        self as i64
    }

    /// The result behind a code; `None` for the placeholder -1 and for unknown codes.
    pub fn from_code(code: i64) -> Option<Results> {
        Self::ALL.into_iter().find(|results| results.code() == code)
    }

    /// Lower-case name, as in state strings and CSS classes: `success`, `warnings` …
    pub fn name(self) -> &'static str {
        match self {
            Results::Success => "success",
            Results::Warnings => "warnings",
            Results::Failure => "failure",
            Results::Skipped => "skipped",
            Results::Exception => "exception",
            Results::Retry => "retry",
            Results::Cancelled => "cancelled",
        }
    }

    /// Position in stock's order of badness: SKIPPED, SUCCESS, WARNINGS, FAILURE, EXCEPTION,
    /// RETRY, CANCELLED.
    fn badness(self) -> u8 {
        match self {
            Results::Skipped => 0,
            Results::Success => 1,
            Results::Warnings => 2,
            Results::Failure => 3,
            Results::Exception => 4,
            Results::Retry => 5,
            Results::Cancelled => 6,
        }
    }

    /// The worse of two results.
    pub fn worst(self, other: Results) -> Results {
        if other.badness() > self.badness() { other } else { self }
    }
}

impl std::fmt::Display for Results {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Results> for i64 {
    fn from(results: Results) -> i64 {
        results.code()
    }
}

impl TryFrom<i64> for Results {
    type Error = String;

    fn try_from(code: i64) -> Result<Results, String> {
        Results::from_code(code).ok_or_else(|| format!("{code} is not a result code (0 to 6)"))
    }
}

#[cfg(test)]
mod tests {
    use super::Results::{self, *};

    #[test]
    fn worst_follows_stock_order() {
        let order = [Skipped, Success, Warnings, Failure, Exception, Retry, Cancelled];
        for (i, a) in order.into_iter().enumerate() {
            for (j, b) in order.into_iter().enumerate() {
                assert_eq!(a.worst(b), order[i.max(j)], "{a} and {b}");
            }
        }
    }

    #[test]
    fn codes_are_those_of_the_schema() {
        let codes: Vec<i64> = Results::ALL.into_iter().map(Results::code).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(Results::from_code(-1), None);
    }
}
