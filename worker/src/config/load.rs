//! Settings from `buildbot.tac`: ours, stock's of every age, and that of a buildslave.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{AllowShutdown, Config, ConfigError, ProcessSettings, Protocol};
use crate::endpoint::{Endpoint, Tls};
use crate::tac::{Literal, Setting, Tac};

/// Ten years: longer intervals are the same as never.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86400);

impl Config {
    /// Reads `buildbot.tac` of a worker directory, ours or one that a stock worker or an old buildslave
    /// wrote.
    pub fn load(dir: &Path) -> Result<(Config, ProcessSettings), ConfigError> {
        let path = dir.join("buildbot.tac");
        let text = std::fs::read(&path)
            .map_err(|error| ConfigError::Unreadable { path: path.clone(), error })?;
        let tac = Tac::parse(&String::from_utf8_lossy(&text), dir);
        if !tac.is_application(&["buildbot-worker", "buildslave"]) {
            return Err(ConfigError::NotAWorker(path));
        }
        if !tac.has_worker() {
            return Err(ConfigError::NoWorker(path));
        }
        let file = File { tac, path, dir: std::path::absolute(dir).unwrap_or_else(|_| dir.into()) };
        Ok((file.config()?, file.process()?))
    }
}

struct File {
    tac: Tac,
    path: PathBuf,
    dir: PathBuf,
}

impl File {
    fn config(&self) -> Result<Config, ConfigError> {
        let missing = |name, kind| ConfigError::Missing { path: self.path.clone(), name, kind };
        let text =
            |name, example| self.text(name, example)?.ok_or_else(|| missing(name, "a string"));
        let (name, password) = (text("name", "'worker1'")?, text("passwd", "'secret'")?);
        let (master, proxy) = (self.master()?, self.proxy()?);
        let mut config = Config::new(self.basedir()?, "", 0, &name, &password);
        (config.master, config.proxy) = (master, proxy);
        config.protocol = self
            .choice("protocol", "'pb' or 'msgpack_experimental_v7'", |name| {
                Protocol::from_name(name)
            })?
            .unwrap_or_default();
        config.allow_shutdown =
            self.choice("allow_shutdown", "None, 'signal' or 'file'", AllowShutdown::from_name)?;
        if let Some(path) = self.text("path", "'/'")? {
            config.path = format!("/{}", path.trim_start_matches('/'));
        }
        match self.known("keepalive", "600")? {
            Some(keepalive) => config.keepalive = self.seconds("keepalive", &keepalive)?,
            None if self.tac.argument("keepalive").is_some() => config.keepalive = Duration::ZERO,
            None => {}
        }
        if let Some(delay) = self.known("maxdelay", "300")?.filter(Literal::is_true) {
            config.max_delay = self.seconds("maxdelay", &delay)?;
        }
        config.max_retries = self.small("maxRetries", "None")?.filter(|n| *n > 0);
        config.numcpus = self.small("numcpus", "None")?.filter(|n| *n > 0);
        let delete = self.known("delete_leftover_dirs", "0")?;
        config.delete_leftover_dirs = delete.is_some_and(|delete| delete.is_true());
        Ok(config)
    }

