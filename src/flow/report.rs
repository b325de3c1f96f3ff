//! Whether a build is worth a message, and what to call it. The rules and words are stock's.

use serde_json::Value;

use crate::config::fields::FromRaw;
use crate::config::raw::{Raw, RawValue};
use crate::model::Results;

/// When a finished build is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Its result is another than that of the build before.
    Change,
    Failing,
    Passing,
    /// It fails and the build before did not.
    Problem,
    Warnings,
    Exception,
    Cancelled,
}

const NAMES: [(&str, Mode); 7] = [
    ("change", Mode::Change),
    ("failing", Mode::Failing),
    ("passing", Mode::Passing),
    ("problem", Mode::Problem),
    ("warnings", Mode::Warnings),
    ("exception", Mode::Exception),
    ("cancelled", Mode::Cancelled),
];

/// The modes of a generator; a build is told when one of them wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modes(Vec<Mode>);

/// Stock's default.
impl Default for Modes {
    fn default() -> Modes {
        Modes(vec![Mode::Failing, Mode::Passing, Mode::Warnings])
    }
}

impl Modes {
    /// Every result but RETRY and SKIPPED; `mode = "all"`.
    pub fn all() -> Modes {
        use Mode::{Cancelled, Exception, Failing, Passing, Warnings};
        Modes(vec![Failing, Passing, Warnings, Exception, Cancelled])
    }

    /// Only what went well.
    pub fn passing() -> Modes {
        Modes(vec![Mode::Passing])
    }

    /// Does one of them look at the build before?
    pub fn compare(&self) -> bool {
        self.has(Mode::Change) || self.has(Mode::Problem)
    }

    fn has(&self, mode: Mode) -> bool {
        self.0.contains(&mode)
    }

    /// Is a build told that ended so, after one that ended as `previous`?
    pub fn want(&self, results: Results, previous: Option<Results>) -> bool {
        let other = previous.is_some_and(|previous| previous != results);
        self.0.iter().any(|mode| match mode {
            Mode::Change => other,
            Mode::Problem => other && results == Results::Failure,
            Mode::Failing => results == Results::Failure,
            Mode::Passing => results == Results::Success,
            Mode::Warnings => results == Results::Warnings,
            Mode::Exception => results == Results::Exception,
            Mode::Cancelled => results == Results::Cancelled,
        })
    }

    /// What is said to have been detected: `new failure`, `passing build` …
    pub fn detected(&self, results: Option<Results>, previous: Option<Results>) -> String {
        let other = |result| previous.is_some_and(|previous| previous != result);
        let text = match results {
            Some(Results::Failure) if self.compare() && other(Results::Failure) => "new failure",
            Some(Results::Failure) => "failed build",
            Some(Results::Warnings) => "problem in the build",
            Some(Results::Success) if self.has(Mode::Change) && other(Results::Success) => {
                "restored build"
            }
            Some(Results::Success) => "passing build",
            Some(Results::Exception) => "build exception",
            Some(other) => return format!("{} build", other.name()),
            None => return "not finished build".to_owned(),
        };
        text.to_owned()
    }

    /// Their names, for templates.
    pub fn names(&self) -> Vec<&'static str> {
        let name =
            |mode: &Mode| NAMES.iter().find(|(_, known)| known == mode).map(|(name, _)| *name);
        self.0.iter().filter_map(name).collect()
    }
}

/// One name, `all`, `warnings` (which includes failing), or a list of names.
impl FromRaw for Modes {
    fn from_raw(raw: &Raw) -> Result<Modes, String> {
        match (&raw.value, raw.as_text()) {
            (_, Some("all")) => Ok(Modes::all()),
            (_, Some("warnings")) => Ok(Modes(vec![Mode::Failing, Mode::Warnings])),
            (_, Some(name)) => Ok(Modes(vec![mode(name)?])),
            (RawValue::List(items), _) => {
                let names = items.iter().map(|item| match item.as_text() {
                    Some("all") => {
                        Err("holds 'all', which stands alone: mode = \"all\"".to_owned())
                    }
                    Some(name) => mode(name),
                    None => Err(format!("must hold names of modes, not {}", item.kind())),
                });
                Ok(Modes(names.collect::<Result<_, _>>()?))
            }
            _ => Err(format!("must be a mode or a list of modes, not {}", raw.kind())),
        }
    }
}

fn mode(name: &str) -> Result<Mode, String> {
    let known = NAMES.iter().find(|(known, _)| *known == name);
    known.map(|(_, mode)| *mode).ok_or_else(|| {
        let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        format!("has no mode '{name}'; the modes are {}, or \"all\" alone", names.join(", "))
    })
}

