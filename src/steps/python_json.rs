//! JSON as Python writes it: ASCII, with a space behind `,` and `:`.

use serde_json::Value;

/// What Python's `json.dumps` makes of the value.
pub(super) fn dumps(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(dumps).collect::<Vec<_>>().join(", "))
        }
        Value::Object(table) => {
            let entry =
                |(key, value): (&String, &Value)| format!("{}: {}", quoted(key), dumps(value));
            format!("{{{}}}", table.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        plain => plain.to_string(),
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    for character in Value::from(text).to_string().chars() {
        if character.is_ascii() {
            out.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::dumps;

    #[test]
    fn reads_as_python_writes_it() {
        let value = json!({"a": ["é", 1, null, 1.5], "b": {"😀": true}, "c": "\"\n", "d": []});
        let expected =
            r#"{"a": ["\u00e9", 1, null, 1.5], "b": {"\ud83d\ude00": true}, "c": "\"\n", "d": []}"#;
        assert_eq!(dumps(&value), expected);
    }
}
