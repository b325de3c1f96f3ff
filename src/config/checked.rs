//! The checked configuration: typed, complete, ready to run.
//!
//! Field names follow Buildbot's option names in Rust's spelling; the manual of Buildbot 4.3
//! documents each of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indexmap::{IndexMap, IndexSet};
use serde_json::Value;

use crate::change_sources::SourcePlan;
use crate::flow::change_filter::{ChangeFilter, FileFilter};
use crate::flow::intake::IntakeRules;
use crate::flow::verdict::{Judge, Verdict};
use crate::model::{Change, Properties};
use crate::steps::StepPlan;

/// Everything a master runs by.
#[derive(Debug, Clone)]
pub struct MasterConfig {
    pub title: String,
    pub title_url: String,
    /// Ends in `/`.
    pub buildbot_url: String,
    /// Resolved against the base directory: `sqlite:///…`.
    pub db_url: String,
    pub protocols: Vec<WorkerListen>,
    pub www: Option<Www>,
    pub workers: Vec<WorkerConfig>,
    pub change_sources: Vec<ChangeSourceConfig>,
    pub schedulers: Vec<SchedulerConfig>,
    pub builders: Vec<Arc<BuilderConfig>>,
    /// Properties of every build.
    pub properties: Properties,
    /// Default for builders; true as in stock.
    pub collapse_requests: bool,
    pub logs: LogSettings,
    /// What every change gets when it comes in.
    pub intake: Arc<IntakeRules>,
}

impl MasterConfig {
    /// Every port for workers and clients, each once: those of `protocols`, and those that change
    /// sources have of their own.
    pub fn listeners(&self) -> Vec<WorkerListen> {
        let own = self.change_sources.iter().filter_map(ChangeSourceConfig::listen);
        self.protocols.iter().cloned().chain(own).collect::<IndexSet<_>>().into_iter().collect()
    }
}

/// Where workers, and the clients that share their port, connect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WorkerListen {
    pub protocol: WorkerProtocol,
    pub listen: Listen,
}

/// What is spoken on a port for workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkerProtocol {
    PerspectiveBroker,
    /// MessagePack over WebSocket.
    MessagePack,
}

impl WorkerProtocol {
    /// The name of its table below `protocols`.
    pub fn key(self) -> &'static str {
        match self {
            WorkerProtocol::PerspectiveBroker => "pb",
            WorkerProtocol::MessagePack => "msgpack_experimental_v7",
        }
    }
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Listen {
    /// `None` is every interface.
    pub interface: Option<String>,
    /// 0 lets the system choose.
    pub port: u16,
    /// Present where peers connect by TLS.
    pub tls: Option<TlsFiles>,
}

/// The PEM files of a server, relative to the base directory until the whole configuration is
/// checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TlsFiles {
    /// The server's certificate, its intermediates behind it.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// More intermediates.
    pub chain: Option<PathBuf>,
}

impl Listen {
    /// What to bind: the interface without the brackets of IPv6; like stock's `tcp:PORT`, none
    /// means every IPv4 interface.
    pub fn host(&self) -> &str {
        let interface = self.interface.as_deref().unwrap_or("0.0.0.0");
        interface.trim_start_matches('[').trim_end_matches(']')
    }
}

/// The web server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Www {
    pub listen: Listen,
    /// Shell patterns for the `Origin` header; empty means the origin of `buildbotURL`.
    pub allowed_origins: Vec<String>,
}

/// How logs are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// `logCompressionMethod`: `raw`, `gz`, `bz2`, `lz4`, `zstd`, `br`. Default `gz`.
    pub compression: String,
    /// `logMaxSize` in bytes; what exceeds it is dropped with a note.
    pub max_size: Option<u64>,
    /// `logMaxTailSize` in bytes: the end of an overlong log that is kept.
    pub max_tail_size: Option<u64>,
}

#[derive(Clone, PartialEq)]
pub struct WorkerConfig {
    pub name: String,
    /// Empty for a worker inside the master, which nobody can log in as.
    pub password: String,
    /// `LocalWorker`: runs inside the master, in this directory below `workers/`.
    pub local: Option<PathBuf>,
    /// Builds at once; `None` is unlimited, as in stock.
    pub max_builds: Option<usize>,
    pub notify_on_missing: Vec<String>,
    /// Zero never reports it as missing.
    pub missing_timeout: Duration,
    /// `keepalive_interval`: the longest silence before the worker is asked whether it lives; `None`
    /// is the master's own.
    pub keepalive: Option<Duration>,
    pub properties: Properties,
    pub default_properties: Properties,
}

/// Without the password, which must never reach a log.
impl std::fmt::Debug for WorkerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerConfig").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where changes come from.
#[derive(Debug, Clone, PartialEq)]
pub enum ChangeSourceConfig {
    /// Looks for changes by itself.
    Looks(SourcePlan),
    PbChangeSource(PbChangeSourceConfig),
}

