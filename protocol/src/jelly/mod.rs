//! The value layer of Perspective Broker: Python's values as expressions.
//!
//! Byte strings, integers and floats are themselves; everything else is a list that begins with the
//! name of its kind. Python 2 peers send most of their text as bytes, so whoever expects text takes
//! both, see [`Value::text`].

mod decode;
mod encode;
mod failure;
mod read;

pub use decode::{Decoded, JellyError, decode};
pub use encode::encode;
pub use failure::Failure;

use crate::banana::BigInteger;

/// A value as Python peers exchange them.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits.
    Big(Box<BigInteger>),
    Float(f64),
    Bytes(Vec<u8>),
    Text(String),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    /// In the sender's order.
    Dict(Vec<(Value, Value)>),
    Set(Vec<Value>),
    FrozenSet(Vec<Value>),
    /// One of the kinds of date and time, with its numbers as text.
    Moment(Moment, String),
    /// Coefficient and exponent of ten.
    Decimal(Box<Value>, i64),
    /// An object of the sender's.
    Remote(i64),
    /// An object of the receiver's, handed back.
    Local(i64),
    /// An exception.
    Failure(Box<Failure>),
    /// Something that the sender could not send, and why.
    Unpersistable(String),
}

/// Kinds of date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    DateTime,
    Date,
    Time,
    TimeDelta,
}

impl Moment {
    fn tag(self) -> &'static str {
        match self {
            Moment::DateTime => "datetime",
            Moment::Date => "date",
            Moment::Time => "time",
            Moment::TimeDelta => "timedelta",
        }
    }
}

#[cfg(test)]
mod tests;
