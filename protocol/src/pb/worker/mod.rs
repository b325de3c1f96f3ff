//! The worker's side of a connection.
//!
//! | file | what it holds |
//! |---|---|
//! | `login` | dialect, challenge and response |
//! | `orders` | the master's calls |
//! | `builders` | the objects that the master calls for its builders |
//! | `reports` | what the worker tells, as calls |
//!
//! The master may call before it has accepted the login.

mod builders;
mod login;
mod orders;
mod reports;

use std::collections::{HashMap, VecDeque};

use super::login::wrong_args;
use crate::banana::Limits;
use crate::broker::failure_of;
use crate::broker::{Arrived, Exports, Link, Message};
use crate::jelly::Value;
use crate::order::Reply;
use crate::report::{Answer, Report};
use crate::session::{Violation, WorkerEvent, WorkerSession};
use builders::Builders;
use login::Stage;
use orders::Asked;
use reports::{Parts, Waiting};

/// Who logs in, and what it answers about itself.
#[derive(Clone)]
pub struct PbWorkerLogin {
    pub name: String,
    pub password: String,
    pub version: String,
    /// Command name → version.
    pub commands: Vec<(String, String)>,
}

impl std::fmt::Debug for PbWorkerLogin {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PbWorkerLogin").field("name", &self.name).finish_non_exhaustive()
    }
}

/// See [`WorkerSession`].
#[derive(Debug)]
pub struct PbWorker {
    link: Link,
    login: PbWorkerLogin,
    stage: Stage,
    exports: Exports<Object>,
    builders: Builders,
    /// Commands whose end the master has not confirmed.
    commands: HashMap<String, Running>,
    /// Calls that wait for the master's answer.
    waiting: HashMap<i64, Waiting>,
    /// Reports that consist of several calls, by ticket.
    parts: HashMap<u64, Parts>,
    /// Calls of the master that wait for [`WorkerSession::answer`].
    asked: HashMap<u64, Asked>,
    last_asked: u64,
    queue: VecDeque<WorkerEvent>,
}

/// What the master may call.
#[derive(Debug)]
enum Object {
    /// The worker itself.
    Bot,
    /// A builder, by name.
    Builder(String),
}

/// The master's objects for a command.
#[derive(Debug)]
struct Running {
    builder: String,
    reference: i64,
    transfer: Option<i64>,
    completed: bool,
}

impl PbWorker {
    /// A session on a connection that was made just now. The master speaks first.
    pub fn new(login: PbWorkerLogin) -> PbWorker {
        PbWorker {
            link: Link::client(Limits::default()),
            login,
            stage: Stage::Connected,
            exports: Exports::default(),
            builders: Builders::default(),
            commands: HashMap::new(),
            waiting: HashMap::new(),
            parts: HashMap::new(),
            asked: HashMap::new(),
            last_asked: 0,
            queue: VecDeque::new(),
        }
    }

    /// How many objects the peer may call.
    #[cfg(test)]
    pub(super) fn exported(&self) -> usize {
        self.exports.len()
    }

    fn send(&mut self, packet: Vec<u8>) {
        if !packet.is_empty() {
            self.queue.push_back(WorkerEvent::Send(packet));
        }
    }

    fn message(&mut self, message: Message, mut remotes: Vec<i64>) -> Result<(), Violation> {
        match message {
            Message::Call(call) => self.call(call, &mut remotes),
            Message::Answer { request, result } => {
                self.reply(request, result.map_err(|error| wrong_args(&error)), &mut remotes)?;
            }
            Message::Error { request, failure } => {
                self.reply(request, Err(failure_of(failure)), &mut remotes)?;
            }
            Message::Decref { object } => {
                self.exports.decref(object);
            }
            Message::Version(_) | Message::DidNotUnderstand => {}
        }
        self.send(self.link.decref(&remotes));
        Ok(())
    }
}

impl WorkerSession for PbWorker {
    fn report(&mut self, ticket: u64, report: Report) -> Result<Vec<u8>, String> {
        self.tell(ticket, report)
    }

    fn answer(&mut self, id: u64, result: Result<Reply, String>) -> Vec<u8> {
        self.answer_call(id, result)
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.link.receive(bytes);
    }

    fn next(&mut self) -> Result<Option<WorkerEvent>, Violation> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(Some(event));
            }
            match self.link.next_message()? {
                None => return Ok(None),
                Some(Arrived::Ready(bytes)) => self.begin_login(bytes)?,
                Some(Arrived::Message(message, remotes)) => self.message(message, remotes)?,
            }
        }
    }
}

/// What the master answered.
fn answer_of(value: Value, data: bool) -> Answer {
    match data {
        true => Answer::Data(value.into_bytes().unwrap_or_default()),
        false => Answer::Done,
    }
}

/// Takes one occurrence of each of `kept` out of `remotes`.
fn keep(remotes: &mut Vec<i64>, kept: &[i64]) {
    for object in kept {
        if let Some(at) = remotes.iter().position(|remote| remote == object) {
            remotes.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests;
