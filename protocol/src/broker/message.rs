//! The messages of the broker.

use crate::banana::{BananaError, Encoder, Expression, Limits};
use crate::jelly::{self, Decoded, JellyError, Value};
use crate::session::Violation;

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    Version(i64),
    Call(Call),
    Answer {
        request: i64,
        result: Result<Value, JellyError>,
    },
    /// The call has failed; normally with a [`Value::Failure`].
    Error {
        request: i64,
        failure: Result<Value, JellyError>,
    },
    /// The peer has one reference less to an object of this side.
    Decref {
        object: i64,
    },
    /// The peer did not understand something that this side does not send.
    DidNotUnderstand,
}

/// A call on an object of the receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub request: i64,
    pub target: Target,
    pub method: String,
    /// Without it neither result nor failure is sent.
    pub answer: bool,
    /// An error when the arguments hold something that is not accepted.
    pub args: Result<Args, JellyError>,
}

/// Whom a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// What a server has for everybody.
    Root,
    /// An object that the receiver has given to the caller.
    Object(i64),
}

/// The arguments of a call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Args {
    pub positional: Vec<Value>,
    /// In the sender's order.
    pub named: Vec<(String, Value)>,
}

impl Args {
    /// Arguments without names.
    pub fn new(positional: Vec<Value>) -> Args {
        Args { positional, named: Vec::new() }
    }

    /// Removes an argument, by place or by name.
    pub fn take(&mut self, place: usize, name: &str) -> Option<Value> {
        if let Some(value) = self.positional.get_mut(place) {
            return Some(std::mem::replace(value, Value::None));
        }
        let at = self.named.iter().position(|(own, _)| own == name)?;
        Some(self.named.swap_remove(at).1)
    }
}

/// Reads a message, with the objects of the sender that came with it, once per occurrence.
pub(super) fn decode(
    expression: Expression,
    limits: &Limits,
) -> Result<(Message, Vec<i64>), Violation> {
    let Expression::List(items) = expression else {
        return Err(violation("a message that is not a list"));
    };
    let mut items = items.into_iter();
    let Some(Expression::Bytes(kind)) = items.next() else {
        return Err(violation("a message without a name"));
    };
    let mut remotes = Vec::new();
    let message = match kind.as_slice() {
        b"version" => Message::Version(int(items.next())?),
        b"decref" => Message::Decref { object: int(items.next())? },
        b"didNotUnderstand" => Message::DidNotUnderstand,
        b"answer" => Message::Answer {
            request: int(items.next())?,
            result: value(items.next(), limits, &mut remotes)?,
        },
        b"error" => Message::Error {
            request: int(items.next())?,
            failure: value(items.next(), limits, &mut remotes)?,
        },
        b"message" => Message::Call(Call {
            request: int(items.next())?,
            target: target(items.next())?,
            method: method(items.next())?,
            answer: int(items.next())? != 0,
            args: {
                let positional = value(items.next(), limits, &mut remotes)?;
                let named = value(items.next(), limits, &mut remotes)?;
                args(positional, named)
            },
        }),
        other => {
            let name = String::from_utf8_lossy(&other[..other.len().min(40)]).into_owned();
            return Err(Violation(format!("a message of an unknown kind, '{name}'")));
        }
    };
    Ok((message, remotes))
}

/// Writes a message. The arguments of a call that were not accepted cannot be written.
pub(super) fn encode(message: &Message, out: &mut Encoder) -> Result<(), BananaError> {
    match message {
        Message::Version(version) => {
            head(out, "version", 1)?;
            out.int(*version);
        }
        Message::Decref { object } => {
            head(out, "decref", 1)?;
            out.int(*object);
        }
        Message::DidNotUnderstand => head(out, "didNotUnderstand", 0)?,
        Message::Answer { request, result: value } => {
            head(out, "answer", 2)?;
            out.int(*request);
            jelly::encode(value.as_ref().unwrap_or(&Value::None), out)?;
        }
        Message::Error { request, failure } => {
            head(out, "error", 2)?;
            out.int(*request);
            jelly::encode(failure.as_ref().unwrap_or(&Value::None), out)?;
        }
        Message::Call(call) => encode_call(call, out)?,
    }
    Ok(())
}

fn encode_call(call: &Call, out: &mut Encoder) -> Result<(), BananaError> {
    let none = Args::default();
    let args = call.args.as_ref().unwrap_or(&none);
    head(out, "message", 6)?;
    out.int(call.request);
    match call.target {
        Target::Root => out.bytes(b"root")?,
        Target::Object(object) => out.int(object),
    }
    out.bytes(call.method.as_bytes())?;
    out.int(i64::from(call.answer));
    out.list(args.positional.len() + 1)?;
    out.bytes(b"tuple")?;
    args.positional.iter().try_for_each(|value| jelly::encode(value, out))?;
    out.list(args.named.len() + 1)?;
    out.bytes(b"dictionary")?;
    for (name, value) in &args.named {
        out.list(2)?;
        out.list(2)?;
        out.bytes(b"unicode")?;
        out.bytes(name.as_bytes())?;
        jelly::encode(value, out)?;
    }
    Ok(())
}

fn head(out: &mut Encoder, kind: &str, others: usize) -> Result<(), BananaError> {
    out.list(others + 1)?;
    out.bytes(kind.as_bytes())
}

fn int(item: Option<Expression>) -> Result<i64, Violation> {
    match item {
        Some(Expression::Int(number)) => Ok(number),
        _ => Err(violation("a message without its number")),
    }
}

fn target(item: Option<Expression>) -> Result<Target, Violation> {
    match item {
        Some(Expression::Int(object)) => Ok(Target::Object(object)),
        Some(Expression::Bytes(name)) if name == b"root" => Ok(Target::Root),
        // A name that nobody has; no object has this number either.
        Some(Expression::Bytes(_)) => Ok(Target::Object(0)),
        _ => Err(violation("a call without an object")),
    }
}

fn method(item: Option<Expression>) -> Result<String, Violation> {
    match item {
        Some(Expression::Bytes(name)) => Ok(String::from_utf8_lossy(&name).into_owned()),
        _ => Err(violation("a call without a method")),
    }
}

fn value(
    item: Option<Expression>,
    limits: &Limits,
    remotes: &mut Vec<i64>,
) -> Result<Result<Value, JellyError>, Violation> {
    let item = item.ok_or_else(|| violation("a message without its value"))?;
    let Decoded { value, remotes: found } = jelly::decode(item, limits);
    remotes.extend(found);
    Ok(value)
}

/// A list in place of the tuple is accepted, as are names that are bytes.
fn args(
    positional: Result<Value, JellyError>,
    named: Result<Value, JellyError>,
) -> Result<Args, JellyError> {
    let not_args = JellyError::Malformed("arguments that are not a tuple and a dictionary");
    let positional = positional?.into_items().ok_or(not_args.clone())?;
    let Value::Dict(pairs) = named? else { return Err(not_args) };
    let named = pairs.into_iter().map(|(name, value)| Some((name.into_text()?, value)));
    Ok(Args { positional, named: named.collect::<Option<_>>().ok_or(not_args)? })
}

fn violation(what: &str) -> Violation {
    Violation(what.to_owned())
}
