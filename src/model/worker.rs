//! A worker as the database and the pages know it.

use indexmap::IndexMap;
use serde_json::Value;

use super::{BuilderId, MasterId, WorkerId};

/// A stored worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    pub id: WorkerId,
    pub name: String,
    /// What the worker said at its last attach: `admin`, `host`, `access_uri`, `version`.
    pub info: Value,
    pub paused: bool,
    pub pause_reason: Option<String>,
    pub graceful: bool,
    pub connected_to: Vec<MasterId>,
    pub configured_on: Vec<(MasterId, BuilderId)>,
}

/// What a connected worker reported about itself (`getWorkerInfo`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkerInfo {
    /// Absolute base directory on the worker's machine.
    pub basedir: String,
    /// `posix` or `nt`: selects path rules.
    pub system: String,
    pub version: String,
    /// The worker's whole environment; may hold secrets, never stored.
    pub environ: IndexMap<String, String>,
    pub admin: Option<String>,
    pub host: Option<String>,
    pub access_uri: Option<String>,
    pub numcpus: Option<i64>,
    pub delete_leftover_dirs: bool,
    /// What an old worker cannot do, for people, one line each.
    pub lacks: Vec<String>,
    /// All other keys as sent, such as `os_id`.
    pub others: IndexMap<String, Value>,
}
