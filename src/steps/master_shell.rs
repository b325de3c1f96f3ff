//! MasterShellCommand: runs a program on the master's own machine.

mod output;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use protocol::command::{Arg, CommandLine, EnvValue};
use tokio::process::{Child, Command};

use super::command::{environment, positive, render_command, render_own_env};
use super::interruption::interrupted;
use super::plan::StepOptions;
use super::registry::{Draft, StepType};
use super::render::render_optional;
use super::{LimitReached, Outcome, Step, StepError, Stream, Workbench};
use crate::config::fields::Fields;
use crate::flow::interpolate::Renderable;
use crate::model::{LogType, Results};
use output::Output;

/// How long output is still read after the program ended: a daemon that it left behind may keep
/// the pipe open for ever.
const DRAIN: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct MasterShellCommand {
    command: Renderable,
    /// Relative to the master's base directory.
    workdir: Option<Renderable>,
    env: Renderable,
    interrupt_signal: Signal,
    log_environ: bool,
    /// Run in a terminal.
    use_pty: bool,
    runtime_timeout: Option<Duration>,
}

/// A variable of the environment; `None` removes it.
type Variable = (String, Option<String>);

/// A program that runs, and what it prints.
struct Started {
    child: Child,
    stdout: Option<Output>,
    stderr: Option<Output>,
}

/// How the program ended.
enum Ended {
    Exit(std::process::ExitStatus),
    Interrupted,
    TimedOut,
}

#[async_trait(?Send)]
impl Step for MasterShellCommand {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let (argv, line) = self.argv(bench)?;
        let directory = self.directory(bench)?;
        let env = self.environment(bench)?;
        self.header(bench, &line, &directory, &env).await?;
        let started = match self.use_pty {
            true => on_terminal(&argv, &directory, &env),
            false => with_pipes(&argv, &directory, &env),
        };
        let started = match started {
            Ok(started) => started,
            Err(error) => {
                let text = format!("cannot run '{}': {error}\n", shown(&argv[0]));
                bench.log("stdio", LogType::Stdio, Stream::Stderr, &text).await?;
                return Ok(Outcome::new(Results::Failure, "failed to start"));
            }
        };
        let ended = self.follow(bench, started).await?;
        finish(bench, ended).await
    }

    fn in_master(&self, bench: &dyn Workbench) -> Option<Result<String, StepError>> {
        Some(self.argv(bench).map(|(_, line)| line))
    }
}

impl MasterShellCommand {
    /// The arguments, and the command as the log shows it.
    fn argv(&self, bench: &dyn Workbench) -> Result<(Vec<Arg>, String), StepError> {
        match render_command(bench, &self.command)?.line {
            CommandLine::Text(text) => {
                let shell = ["/bin/sh", "-c", &text].map(|arg| Arg::Plain(arg.to_owned()));
                Ok((shell.to_vec(), text))
            }
            CommandLine::Args(args) => {
                let shown = args.iter().map(shown).collect::<Vec<_>>().join(" ");
                Ok((args, shown))
            }
        }
    }

    fn directory(&self, bench: &dyn Workbench) -> Result<PathBuf, StepError> {
        let workdir = render_optional(bench, self.workdir.as_ref())?.unwrap_or_default();
        Ok(bench.master_basedir().join(workdir))
    }

    /// Variables over the master's own environment; `${NAME}` in them is the master's.
    fn environment(&self, bench: &dyn Workbench) -> Result<Vec<Variable>, StepError> {
        let variables = render_own_env(bench, &self.env)?;
        let expanded = variables.into_iter().map(|(name, value)| {
            let value = value.map(|value| match value {
                EnvValue::Text(text) => expand(&text),
                EnvValue::Paths(paths) => expand(&paths.join(":")),
            });
            (name, value)
        });
        Ok(expanded.collect())
    }

    /// What runs where. Of the environment only the step's own variables are shown, and of those
    /// only the names: the master's environment is nobody's business.
    async fn header(
        &self,
        bench: &mut dyn Workbench,
        shown: &str,
        directory: &Path,
        env: &[Variable],
    ) -> Result<(), StepError> {
        let mut text = format!(
            "{}\n\n** RUNNING ON BUILDMASTER **\n in dir {}\n",
            shown.trim(),
            directory.display()
        );
        if self.log_environ && !env.is_empty() {
            let names: Vec<&str> = env.iter().map(|(name, _)| name.as_str()).collect();
            text.push_str(&format!(" environment set: {}\n", names.join(", ")));
        }
        bench.log("stdio", LogType::Stdio, Stream::Header, &text).await
    }

    /// Streams the output until the program ends, is interrupted or takes too long.
    async fn follow(
        &self,
        bench: &mut dyn Workbench,
        started: Started,
    ) -> Result<Ended, StepError> {
        let Started { mut child, mut stdout, mut stderr } = started;
        let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
        let mut interruption = bench.interruption();
        let mut deadline = self.runtime_timeout.map(|after| tokio::time::Instant::now() + after);
        let mut ended = None;
        let mut exit = None;
        loop {
            if exit.is_some() && stdout.is_none() && stderr.is_none() {
                break;
            }
            tokio::select! {
                text = next(&mut stdout) => {
                    forward(bench, &mut stdout, Stream::Stdout, text).await?;
                }
                text = next(&mut stderr) => {
                    forward(bench, &mut stderr, Stream::Stderr, text).await?;
                }
                status = child.wait(), if exit.is_none() => {
                    let status = status.map_err(|error| StepError::Failed(error.to_string()))?;
                    exit = Some(status);
                    group.0 = None;
                    deadline = Some(tokio::time::Instant::now() + DRAIN);
                }
                _ = interrupted(&mut interruption), if ended.is_none() && exit.is_none() => {
                    ended = Some(Ended::Interrupted);
                    group.signal(self.interrupt_signal);
                    deadline = Some(tokio::time::Instant::now() + DRAIN);
                }
                () = until(deadline) => {
                    if exit.is_some() {
                        break;
                    }
                    ended.get_or_insert(Ended::TimedOut);
                    group.signal(Signal::SIGKILL);
                    deadline = Some(tokio::time::Instant::now() + DRAIN);
                }
            }
        }
        Ok(match (ended, exit) {
            (Some(ended), _) => ended,
            (None, Some(status)) => Ended::Exit(status),
            (None, None) => Ended::TimedOut,
        })
    }
}

