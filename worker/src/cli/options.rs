//! The options of `create-worker`, checked as stock checks them.

use std::path::PathBuf;

use clap::Args;

use crate::config::{AllowShutdown, Protocol};
use crate::endpoint::Endpoint;

/// Options of `create-worker`.
#[derive(Debug, Clone, Args)]
pub struct CreateOptions {
    /// Re-use an existing directory. An existing buildbot.tac is never changed; a new one is written
    /// beside it.
    #[arg(short, long)]
    pub force: bool,
    /// Create a buildbot.tac that may be moved with its directory.
    #[arg(short, long)]
    pub relocatable: bool,
    /// Do not rotate twistd.log.
    #[arg(short, long)]
    pub no_logrotate: bool,
    /// Seconds between two signs of life asked of the master; 0 asks for none.
    #[arg(short, long, default_value = "600", value_parser = |text: &str| number("keepalive", text))]
    pub keepalive: u64,
    /// Permission bits that new files do not get, for example 0o22; None leaves them as they are.
    #[arg(long, default_value = "None", value_parser = |text: &str| number_or_none("umask", text))]
    pub umask: NumberOrNone,
    /// The longest time between two attempts to connect, in seconds.
    #[arg(long, default_value = "300", value_parser = |text: &str| number("maxdelay", text))]
    pub maxdelay: u64,
    /// Failed attempts in a row after which the worker ends; None never ends it.
    #[arg(long, default_value = "None", value_parser = |text: &str| number_or_none("maxretries", text))]
    pub maxretries: NumberOrNone,
    /// Number of processors to tell the master; None counts them.
    #[arg(long, default_value = "None", value_parser = |text: &str| number_or_none("numcpus", text))]
    pub numcpus: NumberOrNone,
    /// Bytes after which twistd.log is rotated.
    #[arg(short = 's', long, default_value = "10000000", value_parser = |text: &str| number("log-size", text))]
    pub log_size: u64,
    /// Old log files to keep; None keeps all.
    #[arg(short = 'l', long, default_value = "10", value_parser = |text: &str| number_or_none("log-count", text))]
    pub log_count: NumberOrNone,
    /// How a graceful end may be asked for: 'signal' (SIGHUP) or 'file' (touch shutdown.stamp).
    #[arg(short, long, value_parser = allow_shutdown)]
    pub allow_shutdown: Option<AllowShutdown>,
    /// Protocol towards the master: pb or msgpack_experimental_v7. The port is that of the master's
    /// listener for it.
    #[arg(long, default_value = "pb", value_parser = protocol)]
    pub protocol: Protocol,
    /// Endpoint string of the master, in place of HOST:PORT: tcp:host=H:port=P, tls:H:P,
    /// tls:H:P:trustRoots=DIR.
    #[arg(long, value_parser = endpoint, conflicts_with = "proxy_connection_string")]
    pub connection_string: Option<String>,
    /// Endpoint string of an HTTP proxy to reach the master through.
    #[arg(long, value_parser = endpoint)]
    pub proxy_connection_string: Option<String>,
    /// Encrypt the connection to the master.
    #[arg(long)]
    pub use_tls: bool,
    /// Delete directories that the master does not want when it attaches.
    #[arg(long)]
    pub delete_leftover_dirs: bool,
    /// Known to buildslaves; masters have long chosen this for each command.
    #[arg(long, hide = true)]
    pub usepty: Option<String>,
    /// Print nothing.
    #[arg(short, long)]
    pub quiet: bool,
    /// The new directory.
    pub basedir: PathBuf,
    /// `HOST[:PORT]` of the master; the port defaults to 9989.
    #[arg(value_parser = master)]
    pub master: Master,
    /// The worker's name.
    #[arg(value_parser = name)]
    pub name: String,
    /// Its password.
    pub passwd: String,
}

/// A number as it was written, or None.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberOrNone(pub Option<String>);

