//! The workbench of a running build: lets its steps reach the worker and the logs.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use indexmap::IndexMap;
use protocol::command::Command;
use protocol::report::Answer;
use protocol::update::Update;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Surroundings, children};
use crate::actors::worker::{CommandEvent, LinkError, Running, TransferPart, WorkerLink};
use crate::db::{Conn, DbError, build_data, logs, test_results};
use crate::events::Event;
use crate::flow::interpolate::RenderContext;
use crate::model::{
    BuildId, BuildRequestId, Change, LogId, LogType, Properties, SourceStamp, Step, StepUrl,
    TestResult, TestResultSetId, TestSet,
};
use crate::steps::transfer::TransferEnd;
use crate::steps::{
    BuilderFacts, CAPTURE_LIMIT, Capture, ChildRequest, Finished, LineObserver, Observing,
    StepError, StepPlan, Stream, TriggerOrder, Workbench, WorkerFacts,
};

/// How long a worker may take to end a command after it was asked to.
const INTERRUPT_DEADLINE: Duration = Duration::from_secs(60);

/// What one build's steps work with. Lives as long as the build; [`Bench::begin`] turns it to the
/// next step.
pub(super) struct Bench {
    pub surroundings: Surroundings,
    pub build: BuildId,
    pub link: WorkerLink,
    pub properties: Properties,
    /// Names of the properties set since they were last stored.
    pub changed: Vec<String>,
    /// Properties that the step asked for and that are not set.
    pub unset: RefCell<BTreeSet<String>>,
    pub sources: Vec<SourceStamp>,
    pub changes: Vec<Change>,
    pub worker: WorkerFacts,
    pub builder: BuilderFacts,
    pub interruption: watch::Receiver<Option<String>>,
    step: Option<CurrentStep>,
}

struct CurrentStep {
    row: Step,
    logs: IndexMap<String, LogId>,
    summary: Option<String>,
    urls: Vec<StepUrl>,
    /// Where the output of commands goes.
    output_log: String,
    /// Sets of test results, with passed and failed tests so far.
    test_sets: IndexMap<TestResultSetId, (TestSet, i64, i64)>,
}

/// Everything a build needs to know to set up its bench.
pub(super) struct BenchParts {
    pub surroundings: Surroundings,
    pub build: BuildId,
    pub link: WorkerLink,
    pub properties: Properties,
    pub sources: Vec<SourceStamp>,
    pub changes: Vec<Change>,
    pub worker: WorkerFacts,
    pub builder: BuilderFacts,
    pub interruption: watch::Receiver<Option<String>>,
}

impl Bench {
    pub fn new(parts: BenchParts) -> Bench {
        Bench {
            surroundings: parts.surroundings,
            build: parts.build,
            link: parts.link,
            properties: parts.properties,
            changed: Vec::new(),
            unset: RefCell::default(),
            sources: parts.sources,
            changes: parts.changes,
            worker: parts.worker,
            builder: parts.builder,
            interruption: parts.interruption,
            step: None,
        }
    }

    /// The plan with its descriptions rendered; one that cannot be rendered is shown as written.
    pub fn rendered(&self, plan: &StepPlan) -> StepPlan {
        let context = RenderContext {
            properties: &self.properties,
            sources: &self.sources,
            worker: &self.worker.info,
            secret: &|name| self.secret(name),
        };
        plan.rendered(&context).unwrap_or_else(|_| plan.clone())
    }

    /// Turns to the next step.
    pub fn begin(&mut self, row: Step) {
        self.step = Some(CurrentStep {
            row,
            logs: IndexMap::new(),
            summary: None,
            urls: Vec::new(),
            output_log: "stdio".to_owned(),
            test_sets: IndexMap::new(),
        });
    }

    /// Closes the step's logs and sets of test results. Its row is finished by the caller.
    pub async fn end(&mut self) {
        let Some(step) = self.step.take() else { return };
        for (id, (set, passed, failed)) in step.test_sets {
            let counts = set.counts().then_some((passed, failed));
            let complete = move |conn: &mut Conn| test_results::complete(conn, id, counts);
            match self.surroundings.db.write(complete).await {
                Ok(()) => {
                    let build = step.row.build;
                    let event = Event::TestSetCompleted { set: id, build };
                    self.surroundings.announcer.announce(event);
                }
                Err(error) => tracing::error!(set = %id, %error, "cannot end test results"),
            }
        }
        for log in step.logs.into_values() {
            if let Err(error) = self.surroundings.log_intake.finish(log).await {
                tracing::error!(%log, %error, "cannot finish a log");
            }
        }
    }

