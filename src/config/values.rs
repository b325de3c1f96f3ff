//! Readers and checks that several sections share.

use globset::Glob;
use indexmap::IndexSet;
use serde_json::Value;

use super::fields::Fields;
use super::raw::RawValue;
use crate::model::Properties;

/// Longest name of a property: the column's width.
const PROPERTY_NAME_LENGTH: usize = 256;

/// A table of properties, each with `source`.
pub fn properties(fields: &mut Fields<'_>, key: &'static str, source: &str) -> Properties {
    let mut properties = Properties::new();
    let Some(raw) = fields.take(key) else { return properties };
    let table = match &raw.value {
        RawValue::Table(table) => table,
        RawValue::Null => return properties,
        _ => {
            let message = format!("must be a table of properties, not {}", raw.kind());
            fields.problem_at(key, &raw.place, message);
            return properties;
        }
    };
    for (name, value) in table {
        if name.is_empty() || name.chars().count() > PROPERTY_NAME_LENGTH {
            let message =
                format!("property names have 1 to {PROPERTY_NAME_LENGTH} characters: '{name}'");
            fields.problem_at(key, &value.place, message);
        }
        properties.set(name, value.to_json(), source);
    }
    properties
}

/// Stock's identifier: letters, digits, `_`, `-` and everything beyond ASCII; no digit first.
pub fn is_identifier(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '-' || c >= '\u{a0}';
    name.chars().next().is_some_and(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}

/// Complains about what is no [identifier](is_identifier).
#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
pub fn identifier(name: &String) -> Option<String> {
    (!is_identifier(name)).then(|| {
        format!(
            "'{name}' may hold letters, digits, '_' and '-' only and must not begin with a digit"
        )
    })
}

/// Complains about an empty text.
#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
pub fn non_empty(text: &String) -> Option<String> {
    text.is_empty().then(|| "must not be empty".to_owned())
}

/// Complains about the first of `patterns` that is not a shell pattern.
#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
pub fn shell_patterns(patterns: &Vec<String>) -> Option<String> {
    patterns.iter().find_map(|pattern| {
        let error = Glob::new(pattern).err()?;
        Some(format!("'{pattern}' is not a shell pattern: {}", error.kind()))
    })
}

/// The names without repetitions: one builder or worker named twice is meant once.
pub fn distinct(names: Vec<String>) -> Vec<String> {
    names.into_iter().collect::<IndexSet<_>>().into_iter().collect()
}

/// Replaces what is unsafe in a directory name by `_`, as stock does for build directories.
pub fn safe_directory(name: &str) -> String {
    const UNSAFE: &str = "\t !#$%&'()*+,./:;<=>?@[\\]^{|}~";
    name.chars().map(|c| if UNSAFE.contains(c) { '_' } else { c }).collect()
}

/// What kind of JSON value this is, for messages.
pub fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}
