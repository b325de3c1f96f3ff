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
use crate::flow::expression::Expression;
use crate::flow::intake::IntakeRules;
use crate::flow::priority::Priority;
use crate::flow::retry::Retries;
use crate::flow::rules::{BuilderOrder, CanStart, Collapse, NextBuild, NextWorker};
use crate::flow::services::registry::ServiceConfig;
use crate::flow::validation::Validation;
use crate::flow::verdict::Verdict;
use crate::model::{Change, LockAccess, LockKind, NewSourceStamp, Properties};
use crate::reporters::ReporterConfig;
use crate::schedulers::{Scheduler, TryEntry};
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
    /// Where `buildbot user` logs in.
    pub user_managers: Vec<UserManagerConfig>,
    pub schedulers: Vec<SchedulerConfig>,
    pub builders: Vec<Arc<BuilderConfig>>,
    /// In the order in which every claim looks at them; see [`flow::locks`](crate::flow::locks).
    pub locks: Vec<LockConfig>,
    /// Properties of every build.
    pub properties: Properties,
    /// Default for builders; stock's rule.
    pub collapse_requests: Collapse,
    /// `prioritizeBuilders`
    pub prioritize_builders: BuilderOrder,
    /// `select_next_worker`: default for builders.
    pub select_next_worker: NextWorker,
    /// `maxRetries`: default for builders.
    pub max_retries: Retries,
    pub projects: Vec<ProjectConfig>,
    pub services: Vec<ServiceConfig>,
    /// Those of `services` that tell people.
    pub reporters: Vec<ReporterConfig>,
    pub logs: LogSettings,
    /// What every change gets when it comes in.
    pub intake: Arc<IntakeRules>,
    /// What people may write where anything would do.
    pub validation: Arc<Validation>,
}

impl MasterConfig {
    /// Every port for workers and clients, each once: those of `protocols`, and those that change
    /// sources, user managers and try schedulers have of their own.
    pub fn listeners(&self) -> Vec<WorkerListen> {
        let sources = self.change_sources.iter().filter_map(ChangeSourceConfig::listen);
        let managers = self.user_managers.iter().map(|manager| broker(&manager.port));
        let tries = self.schedulers.iter().filter_map(|scheduler| match scheduler.plan.tries() {
            Some(TryEntry::Clients(logins)) => Some(broker(&logins.port)),
            _ => None,
        });
        let all = self.protocols.iter().cloned().chain(sources).chain(managers).chain(tries);
        all.collect::<IndexSet<_>>().into_iter().collect()
    }

    /// Those of [`listeners`](Self::listeners) that are not for workers.
    pub fn client_ports(&self) -> Vec<WorkerListen> {
        self.listeners().into_iter().filter(|port| !self.protocols.contains(port)).collect()
    }
}

/// A port where clients of Perspective Broker log in.
fn broker(listen: &Listen) -> WorkerListen {
    WorkerListen { protocol: WorkerProtocol::PerspectiveBroker, listen: listen.clone() }
}

/// An entry of `projects`: builders that belong together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectConfig {
    pub name: String,
    /// For addresses; default: the name.
    pub slug: String,
    pub description: Option<String>,
    /// `None` or `markdown`.
    pub description_format: Option<String>,
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
    /// Held by every build on it.
    pub locks: Vec<LockAccess>,
}

/// Without the password, which must never reach a log.
impl std::fmt::Debug for WorkerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerConfig").field("name", &self.name).finish_non_exhaustive()
    }
}

/// `MasterLock` or `WorkerLock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockConfig {
    pub name: String,
    pub kind: LockKind,
    /// Units, at least 1; of each copy for a WorkerLock.
    pub max_count: usize,
    /// Other sizes of the copies of some workers.
    pub max_count_for_worker: IndexMap<String, usize>,
}

impl LockConfig {
    /// How many units there are, on a worker if it is a WorkerLock.
    pub fn limit(&self, worker: Option<&str>) -> usize {
        let own = worker.and_then(|worker| self.max_count_for_worker.get(worker));
        own.copied().unwrap_or(self.max_count)
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
            ChangeSourceConfig::PbChangeSource(source) => source.port.as_ref().map(broker),
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

/// `CommandlineUserManager`: serves `buildbot user`.
#[derive(Clone, PartialEq)]
pub struct UserManagerConfig {
    pub username: String,
    pub passwd: String,
    /// May be one that workers or others use as well.
    pub port: Listen,
}

/// Without the password, which must never reach a log.
impl std::fmt::Debug for UserManagerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserManagerConfig")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// A scheduler and its plan.
#[derive(Clone)]
pub struct SchedulerConfig {
    pub options: SchedulerOptions,
    /// What its class does.
    pub plan: Arc<dyn Scheduler>,
    /// The scheduler's table as written.
    pub written: Value,
}

/// Without what was written, which may hold passwords.
impl std::fmt::Debug for SchedulerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("SchedulerConfig");
        debug.field("options", &self.options).field("plan", &self.plan).finish_non_exhaustive()
    }
}

