//! The master's side of a worker's connection.
//!
//! | file | what it holds |
//! |---|---|
//! | `objects` | what the worker may call: its avatar, commands, readers and writers |
//! | `orders` | what the master asks, as calls |
//! | `replies` | the worker's answers, and what an old worker is asked instead |
//! | `reports` | the worker's calls |

mod objects;
mod orders;
mod replies;
mod reports;

use std::collections::{HashMap, VecDeque};

use super::login::{Pending, wrong_args};
use super::versions::Versions;
use crate::broker::{Arrived, Exports, Link, Message, failure_of};
use crate::jelly::{Failure, Value};
use crate::order::{Order, Reply};
use crate::report::Answer;
use crate::session::{MasterEvent, MasterSession, Violation};
use objects::Object;
use replies::Waiting;
use reports::Asked;

/// See [`MasterSession`]. Made by [`PbLogin::into_worker`](super::PbLogin::into_worker).
#[derive(Debug)]
pub struct PbMaster {
    link: Link,
    /// The login, until it is answered.
    login: Pending,
    exports: Exports<Object>,
    /// Calls that wait for the worker's answer.
    waiting: HashMap<i64, Waiting>,
    /// Calls of the worker that wait for [`MasterSession::answer`].
    asked: HashMap<u64, Asked>,
    last_asked: u64,
    /// The worker's objects for its builders, each held once.
    builders: HashMap<String, i64>,
    versions: Versions,
    /// `posix` or `nt`.
    system: String,
    queue: VecDeque<MasterEvent>,
}

impl PbMaster {
    pub(super) fn resume(link: Link, exports: Exports<Object>, login: Pending) -> PbMaster {
        PbMaster {
            link,
            login,
            exports,
            waiting: HashMap::new(),
            asked: HashMap::new(),
            last_asked: 0,
            builders: HashMap::new(),
            versions: Versions::default(),
            system: "posix".to_owned(),
            queue: VecDeque::new(),
        }
    }

    /// Refuses a worker after its password was accepted, with a reason that it logs. A stock worker
    /// ends when it hears this, where it would try again after [`PbLogin::refuse`] or a loss of the
    /// connection.
    ///
    /// [`PbLogin::refuse`]: super::PbLogin::refuse
    pub fn reject(&mut self, why: &str) -> Vec<u8> {
        match self.login.request.take() {
            Some(request) => {
                self.link.answer(request, Err(Failure::new("builtins.RuntimeError", &[], why)))
            }
            None => Vec::new(),
        }
    }

    /// How many objects the peer may call.
    #[cfg(test)]
    pub(super) fn exported(&self) -> usize {
        self.exports.len()
    }

    fn send(&mut self, packet: Vec<u8>) {
        if !packet.is_empty() {
            self.queue.push_back(MasterEvent::Send(packet));
        }
    }

    fn answered(&mut self, ticket: u64, result: Result<Reply, String>) {
        self.queue.push_back(MasterEvent::Answered { ticket, result });
    }

    fn message(&mut self, message: Message, mut remotes: Vec<i64>) -> Result<(), Violation> {
        match message {
            Message::Call(call) => self.call(call),
            Message::Answer { request, result } => {
                self.reply(request, result.map_err(|error| wrong_args(&error)), &mut remotes)?;
            }
            Message::Error { request, failure } => {
                self.reply(request, Err(failure_of(failure)), &mut remotes)?;
            }
            Message::Decref { object } => self.dropped(object),
            Message::Version(_) | Message::DidNotUnderstand => {}
        }
        self.send(self.link.decref(&remotes));
        Ok(())
    }
}

impl MasterSession for PbMaster {
    /// Gives the worker its avatar.
    fn admit(&mut self) -> Vec<u8> {
        let Some(request) = self.login.request.take() else { return Vec::new() };
        let avatar = self.exports.send_new(Object::Avatar);
        self.link.answer(request, Ok(Value::Remote(avatar)))
    }

    fn order(&mut self, ticket: u64, order: Order) -> Result<Vec<u8>, String> {
        self.give(ticket, order)
    }

    fn answer(&mut self, id: u64, result: Result<Answer, String>) -> Vec<u8> {
        self.answer_call(id, result)
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.link.receive(bytes);
    }

    fn next(&mut self) -> Result<Option<MasterEvent>, Violation> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(Some(event));
            }
            match self.link.next_message()? {
                None => return Ok(None),
                Some(Arrived::Ready(bytes)) => self.send(bytes),
                Some(Arrived::Message(message, remotes)) => self.message(message, remotes)?,
            }
        }
    }
}

#[cfg(test)]
mod tests;