    async fn log_id(&mut self, name: &str, kind: LogType) -> Result<LogId, StepError> {
        let Some(step) = &mut self.step else {
            return Err(StepError::Failed("a log line outside of any step".to_owned()));
        };
        if let Some(id) = step.logs.get(name) {
            return Ok(*id);
        }
        let (row, log_name) = (step.row.id, name.to_owned());
        let log = self
            .surroundings
            .db
            .write(move |conn| logs::add(conn, row, &log_name, kind))
            .await
            .map_err(|error| {
                StepError::Failed(format!("cannot create the log '{name}': {error}"))
            })?;
        step.logs.insert(name.to_owned(), log.id);
        self.surroundings.log_intake.open(&log).await;
        self.surroundings.announcer.announce(Event::LogAdded {
            log: log.id,
            step: log.step,
            slug: log.slug,
        });
        Ok(log.id)
    }

    async fn start(&self, command: Command) -> Result<Running, StepError> {
        let BuilderFacts { workerbuilddir, name, .. } = &self.builder;
        self.link.start(workerbuilddir, name, command).await.map_err(step_error)
    }

    async fn take_update(
        &mut self,
        update: Update,
        capture: Capture,
        observing: Option<&mut Observing<'_>>,
        finished: &mut Finished,
    ) -> Result<(), StepError> {
        if let Some(observing) = observing {
            observe(observing, &update);
        }
        match update {
            Update::Stdout(text) => {
                if capture.stdout {
                    keep(&mut finished.stdout, &text);
                }
                self.output(capture, Stream::Stdout, text).await?;
            }
            Update::Stderr(text) => {
                if capture.stderr {
                    keep(&mut finished.stderr, &text);
                }
                self.output(capture, Stream::Stderr, text).await?;
            }
            Update::Header(text) => self.output(capture, Stream::Header, text).await?,
            Update::Log { name, text } => {
                self.append(&name, LogType::Stdio, Stream::Stdout, text).await?;
            }
            Update::Rc(rc) => {
                finished.rc = Some(rc);
                self.output(capture, Stream::Header, exit_line(rc)).await?;
            }
            Update::FailureReason(reason) => finished.failure_reason = Some(reason),
            Update::Elapsed(_) => {}
            other => finished.updates.push(other),
        }
        Ok(())
    }

    async fn output(
        &mut self,
        capture: Capture,
        stream: Stream,
        text: String,
    ) -> Result<(), StepError> {
        if capture.quiet {
            return Ok(());
        }
        let log = self.step.as_ref().map_or("stdio", |step| &step.output_log).to_owned();
        self.append(&log, LogType::Stdio, stream, text).await
    }

    async fn append(
        &mut self,
        name: &str,
        kind: LogType,
        stream: Stream,
        text: String,
    ) -> Result<(), StepError> {
        let log = self.log_id(name, kind).await?;
        self.surroundings
            .log_intake
            .append(log, stream, text)
            .await
            .map_err(|error| StepError::Failed(format!("cannot store the log '{name}': {error}")))
    }

    async fn follow(
        &mut self,
        running: Running,
        end: Option<&mut dyn TransferEnd>,
        observing: Option<&mut Observing<'_>>,
        capture: Capture,
    ) -> Result<Finished, StepError> {
        let interruption = self.interruption.clone();
        self.follow_until(running, end, observing, capture, interruption, None).await
    }

    /// Follows a command until it ends, or until `deadline`; `interruption` brings the latter about.
    async fn follow_until(
        &mut self,
        mut running: Running,
        mut end: Option<&mut dyn TransferEnd>,
        mut observing: Option<&mut Observing<'_>>,
        capture: Capture,
        mut interruption: watch::Receiver<Option<String>>,
        mut deadline: Option<Instant>,
    ) -> Result<Finished, StepError> {
        let mut finished = Finished::default();
        loop {
            tokio::select! {
                event = running.next() => match event {
                    CommandEvent::Update(update) => {
                        let observing = observing.as_deref_mut();
                        self.take_update(update, capture, observing, &mut finished).await?;
                    }
                    CommandEvent::Transfer { part, answer } => {
                        // A stock worker cannot bear an error here (it would never end the command):
                        // it hears that all is well, and is interrupted.
                        let nothing = nothing(&part);
                        let end = end.as_deref_mut().filter(|_| finished.transfer_error.is_none());
                        let outcome = match end {
                            Some(end) => transfer(end, part).await,
                            None => Ok(nothing.clone()),
                        };
                        let _ = answer.send(outcome.unwrap_or_else(|error| {
                            running.interrupt(&error);
                            deadline.get_or_insert(Instant::now() + INTERRUPT_DEADLINE);
                            finished.transfer_error = Some(error);
                            nothing
                        }));
                    }
                    CommandEvent::Complete(None) => return Ok(finished),
                    // What the worker says of it is only what was done to it.
                    CommandEvent::Complete(Some(_)) if deadline.is_some() => return Ok(finished),
                    CommandEvent::Complete(Some(error)) => return Err(StepError::Failed(error)),
                    CommandEvent::Lost => return Err(StepError::WorkerLost),
                },
                reason = interrupted(&mut interruption), if finished.interrupted.is_none() => {
                    running.interrupt(&reason);
                    finished.interrupted = Some(reason);
                    deadline.get_or_insert(Instant::now() + INTERRUPT_DEADLINE);
                }
                () = until(deadline) => {
                    let seconds = INTERRUPT_DEADLINE.as_secs();
                    let note = format!("the worker did not end the command within {seconds} s\n");
                    self.output(capture, Stream::Header, note).await?;
                    return Ok(finished);
                }
            }
        }
    }
}

