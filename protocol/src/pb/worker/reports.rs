//! What the worker tells, as calls on the master's objects.

use super::login::Stage;
use super::{PbWorker, answer_of};
use crate::banana::MAX_STRING;
use crate::broker::{Args, Target};
use crate::jelly::{Failure, Value};
use crate::pb::update;
use crate::report::{Answer, Report, WorkerRequest};
use crate::session::{Violation, WorkerEvent};

/// What a call that waits for its answer was for.
#[derive(Debug, Clone)]
pub(super) enum Waiting {
    Login,
    Respond,
    Plain(u64),
    /// The answer is data.
    Data(u64),
    /// One of several calls that make one report.
    Part(u64),
    /// The last call about a command.
    Complete {
        ticket: u64,
        command_id: String,
    },
}

/// A report of several calls: those without an answer, and what went wrong first.
#[derive(Debug, Default)]
pub(super) struct Parts {
    missing: usize,
    error: Option<String>,
}

impl PbWorker {
    pub(super) fn tell(&mut self, ticket: u64, report: Report) -> Result<Vec<u8>, String> {
        let plain = Waiting::Plain(ticket);
        match report {
            Report::Keepalive => self.one(plain, self.avatar()?, "keepalive", vec![]),
            Report::Shutdown => self.one(plain, self.avatar()?, "shutdown", vec![]),
            Report::Command(request) => self.tell_command(ticket, request),
        }
    }

    fn avatar(&self) -> Result<i64, String> {
        match self.stage {
            Stage::LoggedIn(avatar) => Ok(avatar),
            _ => Err("the master has not accepted the login".to_owned()),
        }
    }

    fn tell_command(&mut self, ticket: u64, request: WorkerRequest) -> Result<Vec<u8>, String> {
        let id = request.command_id();
        let running = self.commands.get_mut(id).ok_or_else(|| format!("no command '{id}' runs"))?;
        let reference = running.reference;
        let transfer = running.transfer.ok_or_else(|| format!("command '{id}' moves nothing"));
        let plain = Waiting::Plain(ticket);
        match request {
            WorkerRequest::Update { updates, .. } => {
                let values = updates.into_iter().flat_map(|timed| update::to_values(timed.update));
                self.several(ticket, reference, "update", values.collect())
            }
            WorkerRequest::Complete { command_id, failure } => {
                running.completed = true;
                let failure = failure.map(failure_of);
                let failure = failure.map_or(Value::None, |it| Value::Failure(Box::new(it)));
                let waiting = Waiting::Complete { ticket, command_id };
                self.one(waiting, reference, "complete", vec![failure])
            }
            WorkerRequest::UploadFileWrite { data, .. }
            | WorkerRequest::UploadDirectoryWrite { data, .. } => {
                self.several(ticket, transfer?, "write", blocks(data))
            }
            WorkerRequest::UploadFileClose { .. } | WorkerRequest::ReadFileClose { .. } => {
                self.one(plain, transfer?, "close", vec![])
            }
            WorkerRequest::UploadFileUtime { access_time, modified_time, .. } => {
                let times = vec![Value::Float(access_time), Value::Float(modified_time)];
                self.one(plain, transfer?, "utime", vec![Value::Tuple(times)])
            }
            WorkerRequest::UploadDirectoryUnpack { .. } => {
                self.one(plain, transfer?, "unpack", vec![])
            }
            WorkerRequest::ReadFile { length, .. } => {
                let length = Value::Int(i64::try_from(length).unwrap_or(i64::MAX));
                self.one(Waiting::Data(ticket), transfer?, "read", vec![length])
            }
        }
    }

    pub(super) fn one(
        &mut self,
        waiting: Waiting,
        object: i64,
        method: &str,
        args: Vec<Value>,
    ) -> Result<Vec<u8>, String> {
        let call = self.link.call(Target::Object(object), method, Args::new(args));
        let (request, packet) =
            call.map_err(|error| format!("'{method}' cannot be sent to the master: {error}"))?;
        self.waiting.insert(request, waiting);
        Ok(packet)
    }

    /// One call for each of the arguments; the report is answered when all of them are.
    fn several(
        &mut self,
        ticket: u64,
        object: i64,
        method: &str,
        args: Vec<Value>,
    ) -> Result<Vec<u8>, String> {
        let parts = Parts { missing: args.len(), error: None };
        if parts.missing == 0 {
            let result = Ok(Answer::Done);
            self.queue.push_back(WorkerEvent::Answered { ticket, result });
            return Ok(Vec::new());
        }
        let mut packet = Vec::new();
        for arg in args {
            match self.one(Waiting::Part(ticket), object, method, vec![arg]) {
                Ok(bytes) if packet.is_empty() => packet = bytes,
                Ok(bytes) => packet.extend(bytes),
                Err(text) => {
                    self.waiting.retain(|_, own| !matches!(own, Waiting::Part(t) if *t == ticket));
                    return Err(text);
                }
            }
        }
        self.parts.insert(ticket, parts);
        Ok(packet)
    }

    /// The answer to a call. Objects of the master that are kept are taken out of `remotes`.
    pub(super) fn reply(
        &mut self,
        request: i64,
        result: Result<Value, Failure>,
        remotes: &mut Vec<i64>,
    ) -> Result<(), Violation> {
        let Some(waiting) = self.waiting.remove(&request) else {
            return Err(Violation(format!(
                "the master answered call {request}, which was never made"
            )));
        };
        let explained = |result: Result<Value, Failure>, data| match result {
            Ok(value) => Ok(answer_of(value, data)),
            Err(failure) => Err(failure.explain()),
        };
        let (ticket, result) = match waiting {
            Waiting::Login => return self.respond(result),
            Waiting::Respond => return self.decided(result, remotes),
            Waiting::Plain(ticket) => (ticket, explained(result, false)),
            Waiting::Data(ticket) => (ticket, explained(result, true)),
            Waiting::Part(ticket) => {
                return {
                    self.part(ticket, explained(result, false));
                    Ok(())
                };
            }
            Waiting::Complete { ticket, command_id } => {
                remotes.extend(self.objects_of(&command_id));
                self.commands.remove(&command_id);
                (ticket, explained(result, false))
            }
        };
        self.queue.push_back(WorkerEvent::Answered { ticket, result });
        Ok(())
    }

    fn part(&mut self, ticket: u64, result: Result<Answer, String>) {
        let Some(parts) = self.parts.get_mut(&ticket) else { return };
        parts.missing -= 1;
        if let Err(text) = result {
            parts.error.get_or_insert(text);
        }
        if parts.missing == 0 {
            let error = self.parts.remove(&ticket).and_then(|parts| parts.error);
            let result = error.map_or(Ok(Answer::Done), Err);
            self.queue.push_back(WorkerEvent::Answered { ticket, result });
        }
    }
}

/// No string may be longer.
fn blocks(data: Vec<u8>) -> Vec<Value> {
    match data.len() > MAX_STRING {
        true => data.chunks(MAX_STRING).map(|block| Value::Bytes(block.to_vec())).collect(),
        false => vec![Value::Bytes(data)],
    }
}

/// Bytes of a failure's text; what comes after tells nothing new.
const MAX_FAILURE: usize = 64 << 10;

/// The master shows the traceback.
fn failure_of(mut text: String) -> Failure {
    text.truncate(text.floor_char_boundary(MAX_FAILURE));
    let kind = "builtins.RuntimeError";
    let value = text.lines().next().unwrap_or_default().to_owned();
    let traceback = match text.contains('\n') {
        true => text,
        false => format!("{kind}: {value}\n"),
    };
    Failure { traceback, ..Failure::new(kind, &[], value) }
}
