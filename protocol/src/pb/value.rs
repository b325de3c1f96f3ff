//! Values of Python peers as those that updates and worker info hold for all transports.

use crate::jelly::Value as Jelly;
use rmpv::Value;

/// What has no counterpart becomes its text.
pub(super) fn to_common(value: Jelly) -> Value {
    match value {
        Jelly::None => Value::Nil,
        Jelly::Bool(flag) => Value::from(flag),
        Jelly::Int(number) => Value::from(number),
        Jelly::Float(number) => Value::from(number),
        Jelly::Text(text) => Value::from(text),
        // Text of Python 2, most likely.
        Jelly::Bytes(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Value::from(text),
            Err(error) => Value::from(error.into_bytes()),
        },
        Jelly::Tuple(items) | Jelly::List(items) | Jelly::Set(items) | Jelly::FrozenSet(items) => {
            Value::Array(items.into_iter().map(to_common).collect())
        }
        Jelly::Dict(pairs) => {
            Value::Map(pairs.into_iter().map(|(k, v)| (to_common(k), to_common(v))).collect())
        }
        other => Value::from(other.display()),
    }
}

/// The reverse.
pub(super) fn from_common(value: Value) -> Jelly {
    match value {
        Value::Nil => Jelly::None,
        Value::Boolean(flag) => Jelly::Bool(flag),
        Value::Integer(number) => match number.as_i64() {
            Some(number) => Jelly::Int(number),
            None => Jelly::Float(number.as_f64().unwrap_or_default()),
        },
        Value::F32(number) => Jelly::Float(f64::from(number)),
        Value::F64(number) => Jelly::Float(number),
        Value::String(text) => Jelly::Text(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        Value::Binary(bytes) | Value::Ext(_, bytes) => Jelly::Bytes(bytes),
        Value::Array(items) => Jelly::List(items.into_iter().map(from_common).collect()),
        Value::Map(pairs) => {
            Jelly::Dict(pairs.into_iter().map(|(k, v)| (from_common(k), from_common(v))).collect())
        }
    }
}
