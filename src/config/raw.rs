//! The raw configuration: the tree of values exactly as written, each with its place.
//!
//! A TOML file gives this tree; later a Python front end gives the same tree as JSON.

use indexmap::IndexMap;

use super::problems::Place;

/// One value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Raw {
    pub value: RawValue,
    pub place: Place,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RawValue {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Raw>),
    Table(IndexMap<String, Raw>),
}

impl Raw {
    /// What kind of value this is, for messages: `a number`, `a list` …
    pub fn kind(&self) -> &'static str {
        match self.value {
            RawValue::Null => "nothing",
            RawValue::Bool(_) => "true or false",
            RawValue::Int(_) | RawValue::Float(_) => "a number",
            RawValue::Text(_) => "a string",
            RawValue::List(_) => "a list",
            RawValue::Table(_) => "a table",
        }
    }

    /// The text of a string.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            RawValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value of `key`, when this is a table that has it.
    pub fn get(&self, key: &str) -> Option<&Raw> {
        match &self.value {
            RawValue::Table(table) => table.get(key),
            _ => None,
        }
    }

    /// The items of a list; none for anything else.
    pub fn items(&self) -> &[Raw] {
        match &self.value {
            RawValue::List(items) => items,
            _ => &[],
        }
    }

    /// The value at a dotted key path, or the nearest value around it that exists.
    pub fn at(&self, path: &str) -> &Raw {
        self.walk(path).0
    }

    /// Where the value at a dotted key path (`builders[2].name`) stands, or the nearest value
    /// around it that exists.
    pub fn place_at(&self, path: &str) -> &Place {
        &self.walk(path).0.place
    }

    /// Is there a value at this key path?
    pub fn has(&self, path: &str) -> bool {
        self.walk(path).1
    }

    /// Follows a key path as far as it goes; true when that is all the way.
    fn walk(&self, path: &str) -> (&Raw, bool) {
        let mut here = self;
        for part in path.split(['.', '[']) {
            let next = match part.strip_suffix(']') {
                Some(index) => index.parse().ok().and_then(|i: usize| here.items().get(i)),
                None => here.get(part),
            };
            match next {
                Some(next) => here = next,
                None => return (here, false),
            }
        }
        (here, true)
    }

    /// The tree of a JSON value, of unknown places.
    pub fn from_json(value: serde_json::Value) -> Raw {
        use serde_json::Value;
        let value = match value {
            Value::Null => RawValue::Null,
            Value::Bool(b) => RawValue::Bool(b),
            Value::Number(n) => match n.as_i64() {
                Some(n) => RawValue::Int(n),
                None => RawValue::Float(n.as_f64().unwrap_or_default()),
            },
            Value::String(s) => RawValue::Text(s),
            Value::Array(items) => RawValue::List(items.into_iter().map(Raw::from_json).collect()),
            Value::Object(map) => {
                RawValue::Table(map.into_iter().map(|(k, v)| (k, Raw::from_json(v))).collect())
            }
        };
        Raw { value, place: Place::default() }
    }

    /// The same value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.value {
            RawValue::Null => Value::Null,
            RawValue::Bool(b) => Value::Bool(*b),
            RawValue::Int(i) => Value::from(*i),
            RawValue::Float(f) => Value::from(*f),
            RawValue::Text(s) => Value::String(s.clone()),
            RawValue::List(items) => items.iter().map(Raw::to_json).collect(),
            RawValue::Table(table) => {
                Value::Object(table.iter().map(|(k, v)| (k.clone(), v.to_json())).collect())
            }
        }
    }
}
