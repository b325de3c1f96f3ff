//! What the master asks, as calls on the worker's objects.

use super::super::command::{self, Peer, Transfer};
use super::PbMaster;
use super::objects::{Object, Running};
use super::replies::Waiting;
use crate::broker::{Args, Target};
use crate::command::Command;
use crate::jelly::Value;
use crate::order::{BuilderDir, Order, Reply};
use crate::report::WorkerRequest;
use crate::update::Update;

impl PbMaster {
    pub(super) fn give(&mut self, ticket: u64, order: Order) -> Result<Vec<u8>, String> {
        let plain = Waiting::Plain(ticket);
        match order {
            Order::Print { message } => self.print(plain, &message),
            // The answer proves life, whatever it is; nothing is logged at the worker.
            Order::Keepalive => self.bot(Waiting::Alive(ticket), "getVersion", vec![]),
            Order::GetWorkerInfo => self.bot(Waiting::Info(ticket), "getWorkerInfo", vec![]),
            Order::Settings(_) => {
                self.answered(ticket, Ok(Reply::Done));
                Ok(Vec::new())
            }
            Order::SetBuilderList { builders } => self.set_builder_list(ticket, builders),
            Order::StartBuild { builder } => {
                let builder = self.builder(Some(&builder))?;
                self.invoke(plain, builder, "startBuild", Args::default())
            }
            Order::StartCommand { command_id, builder, base, command } => {
                self.start_command(ticket, command_id, builder, &base, command)
            }
            Order::InterruptCommand { command_id, builder, why } => {
                let builder = builder.or_else(|| self.builder_of(&command_id));
                let builder = self.builder(builder.as_deref())?;
                let args = Args::new(vec![Value::from(command_id), Value::from(why)]);
                self.invoke(plain, builder, "interruptCommand", args)
            }
            Order::Shutdown => self.bot(Waiting::Shutdown(ticket), "shutdown", vec![]),
        }
    }

    /// A line for the worker's log.
    pub(super) fn print(&mut self, waiting: Waiting, message: &str) -> Result<Vec<u8>, String> {
        let named = vec![("message".to_owned(), Value::from(message))];
        let bot = self.bot_object()?;
        self.invoke(waiting, bot, "print", Args { positional: Vec::new(), named })
    }

    /// A call on the object that the worker has given with its login.
    pub(super) fn bot(
        &mut self,
        waiting: Waiting,
        method: &str,
        args: Vec<Value>,
    ) -> Result<Vec<u8>, String> {
        let bot = self.bot_object()?;
        self.invoke(waiting, bot, method, Args::new(args))
    }

    fn bot_object(&self) -> Result<i64, String> {
        let missing = "the worker has given no object that could be called";
        self.login.mind.ok_or_else(|| missing.to_owned())
    }

    pub(super) fn invoke(
        &mut self,
        waiting: Waiting,
        object: i64,
        method: &str,
        args: Args,
    ) -> Result<Vec<u8>, String> {
        let call = self.link.call(Target::Object(object), method, args);
        let (request, packet) =
            call.map_err(|error| format!("'{method}' cannot be sent to the worker: {error}"))?;
        self.waiting.insert(request, waiting);
        Ok(packet)
    }

    fn set_builder_list(
        &mut self,
        ticket: u64,
        builders: Vec<BuilderDir>,
    ) -> Result<Vec<u8>, String> {
        let pair = |builder: BuilderDir| {
            Value::Tuple(vec![Value::from(builder.name), Value::from(builder.dir)])
        };
        let list = Value::List(builders.into_iter().map(pair).collect());
        self.bot(Waiting::Builders(ticket), "setBuilderList", vec![list])
    }

    fn start_command(
        &mut self,
        ticket: u64,
        command_id: String,
        builder: Option<String>,
        base: &str,
        command: Command,
    ) -> Result<Vec<u8>, String> {
        let object = self.builder(builder.as_deref())?;
        self.make_room()?;
        let kind = Transfer::of(&command);
        let running = Running {
            command_id: command_id.clone(),
            builder: builder.unwrap_or_default(),
            ..Running::default()
        };
        let reference = self.exports.send_new(Object::Command(running));
        let transfer = kind.map(|kind| {
            let command_id = command_id.clone();
            self.exports.send_new(Object::Transfer { command: reference, command_id, kind })
        });
        if let Some(running) = self.running(reference) {
            running.transfer = transfer;
        }
        let started = self.tell(ticket, object, reference, &command_id, base, command);
        if started.is_err() {
            self.forget(reference);
        }
        started
    }

    fn tell(
        &mut self,
        ticket: u64,
        builder: i64,
        reference: i64,
        command_id: &str,
        base: &str,
        command: Command,
    ) -> Result<Vec<u8>, String> {
        let transfer = self.running(reference).and_then(|running| running.transfer);
        let (worker, system) = (&self.login.name, &self.system);
        let peer = Peer { worker, versions: &self.versions, base, system };
        let told = command::encode(command, &peer, transfer.unwrap_or_default())?;
        let args = vec![
            Value::Remote(reference),
            Value::from(command_id),
            Value::from(told.name),
            Value::Dict(told.args),
        ];
        let waiting = Waiting::Started { ticket, reference };
        let packet = self.invoke(waiting, builder, "startCommand", Args::new(args))?;
        if !told.notes.is_empty() {
            let notes = told.notes.iter().map(|note| Update::Header((*note).to_owned()).into());
            self.unasked(WorkerRequest::Update {
                command_id: command_id.to_owned(),
                updates: notes.collect(),
            });
        }
        Ok(packet)
    }

    fn builder(&self, name: Option<&str>) -> Result<i64, String> {
        let name = name.ok_or("over Perspective Broker every command belongs to a builder")?;
        let builder = self.builders.get(name).copied();
        builder.ok_or_else(|| format!("the worker has no builder named '{name}'"))
    }

    fn builder_of(&self, command_id: &str) -> Option<String> {
        let is_it = |object: &Object| match object {
            Object::Command(running) => running.command_id == command_id,
            _ => false,
        };
        match self.exports.get(self.exports.find(is_it)?) {
            Some(Object::Command(running)) => Some(running.builder.clone()),
            _ => None,
        }
    }
}