/// Two schedulers are the same when they were written the same: plans cannot be compared.
impl PartialEq for SchedulerConfig {
    fn eq(&self, other: &SchedulerConfig) -> bool {
        self.written == other.written
    }
}

/// The options that schedulers of all classes share.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SchedulerOptions {
    pub name: String,
    /// They may hold substitutions of `prop` and `src`.
    pub builder_names: Vec<String>,
    /// With `scheduler`, which names the scheduler itself.
    pub properties: Properties,
    /// The buildset's reason; `None` is the class's own sentence.
    pub reason: Option<String>,
    pub priority: Priority,
    /// Each of them gets a source stamp in every buildset. Empty means the one codebase ``.
    pub codebases: IndexMap<String, CodebaseDefaults>,
}

impl SchedulerOptions {
    /// Is this name of a builder found only when something is submitted?
    pub fn is_substituted(builder: &str) -> bool {
        builder.contains("%(")
    }

    /// Does it take changes of this codebase?
    pub fn knows(&self, codebase: &str) -> bool {
        if self.codebases.is_empty() {
            return codebase.is_empty();
        }
        self.codebases.contains_key(codebase)
    }

    /// What is built of each codebase when nothing else says so.
    pub fn default_stamps(&self) -> Vec<NewSourceStamp> {
        let stamp = |(codebase, default): (&String, &CodebaseDefaults)| NewSourceStamp {
            branch: default.branch.clone(),
            revision: default.revision.clone(),
            repository: default.repository.clone(),
            project: default.project.clone(),
            codebase: codebase.clone(),
            patch: None,
        };
        self.codebases.iter().map(stamp).collect()
    }
}

impl SchedulerConfig {
    /// What it makes of a change; `None` for a scheduler that does not look at changes.
    pub fn verdict(&self, change: &Change) -> Option<Verdict> {
        self.plan.verdict(&self.options, change)
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

/// The form of a ForceScheduler.
#[derive(Debug, Clone, PartialEq)]
pub struct ForceScheduler {
    pub label: String,
    pub button_name: String,
    /// Whose name becomes the owner of the build.
    pub username: ForceField,
    pub reason: ForceField,
    pub priority: ForceField,
    /// Everything else that the form asks, in order: codebases and properties.
    pub fields: Vec<ForceField>,
    /// `%(owner)s` and `%(reason)s` are replaced.
    pub reason_string: String,
}

/// One field of a force form.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ForceField {
    /// The property that it sets, or its name among the fields of its group.
    pub name: String,
    /// `fullName` in the REST interface: the name behind those of its groups. Empty for a group
    /// without a name.
    pub full_name: String,
    pub label: String,
    pub tablabel: String,
    pub kind: FieldKind,
    pub default: Value,
    pub required: bool,
    pub hide: bool,
    pub tooltip: String,
    /// A regular expression that the value must match from its beginning.
    pub regex: Option<String>,
    /// Longest accepted text in characters.
    pub maxsize: Option<usize>,
    /// By value of this field: values of other fields that are filled in when it is chosen.
    pub autopopulate: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub enum FieldKind {
    Text {
        size: usize,
    },
    TextArea {
        cols: usize,
        rows: usize,
        size: usize,
    },
    Int {
        size: usize,
    },
    Bool,
    Choice {
        choices: Vec<String>,
        multiple: bool,
        strict: bool,
    },
    Username {
        need_email: bool,
        size: usize,
    },
    /// Always the default.
    Fixed,
    /// The contents of a file.
    File,
    /// Takes over what a build of one of these builders was forced with; empty is every builder of
    /// the scheduler.
    Inherit {
        builders: Vec<String>,
    },
    /// The worker to build on.
    Worker {
        /// What stands for no preference.
        any: String,
    },
    Nested(Nested),
}

impl Default for FieldKind {
    fn default() -> FieldKind {
        FieldKind::Text { size: 10 }
    }
}

/// Fields that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Nested {
    pub role: NestedRole,
    /// `vertical`, `simple` or `tabs`.
    pub layout: String,
    /// 1 to 4.
    pub columns: usize,
    pub fields: Vec<ForceField>,
}

/// What becomes of the values of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NestedRole {
    /// A dictionary, or properties of their own when the group has no name.
    Group,
    /// The source stamp of this codebase.
    Codebase(String),
    /// A property of any name.
    AnyProperty,
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
    /// The name of one of the `projects`.
    pub project: Option<String>,
    pub description: Option<String>,
    /// `None` or `markdown`.
    pub description_format: Option<String>,
    pub env: IndexMap<String, Value>,
    pub properties: Properties,
    pub default_properties: Properties,
    /// Held by its builds from their beginning to their end.
    pub locks: Vec<LockAccess>,
    /// `None` takes the master's setting.
    pub collapse_requests: Option<Collapse>,
    pub next_build: NextBuild,
    /// `None` takes the master's `select_next_worker`.
    pub next_worker: Option<NextWorker>,
    pub can_start: CanStart,
    /// `do_build_if`: when it is false for a build's first properties, the build is skipped.
    pub do_build_if: Option<Expression>,
    /// `None` takes the master's setting.
    pub max_retries: Option<Retries>,
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