    fn process(&self) -> Result<ProcessSettings, ConfigError> {
        let log = |name| match self.tac.log_argument(name) {
            Some(Setting::Known(literal)) => literal.as_integer(),
            _ => None,
        };
        Ok(ProcessSettings {
            umask: self.small("umask", "0o22")?,
            log_size: log("rotateLength").and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0),
            log_count: log("maxRotatedFiles").and_then(|n| u32::try_from(n).ok()),
        })
    }

    fn master(&self) -> Result<Endpoint, ConfigError> {
        if let Some(endpoint) = self.endpoint("connection_string")? {
            return Ok(endpoint);
        }
        let missing = |name, kind| ConfigError::Missing { path: self.path.clone(), name, kind };
        let host = self.text("buildmaster_host", "'localhost'")?.filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| missing("buildmaster_host", "a string"))?;
        let port = self.known("port", "9989")?.and_then(|port| port.as_integer());
        let port = port.and_then(|port| u16::try_from(port).ok());
        let mut endpoint =
            Endpoint::new(&host, port.ok_or_else(|| missing("port", "a port number"))?);
        if self.known("useTls", "0")?.is_some_and(|tls| tls.is_true()) {
            endpoint.tls = Some(Tls::default());
        }
        Ok(endpoint)
    }

    fn proxy(&self) -> Result<Option<Endpoint>, ConfigError> {
        let proxy = self.endpoint("proxy_connection_string")?;
        match proxy.is_some() && self.endpoint("connection_string")?.is_some() {
            true => Err(ConfigError::ProxyWithString(self.path.clone())),
            false => Ok(proxy),
        }
    }

    fn endpoint(&self, name: &'static str) -> Result<Option<Endpoint>, ConfigError> {
        let text = self.text(name, "'tcp:host=localhost:port=9989'")?;
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
        match Endpoint::parse(&text) {
            Ok(endpoint) => Ok(Some(endpoint.seen_from(&self.dir))),
            Err(error) => Err(ConfigError::Endpoint { path: self.path.clone(), name, error }),
        }
    }

    /// `.` or nothing means the directory of the file.
    fn basedir(&self) -> Result<PathBuf, ConfigError> {
        Ok(match self.text("basedir", "'.'")?.as_deref() {
            None | Some("." | "") => self.dir.clone(),
            Some(text) => self.dir.join(text),
        })
    }

    /// A setting that is given and not `None`.
    fn known(
        &self,
        name: &'static str,
        example: &'static str,
    ) -> Result<Option<Literal>, ConfigError> {
        match self.tac.argument(name) {
            None | Some(Setting::Known(Literal::None)) => Ok(None),
            Some(Setting::Known(literal)) => Ok(Some(literal)),
            Some(Setting::Computed(line)) => {
                Err(ConfigError::Computed { path: self.path.clone(), line, name, example })
            }
        }
    }

    fn text(
        &self,
        name: &'static str,
        example: &'static str,
    ) -> Result<Option<String>, ConfigError> {
        match self.known(name, example)? {
            None => Ok(None),
            Some(Literal::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.bad(name, &other, "a string")),
        }
    }

    fn choice<T>(
        &self,
        name: &'static str,
        kind: &'static str,
        from_name: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(literal) = self.known(name, kind)? else { return Ok(None) };
        let chosen = match &literal {
            // Old files spell "not allowed" in several ways.
            other if !other.is_true() => return Ok(None),
            Literal::Text(text) => from_name(text),
            _ => None,
        };
        chosen.map(Some).ok_or_else(|| self.bad(name, &literal, kind))
    }

    fn small(&self, name: &'static str, example: &'static str) -> Result<Option<u32>, ConfigError> {
        let Some(literal) = self.known(name, example)? else { return Ok(None) };
        let number = literal.as_integer().and_then(|number| u32::try_from(number).ok());
        number.map(Some).ok_or_else(|| self.bad(name, &literal, "a number that is not negative"))
    }

    fn seconds(&self, name: &'static str, literal: &Literal) -> Result<Duration, ConfigError> {
        let seconds = literal.as_number().and_then(|n| Duration::try_from_secs_f64(n).ok());
        let seconds = seconds.map(|seconds| seconds.min(LONGEST));
        seconds.ok_or_else(|| self.bad(name, literal, "a number of seconds"))
    }

    fn bad(&self, name: &'static str, value: &Literal, kind: &'static str) -> ConfigError {
        let value = match value {
            // Whatever was taken for the password is not shown.
            _ if name == "passwd" => "…".to_owned(),
            Literal::None => "None".to_owned(),
            Literal::Bool(flag) => if *flag { "True" } else { "False" }.to_owned(),
            Literal::Integer(number) => number.to_string(),
            Literal::Float(number) => number.to_string(),
            Literal::Text(text) => text.clone(),
        };
        ConfigError::Bad { path: self.path.clone(), name, value, kind }
    }
}