/// One line that sums a build up.
pub fn summary(results: Option<Results>, state: &str) -> String {
    let state = if state.is_empty() { String::new() } else { format!(": {state}") };
    match results {
        Some(Results::Success) => "Build succeeded!".to_owned(),
        Some(Results::Warnings) => format!("Build Had Warnings{state}"),
        Some(Results::Cancelled) => "Build was cancelled".to_owned(),
        _ => format!("BUILD FAILED{state}"),
    }
}

/// A subject or a header is one line, whatever a branch or a builder is called.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What was built, one line per source stamp (entities of the REST interface).
pub fn sources(stamps: &[Value]) -> String {
    stamps.iter().map(source).collect()
}

fn source(stamp: &Value) -> String {
    let text = |key: &str| stamp[key].as_str().filter(|text| !text.is_empty());
    let codebase = text("codebase").map(|name| format!(" '{name}'")).unwrap_or_default();
    let branch = text("branch").map(|name| format!("[branch {name}] ")).unwrap_or_default();
    let revision = text("revision").unwrap_or("HEAD");
    let patch = if stamp["patch"].is_null() { "" } else { " (plus patch)" };
    format!("Build Source Stamp{codebase}: {branch}{revision}{patch}\n")
}

/// The projects of the source stamps, or the title of the whole installation.
pub fn projects(stamps: &[Value], title: &str) -> String {
    let mut names: Vec<&str> = stamps
        .iter()
        .filter_map(|stamp| stamp["project"].as_str())
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { title.to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn modes(written: Value) -> Result<Modes, String> {
        Modes::from_raw(&Raw::from_json(written))
    }

    #[test]
    fn modes_choose_builds() {
        use Results::{Cancelled, Exception, Failure, Retry, Success, Warnings};
        let table = [
            (json!("all"), Success, None, true),
            (json!("all"), Cancelled, None, true),
            (json!("all"), Retry, None, false),
            (json!("failing"), Failure, Some(Failure), true),
            (json!("failing"), Exception, None, false),
            (json!("passing"), Success, None, true),
            (json!("warnings"), Failure, None, true),
            (json!(["warnings"]), Failure, None, false),
            (json!(["warnings"]), Warnings, None, true),
            (json!("change"), Success, None, false),
            (json!("change"), Success, Some(Failure), true),
            (json!("change"), Success, Some(Success), false),
            (json!("problem"), Failure, Some(Success), true),
            (json!("problem"), Failure, None, false),
            (json!("problem"), Success, Some(Failure), false),
            (json!(["exception", "cancelled"]), Exception, None, true),
        ];
        for (written, results, previous, expected) in table {
            let modes = modes(written.clone()).unwrap();
            assert_eq!(modes.want(results, previous), expected, "{written} {results:?}");
        }
    }

    #[test]
    fn wrong_modes_are_told() {
        for (written, part) in [
            (json!("failed"), "no mode 'failed'"),
            (json!(["failing", "all"]), "stands alone"),
            (json!(3), "must be a mode"),
            (json!([3]), "must hold names"),
        ] {
            assert!(modes(written).unwrap_err().contains(part));
        }
    }

    #[test]
    fn results_have_words() {
        use Results::{Exception, Failure, Skipped, Success, Warnings};
        let change = modes(json!(["change", "failing"])).unwrap();
        let all = Modes::all();
        let table = [
            (&change, Failure, Some(Success), "new failure"),
            (&change, Failure, Some(Failure), "failed build"),
            (&all, Failure, Some(Success), "failed build"),
            (&change, Success, Some(Failure), "restored build"),
            (&all, Success, Some(Failure), "passing build"),
            (&all, Warnings, None, "problem in the build"),
            (&all, Exception, None, "build exception"),
            (&all, Skipped, None, "skipped build"),
        ];
        for (modes, results, previous, words) in table {
            assert_eq!(modes.detected(Some(results), previous), words);
        }
        assert_eq!(summary(Some(Failure), "failed make"), "BUILD FAILED: failed make");
        assert_eq!(summary(Some(Success), "build successful"), "Build succeeded!");
    }

    #[test]
    fn sources_are_told_by_line() {
        let stamps = [
            json!({ "branch": "main", "revision": "abc", "codebase": "", "patch": null }),
            json!({ "branch": null, "revision": null, "codebase": "lib", "patch": {} , "project": "p" }),
        ];
        assert_eq!(
            sources(&stamps),
            "Build Source Stamp: [branch main] abc\nBuild Source Stamp 'lib': HEAD (plus patch)\n"
        );
        assert_eq!((projects(&stamps, "T"), projects(&stamps[..1], "T")), ("p".into(), "T".into()));
    }
}