fn cannot_store_tests(error: DbError) -> StepError {
    StepError::Failed(format!("cannot store test results: {error}"))
}

/// How the log tells an exit status.
fn exit_line(rc: i64) -> String {
    format!("program finished with exit code {rc}\n")
}

/// Lets an observer hear what goes into the log of the output.
fn observe(observing: &mut Observing<'_>, update: &Update) {
    match update {
        Update::Stdout(text) => observing.push(Stream::Stdout, text),
        Update::Stderr(text) => observing.push(Stream::Stderr, text),
        Update::Header(text) => observing.push(Stream::Header, text),
        Update::Rc(rc) => observing.push(Stream::Header, &exit_line(*rc)),
        _ => {}
    }
}

/// The answer to a part of a transfer that has failed already.
fn nothing(part: &TransferPart) -> Answer {
    match part {
        TransferPart::Read { .. } => Answer::Data(Vec::new()),
        _ => Answer::Done,
    }
}

async fn transfer(end: &mut dyn TransferEnd, part: TransferPart) -> Result<Answer, String> {
    match part {
        TransferPart::Write(data) => end.write(data).await?,
        TransferPart::Read { length } => return end.read(length).await.map(Answer::Data),
        TransferPart::Utime(accessed, modified) => end.utime(accessed, modified).await?,
        TransferPart::Close => end.close().await?,
    }
    Ok(Answer::Done)
}

fn step_error(error: LinkError) -> StepError {
    match error {
        LinkError::Refused(text) => StepError::Failed(text),
        _ => StepError::WorkerLost,
    }
}