/// Where the master listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Master {
    pub host: String,
    pub port: u16,
}

impl std::fmt::Display for NumberOrNone {
    /// As Python writes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or("None"))
    }
}

fn number(name: &str, text: &str) -> Result<u64, String> {
    text.trim().parse().map_err(|_| format!("{name} parameter needs to be a number"))
}

/// Decimal without leading zeros, or octal with `0o`.
fn number_or_none(name: &str, text: &str) -> Result<NumberOrNone, String> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let sound = match text.strip_prefix("0o") {
        Some(octal) => digits(octal) && u32::from_str_radix(octal, 8).is_ok(),
        None => {
            digits(text) && (text == "0" || !text.starts_with('0')) && text.parse::<u32>().is_ok()
        }
    };
    match text {
        "None" => Ok(NumberOrNone(None)),
        _ if sound => Ok(NumberOrNone(Some(text.to_owned()))),
        _ => Err(format!("{name} parameter needs to be a number or None")),
    }
}

fn allow_shutdown(text: &str) -> Result<AllowShutdown, &'static str> {
    AllowShutdown::from_name(text).ok_or("allow-shutdown needs to be one of 'signal' or 'file'")
}

fn protocol(text: &str) -> Result<Protocol, String> {
    let known = [Protocol::Pb, Protocol::Msgpack].map(Protocol::name).join(" and ");
    Protocol::from_name(text).ok_or_else(|| format!("Unknown protocol {text}; known are {known}"))
}

fn endpoint(text: &str) -> Result<String, String> {
    Endpoint::parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn name(text: &str) -> Result<String, String> {
    match text.is_empty() {
        true => Err("a worker needs a name".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// `host`, `host:port`, `[v6]:port` or `[v6]`.
fn master(text: &str) -> Result<Master, String> {
    let invalid = || format!("invalid <master> argument '{text}'");
    if text.starts_with("http:") {
        return Err("<master> is not a URL - do not use URL".to_owned());
    }
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or_else(invalid)?)),
        None => match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                let hint = "if it is an ipv6 address, it must be enclosed by []";
                return Err(format!("{}, {hint}", invalid()));
            }
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let bad_port = |port: &str| format!("invalid master port '{port}', needs to be a number");
    let port = port.map_or(Ok(9989), |port| port.parse().map_err(|_| bad_port(port)))?;
    match host.is_empty() {
        true => Err(invalid()),
        false => Ok(Master { host: host.to_owned(), port }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn master_addresses() {
        let parsed = |text: &str| master(text).map(|master| (master.host, master.port));
        assert_eq!(parsed("h"), Ok(("h".into(), 9989)));
        assert_eq!(parsed("h:1"), Ok(("h".into(), 1)));
        assert_eq!(parsed("[::1]:7"), Ok(("::1".into(), 7)));
        assert_eq!(parsed("[::1]"), Ok(("::1".into(), 9989)));
        for (text, wrong) in [
            ("http://h", "is not a URL"),
            ("::1", "enclosed by []"),
            ("h:x", "invalid master port 'x', needs to be a number"),
            ("h:99999", "invalid master port"),
            (":5", "invalid <master> argument ':5'"),
        ] {
            let error = parsed(text).expect_err(text);
            assert!(error.contains(wrong), "{text}: {error}");
        }
    }

    #[test]
    fn numbers_are_written_as_stock_takes_them() {
        for text in ["None", "0", "7", "0o22"] {
            assert_eq!(number_or_none("umask", text).map(|n| n.to_string()), Ok(text.into()));
        }
        for text in ["", "022", "0o9", "-1", "none", "1.5", "x"] {
            let error = number_or_none("umask", text).expect_err(text);
            assert_eq!(error, "umask parameter needs to be a number or None");
        }
        let error = number("keepalive", "x").expect_err("no number");
        assert_eq!(error, "keepalive parameter needs to be a number");
    }
}
