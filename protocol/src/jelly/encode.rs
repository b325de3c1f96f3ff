//! Values to bytes.

use super::{Value, failure};
use crate::banana::{BananaError, Encoder};

/// Writes a value.
///
/// # Errors
/// It holds a string or list that is too long for any peer.
pub fn encode(value: &Value, out: &mut Encoder) -> Result<(), BananaError> {
    match value {
        Value::Int(number) => out.int(*number),
        Value::Big(number) => out.big(number),
        Value::Float(number) => out.float(*number),
        Value::Bytes(bytes) => out.bytes(bytes)?,
        Value::None => tagged(out, "None", 0)?,
        Value::Bool(flag) => {
            tagged(out, "boolean", 1)?;
            out.bytes(if *flag { b"true" } else { b"false" })?;
        }
        Value::Text(text) => {
            tagged(out, "unicode", 1)?;
            out.bytes(text.as_bytes())?;
        }
        Value::Tuple(items) => sequence(out, "tuple", items)?,
        Value::List(items) => sequence(out, "list", items)?,
        Value::Set(items) => sequence(out, "set", items)?,
        Value::FrozenSet(items) => sequence(out, "frozenset", items)?,
        Value::Dict(pairs) => {
            tagged(out, "dictionary", pairs.len())?;
            for (key, value) in pairs {
                out.list(2)?;
                encode(key, out)?;
                encode(value, out)?;
            }
        }
        Value::Moment(moment, numbers) => {
            tagged(out, moment.tag(), 1)?;
            out.bytes(numbers.as_bytes())?;
        }
        Value::Decimal(coefficient, exponent) => {
            tagged(out, "decimal", 2)?;
            encode(coefficient, out)?;
            out.int(*exponent);
        }
        Value::Remote(object) => {
            tagged(out, "remote", 1)?;
            out.int(*object);
        }
        Value::Local(object) => {
            tagged(out, "local", 1)?;
            out.int(*object);
        }
        Value::Failure(failure) => {
            tagged(out, failure::TAG, 1)?;
            encode(&failure.to_state(), out)?;
        }
        Value::Unpersistable(why) => {
            tagged(out, "unpersistable", 1)?;
            out.bytes(why.as_bytes())?;
        }
    }
    Ok(())
}

fn tagged(out: &mut Encoder, tag: &str, others: usize) -> Result<(), BananaError> {
    out.list(others + 1)?;
    out.bytes(tag.as_bytes())
}

fn sequence(out: &mut Encoder, tag: &str, items: &[Value]) -> Result<(), BananaError> {
    tagged(out, tag, items.len())?;
    items.iter().try_for_each(|item| encode(item, out))
}
