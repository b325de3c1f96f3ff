//! MessagePack over WebSocket: `msgpack_experimental_v7`.
//!
//! One binary WebSocket message holds one map. A request has `op`, `seq_number` and keys of its own;
//! a response has `op: "response"`, the request's `seq_number`, `result`, and `is_exception` when it
//! failed. Each side numbers its own requests from 0 per connection.

mod command;
mod error;
mod fields;
mod info;
mod master;
mod paths;
mod request;
mod scan;
mod settings;
mod update;
mod worker;

pub use crate::report::WorkerRequest;
pub use command::Target;
pub use error::{DecodeError, NOT_AUTHENTICATED, no_such_command, unknown_command_id};
pub use master::MsgpackMaster;
pub use request::MasterRequest;
pub use scan::Limits;
pub use settings::{STOCK_NEWLINE_RE, WorkerSettings};
pub use worker::MsgpackWorker;

pub(crate) use paths::join;

use fields::{Fields, key};
use rmpv::Value;

/// What one side asks of the other: implemented by [`MasterRequest`] and [`WorkerRequest`].
pub trait Op: Sized {
    /// The `op` and the keys beside it.
    fn to_fields(&self) -> (&'static str, Vec<(Value, Value)>);
    /// The reverse; an error is the text to answer with.
    fn from_fields(op: &str, fields: Fields) -> Result<Self, String>;
}

/// One message to send. `R` is what the sender may ask.
#[derive(Debug, Clone, PartialEq)]
pub enum Message<R> {
    Request { seq: u64, op: R },
    Response { seq: u64, result: Result<Value, String> },
}

/// One message received. `R` is what the peer may ask.
#[derive(Debug, Clone, PartialEq)]
pub enum Received<R> {
    /// `op` is `Err(text)` when the operation is unknown or lacks a key: answer with that text.
    Request {
        seq: u64,
        op: Result<R, String>,
    },
    Response {
        seq: u64,
        result: Result<Value, String>,
    },
}

/// The bytes of one message.
pub fn encode<R: Op>(message: &Message<R>) -> Vec<u8> {
    let value = match message {
        Message::Request { seq, op } => request_value(*seq, op),
        Message::Response { seq, result } => response_value(*seq, result),
    };
    to_bytes(&value)
}

/// One message with the default [`Limits`].
pub fn decode<R: Op>(bytes: &[u8]) -> Result<Received<R>, DecodeError> {
    decode_with(bytes, &Limits::default())
}

/// One message. Nothing is allocated before the whole message was found sound and within `limits`.
pub fn decode_with<R: Op>(bytes: &[u8], limits: &Limits) -> Result<Received<R>, DecodeError> {
    scan::check(bytes, limits)?;
    let mut rest = bytes;
    let value = rmpv::decode::read_value_with_max_depth(&mut rest, scan::reader_depth(limits))
        .map_err(|error| DecodeError::Malformed(error.to_string()))?;
    let Value::Map(map) = value else {
        return Err(DecodeError::Envelope("the message is not a map"));
    };
    let mut fields = Fields::new(map)?;
    let Some(op) = fields.take("op").and_then(fields::into_text) else {
        return Err(DecodeError::Envelope("the message has no 'op'"));
    };
    let Some(seq) = fields.take("seq_number").and_then(|seq| seq.as_u64()) else {
        return Err(DecodeError::Envelope("the message has no 'seq_number'"));
    };
    if op == "response" {
        return Ok(Received::Response { seq, result: response_result(fields) });
    }
    Ok(Received::Request { seq, op: R::from_fields(&op, fields) })
}

fn request_value<R: Op>(seq: u64, op: &R) -> Value {
    let (name, mut map) = op.to_fields();
    map.insert(0, (key("op"), Value::from(name)));
    map.push((key("seq_number"), Value::from(seq)));
    Value::Map(map)
}

fn response_value(seq: u64, result: &Result<Value, String>) -> Value {
    let mut map = vec![(key("op"), Value::from("response")), (key("seq_number"), Value::from(seq))];
    match result {
        Ok(value) => map.push((key("result"), value.clone())),
        Err(text) => {
            map.push((key("result"), Value::from(text.as_str())));
            map.push((key("is_exception"), Value::from(true)));
        }
    }
    Value::Map(map)
}

/// The presence of `is_exception`, whatever its value, means failure.
fn response_result(mut fields: Fields) -> Result<Value, String> {
    let result = fields.take("result").unwrap_or(Value::Nil);
    match fields.take("is_exception") {
        None => Ok(result),
        Some(_) => Err(match result {
            Value::String(text) => fields::lossy(text),
            other => other.to_string(),
        }),
    }
}

fn to_bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).expect("writing into memory cannot fail");
    bytes
}

#[cfg(test)]
mod tests;
