//! The worker's side of a MessagePack connection. A packet is the payload of one binary frame.

use std::collections::{HashMap, VecDeque};

use rmpv::Value;

use super::{MasterRequest, Message, Received, decode, encode};
use crate::command::Command;
use crate::order::{Order, Reply};
use crate::report::{Answer, Report, WorkerRequest};
use crate::session::{Violation, WorkerEvent, WorkerSession};

/// See [`WorkerSession`].
#[derive(Debug)]
pub struct MsgpackWorker {
    next_seq: u64,
    /// Reports that wait for their answer, with their tickets.
    waiting: HashMap<u64, u64>,
    arrived: VecDeque<Vec<u8>>,
    /// The login was done by the WebSocket handshake; this tells that it is still to be announced.
    fresh: bool,
}

impl MsgpackWorker {
    /// A session on a connection whose handshake has succeeded.
    pub fn new() -> MsgpackWorker {
        MsgpackWorker {
            next_seq: 0,
            waiting: HashMap::new(),
            arrived: VecDeque::new(),
            fresh: true,
        }
    }

    fn answered(
        &mut self,
        seq: u64,
        result: Result<Value, String>,
    ) -> Result<WorkerEvent, Violation> {
        let ticket = self.waiting.remove(&seq).ok_or_else(|| {
            Violation(format!("the master answered request {seq}, which was never sent"))
        })?;
        let result = result.map(|value| match value {
            Value::Binary(data) => Answer::Data(data),
            Value::String(text) => Answer::Data(text.into_bytes()),
            _ => Answer::Done,
        });
        Ok(WorkerEvent::Answered { ticket, result })
    }

    /// What a request asks, or the text to answer with.
    fn order(op: MasterRequest) -> Result<Order, String> {
        Ok(match op {
            MasterRequest::Print { message } => Order::Print { message },
            MasterRequest::Keepalive => Order::Keepalive,
            MasterRequest::GetWorkerInfo => Order::GetWorkerInfo,
            MasterRequest::SetWorkerSettings(settings) => Order::Settings(settings),
            MasterRequest::Shutdown => Order::Shutdown,
            MasterRequest::InterruptCommand { command_id, builder_name, why } => {
                Order::InterruptCommand { command_id, builder: builder_name, why }
            }
            MasterRequest::StartCommand { command_id, builder_name, command_name, args } => {
                let command =
                    Command::from_msgpack(&command_name, &args).map_err(|text| {
                        match text.starts_with("unrecognized") {
                            true => format!("(command {command_id}): {text}"),
                            false => text,
                        }
                    })?;
                let base = String::new();
                Order::StartCommand { command_id, builder: builder_name, base, command }
            }
        })
    }
}

impl Default for MsgpackWorker {
    fn default() -> MsgpackWorker {
        MsgpackWorker::new()
    }
}

impl WorkerSession for MsgpackWorker {
    fn report(&mut self, ticket: u64, report: Report) -> Result<Vec<u8>, String> {
        let Report::Command(op) = report else {
            return Err("msgpack_experimental_v7 has no such message".to_owned());
        };
        let seq = self.next_seq;
        self.next_seq += 1;
        self.waiting.insert(seq, ticket);
        Ok(encode(&Message::Request { seq, op }))
    }

    fn answer(&mut self, id: u64, result: Result<Reply, String>) -> Vec<u8> {
        let result = result.map(|reply| match reply {
            Reply::Done => Value::Nil,
            Reply::Info(info) => info.to_value(),
        });
        encode(&Message::<WorkerRequest>::Response { seq: id, result })
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.arrived.push_back(bytes.to_vec());
    }

    /// A message that is sound MessagePack but neither request nor response is passed over, as stock
    /// peers do.
    fn next(&mut self) -> Result<Option<WorkerEvent>, Violation> {
        if std::mem::take(&mut self.fresh) {
            return Ok(Some(WorkerEvent::LoggedIn));
        }
        while let Some(bytes) = self.arrived.pop_front() {
            let (id, order) = match decode::<MasterRequest>(&bytes) {
                Err(error) if error.is_fatal() => {
                    return Err(Violation(format!("the master sent nonsense: {error}")));
                }
                Err(_) => continue,
                Ok(Received::Response { seq, result }) => {
                    return self.answered(seq, result).map(Some);
                }
                Ok(Received::Request { seq, op }) => (seq, op.and_then(MsgpackWorker::order)),
            };
            return Ok(Some(match order {
                Ok(order) => WorkerEvent::Ordered { id, order },
                Err(text) => WorkerEvent::Send(self.answer(id, Err(text))),
            }));
        }
        Ok(None)
    }
}
