//! Reads a configuration file and what it includes into one raw tree.
//!
//! `include = ["builders/*.toml"]` at the top of a file: paths and shell patterns relative to that
//! file. Lists are appended in the order of reading, tables are merged, and a value that two files
//! set is a problem.

use std::path::{Path, PathBuf};

use globset::GlobBuilder;

use super::fields::FromRaw;
use super::problems::{Place, Problems};
use super::raw::{Raw, RawValue};
use super::toml;

/// Reads `path` and everything it includes. Fails with all problems of reading: what is wrong
/// inside the values is found later.
pub fn read(path: &Path) -> Result<Raw, Problems> {
    let mut reader = Reader::default();
    let here = Place { file: Some(path.display().to_string().into()), line: None };
    let raw = reader.file(path, &here, "");
    match raw {
        Some(raw) if reader.problems.is_empty() => Ok(raw),
        _ => Err(reader.problems),
    }
}

#[derive(Default)]
struct Reader {
    problems: Problems,
    /// Files being read, outermost first.
    open: Vec<PathBuf>,
    /// Files read before.
    done: Vec<PathBuf>,
}

impl Reader {
    /// Reads one file; `place` and `key` are where it was asked for.
    fn file(&mut self, path: &Path, place: &Place, key: &str) -> Option<Raw> {
        let shown = path.display().to_string();
        let identity = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if self.open.contains(&identity) {
            self.problems.add(place, key, format!("'{shown}' includes itself"));
            return None;
        }
        if self.done.contains(&identity) {
            self.problems.add(place, key, format!("'{shown}' is included twice"));
            return None;
        }
        let text = match read_text(path) {
            Ok(text) => text,
            Err(message) => {
                let prefix = if key.is_empty() { String::new() } else { format!("'{shown}': ") };
                let message = sample_beside(path).unwrap_or(message);
                self.problems.add(place, key, format!("{prefix}{message}"));
                return None;
            }
        };
        let mut raw = match toml::parse(&text, &shown) {
            Ok(raw) => raw,
            Err(problem) => {
                self.problems.add(&problem.place, problem.path, problem.message);
                return None;
            }
        };
        self.open.push(identity.clone());
        self.includes(path, &mut raw);
        self.open.pop();
        self.done.push(identity);
        Some(raw)
    }

    /// Replaces the `include` of `raw` by what it names.
    fn includes(&mut self, path: &Path, raw: &mut Raw) {
        let RawValue::Table(table) = &mut raw.value else { return };
        let Some(include) = table.shift_remove("include") else { return };
        let patterns = match Vec::<String>::from_raw(&include) {
            Ok(patterns) => patterns,
            Err(message) => return self.problems.add(&include.place, "include", message),
        };
        let directory = path.parent().unwrap_or(Path::new(""));
        for (index, pattern) in patterns.iter().enumerate() {
            let key = format!("include[{index}]");
            let place = include.items().get(index).map_or(&include.place, |item| &item.place);
            match expand(directory, pattern) {
                Ok(files) => {
                    for file in files {
                        if let Some(other) = self.file(&file, place, &key) {
                            self.merge(raw, other, "");
                        }
                    }
                }
                Err(message) => self.problems.add(place, &key, message),
            }
        }
    }

    /// Adds `other` to `raw`.
    fn merge(&mut self, raw: &mut Raw, other: Raw, path: &str) {
        match (&mut raw.value, other.value) {
            (RawValue::Table(table), RawValue::Table(others)) => {
                for (key, value) in others {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    match table.get_mut(&key) {
                        Some(present) => self.merge(present, value, &path),
                        None => {
                            table.insert(key, value);
                        }
                    }
                }
            }
            (RawValue::List(items), RawValue::List(others)) => items.extend(others),
            _ => {
                let message = format!("is set already in {}; set it once", raw.place);
                self.problems.add(&other.place, path, message);
            }
        }
    }
}

/// What to do about a file that is not there, but its sample is: a new master's.
fn sample_beside(path: &Path) -> Option<String> {
    let sample = path.with_added_extension("sample");
    let missing = !path.exists() && sample.exists();
    missing.then(|| format!("does not exist; copy '{}' to it and change it", sample.display()))
}

fn read_text(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line} is not UTF-8; save the file as UTF-8")
    })
}

/// The files that `pattern` names, sorted. A path without wildcards names itself, there or not;
/// a pattern may find nothing, as long as the directory it looks into exists.
fn expand(directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let mut found = vec![directory.to_owned()];
    let mut has_wildcard = false;
    for part in Path::new(pattern).components() {
        let name = part.as_os_str().to_string_lossy();
        if !name.contains(['*', '?', '[', '{']) {
            for path in &mut found {
                path.push(&*name);
            }
            continue;
        }
        has_wildcard = true;
        let glob = GlobBuilder::new(&name)
            .build()
            .map_err(|error| format!("'{pattern}' is not a shell pattern: {error}"))?
            .compile_matcher();
        let mut next = Vec::new();
        for parent in &found {
            let parent_dir =
                if parent.as_os_str().is_empty() { Path::new(".") } else { parent.as_path() };
            let names = std::fs::read_dir(parent_dir)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| format!("'{}' cannot be read: {error}", parent.display()))?;
            let matching = names.iter().map(std::fs::DirEntry::file_name).filter(|name| {
                !name.to_string_lossy().starts_with('.') && glob.is_match(Path::new(name))
            });
            next.extend(matching.map(|name| parent.join(name)));
        }
        next.sort();
        found = next;
    }
    if has_wildcard {
        found.retain(|path| path.is_file());
    }
    Ok(found)
}
