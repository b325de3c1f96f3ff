//! A worker's settings.

mod load;

use std::path::PathBuf;
use std::time::Duration;

use crate::endpoint::{Endpoint, EndpointError};

/// Everything a running worker needs to know.
#[derive(Clone)]
pub struct Config {
    /// Base directory: `info/`, one directory per builder.
    pub basedir: PathBuf,
    pub protocol: Protocol,
    /// Where the master listens for this protocol.
    pub master: Endpoint,
    /// An HTTP proxy that makes the connection to the master.
    pub proxy: Option<Endpoint>,
    /// What a MessagePack worker asks the web server for.
    pub path: String,
    pub name: String,
    pub password: String,
    /// Between two signs of life asked of the master; zero asks for none. Stock default 600 s.
    pub keepalive: Duration,
    /// How long the master may stay silent when asked, at most [`Config::keepalive`].
    pub ping_deadline: Duration,
    /// The longest time between two attempts to connect. Stock default 300 s.
    pub max_delay: Duration,
    /// The first time between two attempts.
    pub first_delay: Duration,
    /// Attempts that may fail in a row; `None` never gives up.
    pub max_retries: Option<u32>,
    /// Told to the master instead of the real number of processors.
    pub numcpus: Option<u32>,
    pub delete_leftover_dirs: bool,
    /// How people may ask for an end when the builds under way are over.
    pub allow_shutdown: Option<AllowShutdown>,
}

/// How worker and master talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// Perspective Broker, what Buildbot has always spoken.
    #[default]
    Pb,
    /// `msgpack_experimental_v7`.
    Msgpack,
}

/// What asks for a graceful end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowShutdown {
    /// SIGHUP to the process. Only a process that is nothing but a worker listens to it.
    Signal,
    /// A change of `shutdown.stamp` in the base directory.
    File,
}

impl Protocol {
    /// As options and files write it.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Pb => "pb",
            Protocol::Msgpack => "msgpack_experimental_v7",
        }
    }

    /// The reverse of [`Protocol::name`].
    pub fn from_name(name: &str) -> Option<Protocol> {
        [Protocol::Pb, Protocol::Msgpack].into_iter().find(|protocol| protocol.name() == name)
    }
}

impl AllowShutdown {
    /// As options and files write it.
    pub fn name(self) -> &'static str {
        match self {
            AllowShutdown::Signal => "signal",
            AllowShutdown::File => "file",
        }
    }

    /// The reverse of [`AllowShutdown::name`].
    pub fn from_name(name: &str) -> Option<AllowShutdown> {
        [AllowShutdown::Signal, AllowShutdown::File].into_iter().find(|how| how.name() == name)
    }
}

impl std::fmt::Debug for Config {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (master, protocol) = (self.master.authority(), self.protocol.name());
        write!(f, "worker {} of {master} ({protocol}) in {}", self.name, self.basedir.display())
    }
}

/// Why a `buildbot.tac` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("error reading '{}': {error}", .path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("'{}' is not the file of a worker: it has no \"Application('buildbot-worker')\"", .0.display())]
    NotAWorker(PathBuf),
    #[error(
        "'{}' makes no Worker(…) that can be read without running it; write one as create-worker \
         does", .0.display()
    )]
    NoWorker(PathBuf),
    #[error("'{}': {name} is missing or not {kind}", .path.display())]
    Missing { path: PathBuf, name: &'static str, kind: &'static str },
    #[error(
        "'{}', line {line}: {name} is computed there, and this file is read without running it; \
         write its value itself: {example}",
        .path.display()
    )]
    Computed { path: PathBuf, line: usize, name: &'static str, example: &'static str },
    #[error("'{}': {name} is '{value}', but must be {kind}", .path.display())]
    Bad { path: PathBuf, name: &'static str, value: String, kind: &'static str },
    #[error("'{}': {name}: {error}", .path.display())]
    Endpoint { path: PathBuf, name: &'static str, error: EndpointError },
    #[error(
        "'{}': connection_string and proxy_connection_string exclude each other; name the master \
         by host and port", .0.display()
    )]
    ProxyWithString(PathBuf),
}

/// Settings of the process around the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessSettings {
    pub umask: Option<u32>,
    /// Bytes after which `twistd.log` is rotated; `None` never.
    pub log_size: Option<u64>,
    /// Old log files to keep; `None` keeps all.
    pub log_count: Option<u32>,
}

impl Config {
    /// Settings of a new worker with the stock defaults, Perspective Broker among them.
    pub fn new(basedir: PathBuf, host: &str, port: u16, name: &str, password: &str) -> Config {
        Config {
            basedir,
            protocol: Protocol::default(),
            master: Endpoint::new(host, port),
            proxy: None,
            path: "/".to_owned(),
            name: name.to_owned(),
            password: password.to_owned(),
            keepalive: Duration::from_secs(600),
            ping_deadline: Duration::from_secs(60),
            max_delay: Duration::from_secs(300),
            first_delay: Duration::from_millis(1800),
            max_retries: None,
            numcpus: None,
            delete_leftover_dirs: false,
            allow_shutdown: None,
        }
    }
}
