//! The side of a client that is no worker: it logs in and calls what it was given.

use std::collections::{HashMap, HashSet, VecDeque};

use super::ask;
use super::login::wrong_args;
use crate::banana::Limits;
use crate::broker::{Args, Arrived, Call, Link, Message, Target, failure_of, invalid_object};
use crate::jelly::{Failure, Value};
use crate::session::{Rejection, Violation};

/// What happened on the client's side.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientEvent {
    Send(Vec<u8>),
    /// From now on [`PbClient::call`] is possible.
    LoggedIn,
    /// The connection is to be closed.
    Rejected {
        why: Rejection,
    },
    /// The answer to the call that was made with this ticket.
    Answered {
        ticket: u64,
        result: Result<Value, Failure>,
    },
    /// The master calls [`PbClient::SELF`] back. It was answered with nothing.
    Told {
        method: String,
        args: Vec<Value>,
    },
}

/// Objects of the master's that are held, as many as a master gives.
const MAX_HELD: usize = 1024;

/// The only object of this side.
const SELF: i64 = 1;

/// A connection to a master, for `sendchange` and the like.
pub struct PbClient {
    link: Link,
    name: String,
    password: String,
    avatar: Option<i64>,
    waiting: HashMap<i64, Waiting>,
    /// Objects of the master's.
    held: HashSet<i64>,
    queue: VecDeque<ClientEvent>,
}

enum Waiting {
    Login,
    Respond,
    Call(u64),
}

impl PbClient {
    /// The client itself as an argument: what it is told is a [`ClientEvent::Told`].
    pub const SELF: Value = Value::Remote(SELF);

    /// A client on a connection that was made just now. The master speaks first.
    pub fn new(name: &str, password: &str) -> PbClient {
        PbClient {
            link: Link::client(Limits::default()),
            name: name.to_owned(),
            password: password.to_owned(),
            avatar: None,
            waiting: HashMap::new(),
            held: HashSet::new(),
            queue: VecDeque::new(),
        }
    }

    /// The packet of a call on what the login gave. `ticket` comes back with the answer.
    ///
    /// # Errors
    /// A text for people: not logged in, or an argument is too long.
    pub fn call(&mut self, ticket: u64, method: &str, args: Vec<Value>) -> Result<Vec<u8>, String> {
        let avatar = self.avatar.ok_or("the master has not accepted the login")?;
        self.call_object(ticket, avatar, method, args)
    }

    /// The packet of a call on an object of the master's, which a [`Value::Remote`] told.
    ///
    /// # Errors
    /// A text for people: an argument is too long.
    pub fn call_object(
        &mut self,
        ticket: u64,
        object: i64,
        method: &str,
        args: Vec<Value>,
    ) -> Result<Vec<u8>, String> {
        let call = self.link.call(Target::Object(object), method, Args::new(args));
        let (request, packet) =
            call.map_err(|error| format!("'{method}' cannot be sent to the master: {error}"))?;
        self.waiting.insert(request, Waiting::Call(ticket));
        Ok(packet)
    }

    /// Takes a piece of the stream.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.link.receive(bytes);
    }

    /// The next event, if what arrived so far holds a whole one.
    ///
    /// # Errors
    /// The connection is to be closed.
    #[allow(clippy::should_implement_trait)] // as on the sessions
    pub fn next(&mut self) -> Result<Option<ClientEvent>, Violation> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(Some(event));
            }
            match self.link.next_message()? {
                None => return Ok(None),
                Some(Arrived::Ready(mut packet)) => {
                    let (request, bytes) = ask::login(&mut self.link, &self.name)?;
                    self.waiting.insert(request, Waiting::Login);
                    packet.extend(bytes);
                    self.send(packet);
                }
                Some(Arrived::Message(message, remotes)) => self.message(message, remotes)?,
            }
        }
    }

    fn message(&mut self, message: Message, mut remotes: Vec<i64>) -> Result<(), Violation> {
        match message {
            Message::Answer { request, result } => {
                self.reply(request, result.map_err(|error| wrong_args(&error)))?;
            }
            Message::Error { request, failure } => {
                self.reply(request, Err(failure_of(failure)))?;
            }
            Message::Call(call) => self.called(call),
            Message::Decref { .. } | Message::Version(_) | Message::DidNotUnderstand => {}
        }
        // What comes after the login is held once, for as long as the connection lasts.
        let (joined, held) = (self.avatar.is_some(), &mut self.held);
        remotes.retain(|object| !joined || held.len() >= MAX_HELD || !held.insert(*object));
        self.send(self.link.decref(&remotes));
        Ok(())
    }

    fn called(&mut self, call: Call) {
        let Call { request, target, method, answer, args } = call;
        let result = match (target, args) {
            (Target::Object(SELF), Ok(Args { positional: args, .. })) => {
                self.queue.push_back(ClientEvent::Told { method, args });
                Ok(Value::None)
            }
            (Target::Object(SELF), Err(error)) => Err(wrong_args(&error)),
            _ => Err(invalid_object()),
        };
        if answer {
            self.send(self.link.answer(request, result));
        }
    }

    fn reply(&mut self, request: i64, result: Result<Value, Failure>) -> Result<(), Violation> {
        let Some(waiting) = self.waiting.remove(&request) else {
            return Err(Violation(format!(
                "the master answered call {request}, which was never made"
            )));
        };
        match (waiting, result) {
            (Waiting::Call(ticket), result) => {
                self.queue.push_back(ClientEvent::Answered { ticket, result });
            }
            (Waiting::Login, Ok(challenge)) => {
                let (request, packet) =
                    ask::respond(&mut self.link, &challenge, &self.password, Value::None)?;
                self.waiting.insert(request, Waiting::Respond);
                self.send(packet);
            }
            (Waiting::Respond, Ok(avatar)) => {
                self.avatar = Some(ask::avatar(&avatar)?);
                self.queue.push_back(ClientEvent::LoggedIn);
            }
            (_, Err(failure)) => {
                self.queue.push_back(ClientEvent::Rejected { why: ask::rejection(&failure) });
            }
        }
        Ok(())
    }

    fn send(&mut self, packet: Vec<u8>) {
        if !packet.is_empty() {
            self.queue.push_back(ClientEvent::Send(packet));
        }
    }
}

impl std::fmt::Debug for PbClient {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PbClient").field("name", &self.name).finish_non_exhaustive()
    }
}