/// Resolves when somebody stops the build.
pub(super) async fn interrupted(interruption: &mut watch::Receiver<Option<String>>) -> String {
    match interruption.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or_default(),
        // The build itself is going away; its task is about to be cut off.
        Err(_) => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Appends to captured output up to [`CAPTURE_LIMIT`], never inside a character.
fn keep(kept: &mut String, text: &str) {
    let room = CAPTURE_LIMIT.saturating_sub(kept.len());
    kept.push_str(&text[..text.floor_char_boundary(room)]);
}

#[async_trait(?Send)]
impl Workbench for Bench {
    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn note_unset(&self, names: &[String]) {
        self.unset.borrow_mut().extend(names.iter().cloned());
    }

    async fn set_build_data(
        &mut self,
        name: &str,
        value: Vec<u8>,
        source: &str,
    ) -> Result<(), StepError> {
        let Some(step) = &self.step else {
            return Err(StepError::Failed("build data outside of any step".to_owned()));
        };
        let (build, key, origin) = (step.row.build, name.to_owned(), source.to_owned());
        let write = move |conn: &mut Conn| build_data::set(conn, build, &key, &value, &origin);
        self.surroundings.db.write(write).await.map_err(|error| {
            StepError::Failed(format!("cannot keep the build data '{name}': {error}"))
        })
    }

    fn set_property(&mut self, name: &str, value: Value, source: &str) {
        if self.properties.set(name, value, source) && !self.changed.iter().any(|n| n == name) {
            self.changed.push(name.to_owned());
        }
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

    /// No provider: the configuration refuses `secretsProviders` so far.
    fn secret(&self, _name: &str) -> Option<String> {
        None
    }

    async fn command(&mut self, command: Command, capture: Capture) -> Result<Finished, StepError> {
        let running = self.start(command).await?;
        self.follow(running, None, None, capture).await
    }

    async fn observed(
        &mut self,
        command: Command,
        capture: Capture,
        observer: &mut dyn LineObserver,
    ) -> Result<Finished, StepError> {
        let running = self.start(command).await?;
        let mut observing = Observing::new(observer);
        let finished = self.follow(running, None, Some(&mut observing), capture).await?;
        observing.finish();
        Ok(finished)
    }

    async fn transfer(
        &mut self,
        command: Command,
        end: &mut dyn TransferEnd,
        capture: Capture,
    ) -> Result<Finished, StepError> {
        let running = self.start(command).await?;
        self.follow(running, Some(end), None, capture).await
    }

    async fn clean_up(&mut self, command: Command) -> Result<Finished, StepError> {
        let running = self.start(command).await?;
        // Nobody can stop it.
        let (_never, interruption) = watch::channel(None);
        let deadline = Instant::now() + INTERRUPT_DEADLINE;
        let deadline = Some(deadline);
        self.follow_until(running, None, None, Capture::default(), interruption, deadline).await
    }

    async fn log(
        &mut self,
        name: &str,
        kind: LogType,
        stream: Stream,
        text: &str,
    ) -> Result<(), StepError> {
        self.append(name, kind, stream, text.to_owned()).await
    }

    async fn trigger(&mut self, order: TriggerOrder) -> Result<Vec<ChildRequest>, StepError> {
        children::trigger(&self.surroundings, self.build, order).await
    }

    async fn await_children(
        &mut self,
        requests: &[BuildRequestId],
        complete: usize,
    ) -> Result<Option<Vec<ChildRequest>>, StepError> {
        let mut interruption = self.interruption.clone();
        let more = children::more(&self.surroundings, requests, complete);
        tokio::select! {
            children = more => children.map(Some),
            () = self.link.lost() => Err(StepError::WorkerLost),
            _ = interrupted(&mut interruption) => Ok(None),
        }
    }

    async fn cancel_children(
        &mut self,
        requests: &[BuildRequestId],
        reason: &str,
    ) -> Result<(), StepError> {
        children::cancel(&self.surroundings, requests, reason).await
    }

    fn set_output_log(&mut self, name: &str) {
        if let Some(step) = &mut self.step {
            step.output_log = name.to_owned();
        }
    }

    async fn open_test_set(&mut self, set: TestSet) -> Result<TestResultSetId, StepError> {
        let Some(step) = &mut self.step else {
            return Err(StepError::Failed("test results outside of any step".to_owned()));
        };
        let (build, row, about) = (step.row.build, step.row.id, set.clone());
        let work = move |conn: &mut Conn| test_results::add_set(conn, build, row, &about);
        let id = self.surroundings.db.write(work).await.map_err(cannot_store_tests)?;
        step.test_sets.insert(id, (set, 0, 0));
        self.surroundings.announcer.announce(Event::TestSetAdded { set: id, build });
        Ok(id)
    }

    async fn add_test_results(
        &mut self,
        set: TestResultSetId,
        results: Vec<TestResult>,
    ) -> Result<(), StepError> {
        let known = self.step.as_mut().and_then(|step| step.test_sets.get_mut(&set));
        let Some((about, passed, failed)) = known else {
            return Err(StepError::Failed(format!("the step has no test results {set}")));
        };
        for result in &results {
            match about.verdict(&result.value) {
                Some(true) => *passed += 1,
                Some(false) => *failed += 1,
                None => {}
            }
        }
        let work = move |conn: &mut Conn| test_results::add(conn, set, &results);
        self.surroundings.db.write(work).await.map_err(cannot_store_tests)
    }

    fn set_summary(&mut self, text: &str) {
        let Some(step) = &mut self.step else { return };
        if step.summary.as_deref() == Some(text) {
            return;
        }
        step.summary = Some(text.to_owned());
        let (id, build, text) = (step.row.id, step.row.build, text.to_owned());
        self.surroundings
            .store_step(id, build, move |conn| crate::db::steps::set_state_string(conn, id, &text));
    }

    fn add_url(&mut self, name: &str, url: &str) {
        let Some(step) = &mut self.step else { return };
        let link = StepUrl { name: name.to_owned(), url: url.to_owned() };
        if step.urls.contains(&link) {
            return;
        }
        step.urls.push(link);
        let (id, build, urls) = (step.row.id, step.row.build, step.urls.clone());
        self.surroundings
            .store_step(id, build, move |conn| crate::db::steps::set_urls(conn, id, &urls));
    }

    fn interruption(&self) -> watch::Receiver<Option<String>> {
        self.interruption.clone()
    }

    fn master_basedir(&self) -> &Path {
        &self.surroundings.basedir
    }
}
