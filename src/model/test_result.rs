//! Results of tests, as steps report them.

/// What a set of test results is about; the texts are free, but these are Buildbot's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestSet {
    pub description: Option<String>,
    /// `pass_fail`, `pass_only`, `fail_only`, `code_issue`, `performance` …
    pub category: String,
    /// What a result's value is: `boolean`, `message`, `ms` …
    pub value_unit: String,
}

impl TestSet {
    /// What one more result of this value counts as: passed, failed, or neither. The rule is stock's.
    pub fn verdict(&self, value: &str) -> Option<bool> {
        match (self.category.as_str(), self.value_unit.as_str()) {
            ("pass_fail", "boolean") => value.trim().parse::<i64>().ok().map(|value| value != 0),
            ("pass_only", _) => Some(true),
            ("fail_only" | "code_issue", _) => Some(false),
            _ => None,
        }
    }

    /// Are its results counted at all? Otherwise the counts are unknown.
    pub fn counts(&self) -> bool {
        self.verdict("1").is_some()
    }
}

/// One result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestResult {
    /// At least one of `name` and `path` is there.
    pub name: Option<String>,
    /// File with the test's or the code.
    pub path: Option<String>,
    pub line: Option<i64>,
    /// Nanoseconds.
    pub duration_ns: Option<i64>,
    pub value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_count_as_in_stock() {
        let cases = [
            ("pass_fail", "boolean", "1", Some(true)),
            ("pass_fail", "boolean", "0", Some(false)),
            ("pass_fail", "boolean", "yes", None),
            ("pass_fail", "message", "1", None),
            ("pass_only", "message", "x", Some(true)),
            ("fail_only", "message", "x", Some(false)),
            ("code_issue", "message", "x", Some(false)),
            ("performance", "ms", "3", None),
        ];
        for (category, unit, value, verdict) in cases {
            let set =
                TestSet { description: None, category: category.into(), value_unit: unit.into() };
            assert_eq!(set.verdict(value), verdict, "{category} {unit} {value}");
        }
    }
}
