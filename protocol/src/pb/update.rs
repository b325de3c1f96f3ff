//! Updates as dictionaries: `[[{key: value}, 0]]`.
//!
//! Old workers send output as it was read, in bytes. Such a piece may end inside a character; the
//! rest of it comes with the next piece of the same stream.

use super::value::{from_common, to_common};
use crate::banana::MAX_STRING;
use crate::jelly::Value;
use crate::update::{TimedUpdate, Update};

/// The argument of `update`, read.
#[derive(Debug, PartialEq)]
pub(super) struct Updates {
    pub(super) updates: Vec<TimedUpdate>,
    /// What the call is answered with: the largest of the numbers that came with the updates.
    pub(super) number: i64,
}

/// Streams of a command whose pieces are joined; whoever names more does not get it.
const MAX_TAILS: usize = 32;

/// Beginnings of characters, by stream.
#[derive(Debug, Default)]
pub(super) struct Tails(Vec<(String, Vec<u8>)>);

/// Reads the argument of `update`. Any number of dictionaries with any number of keys is fine.
pub(super) fn from_value(value: Value, tails: &mut Tails) -> Result<Updates, String> {
    let items = value.into_items().ok_or("the argument of 'update' is not a list")?;
    let mut read = Updates { updates: Vec::with_capacity(items.len().min(64)), number: 0 };
    for item in items {
        let wrong = || "an update is not a pair of a dictionary and a number".to_owned();
        let mut item = item.into_items().ok_or_else(wrong)?.into_iter();
        let Some(Value::Dict(pairs)) = item.next() else { return Err(wrong()) };
        let number = item.next().and_then(|number| number.int()).unwrap_or(0);
        read.number = read.number.max(number);
        for (key, value) in pairs {
            let key = key.into_text().ok_or("the key of an update is not text")?;
            read.updates.push(typed(key, value, tails)?.into());
        }
    }
    Ok(read)
}

fn typed(key: String, value: Value, tails: &mut Tails) -> Result<Update, String> {
    Ok(match key.as_str() {
        "stdout" => Update::Stdout(tails.text(key, value)?),
        "stderr" => Update::Stderr(tails.text(key, value)?),
        "header" => Update::Header(tails.text(key, value)?),
        "log" => {
            let wrong = || "the value of update 'log' is not a name and a text".to_owned();
            let pair: Result<[Value; 2], _> = value.into_items().ok_or_else(wrong)?.try_into();
            let [name, text] = pair.map_err(|_| wrong())?;
            let name = name.into_text().ok_or_else(wrong)?;
            let text = tails.text(format!("log {name}"), text)?;
            Update::Log { name, text }
        }
        _ => plain(key, value),
    })
}

/// What has an unexpected form is handed on as it is.
fn plain(key: String, value: Value) -> Update {
    let update = match key.as_str() {
        "rc" => value.int().map(Update::Rc),
        "elapsed" => value.number().map(Update::Elapsed),
        "failure_reason" => value.text().map(Update::FailureReason),
        "files" => value
            .items()
            .and_then(|files| files.iter().map(Value::text).collect())
            .map(Update::Files),
        "stat" => stat(&value).map(Update::Stat),
        _ => None,
    };
    update.unwrap_or_else(|| Update::Other(key, to_common(value)))
}

/// Times may be floats.
fn stat(value: &Value) -> Option<[i64; 10]> {
    let field = |value: &Value| value.int().or_else(|| value.number().map(|n| n as i64));
    let fields: Option<Vec<i64>> = value.items()?.iter().map(field).collect();
    fields?.try_into().ok()
}

impl Tails {
    /// The whole characters of a piece of output.
    fn text(&mut self, stream: String, piece: Value) -> Result<String, String> {
        let at = self.0.iter().position(|(own, _)| *own == stream);
        let begun = at.map(|at| self.0.swap_remove(at).1);
        match (begun, piece) {
            (None, Value::Text(text)) => Ok(text),
            (Some(begun), Value::Text(text)) => Ok(lossy(begun) + &text),
            (begun, Value::Bytes(piece)) => {
                let mut bytes = match begun {
                    Some(mut begun) => {
                        begun.extend_from_slice(&piece);
                        begun
                    }
                    None => piece,
                };
                let end = whole(&bytes);
                if end < bytes.len() && self.0.len() < MAX_TAILS {
                    self.0.push((stream, bytes.split_off(end)));
                }
                Ok(lossy(bytes))
            }
            (_, _) => {
                let shown = &stream[..stream.floor_char_boundary(80)];
                Err(format!("the value of update '{shown}' is not text"))
            }
        }
    }

    /// At the end of the command nothing comes any more that could complete a character.
    pub(super) fn rest(&mut self) -> Vec<TimedUpdate> {
        let rest = std::mem::take(&mut self.0).into_iter();
        rest.map(|(stream, tail)| {
            let text = lossy(tail);
            let update = match stream.as_str() {
                "stdout" => Update::Stdout(text),
                "stderr" => Update::Stderr(text),
                "header" => Update::Header(text),
                log => Update::Log { name: log.trim_start_matches("log ").to_owned(), text },
            };
            update.into()
        })
        .collect()
    }
}

/// How many bytes precede a character that only begins at the end.
fn whole(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(3);
    let Some(lead) = bytes[from..].iter().rposition(|byte| *byte >= 0xc0) else {
        return bytes.len();
    };
    let needed = match bytes[from + lead] {
        0xf0..=0xf7 => 4,
        0xe0..=0xef => 3,
        0xc0..=0xdf => 2,
        _ => 1,
    };
    match from + lead + needed > bytes.len() {
        true => from + lead,
        false => bytes.len(),
    }
}

