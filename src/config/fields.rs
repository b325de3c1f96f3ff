//! A typed reader over one raw table: takes keys, collects problems, refuses what is left over.
//!
//! ```ignore
//! let mut fields = Fields::of(raw, "builders[0]", &mut problems);
//! let name: String = fields.required("name");
//! let tags: Vec<String> = fields.or_default("tags");
//! fields.finish(); // every key that nobody took is an unknown key
//! ```

use indexmap::IndexMap;
use serde_json::Value;

use super::problems::{Place, Problems};
use super::raw::{Raw, RawValue};
use crate::flow::interpolate::Renderable;

/// Reads one table. Wrong values become problems and read as the type's default, so that one
/// pass finds everything.
pub struct Fields<'p> {
    table: IndexMap<String, Raw>,
    known: Vec<&'static str>,
    place: Place,
    path: String,
    problems: &'p mut Problems,
}

impl<'p> Fields<'p> {
    /// Begins reading `raw`, which must be a table.
    pub fn of(raw: &Raw, path: impl Into<String>, problems: &'p mut Problems) -> Fields<'p> {
        let path = path.into();
        let table = match &raw.value {
            RawValue::Table(table) => table.clone(),
            _ => {
                problems.add(&raw.place, &path, format!("must be a table, not {}", raw.kind()));
                IndexMap::new()
            }
        };
        Fields { table, known: Vec::new(), place: raw.place.clone(), path, problems }
    }

    /// The value of `key`, or `None` when it is absent or wrong (wrong is a problem).
    pub fn optional<T: FromRaw>(&mut self, key: &'static str) -> Option<T> {
        let raw = self.take(key)?;
        match T::from_raw(&raw) {
            Ok(value) => Some(value),
            Err(message) => {
                let path = self.path_of(key);
                self.problems.add(&raw.place, path, message);
                None
            }
        }
    }

    /// The value of `key`; absent is a problem.
    pub fn required<T: FromRaw + Default>(&mut self, key: &'static str) -> T {
        if !self.table.contains_key(key) {
            self.known.push(key);
            self.problem(format!("needs a value for '{key}'"));
            return T::default();
        }
        self.optional(key).unwrap_or_default()
    }

    /// The value of `key`, or `default`.
    pub fn or<T: FromRaw>(&mut self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// The value of `key`, or the type's default.
    pub fn or_default<T: FromRaw + Default>(&mut self, key: &'static str) -> T {
        self.optional(key).unwrap_or_default()
    }

    /// The raw value of `key`, for a reader of its own.
    pub fn take(&mut self, key: &'static str) -> Option<Raw> {
        self.known.push(key);
        self.table.shift_remove(key)
    }

    /// Path and problems for reading a nested value.
    pub fn nested(&mut self, key: &str) -> (String, &mut Problems) {
        (self.path_of(key), self.problems)
    }

    /// Where this table stands.
    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// Reports a problem of the table as a whole.
    pub fn problem(&mut self, message: impl Into<String>) {
        self.problems.add(&self.place, &self.path, message);
    }

    /// Reports a problem of one key.
    pub fn problem_at(&mut self, key: &str, place: &Place, message: impl Into<String>) {
        let path = self.path_of(key);
        self.problems.add(place, path, message);
    }

    /// Ends reading: every key left over is unknown and gets a did-you-mean.
    pub fn finish(self) {
        for (key, raw) in &self.table {
            let message = match closest(key, &self.known) {
                Some(near) => format!("unknown key '{key}'; did you mean '{near}'?"),
                None => format!("unknown key '{key}'; known are: {}", self.known.join(", ")),
            };
            self.problems.add(&raw.place, &self.path, message);
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// The known word nearest to `word`, when it is near enough to be a slip.
pub fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| {
            (strsim::jaro_winkler(&word.to_lowercase(), &candidate.to_lowercase()), candidate)
        })
        .filter(|(likeness, _)| *likeness > 0.84)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| *candidate)
}

/// A type that can be read from a raw value; the error says what it should have been.
pub trait FromRaw: Sized {
    fn from_raw(raw: &Raw) -> Result<Self, String>;
}

fn expected<T>(what: &str, raw: &Raw) -> Result<T, String> {
    Err(format!("must be {what}, not {}", raw.kind()))
}

impl FromRaw for bool {
    fn from_raw(raw: &Raw) -> Result<bool, String> {
        match raw.value {
            RawValue::Bool(value) => Ok(value),
            _ => expected("true or false", raw),
        }
    }
}

impl FromRaw for i64 {
    fn from_raw(raw: &Raw) -> Result<i64, String> {
        match raw.value {
            RawValue::Int(value) => Ok(value),
            _ => expected("a whole number", raw),
        }
    }
}

impl FromRaw for f64 {
    fn from_raw(raw: &Raw) -> Result<f64, String> {
        match raw.value {
            RawValue::Int(value) => Ok(value as f64),
            RawValue::Float(value) => Ok(value),
            _ => expected("a number", raw),
        }
    }
}

impl FromRaw for String {
    fn from_raw(raw: &Raw) -> Result<String, String> {
        match &raw.value {
            RawValue::Text(value) => Ok(value.clone()),
            _ => expected("a string", raw),
        }
    }
}

impl FromRaw for Value {
    fn from_raw(raw: &Raw) -> Result<Value, String> {
        Ok(raw.to_json())
    }
}

/// A list; a single value stands for a list of one, as Buildbot takes it in most places.
impl<T: FromRaw> FromRaw for Vec<T> {
    fn from_raw(raw: &Raw) -> Result<Vec<T>, String> {
        match &raw.value {
            RawValue::List(items) => items.iter().map(T::from_raw).collect(),
            _ => Ok(vec![T::from_raw(raw)?]),
        }
    }
}

impl<T: FromRaw> FromRaw for IndexMap<String, T> {
    fn from_raw(raw: &Raw) -> Result<IndexMap<String, T>, String> {
        let RawValue::Table(table) = &raw.value else { return expected("a table", raw) };
        table
            .iter()
            .map(|(key, value)| match T::from_raw(value) {
                Ok(value) => Ok((key.clone(), value)),
                Err(message) => Err(format!("'{key}' {message}")),
            })
            .collect()
    }
}

/// Strings with `%(…)s` are interpolated, everything else is literal.
impl FromRaw for Renderable {
    fn from_raw(raw: &Raw) -> Result<Renderable, String> {
        Renderable::parse(&raw.to_json()).map_err(|error| error.to_string())
    }
}
