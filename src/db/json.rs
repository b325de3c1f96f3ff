//! JSON columns: written as Python writes them, read with Python's liberties.

use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

use crate::model::Property;

/// ASCII only, with `", "` and `": "` between the parts: survives every database's charset.
pub(super) fn encode(value: &Value) -> String {
    let mut out = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut out, Ascii);
    // Neither a `Value` nor a vector can refuse.
    let _ = value.serialize(&mut serializer);
    String::from_utf8_lossy(&out).into_owned()
}

/// `[value, source]`, as buildset and change properties are kept.
pub(super) fn encode_property(property: &Property) -> String {
    encode(&Value::Array(vec![property.value.clone(), Value::String(property.source.clone())]))
}

/// The value of a `[value, source]` text.
pub(super) fn decode_property(text: &str) -> Option<Property> {
    match decode(text)? {
        Value::Array(mut pair) if pair.len() == 2 => match (pair.pop(), pair.pop()) {
            (Some(Value::String(source)), Some(value)) => Some(Property { value, source }),
            _ => None,
        },
        _ => None,
    }
}

/// A change property: a pair whose source is `Change`; anything else is a bare value.
pub(super) fn decode_change_property(text: &str) -> Option<Property> {
    match decode_property(text) {
        Some(property) if property.source == "Change" => Some(property),
        _ => Some(Property { value: decode(text)?, source: "Change".to_owned() }),
    }
}

/// Reads JSON; `NaN` and the infinities become null, a lone surrogate becomes U+FFFD.
pub(super) fn decode(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().or_else(|| serde_json::from_str(&mend(text)).ok())
}

/// Replaces what Python writes and JSON forbids.
fn mend(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_string = false;
    while let Some(first) = rest.chars().next() {
        let used = if in_string {
            in_string = first != '"';
            escape(rest, first, &mut out)
        } else {
            in_string = first == '"';
            word(rest, first, &mut out)
        };
        rest = &rest[used..];
    }
    out
}

/// Copies one character outside a string; answers how many bytes of `rest` it took.
fn word(rest: &str, first: char, out: &mut String) -> usize {
    for word in ["-Infinity", "Infinity", "NaN"] {
        if rest.starts_with(word) {
            out.push_str("null");
            return word.len();
        }
    }
    out.push(first);
    first.len_utf8()
}

/// Copies one character or escape inside a string; answers how many bytes of `rest` it took.
fn escape(rest: &str, first: char, out: &mut String) -> usize {
    if first != '\\' {
        out.push(first);
        return first.len_utf8();
    }
    let Some(unit) = code_unit(rest) else {
        let length = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
        out.push_str(&rest[..length]);
        return length;
    };
    let low = code_unit(&rest[6..]).filter(|low| (0xDC00..0xE000).contains(low));
    match (unit, low) {
        (0xD800..0xDC00, Some(_)) => {
            out.push_str(&rest[..12]);
            12
        }
        (0xD800..0xE000, _) => {
            out.push_str("\\ufffd");
            6
        }
        _ => {
            out.push_str(&rest[..6]);
            6
        }
    }
}

/// The UTF-16 code unit when `text` begins with `\uXXXX`.
fn code_unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok()
}

struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for character in fragment.chars() {
            if character.is_ascii() {
                writer.write_all(&[character as u8])?;
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn encodes_as_python_does() {
        let value = json!({"a": ["é", 1, null], "b": {"😀": true}, "c": "\u{7f}\"\n"});
        assert_eq!(
            encode(&value),
            r#"{"a": ["\u00e9", 1, null], "b": {"\ud83d\ude00": true}, "c": ""#.to_owned()
                + "\u{7f}"
                + r#"\"\n"}"#
        );
        assert_eq!(decode(&encode(&value)), Some(value));
    }

    #[test]
    fn reads_what_only_python_writes() {
        assert_eq!(
            decode(r#"[NaN, -Infinity, "NaN \ud83d \\ud83d", "\ud83d\ude00", Infinity]"#),
            Some(json!([null, null, "NaN \u{fffd} \\ud83d", "😀", null]))
        );
        assert!(decode("123456789012345678901234567890").is_some());
        assert_eq!(decode("{"), None);
        assert_eq!(decode(r#""\"#), None);
        assert_eq!(decode(r#""\ué"#), None);
    }

    #[test]
    fn change_properties_may_be_bare() {
        let bare = |value| Some(Property { value, source: "Change".into() });
        assert_eq!(decode_change_property(r#"["v", "Change"]"#), bare(json!("v")));
        assert_eq!(decode_change_property(r#"["v", "Other"]"#), bare(json!(["v", "Other"])));
        assert_eq!(decode_change_property("7"), bare(json!(7)));
        assert_eq!(decode_change_property("{"), None);
    }
}