impl ChangeSourceConfig {
    pub fn name(&self) -> &str {
        match self {
            ChangeSourceConfig::Looks(plan) => &plan.name,
            ChangeSourceConfig::PbChangeSource(source) => &source.name,
        }
    }

    /// The port that it has of its own.
    fn listen(&self) -> Option<WorkerListen> {
        match self {
            ChangeSourceConfig::Looks(_) => None,
            ChangeSourceConfig::PbChangeSource(source) => Some(WorkerListen {
                protocol: WorkerProtocol::PerspectiveBroker,
                listen: source.port.clone()?,
            }),
        }
    }
}

/// `PBChangeSource`: somebody else, such as a hook of a repository, sends the changes.
#[derive(Clone, PartialEq)]
pub struct PbChangeSourceConfig {
    /// Default: `PBChangeSource`, prefix and port, as stock joins them.
    pub name: String,
    pub user: String,
    pub passwd: String,
    /// `None` takes the ports of `protocols.pb`.
    pub port: Option<Listen>,
    /// What files must begin with, and what is cut off them then. Not empty.
    pub prefix: Option<String>,
}

/// Without the password, which must never reach a log.
impl std::fmt::Debug for PbChangeSourceConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PbChangeSourceConfig").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct SchedulerConfig {
    pub name: String,
    pub builder_names: Vec<String>,
    pub properties: Properties,
    /// Added to the buildset's reason; `None` is stock's sentence.
    pub reason: Option<String>,
    pub priority: i64,
    pub codebases: IndexMap<String, CodebaseDefaults>,
    pub kind: SchedulerKind,
}

impl SchedulerConfig {
    /// What it makes of a change; `None` for a scheduler that does not look at changes.
    pub fn verdict(&self, change: &Change) -> Option<Verdict> {
        let SchedulerKind::Basic(basic) = &self.kind else { return None };
        let judge = Judge {
            scheduler: &self.name,
            filter: &basic.change_filter,
            important: &basic.file_is_important,
            only_important: basic.only_important,
            knows: &|codebase| self.codebases.contains_key(codebase),
        };
        Some(judge.verdict(change))
    }
}

/// What a scheduler builds of a codebase that has no change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodebaseDefaults {
    pub repository: String,
    pub branch: Option<String>,
    pub revision: Option<String>,
    pub project: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum SchedulerKind {
    /// `SingleBranchScheduler` and `AnyBranchScheduler`.
    Basic(BasicScheduler),
    /// `ForceScheduler`
    Force(ForceScheduler),
}

#[derive(Debug, Clone, PartialEq)]
pub struct BasicScheduler {
    /// `AnyBranchScheduler`: one timer per branch.
    pub per_branch: bool,
    pub change_filter: ChangeFilter,
    /// Quiet time before a buildset; `None` submits each change at once.
    pub tree_stable_timer: Option<Duration>,
    pub file_is_important: FileFilter,
    /// Unimportant changes are not even remembered.
    pub only_important: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ForceScheduler {
    pub label: String,
    pub button_name: String,
    /// Everything the form asks, in order; see [`ForceField`].
    pub fields: Vec<ForceField>,
    /// `%(owner)s` and `%(reason)s` are replaced.
    pub reason_string: String,
}

/// One field of a force form. `name` is the property it sets, except for the built-in ones
/// (`username`, `reason`, `priority`, `branch`, `revision`, `repository`, `project`).
#[derive(Debug, Clone, PartialEq)]
pub struct ForceField {
    /// `fullName` in the REST interface.
    pub name: String,
    pub label: String,
    pub kind: FieldKind,
    pub default: Value,
    pub required: bool,
    pub hide: bool,
    pub tooltip: String,
    /// A regular expression that the value must match from its beginning.
    pub regex: Option<String>,
    /// Longest accepted text in bytes.
    pub maxsize: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldKind {
    Text {
        size: usize,
    },
    TextArea {
        cols: usize,
        rows: usize,
    },
    Int,
    Bool,
    Choice {
        choices: Vec<String>,
        multiple: bool,
        strict: bool,
    },
    Username {
        need_email: bool,
    },
    /// Always the default.
    Fixed,
}

/// A builder and its plan.
#[derive(Debug, Clone, Default)]
pub struct BuilderConfig {
    pub name: String,
    pub workernames: Vec<String>,
    /// Directory below the worker's base directory; default: the name with unsafe characters
    /// replaced.
    pub workerbuilddir: String,
    pub tags: Vec<String>,
    pub description: Option<String>,
    pub env: IndexMap<String, Value>,
    pub properties: Properties,
    pub default_properties: Properties,
    /// `None` takes the master's setting.
    pub collapse_requests: Option<bool>,
    pub steps: Arc<Vec<StepPlan>>,
    /// The builder's table as written, with the steps of its factory.
    pub written: Value,
}

/// Two builders are the same when they were written the same: steps cannot be compared.
impl PartialEq for BuilderConfig {
    fn eq(&self, other: &BuilderConfig) -> bool {
        self.written == other.written
    }
}