fn lossy(bytes: Vec<u8>) -> String {
    Value::Bytes(bytes).into_text().unwrap_or_default()
}

/// The arguments of the calls that tell one update: several when its text is too long for one.
pub(super) fn to_values(update: Update) -> Vec<Value> {
    let texts = |key: &str, text: String| {
        pieces(text).into_iter().map(|text| argument(key, Value::Text(text))).collect()
    };
    match update {
        Update::Stdout(text) => texts("stdout", text),
        Update::Stderr(text) => texts("stderr", text),
        Update::Header(text) => texts("header", text),
        Update::Log { name, text } => {
            let value = |text| Value::Tuple(vec![Value::from(name.as_str()), Value::Text(text)]);
            pieces(text).into_iter().map(|text| argument("log", value(text))).collect()
        }
        Update::Rc(rc) => vec![argument("rc", Value::Int(rc))],
        Update::Elapsed(seconds) => vec![argument("elapsed", Value::Float(seconds))],
        Update::FailureReason(reason) => vec![argument("failure_reason", Value::Text(reason))],
        Update::Files(files) => {
            let files = files.into_iter().map(Value::Text).collect();
            vec![argument("files", Value::List(files))]
        }
        Update::Stat(stat) => {
            vec![argument("stat", Value::Tuple(stat.map(Value::Int).to_vec()))]
        }
        Update::Other(key, value) => vec![argument(&key, from_common(value))],
    }
}

fn argument(key: &str, value: Value) -> Value {
    let dict = Value::Dict(vec![(Value::from(key), value)]);
    Value::List(vec![Value::List(vec![dict, Value::Int(0)])])
}

/// Cuts between characters.
fn pieces(mut text: String) -> Vec<String> {
    let mut pieces = Vec::with_capacity(1);
    while text.len() > MAX_STRING {
        let rest = text.split_off(text.floor_char_boundary(MAX_STRING));
        pieces.push(std::mem::replace(&mut text, rest));
    }
    pieces.push(text);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> Result<Updates, String> {
        from_value(value, &mut Tails::default())
    }

    #[test]
    fn updates_survive() {
        for update in [
            Update::Stdout("é\n".into()),
            Update::Stderr("x".into()),
            Update::Header("h".into()),
            Update::Log { name: "my log".into(), text: "t\n".into() },
            Update::Rc(-1),
            Update::Elapsed(0.5),
            Update::FailureReason("timeout".into()),
            Update::Files(vec!["a".into()]),
            Update::Stat([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
            Update::Other("x".into(), rmpv::Value::from(5)),
        ] {
            let mut values = to_values(update.clone());
            let expected = Updates { updates: vec![update.into()], number: 0 };
            assert_eq!(read(values.remove(0)), Ok(expected));
            assert!(values.is_empty());
        }
    }

    #[test]
    fn several_dictionaries_and_keys_of_old_peers() {
        let key = |key: &str| Value::Bytes(key.as_bytes().to_vec());
        let first = Value::Dict(vec![(key("header"), key("h\n")), (key("stdout"), key("a\nb"))]);
        let second = Value::Dict(vec![(key("rc"), Value::Int(0))]);
        let value = Value::List(vec![
            Value::List(vec![first, Value::Int(0)]),
            Value::Tuple(vec![second, Value::Int(7)]),
        ]);
        let updates = [Update::Header("h\n".into()), Update::Stdout("a\nb".into()), Update::Rc(0)];
        let expected = Updates { updates: updates.map(TimedUpdate::from).to_vec(), number: 7 };
        assert_eq!(read(value), Ok(expected));
        assert!(read(argument("stdout", Value::Int(5))).is_err());
        assert!(read(Value::List(vec![Value::Int(5)])).is_err());
    }

    #[test]
    fn a_character_may_come_in_pieces() {
        let mut tails = Tails::default();
        let mut text = |stream: &str, bytes: &[u8]| {
            tails.text(stream.to_owned(), Value::Bytes(bytes.to_vec())).expect("bytes")
        };
        assert_eq!(text("stdout", b"a\xe2\x82"), "a");
        assert_eq!(text("stderr", b"\xff"), "\u{fffd}");
        assert_eq!(text("stdout", b"\xacb\xf0\x9f"), "€b");
        assert_eq!(text("log x", b"\xc3"), "");
        let rest = tails.rest();
        assert_eq!(rest[0].update, Update::Stdout("\u{fffd}".into()));
        assert_eq!(rest[1].update, Update::Log { name: "x".into(), text: "\u{fffd}".into() });
    }

    #[test]
    fn only_so_many_streams_are_joined() {
        let mut tails = Tails::default();
        for at in 0..100 {
            let piece = Value::Bytes(b"\xc3".to_vec());
            let text = tails.text(format!("log {at}"), piece).expect("bytes");
            assert_eq!(text, if at < MAX_TAILS { "" } else { "\u{fffd}" });
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let text = "é".repeat(MAX_STRING / 2) + "\n" + &"x".repeat(MAX_STRING + 5);
        let pieces = pieces(text.clone());
        assert_eq!(pieces.len(), 3);
        assert!(pieces.iter().all(|piece| piece.len() <= MAX_STRING));
        assert_eq!(pieces.concat(), text);
    }
}
