//! One connection: bytes to messages and back, from the first byte on.

use super::VERSION;
use super::message::{self, Args, Call, Message, Target};
use crate::banana::{BananaError, Decoder, Dialect, Encoder, Expression, Limits};
use crate::jelly::{Failure, Value};
use crate::session::Violation;

/// The stream of a connection, in both directions.
#[derive(Debug)]
pub struct Link {
    decoder: Decoder,
    dialect: Dialect,
    stage: Stage,
    last_request: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A server has offered dialects.
    Offered,
    /// A client waits for the offer.
    Waiting,
    Ready,
}

/// What the stream held.
#[derive(Debug, PartialEq)]
pub enum Arrived {
    /// The peers have agreed on a dialect; these bytes are to be sent before anything else.
    Ready(Vec<u8>),
    /// A message and the sender's objects in it, once per occurrence: unless they are kept, each is
    /// to be [given back](Link::decref).
    Message(Message, Vec<i64>),
}

impl Link {
    /// The side that was connected to.
    pub fn server(limits: Limits) -> Link {
        Link::new(limits, Stage::Offered)
    }

    /// The side that has connected.
    pub fn client(limits: Limits) -> Link {
        Link::new(limits, Stage::Waiting)
    }

    fn new(limits: Limits, stage: Stage) -> Link {
        Link { decoder: Decoder::new(limits), dialect: Dialect::None, stage, last_request: 0 }
    }

    /// What a server sends first: the dialects it knows.
    pub fn offer(&self) -> Vec<u8> {
        let names = [Dialect::Pb, Dialect::None].map(|d| Expression::bytes(d.name().as_bytes()));
        packet(Dialect::None, |out| out.expression(&Expression::List(names.to_vec())))
    }

    pub fn set_limits(&mut self, limits: Limits) {
        self.decoder.set_limits(limits);
    }

    /// Takes a piece of the stream.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.decoder.receive(bytes);
    }

    /// The next thing in what has arrived.
    ///
    /// # Errors
    /// The peer broke the protocol.
    pub fn next_message(&mut self) -> Result<Option<Arrived>, Violation> {
        loop {
            let next = self.decoder.next_expression().map_err(wrong)?;
            let Some(expression) = next else { return Ok(None) };
            if self.stage != Stage::Ready {
                return self.agree(expression).map(|bytes| Some(Arrived::Ready(bytes)));
            }
            let (message, remotes) = message::decode(expression, self.decoder.limits())?;
            match message {
                Message::Version(VERSION) | Message::DidNotUnderstand => {}
                Message::Version(other) => {
                    return Err(Violation(format!(
                        "version {other} of the protocol; only {VERSION} is known"
                    )));
                }
                message => return Ok(Some(Arrived::Message(message, remotes))),
            }
        }
    }

    /// A call, with its number. A call that cannot be written uses up its number.
    ///
    /// # Errors
    /// An argument is too long for any peer.
    pub fn call(
        &mut self,
        target: Target,
        method: &str,
        args: Args,
    ) -> Result<(i64, Vec<u8>), BananaError> {
        self.last_request += 1;
        let request = self.last_request;
        let call =
            Call { request, target, method: method.to_owned(), answer: true, args: Ok(args) };
        Ok((request, self.encode(&Message::Call(call))?))
    }

    /// The answer to a call. A result that is too long for the peer becomes a failure.
    pub fn answer(&self, request: i64, result: Result<Value, Failure>) -> Vec<u8> {
        let message = match result {
            Ok(value) => Message::Answer { request, result: Ok(value) },
            Err(failure) => {
                Message::Error { request, failure: Ok(Value::Failure(Box::new(failure))) }
            }
        };
        self.encode(&message).unwrap_or_else(|error| {
            let text = format!("the answer cannot be sent: {error}");
            let failure = Failure::new("twisted.spread.banana.BananaError", &[], text);
            let failure = Ok(Value::Failure(Box::new(failure)));
            self.encode(&Message::Error { request, failure }).unwrap_or_default()
        })
    }

    /// Gives references back, one for each number.
    pub fn decref(&self, objects: &[i64]) -> Vec<u8> {
        let decref = |object: &i64| self.encode(&Message::Decref { object: *object });
        objects.iter().filter_map(|object| decref(object).ok()).flatten().collect()
    }

    /// The bytes of a message.
    ///
    /// # Errors
    /// It holds something that is too long for any peer.
    pub fn encode(&self, message: &Message) -> Result<Vec<u8>, BananaError> {
        let mut out = Encoder::new(self.dialect);
        message::encode(message, &mut out)?;
        Ok(out.finish())
    }

    /// The first expression of a connection: the offer, or the choice from it.
    fn agree(&mut self, expression: Expression) -> Result<Vec<u8>, Violation> {
        let mut sent = Vec::new();
        let dialect = match (self.stage, &expression) {
            (Stage::Offered, Expression::Bytes(name)) => Dialect::from_name(name),
            (Stage::Waiting, Expression::List(names)) => names.iter().find_map(|name| match name {
                Expression::Bytes(name) => Dialect::from_name(name),
                _ => None,
            }),
            _ => None,
        };
        let dialect = dialect.ok_or_else(|| {
            Violation("no dialect of Perspective Broker that both sides know".to_owned())
        })?;
        if self.stage == Stage::Waiting {
            sent = packet(Dialect::None, |out| out.bytes(dialect.name().as_bytes()));
        }
        self.dialect = dialect;
        self.decoder.set_dialect(dialect);
        self.stage = Stage::Ready;
        sent.extend(self.encode(&Message::Version(VERSION)).map_err(wrong)?);
        Ok(sent)
    }
}

/// Bytes of something that is short.
fn packet(
    dialect: Dialect,
    write: impl FnOnce(&mut Encoder) -> Result<(), BananaError>,
) -> Vec<u8> {
    let mut out = Encoder::new(dialect);
    match write(&mut out) {
        Ok(()) => out.finish(),
        Err(_) => Vec::new(),
    }
}

fn wrong(error: BananaError) -> Violation {
    Violation(error.to_string())
}
