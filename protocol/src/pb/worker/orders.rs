//! The master's calls on the worker and its builders.

use super::builders::{self, Named};
use super::{Object, PbWorker, Running, keep};
use crate::broker::{Args, Call, Target, invalid_object, no_such_method, type_error};
use crate::jelly::{Failure, Value};
use crate::order::{Order, Reply};
use crate::pb::command::{self, Transfer};
use crate::pb::info;
use crate::pb::login::wrong_args;
use crate::session::WorkerEvent;

/// A call that waits for the worker's answer.
#[derive(Debug)]
pub(super) struct Asked {
    /// Absent when the master wants no answer.
    pub(super) request: Option<i64>,
    kind: Kind,
}

/// What is to be done with the answer.
#[derive(Debug)]
enum Kind {
    Plain,
    Builders(Vec<Named>),
    /// A command that is dropped unless it can be started.
    Start(String),
}

/// What a call leads to.
enum Outcome {
    Ask(Box<Order>, Kind),
    Known(Value),
}

impl PbWorker {
    /// Objects of the master that are kept are taken out of `remotes`.
    pub(super) fn call(&mut self, call: Call, remotes: &mut Vec<i64>) {
        let Call { request, target, method, answer, args } = call;
        let outcome = args
            .map_err(|error| wrong_args(&error))
            .and_then(|args| self.outcome(target, &method, args, remotes));
        match outcome {
            Ok(Outcome::Ask(order, kind)) => {
                let id = self.ask(*order);
                self.asked.insert(id, Asked { request: answer.then_some(request), kind });
            }
            Ok(Outcome::Known(_)) | Err(_) if !answer => {}
            Ok(Outcome::Known(value)) => self.send(self.link.answer(request, Ok(value))),
            Err(failure) => self.send(self.link.answer(request, Err(failure))),
        }
    }

    fn ask(&mut self, order: Order) -> u64 {
        self.last_asked += 1;
        self.queue.push_back(WorkerEvent::Ordered { id: self.last_asked, order });
        self.last_asked
    }

    pub(super) fn answer_call(&mut self, id: u64, result: Result<Reply, String>) -> Vec<u8> {
        let Some(Asked { request, kind }) = self.asked.remove(&id) else { return Vec::new() };
        let mut dropped = Vec::new();
        let result = match (kind, result) {
            (Kind::Builders(list), Ok(_)) => Ok(self.adopt(list)),
            (_, Ok(Reply::Done)) => Ok(Value::None),
            (_, Ok(Reply::Info(info))) => Ok(info::to_value(*info)),
            (kind, Err(text)) => {
                if let Kind::Start(command_id) = kind {
                    dropped = self.objects_of(&command_id);
                    self.commands.remove(&command_id);
                }
                Err(Failure::new("builtins.RuntimeError", &[], text))
            }
        };
        let mut packet = match request {
            Some(request) => self.link.answer(request, result),
            None => Vec::new(),
        };
        packet.extend(self.link.decref(&dropped));
        packet
    }

    /// The master's objects for a command, each held once.
    pub(super) fn objects_of(&self, command_id: &str) -> Vec<i64> {
        match self.commands.get(command_id) {
            Some(Running { reference, transfer, .. }) => {
                std::iter::once(*reference).chain(*transfer).collect()
            }
            None => Vec::new(),
        }
    }

    fn outcome(
        &mut self,
        target: Target,
        method: &str,
        args: Args,
        remotes: &mut Vec<i64>,
    ) -> Result<Outcome, Failure> {
        let Target::Object(object) = target else { return Err(no_such_method(method)) };
        match self.exports.get(object) {
            None => Err(invalid_object()),
            Some(Object::Bot) => self.bot_call(method, args),
            Some(Object::Builder(builder)) => {
                let builder = builder.clone();
                self.builder_call(builder, method, args, remotes)
            }
        }
    }

    fn bot_call(&self, method: &str, mut args: Args) -> Result<Outcome, Failure> {
        Ok(match method {
            "print" => print(args)?,
            "getWorkerInfo" => ask(Order::GetWorkerInfo),
            "getVersion" => Outcome::Known(Value::from(self.login.version.as_str())),
            "getCommands" => Outcome::Known(info::dictionary(self.login.commands.clone())),
            "setBuilderList" => {
                let list = builders::read(args.take(0, "wanted"))?;
                let builders = list.iter().map(|named| named.builder.clone()).collect();
                Outcome::Ask(Box::new(Order::SetBuilderList { builders }), Kind::Builders(list))
            }
            "shutdown" => ask(Order::Shutdown),
            other => return Err(no_such_method(other)),
        })
    }

