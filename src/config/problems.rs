//! Problems found in a configuration: collected, not thrown, so that one run shows them all.

use std::fmt;
use std::sync::Arc;

/// Where a value stands: file and 1-based line, as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    pub file: Option<Arc<str>>,
    pub line: Option<usize>,
}

/// One thing that must be mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    /// Dotted key path: `builders[2].steps[0].command`.
    pub path: String,
    /// What is wrong and how to mend it, lower case, without a full stop.
    pub message: String,
}

/// `master.toml:12`; empty when nothing is known.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}"),
            (Some(file), None) => f.write_str(file),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.file.is_some() {
            write!(f, "{}: ", self.place)?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// All problems of one configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub fn new() -> Problems {
        Problems::default()
    }

    pub fn add(&mut self, place: &Place, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem { place: place.clone(), path: path.into(), message: message.into() });
    }

    pub fn append(&mut self, mut other: Problems) {
        self.0.append(&mut other.0);
    }

    /// Orders problems as their places follow each other in the file.
    pub fn sort(&mut self) {
        self.0.sort_by(|a, b| (&a.place.file, a.place.line).cmp(&(&b.place.file, b.place.line)));
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
