//! The worker's answers.
//!
//! A slave from before 0.9 does not know `getWorkerInfo`. What it can tell is asked piece by piece,
//! and the order is answered when all of it is there.

use std::collections::HashMap;

use super::super::info;
use super::super::versions::Versions;
use super::PbMaster;
use crate::broker::Args;
use crate::info::WorkerInfo;
use crate::jelly::{Failure, Value};
use crate::order::Reply;
use crate::session::Violation;

/// What a call that waits for its answer was for.
#[derive(Debug)]
pub(super) enum Waiting {
    Plain(u64),
    /// Any answer will do.
    Alive(u64),
    Info(u64),
    /// An old slave is asked for its info.
    Old(OldInfo),
    Builders(u64),
    Started {
        ticket: u64,
        reference: i64,
    },
    Shutdown(u64),
}

/// What an old slave has told so far.
#[derive(Debug)]
pub(super) struct OldInfo {
    ticket: u64,
    asked: OldQuestion,
    info: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OldQuestion {
    Notice,
    SlaveInfo,
    Commands,
    Version,
}

const OLD_NOTICE: &str = "buildbot-slave detected, failing back to deprecated buildslave API. \
                          (Ignoring missing getWorkerInfo method.)";

impl PbMaster {
    /// The answer to a call. Objects of the worker that are kept are taken out of `remotes`.
    pub(super) fn reply(
        &mut self,
        request: i64,
        result: Result<Value, Failure>,
        remotes: &mut Vec<i64>,
    ) -> Result<(), Violation> {
        let Some(waiting) = self.waiting.remove(&request) else {
            return Err(Violation(format!("it answered call {request}, which was never made")));
        };
        match waiting {
            Waiting::Plain(ticket) => self.done(ticket, result),
            Waiting::Alive(ticket) => self.answered(ticket, Ok(Reply::Done)),
            Waiting::Builders(ticket) => {
                let result = result.map_err(|failure| failure.explain());
                let result = result.and_then(|value| self.take_builders(&value, remotes));
                self.answered(ticket, result);
            }
            Waiting::Started { ticket, reference } => {
                if result.is_err()
                    && let Some(running) = self.running(reference)
                {
                    running.finished = true;
                }
                self.done(ticket, result);
            }
            Waiting::Shutdown(ticket) => match (result, self.builders.values().next()) {
                (Err(failure), Some(builder)) if failure.is_no_such_method() => {
                    let plain = Waiting::Plain(ticket);
                    let call = self.invoke(plain, *builder, "shutdown", Args::default());
                    self.follow_up(ticket, call);
                }
                (result, _) => self.done(ticket, result),
            },
            Waiting::Info(ticket) => match result {
                Err(failure) if failure.is_no_such_method() => {
                    let info = Value::Dict(Vec::new());
                    self.ask_old(OldInfo { ticket, asked: OldQuestion::Notice, info });
                }
                Err(failure) => self.answered(ticket, Err(failure.explain())),
                Ok(value) => self.take_info(ticket, &value),
            },
            Waiting::Old(old) => self.old_reply(old, result),
        }
        Ok(())
    }

    fn done(&mut self, ticket: u64, result: Result<Value, Failure>) {
        let result = result.map(|_| Reply::Done).map_err(|failure| failure.explain());
        self.answered(ticket, result);
    }

    fn follow_up(&mut self, ticket: u64, call: Result<Vec<u8>, String>) {
        match call {
            Ok(packet) => self.send(packet),
            Err(text) => self.answered(ticket, Err(text)),
        }
    }

    fn take_info(&mut self, ticket: u64, value: &Value) {
        let info = info::from_value(value);
        if let Ok(WorkerInfo { commands, system, .. }) = &info {
            self.versions = Versions::new(commands);
            self.system.clone_from(system);
        }
        self.answered(ticket, info.map(|info| Reply::Info(Box::new(info))));
    }

    fn ask_old(&mut self, old: OldInfo) {
        let ticket = old.ticket;
        let asked = old.asked;
        let waiting = Waiting::Old(old);
        let call = match asked {
            OldQuestion::Notice => self.print(waiting, OLD_NOTICE),
            OldQuestion::SlaveInfo => self.bot(waiting, "getSlaveInfo", vec![]),
            OldQuestion::Commands => self.bot(waiting, "getCommands", vec![]),
            OldQuestion::Version => self.bot(waiting, "getVersion", vec![]),
        };
        self.follow_up(ticket, call);
    }

    /// A method that is missing leaves its part of the info empty.
    fn old_reply(&mut self, mut old: OldInfo, result: Result<Value, Failure>) {
        let value = match result {
            Ok(value) => value,
            Err(failure) if failure.is_no_such_method() => Value::None,
            Err(failure) => return self.answered(old.ticket, Err(failure.explain())),
        };
        let put = |info: &mut Value, name: &str, value: Value| {
            if let Value::Dict(pairs) = info {
                pairs.push((Value::from(name), value));
            }
        };
        old.asked = match old.asked {
            OldQuestion::Notice => OldQuestion::SlaveInfo,
            OldQuestion::SlaveInfo => {
                if let Value::Dict(pairs) = value {
                    old.info = Value::Dict(pairs);
                }
                if old.info.given("slave_commands").is_some() {
                    return self.take_info(old.ticket, &old.info);
                }
                OldQuestion::Commands
            }
            OldQuestion::Commands => {
                put(&mut old.info, "worker_commands", value);
                OldQuestion::Version
            }
            OldQuestion::Version => {
                put(&mut old.info, "version", value);
                return self.take_info(old.ticket, &old.info);
            }
        };
        self.ask_old(old);
    }

    /// Holds each builder's object once and gives everything else back.
    fn take_builders(&mut self, value: &Value, remotes: &mut Vec<i64>) -> Result<Reply, String> {
        let dict = value.pairs().ok_or("the answer to 'setBuilderList' is not a dictionary")?;
        let mut builders = HashMap::new();
        for (name, object) in dict {
            if let (Some(name), Value::Remote(object)) = (name.text(), object) {
                builders.insert(name, *object);
            }
        }
        let mut held: Vec<i64> = self.builders.values().copied().collect();
        held.append(remotes);
        let mut kept: Vec<i64> = builders.values().copied().collect();
        kept.sort_unstable();
        kept.dedup();
        held.sort_unstable();
        held.retain(|object| match kept.binary_search(object) {
            Ok(at) => {
                kept.remove(at);
                false
            }
            Err(_) => true,
        });
        *remotes = held;
        self.builders = builders;
        Ok(Reply::Done)
    }
}
