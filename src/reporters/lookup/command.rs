//! Asks a program: the name is its last argument, the first line that it prints is the address.

use std::process::Stdio;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command as Process;

use super::{EmailLookup, LookupError};
use crate::config::fields::Fields;
use crate::model::Person;
use crate::process_group::Group;

/// The most that is read of what the program prints.
const MOST: u64 = 16 << 10;

#[derive(Debug)]
pub(super) struct Command(Vec<String>);

impl Command {
    /// Reads `command`.
    pub(super) fn parse(fields: &mut Fields<'_>) -> Box<dyn EmailLookup> {
        let command = fields.required_checked("command", |command: &Vec<String>| {
            let empty = command.first().is_none_or(|program| program.is_empty());
            let nul = command.iter().any(|word| word.contains('\0'));
            (empty || nul).then(|| "must be a list: a program and its arguments".to_owned())
        });
        Box::new(Command(command))
    }
}

#[async_trait]
impl EmailLookup for Command {
    async fn address(&self, person: &Person) -> Result<Option<String>, LookupError> {
        let who = &person.who;
        if who.starts_with('-') || who.contains('\0') {
            return Err(failed("this name would be read as an option and is not handed over"));
        }
        let Some((program, args)) = self.0.split_first() else { return Ok(None) };
        let mut child = Process::new(program)
            .args(args)
            .arg(who)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own, so that what it has started can be killed too.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("cannot run '{program}': {error}")))?;
        let group = Group(child.id());
        let (stdout, stderr) = tokio::join!(hear(child.stdout.take()), hear(child.stderr.take()));
        let status = child.wait().await.map_err(|error| failed(error.to_string()))?;
        group.let_go();
        let line = stdout.lines().next().unwrap_or_default().trim();
        match status.code() {
            Some(0) => Ok(Some(line.to_owned())),
            // As grep says that there is nothing.
            Some(1) if stdout.is_empty() && stderr.is_empty() => Ok(None),
            _ => {
                let said = stderr.lines().rev().find(|line| !line.trim().is_empty());
                Err(failed(format!("'{program}' failed: {}", said.unwrap_or(&status.to_string()))))
            }
        }
    }
}

fn failed(message: impl Into<String>) -> LookupError {
    LookupError::Failed(message.into())
}

/// Reads to the end and keeps the beginning, so that the program does not block.
async fn hear(from: Option<impl AsyncRead + Unpin>) -> String {
    let mut kept = Vec::new();
    if let Some(from) = from {
        let mut limited = from.take(MOST);
        // What was read before an error is an answer, too.
        let _ = limited.read_to_end(&mut kept).await;
        let _ = tokio::io::copy(&mut limited.into_inner(), &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&kept).into_owned()
}
