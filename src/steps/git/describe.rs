//! `getDescription`: `git describe` into the property `commit-description`.

use serde_json::{Map, Value};

use crate::config::fields::Fields;
use crate::flow::interpolate::{is_true, text};

/// The arguments of `git describe`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Describe(pub Vec<String>);

/// Options that are on or off.
const SWITCHES: [&str; 8] =
    ["all", "always", "contains", "debug", "long", "exact-match", "tags", "first-parent"];
/// Options with a text.
const TEXTS: [&str; 2] = ["match", "exclude"];
/// Options with a number, 0 included.
const NUMBERS: [&str; 2] = ["abbrev", "candidates"];

impl Describe {
    /// `true`, or a table of options; `None` when it is off.
    pub fn parse(fields: &mut Fields<'_>) -> Option<Describe> {
        let raw = fields.take("getDescription")?;
        match raw.to_json() {
            Value::Bool(true) => Some(Describe(vec!["HEAD".to_owned()])),
            Value::Bool(false) | Value::Null => None,
            Value::Object(options) => {
                let known = |key: &String| {
                    let key = key.as_str();
                    SWITCHES.contains(&key)
                        || TEXTS.contains(&key)
                        || NUMBERS.contains(&key)
                        || key == "dirty"
                };
                if let Some(unknown) = options.keys().find(|key| !known(key)) {
                    let message = format!("git describe has no option '{unknown}'");
                    fields.problem_at("getDescription", &raw.place, message);
                }
                Some(Describe(arguments(&options)))
            }
            _ => {
                let message = "must be true, false or a table of options of git describe";
                fields.problem_at("getDescription", &raw.place, message);
                None
            }
        }
    }
}

fn arguments(options: &Map<String, Value>) -> Vec<String> {
    let given = |key: &str| options.get(key).filter(|value| is_true(value));
    let mut arguments = Vec::new();
    arguments
        .extend(SWITCHES.iter().filter(|key| given(key).is_some()).map(|key| format!("--{key}")));
    for key in TEXTS {
        if let Some(value) = given(key) {
            arguments.extend([format!("--{key}"), text(value)]);
        }
    }
    for key in NUMBERS {
        if let Some(value) = options.get(key).filter(|value| value.is_number()) {
            arguments.push(format!("--{key}={value}"));
        }
    }
    match options.get("dirty") {
        Some(Value::Bool(true)) => arguments.push("--dirty".to_owned()),
        Some(Value::String(mark)) if mark.is_empty() => arguments.push("--dirty".to_owned()),
        Some(Value::String(mark)) => arguments.push(format!("--dirty={mark}")),
        // `--dirty` describes the work tree and takes no commit.
        _ => arguments.push("HEAD".to_owned()),
    }
    arguments
}
