//! Reading values with the tolerance that old and new peers need.

use super::Value;

impl Value {
    /// Text, or the text of bytes; invalid UTF-8 is replaced.
    pub fn text(&self) -> Option<String> {
        match self {
            Value::Text(text) => Some(text.clone()),
            Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }
    }

    /// [`Value::text`] without a copy when it is sound.
    pub fn into_text(self) -> Option<String> {
        match self {
            Value::Text(text) => Some(text),
            Value::Bytes(bytes) => Some(lossy(bytes)),
            _ => None,
        }
    }

    /// Bytes, or those of text.
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            Value::Text(text) => Some(text.into_bytes()),
            _ => None,
        }
    }

    /// Whether this is that text, as text or bytes.
    pub fn is_text(&self, text: &str) -> bool {
        match self {
            Value::Text(own) => own == text,
            Value::Bytes(own) => own == text.as_bytes(),
            _ => false,
        }
    }

    /// The elements of a list or tuple.
    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) | Value::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// [`Value::items`] of an owned value.
    pub fn into_items(self) -> Option<Vec<Value>> {
        match self {
            Value::List(items) | Value::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The pairs of a dictionary.
    pub fn pairs(&self) -> Option<&[(Value, Value)]> {
        match self {
            Value::Dict(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The value of a key in a dictionary, the key being text or bytes.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.pairs()?.iter().find(|(key, _)| key.is_text(name)).map(|(_, value)| value)
    }

    /// Like [`Value::get`], but `None` counts as absent.
    pub fn given(&self, name: &str) -> Option<&Value> {
        self.get(name).filter(|value| **value != Value::None)
    }

    /// An integer; booleans count as 0 and 1, as in Python.
    pub fn int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            Value::Bool(flag) => Some(i64::from(*flag)),
            _ => None,
        }
    }

    /// An integer or a float.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Float(number) => Some(*number),
            other => other.int().map(|number| number as f64),
        }
    }

    /// Python's idea of truth.
    pub fn truthy(&self) -> bool {
        match self {
            Value::None => false,
            Value::Bool(flag) => *flag,
            Value::Int(number) => *number != 0,
            Value::Float(number) => *number != 0.0,
            Value::Bytes(bytes) => !bytes.is_empty(),
            Value::Text(text) => !text.is_empty(),
            Value::Dict(pairs) => !pairs.is_empty(),
            Value::Tuple(items)
            | Value::List(items)
            | Value::Set(items)
            | Value::FrozenSet(items) => !items.is_empty(),
            _ => true,
        }
    }

    /// Any value as text, in the form Python's `str` gives to the simple ones.
    pub fn display(&self) -> String {
        match self {
            Value::None => "None".to_owned(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            Value::Int(number) => number.to_string(),
            Value::Big(number) => number.to_string(),
            Value::Float(number) => format!("{number:?}"),
            Value::Failure(failure) => failure.summary(),
            other => other.text().unwrap_or_else(|| format!("{other:?}")),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Value {
        Value::Bool(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Int(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Value {
        Value::Float(number)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::None, Into::into)
    }
}

/// The text of bytes that may not be UTF-8.
pub(super) fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
