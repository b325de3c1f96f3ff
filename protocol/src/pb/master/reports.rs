//! The worker's calls on the master.

use super::super::command::Transfer;
use super::super::login::wrong_args;
use super::super::update;
use super::PbMaster;
use super::objects::Object;
use crate::broker::{
    Args, Call, Target, invalid_object, no_such_attribute, no_such_method, type_error,
};
use crate::jelly::{Failure, Value};
use crate::report::{Answer, Report, WorkerRequest};
use crate::session::MasterEvent;

/// A call that waits for the master's answer.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) request: i64,
    /// What is answered if nothing goes wrong and no data is to be told.
    result: Value,
}

/// What a call leads to.
enum Outcome {
    /// The master is told and answers; with the value, unless it has another.
    Tell(Report, Value),
    /// The answer is known.
    Known(Value),
}

impl PbMaster {
    pub(super) fn call(&mut self, call: Call) {
        let Call { request, target, method, answer, args } = call;
        let outcome = args
            .map_err(|error| wrong_args(&error))
            .and_then(|args| self.outcome(target, &method, args));
        match outcome {
            Ok(Outcome::Tell(report, result)) => {
                let id = self.report(report);
                if answer {
                    self.asked.insert(id, Asked { request, result });
                }
            }
            Ok(Outcome::Known(_)) | Err(_) if !answer => {}
            Ok(Outcome::Known(value)) => self.send(self.link.answer(request, Ok(value))),
            Err(failure) => self.send(self.link.answer(request, Err(failure))),
        }
    }

    /// Something about a command that the worker did not say, so that nothing is to be answered.
    pub(super) fn unasked(&mut self, request: WorkerRequest) {
        self.report(Report::Command(request));
    }

    fn report(&mut self, report: Report) -> u64 {
        self.last_asked += 1;
        self.queue.push_back(MasterEvent::Reported { id: self.last_asked, report });
        self.last_asked
    }

    pub(super) fn answer_call(&mut self, id: u64, result: Result<Answer, String>) -> Vec<u8> {
        let Some(Asked { request, result: usual }) = self.asked.remove(&id) else {
            return Vec::new();
        };
        let result = match result {
            Ok(Answer::Done) => Ok(usual),
            Ok(Answer::Data(data)) => Ok(Value::Bytes(data)),
            Err(text) => Err(Failure::new("builtins.RuntimeError", &[], text)),
        };
        self.link.answer(request, result)
    }

    fn outcome(&mut self, target: Target, method: &str, args: Args) -> Result<Outcome, Failure> {
        let Target::Object(object) = target else { return Err(no_such_method(method)) };
        let (command, command_id, kind) = match self.exports.get(object) {
            None => return Err(invalid_object()),
            Some(Object::Avatar) => return avatar(method),
            Some(Object::Command(_)) => return self.command_call(object, method, args),
            Some(Object::Transfer { command, command_id, kind }) => {
                (*command, command_id.clone(), *kind)
            }
        };
        let told = transfer_call(command_id, kind, method, args)?;
        let usual = match told {
            Some(WorkerRequest::ReadFile { .. }) => Value::Bytes(Vec::new()),
            _ => Value::None,
        };
        Ok(match told {
            Some(request) if !self.is_over(command) => {
                Outcome::Tell(Report::Command(request), usual)
            }
            _ => Outcome::Known(usual),
        })
    }

    fn command_call(
        &mut self,
        object: i64,
        method: &str,
        mut args: Args,
    ) -> Result<Outcome, Failure> {
        match method {
            "update" => {
                let updates = args.take(0, "updates");
                self.update(object, updates.ok_or_else(|| missing("update", "updates"))?)
            }
            "complete" => Ok(self.complete(object, args.take(0, "failure"))),
            _ => Err(no_such_method(method)),
        }
    }

