//! Runs one program: the heart of `shell`, and the helper of `rmdir` and `cpdir`.
//!
//! One loop waits at the same time for output, for the program's end, for its limits, for its log
//! files and for a [`Stop`]. The program is read only while everything read before was handed on.
//!
//! A program that is killed takes everybody along whom it has started: see [`kin`].

mod argv;
mod header;
mod kill;
mod kin;
mod lines;
mod logfile;
mod process;

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;
use protocol::command::Shell;
use protocol::update::Update;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::Stop;
use super::environment::{self, Environment};
use super::output::{Item, Output, Stream};
use super::python::system_text;
use header::Excess;
use kill::{Ending, Next};
use lines::LineCounter;
use logfile::Tail;
use process::{Process, Source};

/// How often log files are looked at.
const LOG_POLL: Duration = Duration::from_secs(2);

/// How a program ended.
pub(super) struct Outcome {
    /// Exit status; -1 after a signal or a kill.
    pub(super) rc: i64,
    /// It could not be killed.
    pub(super) failure: Option<String>,
    pub(super) interrupted: bool,
}

/// Runs a program to its end. `report_rc` sends the exit status, as `shell` does.
pub(super) async fn run(
    shell: Shell,
    own: &Environment,
    report_rc: bool,
    output: &mut Output,
    stop: &mut mpsc::Receiver<Stop>,
) -> Outcome {
    let mut environment = environment::build(own, &shell.env, &shell.workdir);
    let outer = environment.remove(OsStr::new(kin::MARK));
    let outer = outer.as_deref().and_then(OsStr::to_str);
    let pty = shell.use_pty && shell.initial_stdin.as_deref().is_none_or(str::is_empty);
    output.header(header::opening(&shell, &environment, pty));
    let begun = Instant::now();
    let tails = shell.logfiles.iter().map(|(name, file)| Tail::new(name, file, &shell.workdir));
    let tails: Vec<Tail> = tails.collect();
    let outcome = match Process::spawn(&shell, &environment, outer, pty) {
        Err(error) => not_started(&shell, &error, output),
        Ok(process) => {
            let mut run = Run::new(&shell, process, tails, begun);
            run.drive(output, stop).await;
            run.last_words(output).await;
            run.outcome(output)
        }
    };
    if report_rc {
        output.value(Update::Rc(outcome.rc));
    }
    output.header(format!("elapsedTime={:.6}\n", begun.elapsed().as_secs_f64()));
    outcome
}

/// A program that cannot be started is an ordinary failure with exit status 1.
fn not_started(shell: &Shell, error: &io::Error, output: &mut Output) -> Outcome {
    let text = format!("cannot execute {}: {}\n", argv::repr(&shell.command), system_text(error));
    output.put(Item::Bytes(Stream::Stderr, text.into_bytes()));
    Outcome { rc: 1, failure: None, interrupted: false }
}

/// What happened next.
enum Event {
    Drained,
    Bytes(Stream, Vec<u8>),
    Exited(io::Result<ExitStatus>),
    Stop(Stop),
    Silent,
    OutOfTime,
    PollLogs,
    NextSignal,
}

struct Run<'a> {
    shell: &'a Shell,
    process: Process,
    tails: Vec<Tail>,
    begun: Instant,
    last_output: Instant,
    next_poll: Instant,
    lines: LineCounter,
    ending: Option<Ending>,
    interrupted: bool,
    survived: Option<Signal>,
}

