//! The login on the master: the same for workers and all other clients.
//!
//! A challenge is given to everybody, so that nobody learns which names exist.

use std::collections::VecDeque;

use super::master::PbMaster;
use super::proof::{self, Challenge, Proof};
use super::server::PbServer;
use crate::banana::Limits;
use crate::broker::{
    self, Arrived, Call, Exports, Link, Message, Target, invalid_object, no_such_method, type_error,
};
use crate::jelly::{Failure, JellyError, Value};
use crate::session::Violation;

/// Challenges that wait for their response; older ones are forgotten.
const MAX_CHALLENGES: usize = 8;

/// What a client that is no worker may send at once: a change of some ten thousand files, or the
/// longest patch.
const CLIENT: Limits = Limits { size: 4 << 20, elements: 200_000, depth: 32 };

/// What happened before the login.
#[derive(Debug, Clone, PartialEq)]
pub enum LoginEvent {
    Send(Vec<u8>),
    /// Somebody wants to log in. Nothing more is read before this is decided, either by
    /// [`PbLogin::refuse`] or by one of the ways into a session.
    Respond {
        name: String,
        proof: Proof,
    },
}

type Challenges = Box<dyn FnMut() -> Result<Challenge, Violation> + Send>;

/// A connection that has not logged in.
pub struct PbLogin {
    link: Link,
    challenges: Challenges,
    exports: Exports<Challenger>,
    pending: Option<Pending>,
    queue: VecDeque<LoginEvent>,
}

struct Challenger {
    name: String,
    challenge: Challenge,
}

/// The call that is to be answered by the login.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) name: String,
    /// Absent when the client wants no answer.
    pub(super) request: Option<i64>,
    /// The client's object to call back. Only workers have one.
    pub(super) mind: Option<i64>,
}

impl PbLogin {
    /// A connection that was accepted just now.
    pub fn new() -> PbLogin {
        PbLogin::with_challenges(Box::new(proof::unforeseeable))
    }

    /// For tests with recorded logins: the challenges come from elsewhere.
    pub fn with_challenges(challenges: Challenges) -> PbLogin {
        PbLogin {
            link: Link::server(Limits::before_login()),
            challenges,
            exports: Exports::default(),
            pending: None,
            queue: VecDeque::new(),
        }
    }

