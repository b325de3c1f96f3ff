//! The master's side of a client that is no worker: it calls methods of what its login gave, of
//! further objects that answers give, and may be called back.

use std::collections::{HashMap, HashSet, VecDeque};

use super::login::{Pending, wrong_args};
use crate::broker::{
    Args, Arrived, Call, Exports, Link, Message, Target, failure_of, invalid_object, no_such_method,
};
use crate::jelly::{Failure, Value};
use crate::session::Violation;

/// Objects on one connection, as with stock masters.
const MAX_OBJECTS: usize = 1024;

/// What a client calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Callee {
    /// What the login gave.
    Avatar,
    /// What [`PbServer::export`] made.
    Object(i64),
}

/// What happened on the master's side.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerEvent {
    Send(Vec<u8>),
    /// The client calls and waits for [`PbServer::answer`] with this id. A [`Value::Remote`] among
    /// the arguments is an object of the client's that can be [called](PbServer::call).
    Called {
        id: u64,
        callee: Callee,
        method: String,
        args: Vec<Value>,
        kwargs: Vec<(String, Value)>,
    },
    /// The answer to the call that was made with this ticket.
    Answered {
        ticket: u64,
        result: Result<Value, Failure>,
    },
    /// The client has given back every reference to an object that [`PbServer::export`] made: its
    /// number means nothing any more.
    Dropped {
        object: i64,
    },
}

/// Made by [`PbLogin::into_client`](super::PbLogin::into_client).
#[derive(Debug)]
pub struct PbServer {
    link: Link,
    /// The login, until it is answered.
    login: Pending,
    exports: Exports<Callee>,
    /// Objects of the client's, each held once.
    held: HashSet<i64>,
    /// Our calls with their tickets.
    waiting: HashMap<i64, u64>,
    /// The client's calls, `None` for one that wants no answer.
    asked: HashMap<u64, Option<i64>>,
    last_asked: u64,
    queue: VecDeque<ServerEvent>,
}

impl PbServer {
    pub(super) fn resume(link: Link, exports: Exports<Callee>, login: Pending) -> PbServer {
        PbServer {
            link,
            held: login.mind.into_iter().collect(),
            login,
            exports,
            waiting: HashMap::new(),
            asked: HashMap::new(),
            last_asked: 0,
            queue: VecDeque::new(),
        }
    }

    /// Tells the client that it is logged in. The first packet.
    pub fn admit(&mut self) -> Vec<u8> {
        let Some(request) = self.login.request.take() else { return Vec::new() };
        let avatar = self.exports.send_new(Callee::Avatar);
        self.link.answer(request, Ok(Value::Remote(avatar)))
    }

    /// A new object for the client, with one reference: it is told once as [`Value::Remote`], and
    /// stays until the client gives that reference back.
    ///
    /// # Errors
    /// A text for people: there are too many already.
    pub fn export(&mut self) -> Result<i64, String> {
        if self.exports.len() >= MAX_OBJECTS {
            return Err("too many objects on one connection".to_owned());
        }
        let object = self.exports.send_new(Callee::Avatar);
        if let Some(callee) = self.exports.get_mut(object) {
            *callee = Callee::Object(object);
        }
        Ok(object)
    }

    /// One more reference to an object that is told once more.
    pub fn refer(&mut self, object: i64) {
        self.exports.sent(object);
    }

    /// The packet that answers a call.
    pub fn answer(&mut self, id: u64, result: Result<Value, Failure>) -> Vec<u8> {
        let Some(Some(request)) = self.asked.remove(&id) else { return Vec::new() };
        self.link.answer(request, result)
    }

    /// The packet of a call on an object of the client's. `ticket` comes back with the answer.
    ///
    /// # Errors
    /// A text for people: an argument is too long.
    pub fn call(
        &mut self,
        ticket: u64,
        object: i64,
        method: &str,
        args: Vec<Value>,
    ) -> Result<Vec<u8>, String> {
        let call = self.link.call(Target::Object(object), method, Args::new(args));
        let (request, packet) =
            call.map_err(|error| format!("'{method}' cannot be sent to the client: {error}"))?;
        self.waiting.insert(request, ticket);
        Ok(packet)
    }

    /// The packet that gives an object of the client's back.
    pub fn release(&mut self, object: i64) -> Vec<u8> {
        match self.held.remove(&object) {
            true => self.link.decref(&[object]),
            false => Vec::new(),
        }
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
    pub fn next(&mut self) -> Result<Option<ServerEvent>, Violation> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(Some(event));
            }
            match self.link.next_message()? {
                None => return Ok(None),
                Some(Arrived::Ready(packet)) => self.send(packet),
                Some(Arrived::Message(message, remotes)) => self.message(message, remotes)?,
            }
        }
    }

    fn message(&mut self, message: Message, mut remotes: Vec<i64>) -> Result<(), Violation> {
        // Held once, however often it comes; what is beyond the bound is not kept.
        let held = &mut self.held;
        remotes.retain(|object| held.len() >= MAX_OBJECTS || !held.insert(*object));
        match message {
            Message::Call(call) => self.called(call),
            Message::Answer { request, result } => {
                self.reply(request, result.map_err(|error| wrong_args(&error)))?;
            }
            Message::Error { request, failure } => {
                self.reply(request, Err(failure_of(failure)))?;
            }
            Message::Decref { object } => {
                if let Some(Callee::Object(object)) = self.exports.decref(object) {
                    self.queue.push_back(ServerEvent::Dropped { object });
                }
            }
            Message::Version(_) | Message::DidNotUnderstand => {}
        }
        self.send(self.link.decref(&remotes));
        Ok(())
    }

    fn called(&mut self, call: Call) {
        let Call { request, target, method, answer, args } = call;
        let callee = match target {
            Target::Root => Err(no_such_method(&method)),
            Target::Object(object) => self.exports.get(object).copied().ok_or_else(invalid_object),
        };
        let checked =
            callee.and_then(|callee| Ok((callee, args.map_err(|error| wrong_args(&error))?)));
        match checked {
            Ok((callee, Args { positional: args, named: kwargs })) => {
                self.last_asked += 1;
                let id = self.last_asked;
                self.asked.insert(id, answer.then_some(request));
                self.queue.push_back(ServerEvent::Called { id, callee, method, args, kwargs });
            }
            Err(failure) if answer => self.send(self.link.answer(request, Err(failure))),
            Err(_) => {}
        }
    }

    fn reply(&mut self, request: i64, result: Result<Value, Failure>) -> Result<(), Violation> {
        let Some(ticket) = self.waiting.remove(&request) else {
            return Err(Violation(format!("it answered call {request}, which was never made")));
        };
        self.queue.push_back(ServerEvent::Answered { ticket, result });
        Ok(())
    }

    fn send(&mut self, packet: Vec<u8>) {
        if !packet.is_empty() {
            self.queue.push_back(ServerEvent::Send(packet));
        }
    }
}
