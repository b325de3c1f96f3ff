//! What a worker reports about a command, on its way to whoever started that.

use std::collections::HashMap;

use protocol::msgpack::unknown_command_id;
use protocol::report::{Answer, WorkerRequest};
use tokio::sync::{mpsc, oneshot};

use super::link::{CommandEvent, TransferPart};

type Commands = HashMap<String, mpsc::Sender<CommandEvent>>;

/// What is to be done before the worker gets its answer.
pub(super) enum Delivery {
    /// Nothing.
    Answer(Result<Answer, String>),
    /// These are to be taken.
    Events(mpsc::Sender<CommandEvent>, Vec<CommandEvent>),
    /// This is to be taken and answered; the second is the answer when nobody takes it.
    Transfer(mpsc::Sender<CommandEvent>, TransferPart, Answer),
}

impl Delivery {
    /// Finds the receiver; a command that has ended is forgotten. Updates of an unknown command are
    /// late ones, which nobody misses.
    pub(super) fn of(request: WorkerRequest, commands: &mut Commands) -> Delivery {
        let late = || Delivery::Answer(Ok(Answer::Done));
        let (id, part, untaken) = match request {
            WorkerRequest::Update { command_id, updates } => {
                let Some(command) = commands.get(&command_id) else { return late() };
                let updates = updates.into_iter().map(|timed| CommandEvent::Update(timed.update));
                return Delivery::Events(command.clone(), updates.collect());
            }
            WorkerRequest::Complete { command_id, failure } => {
                let Some(command) = commands.remove(&command_id) else { return late() };
                return Delivery::Events(command, vec![CommandEvent::Complete(failure)]);
            }
            WorkerRequest::UploadFileWrite { command_id, data }
            | WorkerRequest::UploadDirectoryWrite { command_id, data } => {
                (command_id, TransferPart::Write(data), Answer::Done)
            }
            WorkerRequest::UploadFileUtime { command_id, access_time, modified_time } => {
                (command_id, TransferPart::Utime(access_time, modified_time), Answer::Done)
            }
            WorkerRequest::UploadFileClose { command_id }
            | WorkerRequest::UploadDirectoryUnpack { command_id }
            | WorkerRequest::ReadFileClose { command_id } => {
                (command_id, TransferPart::Close, Answer::Done)
            }
            WorkerRequest::ReadFile { command_id, length } => {
                (command_id, TransferPart::Read { length }, Answer::Data(Vec::new()))
            }
        };
        match commands.get(&id) {
            Some(command) => Delivery::Transfer(command.clone(), part, untaken),
            None => Delivery::Answer(Err(unknown_command_id())),
        }
    }
}

/// Waits until everything is taken; answers what the worker is to hear. Nobody takes the events of a
/// command that was given up: they are dropped.
pub(super) async fn deliver(delivery: Delivery) -> Result<Answer, String> {
    match delivery {
        Delivery::Answer(answer) => answer,
        Delivery::Events(command, events) => {
            for event in events {
                if command.send(event).await.is_err() {
                    break;
                }
            }
            Ok(Answer::Done)
        }
        Delivery::Transfer(command, part, untaken) => {
            let (answer, answered) = oneshot::channel();
            if command.send(CommandEvent::Transfer { part, answer }).await.is_err() {
                return Ok(untaken);
            }
            Ok(answered.await.unwrap_or(untaken))
        }
    }
}
