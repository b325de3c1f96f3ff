//! The keys of the master itself, and the order in which the sections are read.

use std::path::Path;
use std::sync::Arc;

use super::checked::{
    BuilderConfig, ChangeSourceConfig, LockConfig, LogSettings, MasterConfig, ProjectConfig,
    SchedulerConfig, UserManagerConfig, WorkerConfig, WorkerListen, Www,
};
use super::fields::Fields;
use super::problems::Problems;
use super::raw::Raw;
use super::{
    builders, change_sources, cross_locks, database, locks, projects, protocols, schedulers,
    services, user_managers, values, workers, www,
};
use crate::flow::intake::{CodebaseRules, IntakeRules, RevlinkRules};
use crate::flow::retry::Retries;
use crate::flow::rules::{BuilderOrder, Collapse, NextWorker};
use crate::flow::validation::Validation;
use crate::model::Properties;

/// Keys of stock's `BuildmasterConfig` that are not served yet.
const LATER: [&str; 13] = [
    "buildCacheSize",
    "caches",
    "changeCacheSize",
    "changeHorizon",
    "codebases",
    "configurators",
    "logCompressionLimit",
    "machines",
    "manhole",
    "metrics",
    "mq",
    "multiMaster",
    "secretsProviders",
];

/// Everything read, with the key path of each entry: what the cross checks look at.
pub struct Draft {
    pub identity: Identity,
    pub db_url: String,
    pub protocols: Vec<WorkerListen>,
    pub www: Option<Www>,
    pub workers: Vec<(String, WorkerConfig)>,
    pub change_sources: Vec<(String, ChangeSourceConfig)>,
    pub user_managers: Vec<(String, UserManagerConfig)>,
    /// `None` for one that could not be read.
    pub schedulers: Vec<(String, Option<SchedulerConfig>)>,
    pub builders: Vec<(String, BuilderConfig)>,
    pub locks: Vec<(String, LockConfig)>,
    pub properties: Properties,
    pub queue: Queue,
    pub projects: Vec<(String, ProjectConfig)>,
    pub services: services::Services,
    pub logs: LogSettings,
    pub intake: IntakeRules,
    pub validation: Validation,
}

/// How the installation presents itself.
pub struct Identity {
    pub title: String,
    pub title_url: String,
    pub buildbot_url: String,
}

/// How requests are handed out.
pub struct Queue {
    pub collapse_requests: Collapse,
    pub prioritize_builders: BuilderOrder,
    pub select_next_worker: NextWorker,
    pub max_retries: Retries,
}

/// Reads the whole tree.
pub fn parse(raw: &Raw, basedir: &Path, problems: &mut Problems) -> Draft {
    let mut fields = Fields::of(raw, "", problems);
    let source = raw.place.file.clone().unwrap_or_else(|| "master.toml".into());
    if let Some(include) = fields.take("include") {
        fields.problem_at("include", &include.place, "works only at the top of a file");
    }
    let draft = Draft {
        identity: identity(&mut fields),
        db_url: database::parse(&mut fields, basedir),
        protocols: protocols::parse(&mut fields, basedir),
        www: www::parse(&mut fields),
        workers: workers::parse(&mut fields),
        change_sources: change_sources::parse(&mut fields, basedir),
        user_managers: user_managers::parse(&mut fields, basedir),
        schedulers: schedulers::parse(&mut fields),
        builders: builders::parse(&mut fields),
        locks: locks::parse(&mut fields),
        properties: values::properties(&mut fields, "properties", &source),
        queue: queue(&mut fields),
        projects: projects::parse(&mut fields),
        services: services::parse(&mut fields),
        logs: logs(&mut fields),
        intake: IntakeRules {
            revlink: RevlinkRules::read(&mut fields),
            codebases: CodebaseRules::read(&mut fields),
        },
        validation: Validation::read(&mut fields),
    };
    // Stock asks to report usage to its project; nothing is ever sent from here.
    fields.take("buildbotNetUsageData");
    fields.unsupported(&LATER);
    fields.finish();
    draft
}

fn queue(fields: &mut Fields<'_>) -> Queue {
    Queue {
        collapse_requests: fields.or_default("collapseRequests"),
        prioritize_builders: fields.or_default("prioritizeBuilders"),
        select_next_worker: fields.or_default("select_next_worker"),
        max_retries: fields.or_default("maxRetries"),
    }
}

/// Defaults are stock's.
fn identity(fields: &mut Fields<'_>) -> Identity {
    Identity {
        title: fields.or("title", "Buildbot".to_owned()),
        title_url: url(fields, "titleURL", "http://buildbot.net/"),
        buildbot_url: url(fields, "buildbotURL", "http://localhost:8080/"),
    }
}

/// A web address; the slash at its end is added when it is missing, as stock does.
fn url(fields: &mut Fields<'_>, key: &'static str, default: &str) -> String {
    let mut url = fields
        .optional_checked(key, |url: &String| {
            let web = url.starts_with("http://") || url.starts_with("https://");
            (!web).then(|| "must begin with http:// or https://".to_owned())
        })
        .unwrap_or_else(|| default.to_owned());
    if !url.ends_with('/') {
        url.push('/');
    }
    url
}

fn logs(fields: &mut Fields<'_>) -> LogSettings {
    const METHODS: [&str; 6] = ["raw", "gz", "bz2", "lz4", "zstd", "br"];
    let compression = fields.optional_checked("logCompressionMethod", |method: &String| {
        let known = METHODS.contains(&method.as_str());
        (!known).then(|| format!("is '{method}' and must be one of {}", METHODS.join(", ")))
    });
    values::utf8_only(fields, "logEncoding");
    let size = |bytes: usize| bytes as u64;
    LogSettings {
        compression: compression.unwrap_or_else(|| "gz".to_owned()),
        max_size: fields.optional("logMaxSize").map(size),
        max_tail_size: fields.optional("logMaxTailSize").map(size),
    }
}

impl Draft {
    /// What was read, once it is known to be good.
    pub fn into_config(self) -> MasterConfig {
        fn values<T>(entries: Vec<(String, T)>) -> Vec<T> {
            entries.into_iter().map(|(_, value)| value).collect()
        }
        let locks = cross_locks::in_order(&self);
        MasterConfig {
            title: self.identity.title,
            title_url: self.identity.title_url,
            buildbot_url: self.identity.buildbot_url,
            db_url: self.db_url,
            protocols: self.protocols,
            www: self.www,
            workers: values(self.workers),
            change_sources: values(self.change_sources),
            user_managers: values(self.user_managers),
            schedulers: values(self.schedulers).into_iter().flatten().collect(),
            builders: values(self.builders).into_iter().map(Arc::new).collect(),
            locks,
            properties: self.properties,
            collapse_requests: self.queue.collapse_requests,
            prioritize_builders: self.queue.prioritize_builders,
            select_next_worker: self.queue.select_next_worker,
            max_retries: self.queue.max_retries,
            projects: values(self.projects),
            services: values(self.services.services),
            reporters: values(self.services.reporters),
            logs: self.logs,
            intake: Arc::new(self.intake),
            validation: Arc::new(self.validation),
        }
    }
}
