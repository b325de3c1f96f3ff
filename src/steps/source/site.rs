//! The place on the worker where a source step works.

use protocol::command::{Arg, Block, Command, CommandLine, EnvValue, Shell};
use serde_json::{Map, Value};

use super::End;
use super::options::SourceOptions;
use crate::flow::interpolate::{Renderable, UsedSecret, mask};
use crate::model::Results;
use crate::steps::command::{render_own_env, render_workdir};
use crate::steps::interruption::interrupted;
use crate::steps::render::render;
use crate::steps::transfer::source::SentText;
use crate::steps::upload::BLOCK;
use crate::steps::{Capture, Finished, StepError, Workbench};

/// Longest reason in the step's line, in characters.
const REASON_LENGTH: usize = 160;

/// Work directory and environment of the commands, and what they have in common.
pub struct Site<'a> {
    pub bench: &'a mut dyn Workbench,
    pub options: &'a SourceOptions,
    /// Where commands run; relative to the builder's directory, or absolute.
    pub workdir: String,
    pub env: Vec<(String, Option<EnvValue>)>,
    /// What must not be seen in the step's line.
    pub secrets: Vec<UsedSecret>,
    class: &'static str,
}

/// What of a program's output is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    Nothing,
    Output,
    Errors,
    Both,
}

impl<'a> Site<'a> {
    pub fn new(
        bench: &'a mut dyn Workbench,
        options: &'a SourceOptions,
        class: &'static str,
    ) -> Result<Site<'a>, StepError> {
        let workdir = render_workdir(bench, options.workdir.as_ref())?;
        let env = render_own_env(bench, &options.env)?;
        Ok(Site { bench, options, workdir, env, secrets: Vec::new(), class })
    }

    /// Renders an option to one word of a command line, hiding the secrets in it.
    pub fn word(&mut self, value: &Renderable) -> Result<Arg, StepError> {
        let rendered = render(self.bench, value)?;
        let (real, shown) = rendered.texts();
        self.secrets.extend(rendered.secrets);
        Ok(arg(real, shown))
    }

    /// What separates the names in a path of the worker.
    pub fn separator(&self) -> char {
        if self.bench.worker().system == "nt" { '\\' } else { '/' }
    }

    /// The path of something in the work directory.
    pub fn path(&self, name: &str) -> String {
        format!("{}{}{name}", self.workdir, self.separator())
    }

    /// A call of a program in the work directory.
    pub fn shell(&self, args: Vec<Arg>, initial_stdin: Option<String>) -> Shell {
        Shell {
            workdir: self.workdir.clone(),
            command: CommandLine::Args(args),
            env: self.env.clone(),
            want_stdout: true,
            want_stderr: true,
            limits: self.options.limits.clone(),
            max_lines: None,
            // A killed program leaves its lock files behind; a terminated one does not.
            sigterm_time: Some(1.0),
            interrupt_signal: None,
            initial_stdin,
            logfiles: Vec::new(),
            use_pty: false,
        }
    }

    /// Runs a program in the work directory.
    pub async fn program(&mut self, args: Vec<Arg>, want: Want) -> Result<Finished, End> {
        let shell = self.shell(args, None);
        self.run(Command::Shell(shell), want.into()).await
    }

    pub async fn plain(&mut self, command: Command) -> Result<Finished, End> {
        self.run(command, Capture::default()).await
    }

    /// Runs a command that leaves no trace in the log.
    pub async fn quiet(&mut self, command: Command) -> Result<Finished, End> {
        self.run(command, Capture { quiet: true, ..Capture::default() }).await
    }

    /// Runs a command; somebody stopping the step ends the checkout.
    pub async fn run(&mut self, command: Command, capture: Capture) -> Result<Finished, End> {
        let finished = self.bench.command(command, capture).await?;
        if finished.interrupted.is_some() { Err(End::cancelled()) } else { Ok(finished) }
    }

    /// Is this file or directory there?
    pub async fn exists(&mut self, file: String) -> Result<bool, End> {
        Ok(self.plain(Command::Stat { file }).await?.ok())
    }

    /// Removes a directory with all that is in it, or a file.
    pub async fn remove(&mut self, path: &str) -> Result<(), End> {
        let finished = self.plain(self.removal(vec![path.to_owned()])).await?;
        match finished.ok() {
            true => Ok(()),
            false => Err(End::failure(format!("cannot remove '{path}' on the worker"))),
        }
    }

    pub fn removal(&self, dirs: Vec<String>) -> Command {
        Command::RemoveDirectory { dirs, limits: self.options.limits.clone() }
    }

    /// Copies a directory.
    pub async fn copy(&mut self, from: String, to: String) -> Result<Finished, End> {
        let limits = self.options.limits.clone();
        self.plain(Command::CopyDirectory { from, to, limits }).await
    }

    /// Writes a file on the worker; `mode` are its permission bits.
    pub async fn write(
        &mut self,
        directory: &str,
        name: &str,
        content: Vec<u8>,
        mode: Option<u32>,
    ) -> Result<(), End> {
        let block = Block { workdir: directory.to_owned(), max_size: None, size: BLOCK };
        let command = Command::DownloadFile { dest: name.to_owned(), block, mode };
        let mut content = SentText::bytes(content);
        let sent = self.bench.transfer(command, &mut content, Capture::default());
        let finished = sent.await?;
        if finished.interrupted.is_some() {
            return Err(End::cancelled());
        }
        if let Some(error) = finished.transfer_error {
            return Err(End::Error(StepError::Failed(error)));
        }
        match finished.rc {
            // As in stock a worker that says nothing has succeeded.
            None | Some(0) => Ok(()),
            Some(_) => Err(End::failure(format!("cannot write '{name}' on the worker"))),
        }
    }

    /// Waits before the checkout is tried again, and makes room for it.
    pub async fn begin_again(&mut self) -> Result<(), End> {
        let delay = self.options.retry.map(|retry| retry.delay).unwrap_or_default();
        let mut interruption = self.bench.interruption();
        tokio::select! {
            _ = interrupted(&mut interruption) => return Err(End::cancelled()),
            () = tokio::time::sleep(delay) => {}
        }
        self.remove(&self.workdir.clone()).await
    }

    /// How often a checkout that fails is tried again.
    pub fn repeats(&self) -> u32 {
        self.options.retry.map_or(0, |retry| retry.repeats)
    }

    /// Ends the checkout when the command failed; `reason` finds the program's words in stderr.
    pub fn require(
        &self,
        finished: &Finished,
        reason: impl Fn(&str) -> Option<&str>,
    ) -> Result<(), End> {
        if finished.ok() {
            return Ok(());
        }
        let reason = reason(&finished.stderr).map(|text| mask(text, &self.secrets).into_owned());
        let reason = reason.map(|text| text.chars().take(REASON_LENGTH).collect());
        Err(End::Result { results: Results::Failure, reason, limit: finished.limit() })
    }

    /// Sets a property of the sources: a table by codebase, unless the codebase is the default.
    pub fn set_property(&mut self, name: &str, value: &str) {
        set_source_property(self.bench, &self.options.codebase, self.class, name, value);
    }
}

