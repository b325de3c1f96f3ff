//! A typed reader over one raw table: takes keys, collects problems, refuses what is left over.
//!
//! ```ignore
//! let mut fields = Fields::of(raw, "builders[0]", &mut problems);
//! let name: String = fields.required("name");
//! let tags: Vec<String> = fields.or_default("tags");
//! fields.finish(); // every key that nobody took is an unknown key
//! ```

use indexmap::IndexMap;

pub use super::from_raw::FromRaw;
use super::problems::{Place, Problems};
use super::raw::{Raw, RawValue};

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
    /// Nothing (JSON's null) counts as absent, as Python's `None` does.
    pub fn optional<T: FromRaw>(&mut self, key: &'static str) -> Option<T> {
        self.optional_checked(key, |_| None)
    }

    /// As [`optional`](Self::optional); what `check` says about the value becomes a problem.
    pub fn optional_checked<T: FromRaw>(
        &mut self,
        key: &'static str,
        check: impl FnOnce(&T) -> Option<String>,
    ) -> Option<T> {
        let raw = self.take(key).filter(|raw| raw.value != RawValue::Null)?;
        let value = T::from_raw(&raw);
        let message = match &value {
            Ok(value) => check(value),
            Err(message) => Some(message.clone()),
        };
        if let Some(message) = message {
            self.problem_at(key, &raw.place, message);
        }
        value.ok()
    }

    /// The value of `key`; absent is a problem.
    pub fn required<T: FromRaw + Default>(&mut self, key: &'static str) -> T {
        self.required_checked(key, |_| None)
    }

    /// As [`required`](Self::required); what `check` says about the value becomes a problem.
    pub fn required_checked<T: FromRaw + Default>(
        &mut self,
        key: &'static str,
        check: impl FnOnce(&T) -> Option<String>,
    ) -> T {
        if self.table.get(key).is_none_or(|raw| raw.value == RawValue::Null) {
            self.take(key);
            self.problem(format!("needs a value for '{key}'"));
            return T::default();
        }
        self.optional_checked(key, check).unwrap_or_default()
    }

    /// The value of `key`, or `default`.
    pub fn or<T: FromRaw>(&mut self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// The value of `key`, or the type's default.
    pub fn or_default<T: FromRaw + Default>(&mut self, key: &'static str) -> T {
        self.optional(key).unwrap_or_default()
    }

    /// Is `key` written?
    pub fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|raw| raw.value != RawValue::Null)
    }

    /// The raw value of `key`, for a reader of its own.
    pub fn take(&mut self, key: &'static str) -> Option<Raw> {
        self.known.push(key);
        self.table.shift_remove(key)
    }

    /// The entries of the list `key`, each with its key path. A single table counts as a list of
    /// one, absent as an empty list.
    pub fn entries(&mut self, key: &'static str) -> Vec<(String, Raw)> {
        let path = self.path_of(key);
        let Some(raw) = self.take(key) else { return Vec::new() };
        match raw.value {
            RawValue::List(items) => items
                .into_iter()
                .enumerate()
                .map(|(index, item)| (format!("{path}[{index}]"), item))
                .collect(),
            RawValue::Table(_) => vec![(path, raw)],
            RawValue::Null => Vec::new(),
            _ => {
                let message = format!("must be a list of tables, not {}", raw.kind());
                self.problems.add(&raw.place, path, message);
                Vec::new()
            }
        }
    }

    /// Refuses keys that Buildbot knows and this program does not serve yet.
    pub fn unsupported(&mut self, keys: &[&str]) {
        for key in keys {
            self.refuse(key, "is not supported yet; remove it");
        }
    }

    /// Refuses one key with a message of its own.
    pub fn refuse(&mut self, key: &str, message: &str) {
        if let Some(raw) = self.table.shift_remove(key) {
            self.problem_at(key, &raw.place, message);
        }
    }

    /// Reads `type`, one of `known`. `later` are Buildbot's classes that are not served yet.
    /// `None` after a problem: what else the table says cannot be judged then.
    pub fn class(
        &mut self,
        default: Option<&'static str>,
        known: &[&'static str],
        later: &[&str],
    ) -> Option<&'static str> {
        let Some(raw) = self.take("type") else {
            if default.is_none() {
                self.problem(format!("needs a 'type': {}", known.join(", ")));
            }
            return default;
        };
        let found = raw.as_text().and_then(|name| known.iter().find(|known| **known == name));
        if found.is_none() {
            let message = wrong_class(&raw, known, later);
            self.problem_at("type", &raw.place, message);
        }
        found.copied()
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

    /// How many problems are known so far.
    pub fn problem_count(&self) -> usize {
        self.problems.len()
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

fn wrong_class(raw: &Raw, known: &[&str], later: &[&str]) -> String {
    let Some(name) = raw.as_text() else {
        return format!("must be a string, not {}", raw.kind());
    };
    if let Some(later) = later.iter().find(|later| later.eq_ignore_ascii_case(name)) {
        return format!("'{later}' is not supported yet; known are: {}", known.join(", "));
    }
    match closest(name, known) {
        Some(near) => format!("unknown type '{name}'; did you mean '{near}'?"),
        None => format!("unknown type '{name}'; known are: {}", known.join(", ")),
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