    fn builder_call(
        &mut self,
        builder: String,
        method: &str,
        args: Args,
        remotes: &mut Vec<i64>,
    ) -> Result<Outcome, Failure> {
        Ok(match method {
            "print" => print(args)?,
            // Only masters of slaves call it, and nobody needs what it gives.
            "setMaster" => Outcome::Known(Value::None),
            "startBuild" => ask(Order::StartBuild { builder }),
            "startCommand" => self.start_command(builder, args, remotes)?,
            "interruptCommand" => self.interrupt_command(builder, args),
            other => return Err(no_such_method(other)),
        })
    }

    fn start_command(
        &mut self,
        builder: String,
        mut args: Args,
        remotes: &mut Vec<i64>,
    ) -> Result<Outcome, Failure> {
        let Some(Value::Remote(reference)) = args.take(0, "command_ref") else {
            return Err(type_error("a command needs an object that is told about it"));
        };
        let wrong = || type_error("a command needs an id, a name and its arguments");
        let command_id = args.take(1, "command_id").and_then(Value::into_text).ok_or_else(wrong)?;
        let name = args.take(2, "command").and_then(Value::into_text).ok_or_else(wrong)?;
        let details = args.take(3, "args").ok_or_else(wrong)?;
        let command = command::decode(&command_id, &name, &details)?;
        let transfer = Transfer::of(&command).map(|kind| transfer_object(kind, &details));
        let transfer = transfer.transpose()?;
        let base = self.dir_of(&builder).cloned().ok_or_else(|| {
            let text = format!("the builder '{builder}' was taken off the list");
            Failure::new("builtins.RuntimeError", &[], text)
        })?;
        if self.commands.contains_key(&command_id) {
            let text = format!("there is a command '{command_id}' already");
            return Err(Failure::new("builtins.RuntimeError", &[], text));
        }
        if let Some(leftover) = self.running_on(&builder) {
            self.ask(Order::InterruptCommand {
                command_id: leftover,
                builder: Some(builder.clone()),
                why: "leftover command, dropping it".to_owned(),
            });
        }
        keep(remotes, &[reference]);
        keep(remotes, transfer.as_slice());
        let running = Running { builder: builder.clone(), reference, transfer, completed: false };
        self.commands.insert(command_id.clone(), running);
        let kind = Kind::Start(command_id.clone());
        let order = Order::StartCommand { command_id, builder: Some(builder), base, command };
        Ok(Outcome::Ask(Box::new(order), kind))
    }

    /// The id is only for people: whatever runs on the builder is meant.
    fn interrupt_command(&self, builder: String, mut args: Args) -> Outcome {
        let why = args.take(1, "why").and_then(Value::into_text).unwrap_or_default();
        match self.running_on(&builder) {
            Some(command_id) => {
                let builder = Some(builder);
                ask(Order::InterruptCommand { command_id, builder, why })
            }
            None => Outcome::Known(Value::None),
        }
    }

    fn running_on(&self, builder: &str) -> Option<String> {
        let mut running = self.commands.iter();
        let found = running.find(|(_, run)| run.builder == builder && !run.completed);
        found.map(|(command_id, _)| command_id.clone())
    }
}

/// An order that leaves nothing to do when it is answered.
fn ask(order: Order) -> Outcome {
    Outcome::Ask(Box::new(order), Kind::Plain)
}

fn print(mut args: Args) -> Result<Outcome, Failure> {
    let message = args.take(0, "message").ok_or_else(|| {
        type_error("remote_print() missing 1 required positional argument: 'message'")
    })?;
    Ok(ask(Order::Print { message: message.display() }))
}

fn transfer_object(kind: Transfer, details: &Value) -> Result<i64, Failure> {
    let name = if kind == Transfer::DownloadFile { "reader" } else { "writer" };
    match details.get(name) {
        Some(Value::Remote(object)) => Ok(*object),
        _ => Err(Failure::new("builtins.KeyError", &["builtins.LookupError"], format!("'{name}'"))),
    }
}
