//! JSON as stock writes it: keys sorted at all levels, ASCII only.

use std::fmt::Write as _;

use serde_json::Value;

/// Compact JSON.
pub fn compact(value: &Value) -> String {
    let mut out = String::new();
    write(value, None, &mut out);
    out
}

/// Indented by two blanks per level; a comma is followed by a blank, as Python's writer does.
pub fn indented(value: &Value) -> String {
    let mut out = String::new();
    write(value, Some(1), &mut out);
    out
}

/// `level` is the depth of the items inside `value`; `None` writes compactly.
fn write(value: &Value, level: Option<usize>, out: &mut String) {
    match value {
        Value::String(text) => write_text(text, out),
        Value::Array(items) if items.is_empty() => out.push_str("[]"),
        Value::Object(map) if map.is_empty() => out.push_str("{}"),
        Value::Array(items) => {
            let mut separator = '[';
            for item in items {
                next(&mut separator, level, out);
                write(item, level.map(|level| level + 1), out);
            }
            close(']', level, out);
        }
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            let mut separator = '{';
            for key in keys {
                next(&mut separator, level, out);
                write_text(key, out);
                out.push_str(if level.is_some() { ": " } else { ":" });
                write(&map[key], level.map(|level| level + 1), out);
            }
            close('}', level, out);
        }
        plain => {
            let _ = write!(out, "{plain}");
        }
    }
}

fn next(separator: &mut char, level: Option<usize>, out: &mut String) {
    out.push(*separator);
    if let Some(level) = level {
        if *separator == ',' {
            out.push(' ');
        }
        new_line(level, out);
    }
    *separator = ',';
}

fn close(bracket: char, level: Option<usize>, out: &mut String) {
    if let Some(level) = level {
        new_line(level.saturating_sub(1), out);
    }
    out.push(bracket);
}

fn new_line(level: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", level));
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_and_text_is_ascii() {
        let value = json!({ "b": [1, null, true], "a": { "z": "é😀\n\"", "y": {} } });
        let text = r#"{"a":{"y":{},"z":"\u00e9\ud83d\ude00\n\""},"b":[1,null,true]}"#;
        assert_eq!(compact(&value), text);
        assert_eq!(serde_json::from_str::<Value>(&compact(&value)).expect("valid"), value);
    }

    #[test]
    fn the_indented_form_is_pythons() {
        let value = json!({ "meta": {}, "rows": [{ "a": 1, "b": 2 }] });
        let text = "{\n  \"meta\": {}, \n  \"rows\": [\n    {\n      \"a\": 1, \n      \"b\": 2\n    }\n  ]\n}";
        assert_eq!(indented(&value), text);
    }
}
