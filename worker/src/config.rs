//! A worker's settings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::tac::{Literal, Tac};

/// The only protocol this worker speaks.
pub const PROTOCOL: &str = "msgpack_experimental_v7";

/// Ten years: longer intervals are the same as never.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86400);

/// Everything a running worker needs to know.
#[derive(Clone)]
pub struct Config {
    /// Base directory: `info/`, one directory per builder.
    pub basedir: PathBuf,
    pub host: String,
    pub port: u16,
    pub name: String,
    pub password: String,
    /// Between two pings of the master; zero sends none. Stock default 600 s.
    pub keepalive: Duration,
    /// How long the master may stay silent after a ping.
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
}

impl std::fmt::Debug for Config {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "worker {} of {}:{} in {}",
            self.name,
            self.host,
            self.port,
            self.basedir.display()
        )
    }
}

/// Why a `buildbot.tac` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("error reading '{}': {error}", .path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("'{}' is not the file of a worker: it has no \"Application('buildbot-worker')\"", .0.display())]
    NotAWorker(PathBuf),
    #[error("'{}': {name} is missing or not {kind}", .path.display())]
    Missing { path: PathBuf, name: &'static str, kind: &'static str },
    #[error(
        "'{}': protocol '{protocol}' is not supported; write protocol = '{PROTOCOL}' and as port \
         the one of the master's {PROTOCOL} listener",
        .path.display()
    )]
    Protocol { path: PathBuf, protocol: String },
    #[error("'{}': {name} is not supported by this worker; remove it", .path.display())]
    Unsupported { path: PathBuf, name: &'static str },
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
    /// Settings of a new worker with the stock defaults.
    pub fn new(basedir: PathBuf, host: &str, port: u16, name: &str, password: &str) -> Config {
        Config {
            basedir,
            host: host.to_owned(),
            port,
            name: name.to_owned(),
            password: password.to_owned(),
            keepalive: Duration::from_secs(600),
            ping_deadline: Duration::from_secs(60),
            max_delay: Duration::from_secs(300),
            first_delay: Duration::from_millis(1800),
            max_retries: None,
            numcpus: None,
            delete_leftover_dirs: false,
        }
    }

    /// Reads `buildbot.tac` of a worker directory, ours or one that a stock worker wrote.
    pub fn load(dir: &Path) -> Result<(Config, ProcessSettings), ConfigError> {
        let path = dir.join("buildbot.tac");
        let text = std::fs::read_to_string(&path)
            .map_err(|error| ConfigError::Unreadable { path: path.clone(), error })?;
        if !text.contains("Application('buildbot-worker')") {
            return Err(ConfigError::NotAWorker(path));
        }
        from_tac(&Tac::parse(&text), dir, &path)
    }
}

fn from_tac(tac: &Tac, dir: &Path, path: &Path) -> Result<(Config, ProcessSettings), ConfigError> {
    let protocol = tac.text("protocol").unwrap_or("pb");
    if protocol != PROTOCOL {
        let protocol = protocol.to_owned();
        return Err(ConfigError::Protocol { path: path.to_owned(), protocol });
    }
    for name in ["connection_string", "proxy_connection_string", "use_tls"] {
        if tac.get(name).is_some_and(Literal::is_true) {
            return Err(ConfigError::Unsupported { path: path.to_owned(), name });
        }
    }
    let missing = |name, kind| ConfigError::Missing { path: path.to_owned(), name, kind };
    let text = |name| tac.text(name).ok_or_else(|| missing(name, "a string"));
    let port = tac.integer("port").and_then(|port| u16::try_from(port).ok());
    let mut config = Config::new(
        basedir(tac, dir),
        text("buildmaster_host")?,
        port.ok_or_else(|| missing("port", "a port number"))?,
        text("workername")?,
        text("passwd")?,
    );
    let seconds = |name| Some(Duration::try_from_secs_f64(tac.number(name)?).ok()?.min(LONGEST));
    if let Some(keepalive) = seconds("keepalive") {
        config.keepalive = keepalive;
    }
    if let Some(max_delay) = seconds("maxdelay") {
        config.max_delay = max_delay;
    }
    let small = |name| tac.integer(name).and_then(|n| u32::try_from(n).ok());
    config.max_retries = small("maxretries");
    config.numcpus = small("numcpus").filter(|n| *n > 0);
    config.delete_leftover_dirs = tac.get("delete_leftover_dirs").is_some_and(Literal::is_true);
    let process = ProcessSettings {
        umask: small("umask"),
        log_size: tac
            .integer("rotateLength")
            .and_then(|n| u64::try_from(n).ok())
            .filter(|n| *n > 0),
        log_count: small("maxRotatedFiles"),
    };
    Ok((config, process))
}

/// `.` or nothing means the directory of the file.
fn basedir(tac: &Tac, dir: &Path) -> PathBuf {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    match tac.text("basedir") {
        None | Some("." | "") => dir,
        Some(text) => dir.join(text),
    }
}
