//! Updates as `[key, value]` pairs.
//!
//! Text travels as `[text, [positions of newlines, in characters], [arrival times]]`.

use super::fields::{into_text, lossy, number, text, texts};
use crate::update::{TimedUpdate, Update};
use rmpv::Value;

pub(super) fn to_pair(timed: &TimedUpdate) -> Value {
    let lines = |text: &str| lines_value(text, &timed.times);
    let (key, value) = match &timed.update {
        Update::Stdout(text) => ("stdout", lines(text)),
        Update::Stderr(text) => ("stderr", lines(text)),
        Update::Header(text) => ("header", lines(text)),
        Update::Log { name, text } => {
            ("log", Value::Array(vec![Value::from(name.as_str()), lines(text)]))
        }
        Update::Rc(rc) => ("rc", Value::from(*rc)),
        Update::Elapsed(elapsed) => ("elapsed", Value::from(*elapsed)),
        Update::FailureReason(reason) => ("failure_reason", Value::from(reason.as_str())),
        Update::Files(files) => ("files", texts(files)),
        Update::Stat(stat) => {
            ("stat", Value::Array(stat.iter().map(|n| Value::from(*n)).collect()))
        }
        Update::Other(key, value) => (key.as_str(), value.clone()),
    };
    Value::Array(vec![Value::from(key), value])
}

/// The `args` of an `update` message.
pub(super) fn from_args(args: Value) -> Result<Vec<TimedUpdate>, String> {
    let Value::Array(pairs) = args else {
        return Err("the 'args' of an update are not an array".to_owned());
    };
    pairs.into_iter().map(from_pair).collect()
}

fn from_pair(pair: Value) -> Result<TimedUpdate, String> {
    let wrong = || "an update is not a [key, value] pair".to_owned();
    let Value::Array(pair) = pair else { return Err(wrong()) };
    let [key, value]: [Value; 2] = pair.try_into().map_err(|_| wrong())?;
    let key = into_text(key).ok_or_else(wrong)?;
    typed(key, value)
}

fn typed(key: String, value: Value) -> Result<TimedUpdate, String> {
    let unreadable = |key: &str| format!("the value of update '{key}' has an unexpected form");
    let update = match key.as_str() {
        "stdout" | "stderr" | "header" => {
            let (text, times) = lines_from(value).ok_or_else(|| unreadable(&key))?;
            let update = match key.as_str() {
                "stdout" => Update::Stdout(text),
                "stderr" => Update::Stderr(text),
                _ => Update::Header(text),
            };
            return Ok(TimedUpdate { update, times });
        }
        "log" => return log_from(value).ok_or_else(|| unreadable(&key)),
        "rc" => value.as_i64().map(Update::Rc),
        "elapsed" => number(&value).map(Update::Elapsed),
        "failure_reason" => text(&value).map(Update::FailureReason),
        "files" => files_from(&value).map(Update::Files),
        "stat" => stat_from(&value).map(Update::Stat),
        _ => None,
    };
    Ok(update.unwrap_or(Update::Other(key, value)).into())
}

fn log_from(value: Value) -> Option<TimedUpdate> {
    let Value::Array(pair) = value else { return None };
    let [name, lines]: [Value; 2] = pair.try_into().ok()?;
    let (text, times) = lines_from(lines)?;
    Some(TimedUpdate { update: Update::Log { name: into_text(name)?, text }, times })
}

fn files_from(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(text).collect()
}

fn stat_from(value: &Value) -> Option<[i64; 10]> {
    let fields: Option<Vec<i64>> = value.as_array()?.iter().map(stat_field).collect();
    fields?.try_into().ok()
}

/// Inode numbers may use all 64 bits, times may be floats.
fn stat_field(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| value.as_u64().map(|n| n as i64))
        .or_else(|| value.as_f64().map(|n| n as i64))
}

fn lines_value(text: &str, times: &[f64]) -> Value {
    let newlines = text.chars().enumerate().filter(|(_, c)| *c == '\n');
    Value::Array(vec![
        Value::from(text),
        Value::Array(newlines.map(|(at, _)| Value::from(at)).collect()),
        Value::Array(times.iter().map(|time| Value::from(*time)).collect()),
    ])
}

/// Also plain text, which costs nothing to accept. The positions are recomputed when needed.
fn lines_from(value: Value) -> Option<(String, Vec<f64>)> {
    match value {
        Value::String(text) => Some((lossy(text), Vec::new())),
        Value::Array(parts) => {
            let mut parts = parts.into_iter();
            let text = parts.next().and_then(into_text)?;
            let times = parts.nth(1);
            let times = times.as_ref().and_then(Value::as_array);
            Some((text, times.map_or_else(Vec::new, |t| t.iter().filter_map(number).collect())))
        }
        _ => None,
    }
}
