//! Where to connect, as Twisted's endpoint strings say it: `tcp:host=h:port=9989`, `tls:h:9989`.
//!
//! Parts are separated by `:`; a part is a value or `name=value`; a backslash takes the next character
//! as it is, which an IPv6 address needs for its colons.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// For one attempt to connect, where the string says nothing.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The other end of a TCP connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    /// The connection is encrypted.
    pub tls: Option<Tls>,
    /// How long the name service and each address may take.
    pub timeout: Duration,
    /// The own address to connect from.
    pub bind: Option<IpAddr>,
}

/// Whom to trust, and how to prove who we are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The name in the other end's certificate; absent when it is the host's.
    pub name: Option<String>,
    /// A directory of `.pem` files, or one such file; absent for what this system trusts.
    pub roots: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    /// Absent when it is in the file of the certificate.
    pub key: Option<PathBuf>,
}

/// Why an endpoint string cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    #[error(
        "unknown kind '{0}'; known are tcp:, tls: and ssl:, for example tcp:host=HOST:port=9989"
    )]
    Kind(String),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("'{value}' is no {name}")]
    Bad { name: &'static str, value: String },
    #[error("unknown or too many arguments: '{0}'")]
    Unknown(String),
}

impl Endpoint {
    /// A plain TCP connection.
    pub fn new(host: &str, port: u16) -> Endpoint {
        Endpoint { host: host.to_owned(), port, tls: None, timeout: TIMEOUT, bind: None }
    }

    /// Reads an endpoint string for clients.
    pub fn parse(text: &str) -> Result<Endpoint, EndpointError> {
        let mut parts = parts(text).into_iter();
        let kind = parts.next().map(|part| part.value).unwrap_or_default();
        let secure = match kind.to_ascii_lowercase().as_str() {
            "tcp" => false,
            "tls" | "ssl" => true,
            _ => return Err(EndpointError::Kind(kind)),
        };
        let mut args = Args { parts: parts.collect() };
        let host = args.next_or_named("host").filter(|host| !host.is_empty());
        let host = host.ok_or(EndpointError::Missing("host"))?;
        let port = args.next_or_named("port").ok_or(EndpointError::Missing("port"))?;
        let port = port.parse().map_err(|_| EndpointError::Bad { name: "port", value: port })?;
        let mut endpoint = Endpoint::new(&host, port);
        if let Some(value) = args.named("timeout") {
            let seconds = value.parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
            let bad = || EndpointError::Bad { name: "timeout in seconds", value };
            endpoint.timeout = seconds.ok_or_else(bad)?;
        }
        if let Some(value) = args.named("bindAddress") {
            let bad = |_| EndpointError::Bad { name: "IP address", value: value.clone() };
            endpoint.bind = Some(value.parse().map_err(bad)?);
        }
        if secure {
            endpoint.tls = Some(Tls {
                name: args.named("hostname"),
                roots: args.first_named(["trustRoots", "caCertsDir"]),
                certificate: args.first_named(["certificate", "certKey"]),
                key: args.first_named(["privateKey"]),
            });
        }
        match args.parts.into_iter().next() {
            None => Ok(endpoint),
            Some(Part { name: Some(name), value }) => {
                Err(EndpointError::Unknown(format!("{name}={value}")))
            }
            Some(Part { name: None, value }) => Err(EndpointError::Unknown(value)),
        }
    }

    /// With relative file names seen from `dir`.
    #[must_use]
    pub fn seen_from(mut self, dir: &Path) -> Endpoint {
        if let Some(tls) = &mut self.tls {
            for path in [&mut tls.roots, &mut tls.certificate, &mut tls.key] {
                *path = path.take().map(|path| dir.join(path));
            }
        }
        self
    }

    /// `host:port`, an IPv6 address in brackets.
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

struct Part {
    name: Option<String>,
    value: String,
}

/// Only the first `=` of a part separates, as in Twisted.
fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut part = Part { name: None, value: String::new() };
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' => {
                parts.push(std::mem::replace(&mut part, Part { name: None, value: String::new() }))
            }
            '=' if part.name.is_none() => part.name = Some(std::mem::take(&mut part.value)),
            '\\' => part.value.extend(chars.next()),
            other => part.value.push(other),
        }
    }
    parts.push(part);
    parts
}

struct Args {
    parts: Vec<Part>,
}

impl Args {
    fn named(&mut self, name: &str) -> Option<String> {
        let at = self.parts.iter().position(|part| part.name.as_deref() == Some(name))?;
        Some(self.parts.remove(at).value)
    }

    fn next_or_named(&mut self, name: &str) -> Option<String> {
        self.named(name).or_else(|| {
            let at = self.parts.iter().position(|part| part.name.is_none())?;
            Some(self.parts.remove(at).value)
        })
    }

    fn first_named<const N: usize>(&mut self, names: [&str; N]) -> Option<PathBuf> {
        names.into_iter().find_map(|name| self.named(name)).map(PathBuf::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_endpoints() {
        for (text, host, port) in [
            ("tcp:host=h:port=9989", "h", 9989),
            ("tcp:h:1", "h", 1),
            ("TCP:port=2:h", "h", 2),
            ("tcp:host=h:3", "h", 3),
            (r"tcp:host=\:\:1:port=4", "::1", 4),
            (r"tcp:fe80\:\:1\=x:5", "fe80::1=x", 5),
        ] {
            assert_eq!(Endpoint::parse(text), Ok(Endpoint::new(host, port)), "{text}");
        }
        let endpoint = Endpoint::parse("tcp:h:1:timeout=5:bindAddress=127.0.0.1").expect("sound");
        assert_eq!(endpoint.timeout, Duration::from_secs(5));
        assert_eq!(endpoint.bind, Some([127, 0, 0, 1].into()));
        assert_eq!(Endpoint::new("::1", 7).authority(), "[::1]:7");
    }

    #[test]
    fn encrypted_endpoints() {
        let tls = |text: &str| {
            Endpoint::parse(text).expect("sound").seen_from(Path::new("/w")).tls.expect("encrypted")
        };
        assert_eq!(tls("tls:h:1"), Tls::default());
        assert_eq!(tls("ssl:h:1:caCertsDir=/ca").roots, Some("/ca".into()));
        let all = tls("tls:host=h:port=1:trustRoots=ca:certificate=c.pem:privateKey=/k.pem");
        assert_eq!((all.roots, all.certificate), (Some("/w/ca".into()), Some("/w/c.pem".into())));
        assert_eq!(all.key, Some("/k.pem".into()));
        assert_eq!(tls("ssl:h:1:hostname=m").name.as_deref(), Some("m"));
    }

    #[test]
    fn broken_endpoints_say_what_is_wrong() {
        for (text, wrong) in [
            ("", "unknown kind ''"),
            ("localhost:9989", "unknown kind 'localhost'"),
            ("unix:/run/s", "unknown kind 'unix'"),
            ("tcp:", "host is missing"),
            ("tcp:h", "port is missing"),
            ("tcp:h:x", "'x' is no port"),
            ("tcp:h:99999", "'99999' is no port"),
            ("tcp:h:1:2", "too many arguments: '2'"),
            ("tcp:h:1:trustRoots=/ca", "arguments: 'trustRoots=/ca'"),
            ("tls:h:1:endpoint=x", "arguments: 'endpoint=x'"),
            ("tcp:h:1:timeout=soon", "'soon' is no timeout in seconds"),
        ] {
            let error = Endpoint::parse(text).expect_err(text).to_string();
            assert!(error.contains(wrong), "{text}: {error}");
        }
    }
}
