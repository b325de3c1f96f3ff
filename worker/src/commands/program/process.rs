//! A child process with its pipes or its terminal, in a process group of its own.

use std::io;
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use protocol::command::Shell;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Child;

use super::argv;
use super::kin::{self, Kin, MARK};
use crate::commands::environment::Environment;
use crate::commands::orphans;

/// Bytes per read.
const READ_SIZE: usize = 64 * 1024;

type Reader = Box<dyn AsyncRead + Send + Unpin>;

/// A running program.
pub(super) struct Process {
    child: Child,
    group: Pid,
    pub(super) kin: Kin,
    exited: Option<ExitStatus>,
    pub(super) stdout: Source,
    pub(super) stderr: Source,
}

impl Process {
    /// `outer` is the mark of a step that the worker itself runs in.
    pub(super) fn spawn(
        shell: &Shell,
        environment: &Environment,
        outer: Option<&str>,
        pty: bool,
    ) -> io::Result<Process> {
        let args = argv::executed(&shell.command);
        let Some((program, args)) = args.split_first() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the command is empty"));
        };
        let (token, mark) = kin::token(outer);
        let plan = Plan { program, args, shell, environment, mark: &mark };
        let (child, stdout, stderr) = match pty {
            true => plan.on_terminal()?,
            false => plan.on_pipes()?,
        };
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let id = id.ok_or_else(|| io::Error::other("the program ended before it began"))?;
        let group = Pid::from_raw(id);
        Ok(Process {
            child,
            group,
            kin: Kin::new(token, group),
            exited: None,
            stdout: Source::new(stdout),
            stderr: Source::new(stderr),
        })
    }

    /// Sends a signal to every process of the group. A group that is gone is fine.
    pub(super) fn signal(&self, signal: Signal) {
        if self.exited.is_some() && self.kin.is_renumbered() {
            return;
        }
        if let Err(error) = killpg(self.group, signal)
            && error != nix::errno::Errno::ESRCH
        {
            tracing::warn!("cannot send {signal} to process group {}: {error}", self.group);
        }
    }

    /// How the leader ended, if it did.
    pub(super) fn exited(&self) -> Option<ExitStatus> {
        self.exited
    }

    /// Waits for the leader. Pending forever once it was reported. Can be cancelled.
    pub(super) async fn wait(child: &mut Child, known: bool) -> io::Result<ExitStatus> {
        match known {
            true => std::future::pending().await,
            false => child.wait().await,
        }
    }

    /// The parts that a `select!` waits for at the same time.
    pub(super) fn parts(&mut self) -> (&mut Child, bool, &mut Source, &mut Source) {
        (&mut self.child, self.exited.is_some(), &mut self.stdout, &mut self.stderr)
    }

    pub(super) fn set_exited(&mut self, status: ExitStatus) {
        self.exited = Some(status);
        orphans::waited(self.group.as_raw());
    }

    /// Whether nothing more can come of it.
    pub(super) fn is_over(&self) -> bool {
        self.exited.is_some() && self.stdout.is_closed() && self.stderr.is_closed()
    }
}

impl Drop for Process {
    /// Whoever forgets a running program, or one half killed, ends it with its whole kin.
    fn drop(&mut self) {
        if self.exited.is_none() || self.kin.is_hunted() {
            self.signal(Signal::SIGKILL);
            self.kin.kill_at_once();
        }
        orphans::waited(self.group.as_raw());
    }
}

/// One stream of output.
pub(super) struct Source {
    reader: Option<Reader>,
    buffer: Vec<u8>,
}

impl Source {
    fn new(reader: Option<Reader>) -> Source {
        Source { reader, buffer: vec![0; READ_SIZE] }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.reader.is_none()
    }

    /// Stops reading. A program that still writes dies of SIGPIPE.
    pub(super) fn close(&mut self) {
        self.reader = None;
    }

    /// The next bytes, none at the end; pending forever once closed. Can be cancelled without loss.
    pub(super) async fn read(&mut self) -> Vec<u8> {
        let Some(reader) = &mut self.reader else { return std::future::pending().await };
        match reader.read(&mut self.buffer).await {
            Ok(length) if length > 0 => self.buffer[..length].to_vec(),
            // A terminal whose last user closed it answers EIO.
            Ok(_) | Err(_) => {
                self.reader = None;
                Vec::new()
            }
        }
    }
}

type Started = (Child, Option<Reader>, Option<Reader>);

/// What to start.
struct Plan<'a> {
    program: &'a str,
    args: &'a [&'a str],
    shell: &'a Shell,
    environment: &'a Environment,
    mark: &'a str,
}

impl Plan<'_> {
    fn on_pipes(&self) -> io::Result<Started> {
        let stdin = self.shell.initial_stdin.as_deref().filter(|text| !text.is_empty());
        let mut command = tokio::process::Command::new(self.program);
        command
            .args(self.args)
            .env_clear()
            .envs(self.environment)
            .env(MARK, self.mark)
            .current_dir(&self.shell.workdir)
            .stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = orphans::spawn(|| command.spawn())?;
        if let (Some(mut pipe), Some(text)) = (child.stdin.take(), stdin) {
            let text = text.to_owned();
            // A program need not read its input: the pipe breaks then, which is no error.
            tokio::spawn(async move {
                let _ = pipe.write_all(text.as_bytes()).await;
            });
        }
        let stdout = child.stdout.take().map(|pipe| Box::new(pipe) as Reader);
        let stderr = child.stderr.take().map(|pipe| Box::new(pipe) as Reader);
        Ok((child, stdout, stderr))
    }

    /// The terminal is the program's session and so its group; its stderr is part of stdout.
    fn on_terminal(&self) -> io::Result<Started> {
        let (terminal, end) = pty_process::open().map_err(io::Error::other)?;
        let command = pty_process::Command::new(self.program)
            .args(self.args)
            .env_clear()
            .envs(self.environment)
            .env(MARK, self.mark)
            .current_dir(&self.shell.workdir)
            .kill_on_drop(true);
        let child = orphans::spawn(|| {
            command.spawn(end).map_err(|error| match error {
                pty_process::Error::Io(error) => error,
                other => io::Error::other(other),
            })
        })?;
        Ok((child, Some(Box::new(terminal)), None))
    }
}