impl<'a> Run<'a> {
    fn new(shell: &'a Shell, process: Process, tails: Vec<Tail>, begun: Instant) -> Run<'a> {
        Run {
            shell,
            process,
            tails,
            begun,
            last_output: begun,
            next_poll: begun + LOG_POLL,
            lines: LineCounter::default(),
            ending: None,
            interrupted: false,
            survived: None,
        }
    }

    async fn drive(&mut self, output: &mut Output, stop: &mut mpsc::Receiver<Stop>) {
        while !self.process.is_over() && self.survived.is_none() {
            match self.next_event(output, stop).await {
                Event::Drained => self.last_output = Instant::now(),
                Event::Bytes(stream, bytes) => self.bytes(stream, bytes, output).await,
                Event::Exited(status) => self.exited(status),
                Event::Stop(stop) => self.stop(stop, output).await,
                Event::Silent => {
                    let excess = self.shell.limits.timeout.map(Excess::Silence);
                    self.exceeded(excess, output).await;
                }
                Event::OutOfTime => {
                    let excess = self.shell.limits.max_time.map(Excess::Time);
                    self.exceeded(excess, output).await;
                }
                Event::PollLogs => self.poll_logs(output),
                Event::NextSignal => self.next_signal(output).await,
            }
        }
    }

    async fn next_event(&mut self, output: &mut Output, stop: &mut mpsc::Receiver<Stop>) -> Event {
        let clear = output.is_clear();
        let alive = self.ending.is_none();
        let limits = &self.shell.limits;
        let silent_at = limits.timeout.and_then(|limit| after(self.last_output, limit));
        let over_at = limits.max_time.and_then(|limit| after(self.begun, limit));
        let signal_at = self.ending.as_ref().map(|ending| ending.until);
        let poll_at = (!self.tails.is_empty()).then_some(self.next_poll);
        let (child, known, stdout, stderr) = self.process.parts();
        tokio::select! {
            biased;
            Some(stop) = stop.recv(), if !self.interrupted => Event::Stop(stop),
            () = at(signal_at) => Event::NextSignal,
            () = at(over_at), if alive => Event::OutOfTime,
            () = output.drain(), if !clear => Event::Drained,
            bytes = read_either(stdout, stderr), if clear => Event::Bytes(bytes.0, bytes.1),
            status = Process::wait(child, known) => Event::Exited(status),
            () = at(poll_at), if clear => Event::PollLogs,
            () = at(silent_at), if alive && clear => Event::Silent,
        }
    }

    async fn bytes(&mut self, stream: Stream, bytes: Vec<u8>, output: &mut Output) {
        self.last_output = Instant::now();
        let wanted = match stream {
            Stream::Stdout => self.shell.want_stdout,
            _ => self.shell.want_stderr,
        };
        if !wanted || bytes.is_empty() {
            return;
        }
        let seen = self.lines.count(&stream, &bytes);
        if let Some(allowed) = self.shell.max_lines.filter(|allowed| seen > *allowed)
            && self.ending.is_none()
        {
            self.exceeded(Some(Excess::Lines { seen, allowed }), output).await;
            self.process.stdout.close();
        }
        output.put(Item::Bytes(stream, bytes));
    }

    fn exited(&mut self, status: io::Result<ExitStatus>) {
        // The child cannot be waited for: treat it as failed instead of waiting forever.
        self.process.set_exited(status.unwrap_or_else(|_| ExitStatus::from_raw(1 << 8)));
        if let Some(ending) = &mut self.ending {
            ending.leader_died(Instant::now());
        }
    }

    async fn stop(&mut self, stop: Stop, output: &mut Output) {
        self.interrupted = true;
        if self.ending.is_none() {
            output.put(Item::Flush);
            output.header(header::INTERRUPTED);
            self.end().await;
        }
        tracing::debug!("command stopped: {stop:?}");
    }

    async fn exceeded(&mut self, excess: Option<Excess>, output: &mut Output) {
        if let Some(excess) = excess {
            output.value(Update::FailureReason(excess.reason().to_owned()));
            output.header(excess.header(self.shell));
            self.end().await;
        }
    }

    async fn end(&mut self) {
        self.process.kin.remember().await;
        let sigterm = self
            .shell
            .sigterm_time
            .map(|time| Duration::try_from_secs_f64(time).unwrap_or(Duration::MAX));
        let signal = kill::signal_by_name(self.shell.interrupt_signal.as_deref());
        let (ending, first) = Ending::begin(sigterm, signal, Instant::now());
        self.process.signal(first);
        self.ending = Some(ending);
        if self.process.exited().is_some()
            && let Some(ending) = &mut self.ending
        {
            ending.leader_died(Instant::now());
        }
    }

    async fn next_signal(&mut self, output: &mut Output) {
        let dead = self.process.exited().is_some();
        let Some(ending) = &mut self.ending else { return };
        match ending.next(dead, Instant::now()) {
            Next::Send { signal, survived } => {
                if let Some(survived) = survived {
                    output.header(format!("{survived} failed to kill process\n"));
                }
                self.process.signal(signal);
                if dead {
                    self.process.kin.kill().await;
                }
            }
            Next::StopReading => {
                self.process.stdout.close();
                self.process.stderr.close();
            }
            Next::GiveUp { survived } => {
                output.header(format!("{survived} failed to kill process\n"));
                output.header("using fake rc=-1\n");
                self.survived = Some(survived);
            }
        }
    }

    /// One piece per file and round; a file with more to read is looked at again at once.
    fn poll_logs(&mut self, output: &mut Output) {
        self.next_poll = Instant::now() + LOG_POLL;
        for tail in &mut self.tails {
            match tail.read() {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => {
                    self.last_output = Instant::now();
                    self.next_poll = self.last_output;
                    output.put(Item::Bytes(tail.stream.clone(), piece));
                }
                Err(error) => tracing::debug!("log file {:?}: {error}", tail.stream),
            }
        }
    }

    /// What log files still hold, then the end of unfinished lines. Whoever is left of a killed program
    /// is killed first.
    async fn last_words(&mut self, output: &mut Output) {
        if self.ending.is_some() {
            self.process.signal(Signal::SIGKILL);
            self.process.kin.kill().await;
        }
        loop {
            self.next_poll = self.begun;
            self.poll_logs(output);
            if output.is_clear() {
                break;
            }
            output.drain().await;
        }
        output.put(Item::EndLines);
        let told = self.process.kin.tell();
        if !told.is_empty() {
            output.header(told);
        }
    }

    fn outcome(&self, output: &mut Output) -> Outcome {
        if let Some(signal) = self.survived {
            let failure = Some(format!("{signal} failed to kill process"));
            return Outcome { rc: -1, failure, interrupted: self.interrupted };
        }
        let status = self.process.exited();
        if let Some(signal) = status.and_then(|status| status.signal()) {
            output.header(format!("process killed by signal {signal}\n"));
        }
        let code = status.and_then(|status| status.code()).map_or(-1, i64::from);
        let rc = if code == 0 && self.ending.is_some() { -1 } else { code };
        Outcome { rc, failure: None, interrupted: self.interrupted }
    }
}

/// Bytes of whichever stream has some; fair, so that neither starves.
async fn read_either(stdout: &mut Source, stderr: &mut Source) -> (Stream, Vec<u8>) {
    tokio::select! {
        bytes = stdout.read() => (Stream::Stdout, bytes),
        bytes = stderr.read() => (Stream::Stderr, bytes),
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// `None` when the limit is beyond what time can count.
fn after(begin: Instant, seconds: f64) -> Option<Instant> {
    begin.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}
