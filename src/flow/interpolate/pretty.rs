//! How Python's `pprint` shows a value: as `repr` does while there is room in a line, else one item
//! a line, with the keys of a table sorted.

use serde_json::Value;

use super::repr;

/// Characters in a line.
const WIDTH: usize = 80;

/// `pprint.pformat(value)`.
pub fn pretty(value: &Value) -> String {
    let mut out = String::new();
    write(&sorted(value), Place { indent: 0, after: 0, level: 1 }, &mut out);
    out
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct Place {
    /// Characters before it in its first line.
    indent: usize,
    /// Closing brackets that must fit behind it.
    after: usize,
    level: usize,
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// The same with the keys of all tables in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            entries.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect()
        }
        value => value.clone(),
    }
}

fn write(value: &Value, place: Place, out: &mut String) {
    let whole = repr(value);
    if length(&whole) + place.indent + place.after <= WIDTH {
        return out.push_str(&whole);
    }
    match value {
        Value::Array(items) => {
            let entries = items.iter().map(|item| (String::new(), item));
            write_entries(('[', ']'), entries.collect(), place, out);
        }
        Value::Object(table) => {
            let key = |key: &String| repr(&Value::from(key.as_str())) + ": ";
            let entries = table.iter().map(|(name, item)| (key(name), item));
            write_entries(('{', '}'), entries.collect(), place, out);
        }
        Value::String(text) => write_text(text, place, out),
        _ => out.push_str(&whole),
    }
}

fn write_entries(
    brackets: (char, char),
    entries: Vec<(String, &Value)>,
    place: Place,
    out: &mut String,
) {
    out.push(brackets.0);
    let (indent, last) = (place.indent + 1, entries.len().saturating_sub(1));
    for (index, (key, item)) in entries.iter().enumerate() {
        out.push_str(key);
        let inner = Place {
            indent: indent + length(key),
            after: if index == last { place.after + 1 } else { 1 },
            level: place.level + 1,
        };
        write(item, inner, out);
        if index != last {
            out.push_str(",\n");
            out.push_str(&" ".repeat(indent));
        }
    }
    out.push(brackets.1);
}

/// A long text as adjacent pieces: its lines, and what fits of their words.
fn write_text(text: &str, place: Place, out: &mut String) {
    let outermost = usize::from(place.level == 1);
    let (indent, after) = (place.indent + outermost, place.after + outermost);
    let quoted = |piece: &str| repr(&Value::from(piece));
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut pieces = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let is_last = number + 1 == lines.len();
        let room = WIDTH.saturating_sub(indent);
        let last_room = room.saturating_sub(if is_last { after } else { 0 });
        if length(&quoted(line)) <= last_room {
            pieces.push(quoted(line));
            continue;
        }
        let words = words(line);
        let mut piece = String::new();
        for (index, word) in words.iter().enumerate() {
            let room = if index + 1 == words.len() { last_room } else { room };
            if length(&quoted(&format!("{piece}{word}"))) > room && !piece.is_empty() {
                pieces.push(quoted(&std::mem::take(&mut piece)));
            }
            piece.push_str(word);
        }
        if !piece.is_empty() {
            pieces.push(quoted(&piece));
        }
    }
    let brackets = outermost == 1 && pieces.len() > 1;
    let joined = pieces.join(&format!("\n{}", " ".repeat(indent)));
    out.push_str(&if brackets { format!("({joined})") } else { joined });
}

/// Each word with the white space behind it.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut in_space = false;
    for (at, c) in line.char_indices() {
        if in_space && !c.is_whitespace() {
            words.push(&line[start..at]);
            start = at;
        }
        in_space = c.is_whitespace();
    }
    if start < line.len() {
        words.push(&line[start..]);
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Recorded from Python's `pprint.pformat`.
    #[test]
    fn reads_as_in_python() {
        let cases = include_str!("pretty_cases.json");
        let cases: Vec<(Value, String)> = serde_json::from_str(cases).unwrap();
        assert!(cases.len() > 10);
        for (value, expected) in cases {
            assert_eq!(pretty(&value), expected, "{value}");
        }
        assert_eq!(pretty(&json!({"b": 1, "a": null})), "{'a': None, 'b': 1}");
    }
}
