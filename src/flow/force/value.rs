//! The value of one field of a force form.
//!
//! The texts of refused values are those that Buildbot's users and scripts know.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::config::checked::{FieldKind, ForceField};

/// The checked value of a field that is no group.
///
/// # Errors
/// Why the value is refused, for people.
pub fn value_of(field: &ForceField, sent: Option<&Value>) -> Result<Value, String> {
    if field.kind == FieldKind::Fixed {
        return Ok(field.default.clone());
    }
    if field.kind == FieldKind::Bool {
        return Ok(Value::Bool(is_true(sent.unwrap_or(&field.default))));
    }
    let values = sent_or_default(field, sent)?;
    check_pattern(field, &values)?;
    check_size(field, &values)?;
    let mut parsed = values.into_iter().map(|value| parsed(field, value));
    if is_multiple(field) {
        return parsed.collect::<Result<Vec<Value>, String>>().map(Value::Array);
    }
    parsed.next().unwrap_or(Ok(Value::Null))
}

/// Only the literal `true` (and 1, which equals it in Python) switches on.
pub fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(on) => *on,
        Value::Number(number) => number.as_f64() == Some(1.0),
        Value::Array(items) => matches!(items.as_slice(), [one] if is_true(one)),
        _ => false,
    }
}

pub fn is_multiple(field: &ForceField) -> bool {
    matches!(field.kind, FieldKind::Choice { multiple: true, .. })
}

/// What was sent without blank text; when nothing is left, the default.
fn sent_or_default(field: &ForceField, sent: Option<&Value>) -> Result<Vec<Value>, String> {
    let sent: Vec<Value> = match sent {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items.clone(),
        Some(one) => vec![one.clone()],
    };
    let filled: Vec<Value> = sent
        .into_iter()
        .filter(|value| value.as_str().is_none_or(|s| !s.trim().is_empty()))
        .collect();
    if !filled.is_empty() {
        return Ok(filled);
    }
    if field.required {
        return Err(format!("'{}' needs to be specified", field.label));
    }
    match &field.default {
        Value::Array(items) if is_multiple(field) => Ok(items.clone()),
        Value::String(nothing) if is_multiple(field) && nothing.is_empty() => Ok(Vec::new()),
        Value::Null => Err(format!("need {}: no default provided by config", field.full_name)),
        default => Ok(vec![default.clone()]),
    }
}

fn check_pattern(field: &ForceField, values: &[Value]) -> Result<(), String> {
    let Some(pattern) = &field.regex else { return Ok(()) };
    let regex = Regex::new(&format!("^(?:{pattern})"))
        .map_err(|_| format!("{}: the pattern '{pattern}' cannot be used", field.label))?;
    match values.iter().map(text).find(|value| !regex.is_match(value)) {
        Some(value) => Err(format!("{}:'{value}' does not match pattern '{pattern}'", field.label)),
        None => Ok(()),
    }
}

fn check_size(field: &ForceField, values: &[Value]) -> Result<(), String> {
    let Some(most) = field.maxsize else { return Ok(()) };
    match values.iter().map(|value| text(value).chars().count()).find(|size| *size > most) {
        Some(size) => Err(format!("{}: is too large {size} > {most}", field.label)),
        None => Ok(()),
    }
}

fn parsed(field: &ForceField, value: Value) -> Result<Value, String> {
    match &field.kind {
        FieldKind::Int { .. } => whole_number(&value).map(Value::from),
        FieldKind::Choice { choices, strict: true, .. } => {
            let value = text(&value);
            if choices.contains(&value) {
                return Ok(value.into());
            }
            let choices: Vec<String> = choices.iter().map(|choice| python_repr(choice)).collect();
            let choices = choices.join(", ");
            Err(format!("'{value}' does not belong to list of available choices '[{choices}]'"))
        }
        FieldKind::Username { need_email, .. } => {
            let value = text(&value);
            let may_be_empty = value.is_empty() && !field.required;
            if *need_email && !may_be_empty && !has_address(&value) {
                let form = "please fill in email address in the form 'User <email@email.com>'";
                return Err(format!("{}: {form}", field.name));
            }
            Ok(value.into())
        }
        _ => Ok(value),
    }
}

/// Python's `int()`.
fn whole_number(value: &Value) -> Result<i64, String> {
    let number = match value {
        Value::Bool(on) => Some(i64::from(*on)),
        Value::Number(number) => {
            number.as_i64().or_else(|| number.as_f64().map(|f| f.trunc() as i64))
        }
        other => text(other).trim().parse().ok(),
    };
    let complaint =
        || format!("invalid literal for int() with base 10: {}", python_repr(&text(value)));
    number.ok_or_else(complaint)
}

/// Does the text hold a mail address anywhere?
fn has_address(text: &str) -> bool {
    static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\S+@[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+").expect("a constant expression")
    });
    ADDRESS.is_match(text)
}

/// A string as Python shows it in a list.
fn python_repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let escaped = text.replace('\\', "\\\\").replace('\n', "\\n");
    let escaped = if quote == '\'' { escaped.replace('\'', "\\'") } else { escaped };
    format!("{quote}{escaped}{quote}")
}

/// The value as text; nothing is empty text.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
