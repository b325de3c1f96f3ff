//! Benches for tests: one answers from a script, one runs commands on this machine.

pub(super) mod transfer;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use async_trait::async_trait;
use protocol::command::{Arg, Command, CommandLine, EnvValue, Shell};
use protocol::update::Update;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

use super::transfer::TransferEnd;
use super::{
    BuilderFacts, Capture, ChildBuild, ChildRequest, Finished, LineObserver, Observing, Outcome,
    StepError, StepPlan, Stream, TriggerOrder, Workbench, WorkerFacts,
};
use crate::config::problems::{Place, Problems};
use crate::config::raw::{Raw, RawValue};
use crate::model::{
    BuildRequestId, Change, LogType, Properties, Results, SourceStamp, SourceStampId, TestResult,
    TestResultSetId, TestSet,
};

/// Where commands go.
pub(super) enum Worker {
    /// Each command takes the next answer.
    Script(VecDeque<Finished>),
    /// Commands run in this directory.
    Local(PathBuf),
    /// A transfer sends these blocks, says that it is done if it `closes`, and then answers.
    Sends { blocks: Vec<Vec<u8>>, closes: bool, answer: Finished },
}

/// A bench that remembers all that a step did.
pub(super) struct FakeBench {
    pub worker_side: Worker,
    pub properties: Properties,
    pub sources: Vec<SourceStamp>,
    pub changes: Vec<Change>,
    pub worker: WorkerFacts,
    pub builder: BuilderFacts,
    pub secrets: Vec<(String, String)>,
    pub commands: Vec<Command>,
    /// Log name, stream, text.
    pub logs: Vec<(String, Stream, String)>,
    /// Text, address.
    pub urls: Vec<(String, String)>,
    pub test_sets: Vec<(TestSet, Vec<TestResult>)>,
    /// Lines shown while the step ran.
    pub summaries: Vec<String>,
    /// Where the output of commands goes.
    pub output_log: String,
    /// Somebody stops the step after so many blocks of a transfer.
    pub interrupt_after: Option<usize>,
    pub basedir: PathBuf,
    /// What schedulers were asked for.
    pub orders: Vec<TriggerOrder>,
    /// How triggered requests stand, at each look at them.
    pub children: VecDeque<Vec<ChildRequest>>,
    /// Requests that were cancelled.
    pub cancelled: Vec<BuildRequestId>,
    /// Send a reason to interrupt.
    pub interrupt: watch::Sender<Option<String>>,
}

impl FakeBench {
    pub fn scripted(answers: impl IntoIterator<Item = Finished>) -> FakeBench {
        FakeBench::new(Worker::Script(answers.into_iter().collect()))
    }

    pub fn local(directory: &Path) -> FakeBench {
        FakeBench::new(Worker::Local(directory.to_owned()))
    }

    pub fn new(worker_side: Worker) -> FakeBench {
        FakeBench {
            worker_side,
            properties: Properties::new(),
            sources: vec![stamp("", None, None)],
            changes: Vec::new(),
            worker: WorkerFacts { system: "posix".into(), ..WorkerFacts::default() },
            builder: BuilderFacts::default(),
            secrets: Vec::new(),
            commands: Vec::new(),
            logs: Vec::new(),
            urls: Vec::new(),
            test_sets: Vec::new(),
            summaries: Vec::new(),
            output_log: "stdio".into(),
            interrupt_after: None,
            basedir: std::env::temp_dir(),
            orders: Vec::new(),
            children: VecDeque::new(),
            cancelled: Vec::new(),
            interrupt: watch::Sender::new(None),
        }
    }

    /// All text of one log.
    pub fn log_text(&self, name: &str) -> String {
        self.logs.iter().filter(|(log, ..)| log == name).map(|(_, _, text)| text.as_str()).collect()
    }

