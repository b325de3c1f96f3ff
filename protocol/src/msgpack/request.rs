//! The operations of both sides as maps.

use super::Op;
use super::error::no_such_command;
use super::fields::{Fields, display, into_text, key};
use super::settings::WorkerSettings;
use super::update;
use crate::report::WorkerRequest;
use rmpv::Value;

/// What a master asks of a worker.
#[derive(Debug, Clone, PartialEq)]
pub enum MasterRequest {
    /// A line for the worker's log. `attached` tells it that it is in use.
    Print {
        message: String,
    },
    Keepalive,
    /// Answered with the map of [`crate::info::WorkerInfo`].
    GetWorkerInfo,
    SetWorkerSettings(WorkerSettings),
    /// `args` are those of [`crate::command::Command::to_msgpack`]. The builder's name is absent for
    /// what a master does while attaching.
    StartCommand {
        command_id: String,
        builder_name: Option<String>,
        command_name: String,
        args: Value,
    },
    InterruptCommand {
        command_id: String,
        builder_name: Option<String>,
        why: String,
    },
    Shutdown,
}

impl Op for MasterRequest {
    fn to_fields(&self) -> (&'static str, Vec<(Value, Value)>) {
        match self {
            MasterRequest::Print { message } => ("print", vec![text_field("message", message)]),
            MasterRequest::Keepalive => ("keepalive", vec![]),
            MasterRequest::GetWorkerInfo => ("get_worker_info", vec![]),
            MasterRequest::Shutdown => ("shutdown", vec![]),
            MasterRequest::SetWorkerSettings(settings) => {
                ("set_worker_settings", vec![(key("args"), settings.to_value())])
            }
            MasterRequest::StartCommand { command_id, builder_name, command_name, args } => {
                let mut fields = builder_field(builder_name);
                fields.push(text_field("command_id", command_id));
                fields.push(text_field("command_name", command_name));
                fields.push((key("args"), args.clone()));
                ("start_command", fields)
            }
            MasterRequest::InterruptCommand { command_id, builder_name, why } => {
                let mut fields = builder_field(builder_name);
                fields.push(text_field("command_id", command_id));
                fields.push(text_field("why", why));
                ("interrupt_command", fields)
            }
        }
    }

    fn from_fields(op: &str, mut fields: Fields) -> Result<MasterRequest, String> {
        Ok(match op {
            "print" => MasterRequest::Print { message: fields.need_text("message")? },
            "keepalive" => MasterRequest::Keepalive,
            "get_worker_info" => MasterRequest::GetWorkerInfo,
            "shutdown" => MasterRequest::Shutdown,
            "set_worker_settings" => {
                MasterRequest::SetWorkerSettings(WorkerSettings::from_value(&fields.need("args")?)?)
            }
            "start_command" => MasterRequest::StartCommand {
                command_id: fields.need_text("command_id")?,
                command_name: fields.need_text("command_name")?,
                args: fields.need("args")?,
                builder_name: fields.take("builder_name").and_then(into_text),
            },
            "interrupt_command" => MasterRequest::InterruptCommand {
                command_id: fields.need_text("command_id")?,
                why: fields.need_text("why")?,
                builder_name: fields.take("builder_name").and_then(into_text),
            },
            other => return Err(no_such_command(other)),
        })
    }
}

impl Op for WorkerRequest {
    fn to_fields(&self) -> (&'static str, Vec<(Value, Value)>) {
        let (op, mut fields) = match self {
            WorkerRequest::Update { updates, .. } => {
                let pairs = updates.iter().map(update::to_pair).collect();
                ("update", vec![(key("args"), Value::Array(pairs))])
            }
            WorkerRequest::Complete { failure, .. } => {
                let failure = failure.as_deref().map_or(Value::Nil, Value::from);
                ("complete", vec![(key("args"), failure)])
            }
            WorkerRequest::UploadFileWrite { data, .. } => {
                ("update_upload_file_write", vec![(key("args"), Value::from(data.as_slice()))])
            }
            WorkerRequest::UploadFileClose { .. } => ("update_upload_file_close", vec![]),
            WorkerRequest::UploadFileUtime { access_time, modified_time, .. } => (
                "update_upload_file_utime",
                vec![
                    (key("access_time"), Value::from(*access_time)),
                    (key("modified_time"), Value::from(*modified_time)),
                ],
            ),
            WorkerRequest::UploadDirectoryWrite { data, .. } => {
                ("update_upload_directory_write", vec![(key("args"), Value::from(data.as_slice()))])
            }
            WorkerRequest::UploadDirectoryUnpack { .. } => {
                ("update_upload_directory_unpack", vec![])
            }
            WorkerRequest::ReadFile { length, .. } => {
                ("update_read_file", vec![(key("length"), Value::from(*length))])
            }
            WorkerRequest::ReadFileClose { .. } => ("update_read_file_close", vec![]),
        };
        fields.push(text_field("command_id", self.command_id()));
        (op, fields)
    }

    fn from_fields(op: &str, mut fields: Fields) -> Result<WorkerRequest, String> {
        if !WORKER_OPS.contains(&op) {
            return Err(no_such_command(op));
        }
        let command_id = fields.need_text("command_id")?;
        Ok(match op {
            "update" => WorkerRequest::Update {
                command_id,
                updates: update::from_args(fields.need("args")?)?,
            },
            "complete" => WorkerRequest::Complete {
                command_id,
                failure: Some(fields.need("args")?).filter(|args| !args.is_nil()).map(display),
            },
            "update_upload_file_write" => {
                WorkerRequest::UploadFileWrite { command_id, data: need_data(&mut fields)? }
            }
            "update_upload_file_close" => WorkerRequest::UploadFileClose { command_id },
            "update_upload_file_utime" => WorkerRequest::UploadFileUtime {
                command_id,
                access_time: fields.need_number("access_time")?,
                modified_time: fields.need_number("modified_time")?,
            },
            "update_upload_directory_write" => {
                WorkerRequest::UploadDirectoryWrite { command_id, data: need_data(&mut fields)? }
            }
            "update_upload_directory_unpack" => WorkerRequest::UploadDirectoryUnpack { command_id },
            "update_read_file" => WorkerRequest::ReadFile {
                command_id,
                length: fields.need_number("length")?.max(0.0) as u64,
            },
            "update_read_file_close" => WorkerRequest::ReadFileClose { command_id },
            other => return Err(no_such_command(other)),
        })
    }
}

const WORKER_OPS: [&str; 9] = [
    "update",
    "complete",
    "update_upload_file_write",
    "update_upload_file_close",
    "update_upload_file_utime",
    "update_upload_directory_write",
    "update_upload_directory_unpack",
    "update_read_file",
    "update_read_file_close",
];

fn need_data(fields: &mut Fields) -> Result<Vec<u8>, String> {
    match fields.need("args")? {
        Value::Binary(data) => Ok(data),
        Value::String(text) => Ok(text.into_bytes()),
        _ => Err("'args' is not binary data".to_owned()),
    }
}

fn text_field(name: &str, text: &str) -> (Value, Value) {
    (key(name), Value::from(text))
}

fn builder_field(builder_name: &Option<String>) -> Vec<(Value, Value)> {
    builder_name.iter().map(|name| text_field("builder_name", name)).collect()
}