fn with_pipes(argv: &[Arg], directory: &Path, env: &[Variable]) -> io::Result<Started> {
    let mut command = Command::new(real(&argv[0]));
    command.args(argv[1..].iter().map(real)).current_dir(directory).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    for (name, value) in env {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut child = command.spawn()?;
    let stdout = child.stdout.take().map(Output::new);
    let stderr = child.stderr.take().map(Output::new);
    Ok(Started { child, stdout, stderr })
}

/// The terminal is the program's session and so its group; its stderr is part of stdout.
fn on_terminal(argv: &[Arg], directory: &Path, env: &[Variable]) -> io::Result<Started> {
    let (terminal, end) = pty_process::open().map_err(io::Error::other)?;
    let mut command = pty_process::Command::new(real(&argv[0]))
        .args(argv[1..].iter().map(real))
        .current_dir(directory)
        .kill_on_drop(true);
    for (name, value) in env {
        command = match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let child = command.spawn(end).map_err(|error| match error {
        pty_process::Error::Io(error) => error,
        other => io::Error::other(other),
    })?;
    Ok(Started { child, stdout: Some(Output::new(terminal)), stderr: None })
}

/// The outcome, with its last header line.
async fn finish(bench: &mut dyn Workbench, ended: Ended) -> Result<Outcome, StepError> {
    use std::os::unix::process::ExitStatusExt;
    let (line, outcome) = match ended {
        Ended::Exit(status) if status.success() => return Ok(Outcome::plain(Results::Success)),
        Ended::Exit(status) => match (status.code(), status.signal()) {
            (Some(code), _) => {
                let outcome = Outcome::new(Results::Failure, format!("failed ({code})"));
                (format!("exit status {code}\n"), outcome)
            }
            (None, number) => {
                let name = number
                    .and_then(|number| Signal::try_from(number).ok())
                    .map_or("unknown signal", Signal::as_str);
                let outcome = Outcome::new(Results::Failure, format!("killed ({name})"));
                (format!("signal {name}\n"), outcome)
            }
        },
        Ended::Interrupted => {
            ("command interrupted\n".to_owned(), Outcome::plain(Results::Cancelled))
        }
        Ended::TimedOut => {
            let limit = Some(LimitReached::Time);
            let outcome = Outcome { limit, ..Outcome::plain(Results::Failure) };
            ("command took longer than 'runtime_timeout', killed\n".to_owned(), outcome)
        }
    };
    bench.log("stdio", LogType::Stdio, Stream::Header, &line).await?;
    Ok(outcome)
}

async fn next(output: &mut Option<Output>) -> Option<String> {
    match output {
        Some(output) => output.read().await,
        None => std::future::pending().await,
    }
}

async fn forward(
    bench: &mut dyn Workbench,
    output: &mut Option<Output>,
    stream: Stream,
    text: Option<String>,
) -> Result<(), StepError> {
    match text {
        Some(text) => bench.log("stdio", LogType::Stdio, stream, &text).await,
        None => {
            *output = None;
            Ok(())
        }
    }
}

async fn until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The program's process group as long as the program has not ended. Dropped before, as when the
/// build is cut off, it takes the whole group with it.
struct Group(Option<Pid>);

impl Group {
    /// A group that is gone is fine.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            let _ = killpg(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// `${NAME}` becomes the master's variable, or nothing.
fn expand(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        match after.split_once('}') {
            Some((name, after)) if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
                out.push_str(&std::env::var(name).unwrap_or_default());
                rest = after;
            }
            _ => {
                out.push_str("${");
                rest = after;
            }
        }
    }
    out + rest
}

fn real(arg: &Arg) -> &str {
    match arg {
        Arg::Plain(text) | Arg::Obfuscated { real: text, .. } => text,
    }
}

fn shown(arg: &Arg) -> &str {
    match arg {
        Arg::Plain(text) | Arg::Obfuscated { shown: text, .. } => text,
    }
}

pub(super) const TYPES: &[StepType] =
    &[StepType { class: "MasterShellCommand", name: "MasterShellCommand", defaults, parse }];

fn defaults() -> StepOptions {
    StepOptions {
        halt_on_failure: true,
        description: Some("Running".to_owned()),
        description_done: Some("Ran".to_owned()),
        ..StepOptions::default()
    }
}

fn parse(fields: &mut Fields<'_>, _draft: &mut Draft) -> Arc<dyn Step> {
    let name: String = fields.or("interruptSignal", "KILL".to_owned());
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let interrupt_signal = format!("SIG{name}").parse().unwrap_or_else(|_| {
        fields.problem(format!("'interruptSignal' names no signal: '{name}'"));
        Signal::SIGKILL
    });
    Arc::new(MasterShellCommand {
        command: fields.required("command"),
        workdir: fields.optional("workdir"),
        env: environment(fields),
        interrupt_signal,
        log_environ: fields.or("logEnviron", true),
        use_pty: fields.or("usePTY", false),
        runtime_timeout: positive(fields, "runtime_timeout", Some(3600.0))
            .map(Duration::from_secs_f64),
    })
}
