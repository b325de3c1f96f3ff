//! The worker's login.

use super::reports::Waiting;
use super::{Object, PbWorker, keep};
use crate::jelly::{Failure, Value};
use crate::pb::ask;
use crate::session::{Violation, WorkerEvent};

/// How far the login is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Connected,
    /// The master has accepted it and given this object.
    LoggedIn(i64),
    Rejected,
}

impl PbWorker {
    /// Stock workers do not wait for the master's version either.
    pub(super) fn begin_login(&mut self, mut packet: Vec<u8>) -> Result<(), Violation> {
        let (request, bytes) = ask::login(&mut self.link, &self.login.name)?;
        self.waiting.insert(request, Waiting::Login);
        packet.extend(bytes);
        self.send(packet);
        Ok(())
    }

    /// The master has sent its challenge.
    pub(super) fn respond(&mut self, result: Result<Value, Failure>) -> Result<(), Violation> {
        match result {
            Ok(challenge) => {
                let bot = Value::Remote(self.exports.send_new(Object::Bot));
                let password = &self.login.password;
                let (request, packet) = ask::respond(&mut self.link, &challenge, password, bot)?;
                self.waiting.insert(request, Waiting::Respond);
                self.send(packet);
            }
            Err(failure) => self.reject(&failure),
        }
        Ok(())
    }

    /// The master has decided.
    pub(super) fn decided(
        &mut self,
        result: Result<Value, Failure>,
        remotes: &mut Vec<i64>,
    ) -> Result<(), Violation> {
        match result {
            Ok(avatar) => {
                let avatar = ask::avatar(&avatar)?;
                keep(remotes, &[avatar]);
                self.stage = Stage::LoggedIn(avatar);
                self.queue.push_back(WorkerEvent::LoggedIn);
            }
            Err(failure) => self.reject(&failure),
        }
        Ok(())
    }

    fn reject(&mut self, failure: &Failure) {
        self.stage = Stage::Rejected;
        self.queue.push_back(WorkerEvent::Rejected { why: ask::rejection(failure) });
    }
}