    /// What the master sends first.
    pub fn begin(&mut self) -> Vec<u8> {
        self.link.offer()
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
    pub fn next(&mut self) -> Result<Option<LoginEvent>, Violation> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(Some(event));
            }
            if self.pending.is_some() {
                return Ok(None);
            }
            match self.link.next_message()? {
                None => return Ok(None),
                Some(Arrived::Ready(bytes)) => self.queue.push_back(LoginEvent::Send(bytes)),
                Some(Arrived::Message(message, remotes)) => self.message(message, remotes)?,
            }
        }
    }

    /// The packet that tells the client that name or password are wrong. It may try again.
    pub fn refuse(&mut self) -> Vec<u8> {
        let Some(pending) = self.pending.take() else { return Vec::new() };
        let mut packet = match pending.request {
            Some(request) => self.link.answer(request, Err(broker::unauthorized())),
            None => Vec::new(),
        };
        packet.extend(self.link.decref(pending.mind.as_slice()));
        packet
    }

    /// The login is accepted, as that of a worker.
    pub fn into_worker(mut self) -> PbMaster {
        self.link.set_limits(Limits::default());
        PbMaster::resume(self.link, self.exports.successor(), self.pending.unwrap_or_default())
    }

    /// The login is accepted, as that of a client that is no worker.
    pub fn into_client(mut self) -> PbServer {
        self.link.set_limits(CLIENT);
        PbServer::resume(self.link, self.exports.successor(), self.pending.unwrap_or_default())
    }

    fn message(&mut self, message: Message, mut remotes: Vec<i64>) -> Result<(), Violation> {
        match message {
            Message::Call(call) => self.call(call)?,
            Message::Decref { object } => {
                self.exports.decref(object);
            }
            Message::Answer { request, .. } | Message::Error { request, .. } => {
                return Err(Violation(format!("it answered call {request}, which was never made")));
            }
            Message::Version(_) | Message::DidNotUnderstand => {}
        }
        let kept = self.pending.as_ref().and_then(|pending| pending.mind);
        if let Some(at) = remotes.iter().position(|object| Some(*object) == kept) {
            remotes.swap_remove(at);
        }
        self.send(self.link.decref(&remotes));
        Ok(())
    }

    fn call(&mut self, mut call: Call) -> Result<(), Violation> {
        let result = match call.target {
            Target::Root => self.root(&mut call)?,
            Target::Object(object) => self.challenger(object, &mut call),
        };
        let result = match result {
            Ok(None) => return Ok(()),
            Ok(Some(value)) => Ok(value),
            Err(failure) => Err(failure),
        };
        if call.answer {
            self.send(self.link.answer(call.request, result));
        }
        Ok(())
    }

    fn root(&mut self, call: &mut Call) -> Result<Result<Option<Value>, Failure>, Violation> {
        match call.method.as_str() {
            "login" => {}
            "loginAnonymous" => return Ok(Err(unhandled_credentials())),
            other => return Ok(Err(no_such_method(other))),
        }
        let args = match call.args.as_mut() {
            Ok(args) => args,
            Err(error) => return Ok(Err(wrong_args(error))),
        };
        let count = args.positional.len() + args.named.len();
        let name = args.take(0, "username").and_then(Value::into_text);
        let Some(name) = name.filter(|_| count == 1) else {
            let text = format!(
                "_PortalWrapper.remote_login() takes 2 positional arguments but {} were given",
                count + 1
            );
            return Ok(Err(type_error(text)));
        };
        if self.exports.len() >= MAX_CHALLENGES
            && let Some(oldest) = self.exports.find(|_| true)
        {
            self.exports.remove(oldest);
        }
        let challenge = (self.challenges)()?;
        let object = self.exports.send_new(Challenger { name, challenge });
        let answer = vec![Value::Bytes(challenge.to_vec()), Value::Remote(object)];
        Ok(Ok(Some(Value::Tuple(answer))))
    }

    /// A challenger takes one response, then it is used up.
    fn challenger(&mut self, object: i64, call: &mut Call) -> Result<Option<Value>, Failure> {
        if self.exports.get(object).is_none() {
            return Err(invalid_object());
        }
        if call.method != "respond" {
            return Err(no_such_method(&call.method));
        }
        let args = call.args.as_mut().map_err(|error| wrong_args(error))?;
        let response = args.take(0, "response").and_then(Value::into_bytes);
        let mind = args.take(1, "mind");
        let response = response.ok_or_else(|| type_error("a response is bytes"))?;
        let Some(Challenger { name, challenge }) = self.exports.remove(object) else {
            return Err(invalid_object());
        };
        let mind = match mind {
            Some(Value::Remote(mind)) => Some(mind),
            _ => None,
        };
        let request = call.answer.then_some(call.request);
        self.pending = Some(Pending { name: name.clone(), request, mind });
        let proof = Proof { challenge, response };
        self.queue.push_back(LoginEvent::Respond { name, proof });
        Ok(None)
    }

    fn send(&mut self, packet: Vec<u8>) {
        if !packet.is_empty() {
            self.queue.push_back(LoginEvent::Send(packet));
        }
    }
}

impl Default for PbLogin {
    fn default() -> PbLogin {
        PbLogin::new()
    }
}

impl std::fmt::Debug for PbLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PbLogin").field("pending", &self.pending).finish_non_exhaustive()
    }
}

/// The failure that answers arguments which are not accepted.
pub(super) fn wrong_args(error: &JellyError) -> Failure {
    match error {
        JellyError::Insecure(text) => {
            Failure::new("twisted.spread.jelly.InsecureJelly", &[], text.as_str())
        }
        JellyError::Malformed(text) => type_error(*text),
    }
}

fn unhandled_credentials() -> Failure {
    Failure::new(
        "twisted.cred.error.UnhandledCredentials",
        &["twisted.cred.error.LoginFailed"],
        "No checker for twisted.cred.credentials.IAnonymous",
    )
}
