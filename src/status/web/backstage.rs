//! What the web server needs of the running master besides the database: one trait, so that
//! pages and the REST interface can be tested without actors.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::broadcast;

use crate::actors::tree::ChildStatus;
use crate::db::{Conn, DbError};
use crate::flow::locks::LockStatus;
use crate::model::{
    BuildId, BuildRequestId, BuilderId, BuildsetId, LogId, LogLines, ProblemId, SchedulerId,
    Timestamp, WorkerId,
};
use crate::status::problem::commands::Order;

/// The running master as the web server sees it.
#[async_trait]
pub trait Backstage: Send + Sync {
    /// Submits a buildset through a force scheduler; no builders means all of the scheduler's.
    async fn force(&self, scheduler: &str, wish: Wish) -> Result<Submitted, Refusal>;
    async fn stop_build(&self, build: BuildId, reason: &str) -> Result<(), Refusal>;
    async fn rebuild(&self, build: BuildId, owner: &str) -> Result<Submitted, Refusal>;
    async fn cancel_request(&self, request: BuildRequestId, reason: &str) -> Result<(), Refusal>;
    /// A higher priority is built earlier.
    async fn set_priority(&self, request: BuildRequestId, priority: i64) -> Result<(), Refusal>;
    async fn enable_scheduler(&self, scheduler: SchedulerId, enabled: bool) -> Result<(), Refusal>;
    async fn tell_worker(
        &self,
        worker: WorkerId,
        order: WorkerOrder,
        reason: &str,
    ) -> Result<(), Refusal>;
    /// `by` does something about a problem.
    async fn problem(&self, problem: ProblemId, by: &str, order: Order) -> Result<(), Refusal>;
    /// `None` when the log is finished: then the database has all of it.
    async fn follow(&self, log: LogId) -> Option<Following>;
    /// Connected workers and since when or where from, by worker.
    fn connections(&self) -> HashMap<WorkerId, Connection>;
    /// Who tells why requests wait.
    fn explain(&self) -> Explain;
    fn schedulers(&self) -> Vec<SchedulerNote>;
    fn sources(&self) -> Vec<SourceNote>;
    /// Every lock, who holds it and who waits.
    fn locks(&self) -> Vec<LockStatus>;
    fn tree(&self) -> Vec<ChildStatus>;
    /// Every chat bot and how it is doing.
    fn bots(&self) -> Vec<BotNote>;
}

/// A chat bot as a page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BotNote {
    pub name: String,
    pub nick: String,
    pub network: String,
    pub connected_since: Option<Timestamp>,
    /// Why it is not connected.
    pub trouble: Option<String>,
    pub next_try: Option<Timestamp>,
    /// The channels it should be in, and why it is not.
    pub channels: Vec<(String, Option<String>)>,
}

/// What tells, on a reading connection, why requests wait.
pub type Why = dyn Fn(&mut Conn, &[BuildRequestId]) -> Result<HashMap<BuildRequestId, String>, DbError>
    + Send
    + Sync;

/// Tells why requests wait; by default nothing.
#[derive(Clone, Default)]
pub struct Explain(Option<Arc<Why>>);

impl Explain {
    pub fn new(why: Arc<Why>) -> Explain {
        Explain(Some(why))
    }

    /// Why each of these requests waits; those that do not wait are left out.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn why(
        &self,
        conn: &mut Conn,
        requests: &[BuildRequestId],
    ) -> Result<HashMap<BuildRequestId, String>, DbError> {
        match &self.0 {
            Some(why) if !requests.is_empty() => why(conn, requests),
            _ => Ok(HashMap::new()),
        }
    }
}

impl std::fmt::Debug for Explain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Explain")
    }
}

/// Who explains makes no difference to a query.
impl PartialEq for Explain {
    fn eq(&self, _: &Explain) -> bool {
        true
    }
}

impl Eq for Explain {}

/// What a person wants to be built.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    pub builders: Vec<String>,
    /// Full field name → value.
    pub values: Map<String, Value>,
    pub owner: String,
}

/// A buildset that was submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    pub buildset: BuildsetId,
    pub requests: Vec<(BuilderId, BuildRequestId)>,
}

/// Why a command was refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    #[error("there is no {0}")]
    NotFound(String),
    /// Full field name → what is wrong with its value.
    #[error("some values can't be used")]
    Invalid(IndexMap<String, String>),
    #[error("{0}")]
    Failed(String),
}

/// What a worker can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerOrder {
    Pause,
    Unpause,
    /// Shut down when its builds are done.
    Stop,
    Kill,
}

impl WorkerOrder {
    /// The order behind a method name of the REST interface.
    pub fn named(name: &str) -> Option<WorkerOrder> {
        Some(match name {
            "pause" => WorkerOrder::Pause,
            "unpause" => WorkerOrder::Unpause,
            "stop" => WorkerOrder::Stop,
            "kill" => WorkerOrder::Kill,
            _ => return None,
        })
    }
}

/// A live log: what is not in the database yet, and what comes.
pub struct Following {
    pub buffered: LogLines,
    pub lines: broadcast::Receiver<Arc<LogLines>>,
}

/// A worker's connection.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Connection {
    pub connected: bool,
    /// Address of the other end.
    pub peer: Option<String>,
    /// What is spoken: `pb`, `msgpack_experimental_v7`.
    pub protocol: Option<&'static str>,
    pub last_seen: Option<Timestamp>,
    /// Gets no builds until then, because its last ones broke.
    pub rests_until: Option<Timestamp>,
    /// What an old worker cannot do, one line each.
    pub lacks: Vec<String>,
    /// What else it told about itself, beyond what is stored: label and value. Its environment is
    /// not among it, which may hold secrets.
    pub facts: Vec<(&'static str, String)>,
}

/// A scheduler as people see it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SchedulerNote {
    pub name: String,
    /// Class name.
    pub kind: String,
    /// When its next buildset is due.
    pub waiting_until: Option<Timestamp>,
    pub pending_changes: usize,
    pub idle_because: Option<String>,
}

/// A change source as people see it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SourceNote {
    pub name: String,
    pub kind: String,
    /// Does not look by itself, but is told.
    pub told: bool,
    pub last_poll: Option<Timestamp>,
    pub last_error: Option<String>,
    pub next_poll: Option<Timestamp>,
}
