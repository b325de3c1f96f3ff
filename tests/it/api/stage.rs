//! A backstage that notes commands and answers as it is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use buildbot::actors::tree::{ChildState, ChildStatus};
use buildbot::flow::locks::{ClaimStatus, LockStatus};
use buildbot::model::{
    BuildId, BuildRequestId, BuilderId, BuildsetId, LockKind, LogId, LogLines, ProblemId,
    SchedulerId, WorkerId,
};
use buildbot::status::problem::commands::Order;
use buildbot::status::web::backstage::{
    Backstage, BotNote, Connection, Explain, Following, Refusal, SchedulerNote, SourceNote,
    Submitted, Wish, WorkerOrder,
};
use indexmap::IndexMap;
use tokio::sync::broadcast;

#[derive(Default)]
pub struct NotingStage {
    notes: Mutex<Vec<String>>,
    /// What runs.
    pub schedulers: Mutex<Vec<SchedulerNote>>,
    /// The live log, if there is one: buffered lines and the channel of further ones.
    pub live: Mutex<Option<(LogLines, broadcast::Sender<Arc<LogLines>>)>>,
}

impl NotingStage {
    pub fn notes(&self) -> Vec<String> {
        std::mem::take(&mut self.notes.lock().unwrap())
    }

    fn note(&self, note: String) {
        self.notes.lock().unwrap().push(note);
    }
}

fn submitted() -> Submitted {
    let requests = vec![(BuilderId(3), BuildRequestId(18))];
    Submitted { buildset: BuildsetId(17), requests }
}

#[async_trait]
impl Backstage for NotingStage {
    async fn force(&self, scheduler: &str, wish: Wish) -> Result<Submitted, Refusal> {
        if !["force", "everything"].contains(&scheduler) {
            return Err(Refusal::NotFound(format!("force scheduler '{scheduler}'")));
        }
        if wish.values.get("reason").is_some_and(|reason| reason == "bad") {
            let errors = [("reason".to_owned(), "reason: <bad>".to_owned())];
            return Err(Refusal::Invalid(IndexMap::from(errors)));
        }
        let values = serde_json::Value::Object(wish.values);
        self.note(format!("force {:?} {values} by {}", wish.builders, wish.owner));
        Ok(submitted())
    }

    async fn stop_build(&self, build: BuildId, reason: &str) -> Result<(), Refusal> {
        self.note(format!("stop {build}: {reason}"));
        Ok(())
    }

    async fn rebuild(&self, build: BuildId, owner: &str) -> Result<Submitted, Refusal> {
        self.note(format!("rebuild {build} by {owner}"));
        Ok(submitted())
    }

    async fn cancel_request(&self, request: BuildRequestId, reason: &str) -> Result<(), Refusal> {
        self.note(format!("cancel {request}: {reason}"));
        Ok(())
    }

    async fn set_priority(&self, request: BuildRequestId, priority: i64) -> Result<(), Refusal> {
        if request.0 > 1_000 {
            return Err(Refusal::NotFound(format!("build request {request}")));
        }
        self.note(format!("priority {request}: {priority}"));
        Ok(())
    }

    async fn enable_scheduler(&self, scheduler: SchedulerId, enabled: bool) -> Result<(), Refusal> {
        self.note(format!("scheduler {scheduler}: {enabled}"));
        Ok(())
    }

    async fn tell_worker(
        &self,
        worker: WorkerId,
        order: WorkerOrder,
        reason: &str,
    ) -> Result<(), Refusal> {
        self.note(format!("worker {worker} {order:?}: {reason}"));
        Ok(())
    }

    async fn problem(&self, problem: ProblemId, by: &str, order: Order) -> Result<(), Refusal> {
        if problem.0 > 1_000 {
            return Err(Refusal::NotFound(format!("problem {problem}")));
        }
        self.note(format!("problem {problem} by {by}: {order:?}"));
        Ok(())
    }

    async fn follow(&self, _: LogId) -> Option<Following> {
        let live = self.live.lock().unwrap();
        let (buffered, lines) = live.as_ref()?;
        Some(Following { buffered: buffered.clone(), lines: lines.subscribe() })
    }

    fn connections(&self) -> HashMap<WorkerId, Connection> {
        HashMap::new()
    }

    fn explain(&self) -> Explain {
        Explain::new(Arc::new(|_, requests| {
            let why = |id: &BuildRequestId| (*id, format!("because of <{id}>"));
            Ok(requests.iter().map(why).collect())
        }))
    }

    fn schedulers(&self) -> Vec<SchedulerNote> {
        self.schedulers.lock().unwrap().clone()
    }

    fn sources(&self) -> Vec<SourceNote> {
        let error = Some("cannot reach <it>".to_owned());
        vec![SourceNote { name: "poller".into(), last_error: error, ..SourceNote::default() }]
    }

    fn locks(&self) -> Vec<LockStatus> {
        let claim = |number: Option<i64>, step: Option<&str>| ClaimStatus {
            buildrequestid: 3,
            builderid: 2,
            builder: "b-tests".into(),
            buildid: number,
            number,
            step: step.map(str::to_owned),
            access: if step.is_some() { "exclusive" } else { "counting" },
            count: 1,
            since: 1_795_330_000,
        };
        vec![LockStatus {
            name: "<db>".into(),
            kind: LockKind::Worker,
            worker: Some("local1".into()),
            max_count: 2,
            configured: true,
            holders: vec![claim(Some(7), None)],
            waiters: vec![claim(Some(8), Some("<load>")), claim(None, None)],
        }]
    }

    fn bots(&self) -> Vec<BotNote> {
        vec![BotNote {
            name: "chat".into(),
            nick: "bot".into(),
            network: "irc.example.org".into(),
            connected_since: None,
            trouble: Some("the server says: <banned>".into()),
            next_try: Some(1_795_330_600),
            channels: vec![("#dev".into(), Some("not joined yet".into()))],
        }]
    }

    fn tree(&self) -> Vec<ChildStatus> {
        vec![ChildStatus {
            names: vec!["roster".into(), "connection 1".into()],
            path: "roster/connection 1".into(),
            rule: "temporary",
            state: ChildState::Parked,
            since: 1_795_330_000,
            restarts: 3,
            last_error: Some("it <broke>".into()),
            mailbox_high_water: 17,
            mail_lost: 0,
        }]
    }
}
