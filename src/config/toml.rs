//! TOML text to the raw tree, with file and line of every value.

use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexMap;
use toml_edit::{Document, Item, Table, Value};

use super::problems::{Place, Problem};
use super::raw::{Raw, RawValue};

/// Parses `text`, which stands in `file`. A syntax error is one problem with line, column and an
/// excerpt.
pub fn parse(text: &str, file: &str) -> Result<Raw, Problem> {
    let file: Arc<str> = file.into();
    let lines = Lines::of(text);
    match Document::parse(text) {
        Ok(document) => {
            let reader = Reader { file: Arc::clone(&file), lines };
            let place = Place { file: Some(file), line: Some(1) };
            Ok(Raw { value: reader.table(document.as_table(), &place), place })
        }
        Err(error) => Err(syntax_problem(&error, text, &lines, file)),
    }
}

fn syntax_problem(
    error: &toml_edit::TomlError,
    text: &str,
    lines: &Lines,
    file: Arc<str>,
) -> Problem {
    let offset = error.span().map_or(text.len(), |span| span.start);
    let line = lines.number(offset);
    let column = text[lines.start(line)..floor(text, offset)].chars().count() + 1;
    let excerpt = excerpt(text.lines().nth(line - 1).unwrap_or_default(), column);
    Problem {
        place: Place { file: Some(file), line: Some(line) },
        path: format!("column {column}"),
        message: format!("not TOML: {}{excerpt}", error.message()),
    }
}

/// The nearest character border at or before `offset`.
fn floor(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The line and a mark below its wrong column. Lines that may hold a secret are not shown.
fn excerpt(line: &str, column: usize) -> String {
    const SECRETS: [&str; 4] = ["pass", "secret", "token", "://"];
    const WIDEST: usize = 160;
    let lower = line.to_lowercase();
    if SECRETS.iter().any(|word| lower.contains(word)) || line.chars().count() > WIDEST {
        return String::new();
    }
    format!("\n    {line}\n    {:>column$}", "^")
}

/// Byte offsets at which lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Lines {
        let newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Lines(std::iter::once(0).chain(newlines).collect())
    }

    /// The 1-based line that holds `offset`.
    fn number(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }

    fn start(&self, line: usize) -> usize {
        self.0.get(line - 1).copied().unwrap_or(0)
    }
}

struct Reader {
    file: Arc<str>,
    lines: Lines,
}

impl Reader {
    fn place(&self, span: Option<Range<usize>>) -> Option<Place> {
        let line = self.lines.number(span?.start);
        Some(Place { file: Some(Arc::clone(&self.file)), line: Some(line) })
    }

    fn table(&self, table: &Table, around: &Place) -> RawValue {
        let entries = table.iter().map(|(key, item)| {
            // A table without a header of its own has no span; its key has one.
            let key_span = table.key(key).and_then(|key| key.span());
            let near = self.place(key_span).unwrap_or_else(|| around.clone());
            (key.to_owned(), self.item(item, &near))
        });
        RawValue::Table(entries.collect())
    }

    fn item(&self, item: &Item, near: &Place) -> Raw {
        let place = self.place(item.span()).unwrap_or_else(|| near.clone());
        let value = match item {
            Item::None => RawValue::Null,
            Item::Value(value) => self.value(value, &place),
            Item::Table(table) => self.table(table, &place),
            Item::ArrayOfTables(tables) => {
                let raw = tables.iter().map(|table| {
                    let place = self.place(table.span()).unwrap_or_else(|| place.clone());
                    Raw { value: self.table(table, &place), place }
                });
                RawValue::List(raw.collect())
            }
        };
        Raw { value, place }
    }

    fn value(&self, value: &Value, near: &Place) -> RawValue {
        match value {
            Value::String(text) => RawValue::Text(text.value().clone()),
            Value::Integer(number) => RawValue::Int(*number.value()),
            Value::Float(number) => RawValue::Float(*number.value()),
            Value::Boolean(flag) => RawValue::Bool(*flag.value()),
            // No option of Buildbot is a date; as text it is at least what was written.
            Value::Datetime(date) => RawValue::Text(date.value().to_string()),
            Value::Array(items) => {
                RawValue::List(items.iter().map(|item| self.placed(item, near)).collect())
            }
            Value::InlineTable(table) => {
                let entries: IndexMap<String, Raw> = table
                    .iter()
                    .map(|(key, value)| (key.to_owned(), self.placed(value, near)))
                    .collect();
                RawValue::Table(entries)
            }
        }
    }

    fn placed(&self, value: &Value, near: &Place) -> Raw {
        let place = self.place(value.span()).unwrap_or_else(|| near.clone());
        Raw { value: self.value(value, &place), place }
    }
}
