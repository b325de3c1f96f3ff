//! A workbench where nothing happens: every command succeeds at once and says nothing.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use indexmap::IndexMap;
use protocol::command::Command;
use serde_json::Value;
use tokio::sync::watch;

use super::acts;
use crate::config::checked::BuilderConfig;
use crate::model::{
    BuildRequestId, Change, LogType, Properties, Results, SourceStamp, TestResult, TestResultSetId,
    TestSet,
};
use crate::steps::transfer::TransferEnd;
use crate::steps::{
    BuilderFacts, Capture, ChildRequest, Finished, LineObserver, StepError, Stream, TriggerOrder,
    Workbench, WorkerFacts,
};

/// Writes down what a step wants.
pub(super) struct DryBench {
    pub properties: Properties,
    pub acts: Vec<String>,
    sets: IndexMap<String, Value>,
    orders: Vec<TriggerOrder>,
    /// Requests that were made so far.
    made: i64,
    sources: Vec<SourceStamp>,
    changes: Vec<Change>,
    worker: WorkerFacts,
    builder: BuilderFacts,
    /// Whatever a step may write there goes with the simulation.
    basedir: PathBuf,
    interruption: watch::Sender<Option<String>>,
}

impl DryBench {
    pub fn new(
        builder: &BuilderConfig,
        properties: Properties,
        sources: &[SourceStamp],
        changes: &[Change],
        basedir: &Path,
    ) -> DryBench {
        let name = builder.workernames.first().cloned().unwrap_or_default();
        DryBench {
            properties,
            acts: Vec::new(),
            sets: IndexMap::new(),
            orders: Vec::new(),
            made: 0,
            sources: sources.to_vec(),
            changes: changes.to_vec(),
            worker: WorkerFacts {
                name,
                basedir: "/worker".to_owned(),
                system: "posix".to_owned(),
                ..WorkerFacts::default()
            },
            builder: BuilderFacts {
                name: builder.name.clone(),
                workerbuilddir: builder.workerbuilddir.clone(),
                env: builder.env.clone(),
            },
            basedir: basedir.to_owned(),
            interruption: watch::Sender::new(None),
        }
    }

    /// What the last step did, and the properties that it set.
    pub fn take_acts(&mut self) -> (Vec<String>, IndexMap<String, Value>) {
        (std::mem::take(&mut self.acts), std::mem::take(&mut self.sets))
    }

    /// What the last step asked of schedulers.
    pub fn take_orders(&mut self) -> Vec<TriggerOrder> {
        std::mem::take(&mut self.orders)
    }

    fn succeed(&mut self, command: &Command) -> Finished {
        self.acts.push(acts::line(command));
        Finished { rc: Some(0), ..Finished::default() }
    }
}

#[async_trait(?Send)]
impl Workbench for DryBench {
    fn properties(&self) -> &Properties {
        &self.properties
    }

    fn set_property(&mut self, name: &str, value: Value, source: &str) {
        self.sets.insert(name.to_owned(), value.clone());
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

    /// Stands for the secret, which nobody needs to see here.
    fn secret(&self, name: &str) -> Option<String> {
        Some(format!("<{name}>"))
    }

    async fn command(&mut self, command: Command, _: Capture) -> Result<Finished, StepError> {
        Ok(self.succeed(&command))
    }

    async fn observed(
        &mut self,
        command: Command,
        _: Capture,
        _: &mut dyn LineObserver,
    ) -> Result<Finished, StepError> {
        Ok(self.succeed(&command))
    }

    async fn open_test_set(&mut self, _: TestSet) -> Result<TestResultSetId, StepError> {
        Ok(TestResultSetId(1))
    }

    async fn add_test_results(
        &mut self,
        _: TestResultSetId,
        _: Vec<TestResult>,
    ) -> Result<(), StepError> {
        Ok(())
    }

    async fn set_build_data(&mut self, name: &str, _: Vec<u8>, _: &str) -> Result<(), StepError> {
        self.acts.push(format!("keeps the build data '{name}'"));
        Ok(())
    }

    async fn transfer(
        &mut self,
        command: Command,
        _: &mut dyn TransferEnd,
        _: Capture,
    ) -> Result<Finished, StepError> {
        Ok(self.succeed(&command))
    }

    async fn clean_up(&mut self, command: Command) -> Result<Finished, StepError> {
        Ok(self.succeed(&command))
    }

    async fn trigger(&mut self, order: TriggerOrder) -> Result<Vec<ChildRequest>, StepError> {
        self.acts.push(format!("trigger {}", order.scheduler));
        self.orders.push(order);
        self.made += 1;
        Ok(vec![ChildRequest {
            request: BuildRequestId(self.made),
            builder: String::new(),
            url: String::new(),
            results: None,
            builds: Vec::new(),
        }])
    }

    async fn await_children(
        &mut self,
        requests: &[BuildRequestId],
        _: usize,
    ) -> Result<Option<Vec<ChildRequest>>, StepError> {
        let done = requests.iter().map(|request| ChildRequest {
            request: *request,
            builder: String::new(),
            url: String::new(),
            results: Some(Results::Success),
            builds: Vec::new(),
        });
        Ok(Some(done.collect()))
    }

    async fn cancel_children(&mut self, _: &[BuildRequestId], _: &str) -> Result<(), StepError> {
        Ok(())
    }

    async fn log(&mut self, _: &str, _: LogType, _: Stream, _: &str) -> Result<(), StepError> {
        Ok(())
    }

    fn set_summary(&mut self, _: &str) {}

    fn add_url(&mut self, _: &str, _: &str) {}

    fn interruption(&self) -> watch::Receiver<Option<String>> {
        self.interruption.subscribe()
    }

    fn master_basedir(&self) -> &Path {
        &self.basedir
    }
}