    /// The only shell command so far.
    pub fn shell(&self) -> &Shell {
        match self.commands.as_slice() {
            [Command::Shell(shell)] => shell,
            other => panic!("not one shell command: {other:?}"),
        }
    }

    async fn answer(&mut self, command: Command) -> Result<Finished, StepError> {
        self.commands.push(command.clone());
        Ok(match &mut self.worker_side {
            Worker::Script(answers) => answers.pop_front().ok_or(StepError::WorkerLost)?,
            Worker::Local(directory) => run_local(directory, command).await,
            Worker::Sends { .. } => panic!("not a transfer: {command:?}"),
        })
    }

    /// Puts the output into the log.
    fn ended(&mut self, mut finished: Finished, capture: Capture) -> Finished {
        if !capture.quiet {
            let log = &self.output_log;
            self.logs.push((log.clone(), Stream::Stdout, finished.stdout.clone()));
            self.logs.push((log.clone(), Stream::Stderr, finished.stderr.clone()));
        }
        if !capture.stdout {
            finished.stdout.clear();
        }
        if !capture.stderr {
            finished.stderr.clear();
        }
        finished.interrupted = self.interrupt.borrow().clone();
        finished
    }

    /// Runs a step and gives its outcome with its line.
    pub async fn run(&mut self, plan: &StepPlan) -> (Outcome, String) {
        let outcome = plan.step.run(self).await.unwrap();
        let text = plan.done_text(&outcome);
        (outcome, text)
    }
}

/// A request of the builder, with one build once it is complete.
pub(super) fn child(id: i64, builder: &str, results: Option<Results>) -> ChildRequest {
    let build = ChildBuild { number: 10 + id, url: format!("/build/{id}"), results };
    ChildRequest {
        request: BuildRequestId(id),
        builder: builder.into(),
        url: format!("/request/{id}"),
        results,
        builds: results.map(|_| build).into_iter().collect(),
    }
}

/// A command that ended with this exit status and output.
pub(super) fn ended(rc: i64, stdout: &str) -> Finished {
    Finished { rc: Some(rc), stdout: stdout.into(), ..Finished::default() }
}

pub(super) fn stamp(codebase: &str, branch: Option<&str>, revision: Option<&str>) -> SourceStamp {
    SourceStamp {
        id: SourceStampId(1),
        branch: branch.map(str::to_owned),
        revision: revision.map(str::to_owned),
        repository: String::new(),
        project: String::new(),
        codebase: codebase.into(),
        created_at: 0,
        patch: None,
    }
}

fn raw(value: Value) -> Raw {
    let value = match value {
        Value::Null => RawValue::Null,
        Value::Bool(value) => RawValue::Bool(value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => RawValue::Int(number),
            None => RawValue::Float(number.as_f64().unwrap()),
        },
        Value::String(text) => RawValue::Text(text),
        Value::Array(items) => RawValue::List(items.into_iter().map(raw).collect()),
        Value::Object(table) => {
            RawValue::Table(table.into_iter().map(|(key, value)| (key, raw(value))).collect())
        }
    };
    Raw { value, place: Place::default() }
}

/// Reads a step that must be without mistakes.
pub(super) fn plan(value: Value) -> StepPlan {
    let (plan, problems) = parsed(value);
    assert!(problems.is_empty(), "{problems}");
    plan.unwrap()
}

pub(super) fn parsed(value: Value) -> (Option<StepPlan>, String) {
    let mut problems = Problems::new();
    let plan = super::registry::parse(&raw(value), "steps[0]", &mut problems);
    (plan, problems.to_string())
}

#[async_trait(?Send)]
impl Workbench for FakeBench {
    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn set_property(&mut self, name: &str, value: Value, source: &str) {
        self.properties.set(name, value, source);
    }

    fn sources(&self) -> &[SourceStamp] {
        &self.sources
    }

    fn changes(&self) -> &[Change] {
        &self.changes
    }

    fn worker(&self) -> &WorkerFacts {
        &self.worker
    }

