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
