//! Build properties: named JSON values that remember who set them.

use indexmap::IndexMap;
use serde_json::Value;

/// One property: any JSON value and the source that set it (`Scheduler`, `Change`, `Git` …).
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    pub value: Value,
    pub source: String,
}

/// An ordered set of properties. Setting a name again replaces its value and source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Properties(IndexMap<String, Property>);

impl Properties {
    pub fn new() -> Properties {
        Properties::default()
    }

    /// Sets `name`; returns true when value or source changed.
    pub fn set(&mut self, name: &str, value: impl Into<Value>, source: &str) -> bool {
        let property = Property { value: value.into(), source: source.to_owned() };
        if self.0.get(name) == Some(&property) {
            return false;
        }
        self.0.insert(name.to_owned(), property);
        true
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).map(|property| &property.value)
    }

    /// The value as text when it is a string.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    pub fn property(&self, name: &str) -> Option<&Property> {
        self.0.get(name)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Later values win, as in Buildbot's `Properties.update`.
    pub fn extend(&mut self, other: &Properties) {
        for (name, property) in &other.0 {
            self.0.insert(name.clone(), property.clone());
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Property)> {
        self.0.iter().map(|(name, property)| (name.as_str(), property))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> FromIterator<(&'a str, Value, &'a str)> for Properties {
    fn from_iter<I: IntoIterator<Item = (&'a str, Value, &'a str)>>(items: I) -> Properties {
        let mut properties = Properties::new();
        for (name, value, source) in items {
            properties.set(name, value, source);
        }
        properties
    }
}