    fn builder(&self) -> &BuilderFacts {
        &self.builder
    }

    fn secret(&self, name: &str) -> Option<String> {
        self.secrets.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    async fn command(&mut self, command: Command, capture: Capture) -> Result<Finished, StepError> {
        let finished = self.answer(command).await?;
        Ok(self.ended(finished, capture))
    }

    async fn observed(
        &mut self,
        command: Command,
        capture: Capture,
        observer: &mut dyn LineObserver,
    ) -> Result<Finished, StepError> {
        let finished = self.answer(command).await?;
        let mut observing = Observing::new(observer);
        observing.push(Stream::Stdout, &finished.stdout);
        observing.push(Stream::Stderr, &finished.stderr);
        observing.finish();
        Ok(self.ended(finished, capture))
    }

    async fn transfer(
        &mut self,
        command: Command,
        end: &mut dyn TransferEnd,
        capture: Capture,
    ) -> Result<Finished, StepError> {
        self.commands.push(command.clone());
        let (interrupt_after, interrupt) = (self.interrupt_after, &self.interrupt);
        let run = |base, end| transfer::Transfer { base, end, interrupt_after, interrupt };
        let finished = match &mut self.worker_side {
            Worker::Script(answers) => answers.pop_front().ok_or(StepError::WorkerLost)?,
            Worker::Local(directory) => run(directory.as_path(), end).run(command).await,
            Worker::Sends { blocks, closes, answer } => {
                let sent = run(Path::new("/"), end).send(std::mem::take(blocks), *closes).await;
                Finished { transfer_error: sent.err(), ..answer.clone() }
            }
        };
        Ok(self.ended(finished, capture))
    }

    async fn clean_up(&mut self, command: Command) -> Result<Finished, StepError> {
        let reason = self.interrupt.send_replace(None);
        let finished = self.command(command, Capture::default()).await;
        self.interrupt.send_replace(reason);
        finished
    }

    async fn log(
        &mut self,
        name: &str,
        _kind: LogType,
        stream: Stream,
        text: &str,
    ) -> Result<(), StepError> {
        self.logs.push((name.into(), stream, text.into()));
        // Lets tests interrupt a program that has told that it runs.
        if text.contains("please interrupt") {
            self.interrupt.send_replace(Some("test".into()));
        }
        Ok(())
    }

    /// Requests have numbers that count up, and a builder named like the scheduler. A scheduler
    /// named `missing` does not exist.
    async fn trigger(&mut self, order: TriggerOrder) -> Result<Vec<ChildRequest>, StepError> {
        let name = order.scheduler.clone();
        if name == "missing" {
            return Err(StepError::Failed("there is no scheduler 'missing'".into()));
        }
        self.orders.push(order);
        Ok(vec![child(self.orders.len() as i64, &name, None)])
    }

    async fn await_children(
        &mut self,
        _requests: &[BuildRequestId],
        _complete: usize,
    ) -> Result<Option<Vec<ChildRequest>>, StepError> {
        Ok(self.children.pop_front())
    }

    async fn cancel_children(
        &mut self,
        requests: &[BuildRequestId],
        _reason: &str,
    ) -> Result<(), StepError> {
        self.cancelled.extend(requests);
        Ok(())
    }

    fn set_output_log(&mut self, name: &str) {
        self.output_log = name.into();
    }

    async fn open_test_set(&mut self, set: TestSet) -> Result<TestResultSetId, StepError> {
        self.test_sets.push((set, Vec::new()));
        Ok(TestResultSetId(self.test_sets.len() as i64))
    }

    async fn add_test_results(
        &mut self,
        set: TestResultSetId,
        results: Vec<TestResult>,
    ) -> Result<(), StepError> {
        self.test_sets[set.0 as usize - 1].1.extend(results);
        Ok(())
    }

    fn set_summary(&mut self, text: &str) {
        self.summaries.push(text.into());
    }

    fn add_url(&mut self, name: &str, url: &str) {
        self.urls.push((name.into(), url.into()));
    }

    fn interruption(&self) -> watch::Receiver<Option<String>> {
        self.interrupt.subscribe()
    }

    fn master_basedir(&self) -> &Path {
        &self.basedir
    }
}

async fn run_local(base: &Path, command: Command) -> Finished {
    match command {
        Command::Shell(shell) => run_shell(base, shell).await,
        Command::MakeDirectory { dir } => by_rc(std::fs::create_dir_all(base.join(dir))),
        Command::RemoveDirectory { dirs, .. } => {
            let remove = |dir: &String| match std::fs::remove_dir_all(base.join(dir)) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                    std::fs::remove_file(base.join(dir))
                }
                removed => removed,
            };
            by_rc(dirs.iter().try_for_each(remove))
        }
        Command::CopyDirectory { from, to, .. } => {
            let copy = std::process::Command::new("cp")
                .args(["-R", "-P", "-p"])
                .args([base.join(from), base.join(to)])
                .status()
                .unwrap();
            ended(copy.code().unwrap().into(), "")
        }
        Command::Stat { file } => {
            use std::os::unix::fs::MetadataExt;
            match std::fs::metadata(base.join(file)) {
                Ok(data) => {
                    let mut stat = [0; 10];
                    stat[0] = i64::from(data.mode());
                    Finished { updates: vec![Update::Stat(stat)], ..ended(0, "") }
                }
                Err(error) => by_rc(Err(error)),
            }
        }
        Command::ListDirectory { dir } => match std::fs::read_dir(base.join(dir)) {
            Ok(entries) => {
                let name = |entry: std::io::Result<std::fs::DirEntry>| {
                    entry.unwrap().file_name().to_string_lossy().into_owned()
                };
                let files = Update::Files(entries.map(name).collect());
                Finished { updates: vec![files], ..ended(0, "") }
            }
            Err(error) => by_rc(Err(error)),
        },
        Command::Glob { path } => {
            let pattern = base.join(path);
            let matcher = globset::Glob::new(&pattern.to_string_lossy()).unwrap().compile_matcher();
            let entries = std::fs::read_dir(pattern.parent().unwrap()).into_iter().flatten();
            let paths = entries.map(|entry| entry.unwrap().path());
            let mut found: Vec<String> = paths
                .filter(|path| matcher.is_match(path))
                .map(|path| path.to_string_lossy().into_owned())
                .collect();
            found.sort();
            Finished { updates: vec![Update::Files(found)], ..ended(0, "") }
        }
        other => panic!("not offered: {other:?}"),
    }
}

fn by_rc(result: std::io::Result<()>) -> Finished {
    ended(result.err().map_or(0, |error| error.raw_os_error().unwrap_or(1).into()), "")
}

async fn run_shell(base: &Path, shell: Shell) -> Finished {
    let directory = base.join(&shell.workdir);
    std::fs::create_dir_all(&directory).unwrap();
    let args: Vec<String> = match shell.command {
        CommandLine::Text(text) => vec!["/bin/sh".into(), "-c".into(), text],
        CommandLine::Args(args) => args
            .into_iter()
            .map(|arg| match arg {
                Arg::Plain(text) | Arg::Obfuscated { real: text, .. } => text,
            })
            .collect(),
    };
    let mut command = tokio::process::Command::new(&args[0]);
    command.args(&args[1..]).current_dir(directory);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    command.env("LC_ALL", "C");
    for (name, value) in shell.env {
        match value {
            Some(EnvValue::Text(value)) => command.env(name, value),
            Some(EnvValue::Paths(paths)) => command.env(name, paths.join(":")),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = shell.initial_stdin.unwrap_or_default();
    stdin.write_all(text.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    Finished {
        rc: Some(output.status.code().map_or(-1, i64::from)),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        ..Finished::default()
    }
}
