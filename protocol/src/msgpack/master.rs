//! The master's side of a MessagePack connection. A packet is the payload of one binary frame.

use std::collections::{HashMap, VecDeque};

use rmpv::Value;

use super::{Limits, MasterRequest, Message, Received, Target, decode_with, encode};
use crate::info::WorkerInfo;
use crate::order::{Order, Reply};
use crate::report::{Answer, Report, WorkerRequest};
use crate::session::{MasterEvent, MasterSession, Violation};

/// See [`MasterSession`].
#[derive(Debug)]
pub struct MsgpackMaster {
    limits: Limits,
    next_seq: u64,
    /// Orders that wait for their answer.
    waiting: HashMap<u64, Waiting>,
    arrived: VecDeque<Vec<u8>>,
    /// Known once the worker has told it; until then no command can be addressed.
    addressing: Option<Addressing>,
}

/// What of a worker's info its commands depend on.
#[derive(Debug)]
struct Addressing {
    system: String,
    home: Option<String>,
    obfuscated_args: bool,
}

impl Addressing {
    fn of(info: &WorkerInfo) -> Addressing {
        Addressing {
            system: info.system.clone(),
            home: info.home(),
            obfuscated_args: info.obfuscated_args,
        }
    }

    fn target<'a>(&'a self, base: &'a str) -> Target<'a> {
        Target {
            base,
            system: &self.system,
            home: self.home.as_deref(),
            obfuscated_args: self.obfuscated_args,
        }
    }
}

#[derive(Debug)]
enum Waiting {
    Plain(u64),
    Info(u64),
}

impl MsgpackMaster {
    /// A session that takes no message over the limits.
    pub fn new(limits: Limits) -> MsgpackMaster {
        MsgpackMaster {
            limits,
            next_seq: 0,
            waiting: HashMap::new(),
            arrived: VecDeque::new(),
            addressing: None,
        }
    }

    fn request(&mut self, waiting: Waiting, op: MasterRequest) -> Vec<u8> {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.waiting.insert(seq, waiting);
        encode(&Message::Request { seq, op })
    }

    fn answered(
        &mut self,
        seq: u64,
        result: Result<Value, String>,
    ) -> Result<MasterEvent, Violation> {
        let (ticket, result) = match self.waiting.remove(&seq) {
            Some(Waiting::Plain(ticket)) => (ticket, result.map(|_| Reply::Done)),
            Some(Waiting::Info(ticket)) => {
                let info = result.and_then(|value| WorkerInfo::from_value(&value));
                self.addressing = info.as_ref().ok().map(Addressing::of);
                (ticket, info.map(|info| Reply::Info(Box::new(info))))
            }
            None => {
                return Err(Violation(format!("it answered request {seq}, which was never made")));
            }
        };
        Ok(MasterEvent::Answered { ticket, result })
    }
}

impl MasterSession for MsgpackMaster {
    /// The WebSocket handshake has done it.
    fn admit(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn order(&mut self, ticket: u64, order: Order) -> Result<Vec<u8>, String> {
        let plain = Waiting::Plain(ticket);
        let op = match order {
            Order::Print { message } => MasterRequest::Print { message },
            Order::Keepalive => MasterRequest::Keepalive,
            Order::Settings(settings) => MasterRequest::SetWorkerSettings(settings),
            Order::Shutdown => MasterRequest::Shutdown,
            Order::GetWorkerInfo => {
                return Ok(self.request(Waiting::Info(ticket), MasterRequest::GetWorkerInfo));
            }
            Order::SetBuilderList { .. } | Order::StartBuild { .. } => {
                return Err("this transport has no such order".to_owned());
            }
            Order::InterruptCommand { command_id, builder, why } => {
                MasterRequest::InterruptCommand { command_id, builder_name: builder, why }
            }
            Order::StartCommand { command_id, builder, base, command } => {
                let addressing = self.addressing.as_ref();
                let addressing = addressing.ok_or("the worker has not told its directory yet")?;
                let (name, args) = command.to_msgpack_for(&addressing.target(&base));
                MasterRequest::StartCommand {
                    command_id,
                    builder_name: builder,
                    command_name: name.to_owned(),
                    args,
                }
            }
        };
        Ok(self.request(plain, op))
    }

    fn answer(&mut self, id: u64, result: Result<Answer, String>) -> Vec<u8> {
        let result = result.map(|answer| match answer {
            Answer::Done => Value::Nil,
            Answer::Data(data) => Value::from(data),
        });
        encode(&Message::<MasterRequest>::Response { seq: id, result })
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.arrived.push_back(bytes.to_vec());
    }

    fn next(&mut self) -> Result<Option<MasterEvent>, Violation> {
        let Some(bytes) = self.arrived.pop_front() else { return Ok(None) };
        let message = decode_with::<WorkerRequest>(&bytes, &self.limits)
            .map_err(|error| Violation(error.to_string()))?;
        Ok(Some(match message {
            Received::Response { seq, result } => self.answered(seq, result)?,
            Received::Request { seq, op: Ok(request) } => {
                MasterEvent::Reported { id: seq, report: Report::Command(request) }
            }
            Received::Request { seq, op: Err(text) } => {
                MasterEvent::Send(self.answer(seq, Err(text)))
            }
        }))
    }
}