    fn update(&mut self, object: i64, updates: Value) -> Result<Outcome, Failure> {
        let running = self.running(object).ok_or_else(invalid_object)?;
        let read = update::from_value(updates, &mut running.tails).map_err(|text| {
            let why = format!("the worker sent an update that cannot be read: {text}");
            running.unreadable.get_or_insert(why);
            type_error(text)
        })?;
        let number = Value::Int(read.number);
        if running.finished {
            return Ok(Outcome::Known(number));
        }
        let command_id = running.command_id.clone();
        let request = WorkerRequest::Update { command_id, updates: read.updates };
        Ok(Outcome::Tell(Report::Command(request), number))
    }

    fn complete(&mut self, object: i64, failure: Option<Value>) -> Outcome {
        let failure = match failure {
            None | Some(Value::None) => None,
            Some(Value::Failure(failure)) => Some(failure.explain()),
            Some(other) => Some(other.display()),
        };
        let Some(running) = self.running(object).filter(|running| !running.finished) else {
            return Outcome::Known(Value::None);
        };
        running.finished = true;
        let command_id = running.command_id.clone();
        let updates = running.tails.rest();
        let failure = failure.or(running.unreadable.take());
        if !updates.is_empty() {
            self.unasked(WorkerRequest::Update { command_id: command_id.clone(), updates });
        }
        let request = WorkerRequest::Complete { command_id, failure };
        Outcome::Tell(Report::Command(request), Value::None)
    }
}

fn avatar(method: &str) -> Result<Outcome, Failure> {
    match method {
        "keepalive" => Ok(Outcome::Tell(Report::Keepalive, Value::None)),
        "shutdown" => Ok(Outcome::Tell(Report::Shutdown, Value::None)),
        other => Err(no_such_attribute("Connection", other)),
    }
}

/// What a reader or writer is asked; nothing when it is not worth telling.
fn transfer_call(
    command_id: String,
    kind: Transfer,
    method: &str,
    mut args: Args,
) -> Result<Option<WorkerRequest>, Failure> {
    Ok(match (kind, method) {
        (Transfer::UploadFile, "write") => {
            Some(WorkerRequest::UploadFileWrite { command_id, data: data(args)? })
        }
        (Transfer::UploadDirectory, "write") => {
            Some(WorkerRequest::UploadDirectoryWrite { command_id, data: data(args)? })
        }
        (Transfer::UploadFile, "close") => Some(WorkerRequest::UploadFileClose { command_id }),
        (Transfer::UploadDirectory, "close") => None,
        (Transfer::UploadFile, "utime") => {
            let times = args.take(0, "accessed_modified");
            let times = times
                .as_ref()
                .and_then(Value::items)
                .map(|times| times.iter().filter_map(Value::number).collect::<Vec<f64>>());
            let Some([access_time, modified_time]) = times.as_deref() else {
                return Err(type_error("times are a pair of numbers"));
            };
            Some(WorkerRequest::UploadFileUtime {
                command_id,
                access_time: *access_time,
                modified_time: *modified_time,
            })
        }
        (Transfer::UploadDirectory, "unpack") => {
            Some(WorkerRequest::UploadDirectoryUnpack { command_id })
        }
        (Transfer::DownloadFile, "read") => {
            let length = args.take(0, "maxlength").and_then(|length| length.int());
            let length = length.ok_or_else(|| missing("read", "maxlength"))?;
            Some(WorkerRequest::ReadFile { command_id, length: length.max(0).unsigned_abs() })
        }
        (Transfer::DownloadFile, "close") => Some(WorkerRequest::ReadFileClose { command_id }),
        (_, other) => return Err(no_such_method(other)),
    })
}

fn data(mut args: Args) -> Result<Vec<u8>, Failure> {
    let data = args.take(0, "data").ok_or_else(|| missing("write", "data"))?;
    data.into_bytes().ok_or_else(|| type_error("data is bytes"))
}

fn missing(method: &str, name: &str) -> Failure {
    type_error(format!("remote_{method}() missing 1 required positional argument: '{name}'"))
}
