//! Reading the keys of a map, with the stock texts for what is missing.

use super::error::{DecodeError, missing_key};
use rmpv::{Utf8String, Value};

/// The keys of one message.
#[derive(Debug)]
pub struct Fields(Vec<(Value, Value)>);

impl Fields {
    /// Refuses keys that are not text, as the stock decoders do.
    pub(super) fn new(map: Vec<(Value, Value)>) -> Result<Fields, DecodeError> {
        match map.iter().all(|(key, _)| key.is_str()) {
            true => Ok(Fields(map)),
            false => Err(DecodeError::Malformed("a map key that is not text".to_owned())),
        }
    }

    /// Removes a key.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(key, _)| key.as_str() == Some(name))?;
        Some(self.0.swap_remove(at).1)
    }

    /// A key that must be there.
    pub(super) fn need(&mut self, name: &str) -> Result<Value, String> {
        self.take(name).ok_or_else(|| missing_key(name))
    }

    /// A text that must be there; anything else in its place is shown as text.
    pub(super) fn need_text(&mut self, name: &str) -> Result<String, String> {
        self.need(name).map(display)
    }

    /// A number that must be there.
    pub(super) fn need_number(&mut self, name: &str) -> Result<f64, String> {
        number(&self.need(name)?).ok_or_else(|| format!("'{name}' is not a number"))
    }
}

/// A map key.
pub(super) fn key(name: &str) -> Value {
    Value::from(name)
}

/// The value of `name` in a map.
pub(super) fn get<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    map.as_map()?.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value)
}

/// Like [`get`], but nil counts as absent.
pub(super) fn given<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    get(map, name).filter(|value| !value.is_nil())
}

/// Text, or the text of bytes; invalid UTF-8 is replaced.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        Value::Binary(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}

/// [`text`] of an owned value, without a copy when it is sound.
pub(super) fn into_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(lossy(text)),
        other => text(&other),
    }
}

/// The text of a string that may not be valid UTF-8.
pub(super) fn lossy(text: Utf8String) -> String {
    match text.is_str() {
        true => text.into_str().unwrap_or_default(),
        false => String::from_utf8_lossy(text.as_bytes()).into_owned(),
    }
}

/// Any value as text, in the form Python's `str` gives to the simple ones.
pub(super) fn display(value: Value) -> String {
    match value {
        Value::Boolean(true) => "True".to_owned(),
        Value::Boolean(false) => "False".to_owned(),
        Value::Nil => "None".to_owned(),
        Value::F64(number) => format!("{number:?}"),
        Value::String(text) => lossy(text),
        other => text(&other).unwrap_or_else(|| other.to_string()),
    }
}

/// An integer or a float.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => number.as_f64(),
        other => other.as_f64(),
    }
}

/// A boolean; 0 and 1 also count.
pub(super) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Boolean(flag) => Some(*flag),
        Value::Integer(number) => match number.as_i64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        _ => None,
    }
}

/// Python's idea of truth, for flags that stock peers send in several types.
pub(super) fn truthy(value: &Value) -> bool {
    match value {
        Value::Nil => false,
        Value::Boolean(flag) => *flag,
        Value::String(text) => !text.as_bytes().is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Map(items) => !items.is_empty(),
        other => number(other) != Some(0.0),
    }
}

/// Seconds: whole numbers as integers, as the stock sides write them.
pub(super) fn seconds(value: f64) -> Value {
    match value.fract() == 0.0 && value.abs() < 1e15 {
        true => Value::from(value as i64),
        false => Value::from(value),
    }
}

/// `None` as nil.
pub(super) fn optional<T: Into<Value>>(value: Option<T>) -> Value {
    value.map_or(Value::Nil, Into::into)
}

/// An array of texts.
pub(super) fn texts(items: &[String]) -> Value {
    Value::Array(items.iter().map(|item| Value::from(item.as_str())).collect())
}
