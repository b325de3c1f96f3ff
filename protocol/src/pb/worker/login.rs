//! The worker's login.

use super::reports::Waiting;
use super::{Object, PbWorker, keep};
use crate::broker::{Args, Target};
use crate::jelly::{Failure, Value};
use crate::pb::proof;
use crate::session::{Rejection, Violation, WorkerEvent};

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
        let name = Value::Bytes(self.login.name.clone().into_bytes());
        let call = self.link.call(Target::Root, "login", Args::new(vec![name]));
        let (request, bytes) = call.map_err(|error| Violation(error.to_string()))?;
        self.waiting.insert(request, Waiting::Login);
        packet.extend(bytes);
        self.send(packet);
        Ok(())
    }

    /// The master has sent its challenge.
    pub(super) fn respond(&mut self, result: Result<Value, Failure>) -> Result<(), Violation> {
        let value = match result {
            Ok(value) => value,
            Err(failure) => {
                self.reject(&failure);
                return Ok(());
            }
        };
        let Some([Value::Bytes(challenge), Value::Remote(challenger)]) = value.items() else {
            return Err(Violation("the master's challenge has an unexpected form".to_owned()));
        };
        let response = proof::respond(&self.login.password, challenge);
        let bot = self.exports.send_new(Object::Bot);
        let args = Args::new(vec![Value::Bytes(response.to_vec()), Value::Remote(bot)]);
        let call = self.link.call(Target::Object(*challenger), "respond", args);
        let (request, packet) = call.map_err(|error| Violation(error.to_string()))?;
        self.waiting.insert(request, Waiting::Respond);
        self.send(packet);
        Ok(())
    }

    /// The master has decided.
    pub(super) fn decided(
        &mut self,
        result: Result<Value, Failure>,
        remotes: &mut Vec<i64>,
    ) -> Result<(), Violation> {
        match result {
            Ok(Value::Remote(avatar)) => {
                keep(remotes, &[avatar]);
                self.stage = Stage::LoggedIn(avatar);
                self.queue.push_back(WorkerEvent::LoggedIn);
                Ok(())
            }
            Ok(_) => Err(Violation("the master accepted the login without an object".to_owned())),
            Err(failure) => {
                self.reject(&failure);
                Ok(())
            }
        }
    }

    fn reject(&mut self, failure: &Failure) {
        self.stage = Stage::Rejected;
        let why = match failure.is_unauthorized() {
            true => Rejection::WrongPassword,
            false if failure.value.is_empty() => Rejection::Other(failure.kind.clone()),
            false => Rejection::Other(failure.value.clone()),
        };
        self.queue.push_back(WorkerEvent::Rejected { why });
    }
}