impl From<Want> for Capture {
    fn from(want: Want) -> Capture {
        Capture {
            stdout: matches!(want, Want::Output | Want::Both),
            stderr: matches!(want, Want::Errors | Want::Both),
            quiet: false,
        }
    }
}

/// As [`Site::set_property`].
pub(super) fn set_source_property(
    bench: &mut dyn Workbench,
    codebase: &str,
    class: &str,
    name: &str,
    value: &str,
) {
    let value = if codebase.is_empty() {
        Value::from(value)
    } else {
        let mut table = match bench.properties().get(name) {
            Some(Value::Object(table)) => table.clone(),
            // A scheduler sets `revision` to text or nothing; the codebases' table replaces it.
            _ => Map::new(),
        };
        table.insert(codebase.to_owned(), Value::from(value));
        Value::Object(table)
    };
    bench.set_property(name, value, class);
}

pub fn plain(text: &str) -> Arg {
    Arg::Plain(text.to_owned())
}

/// Words of a command line that hold no secret.
pub fn words(texts: &[&str]) -> Vec<Arg> {
    texts.iter().map(|text| plain(text)).collect()
}

pub fn arg(real: String, shown: String) -> Arg {
    if real == shown { Arg::Plain(real) } else { Arg::Obfuscated { real, shown } }
}

/// What the program gets.
pub fn real(arg: &Arg) -> &str {
    match arg {
        Arg::Plain(text) | Arg::Obfuscated { real: text, .. } => text,
    }
}
