//! Addresses to listen on: a port number or an endpoint string as Twisted writes it.

use std::path::PathBuf;

use super::checked::{Listen, TlsFiles};
use super::fields::FromRaw;
use super::raw::{Raw, RawValue};

/// `9990`, `"9990"`, `"tcp:9990"`, `"tcp:9990:interface=127.0.0.1"`, `"tcp:port=9990"`,
/// `"tcp6:9990:interface=\\:\\:1"`, `"ssl:9990:privateKey=key.pem:certKey=cert.pem"`.
impl FromRaw for Listen {
    fn from_raw(raw: &Raw) -> Result<Listen, String> {
        match &raw.value {
            RawValue::Int(number) => Ok(plain(port(&number.to_string())?)),
            RawValue::Text(text) => endpoint(text),
            _ => Err(format!(
                "must be a port number or an endpoint such as \
                 \"tcp:9990:interface=127.0.0.1\", not {}",
                raw.kind()
            )),
        }
    }
}

fn plain(port: u16) -> Listen {
    Listen { interface: None, port, tls: None }
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("'{text}' is not a port; ports are numbers from 0 to 65535"))
}

fn endpoint(text: &str) -> Result<Listen, String> {
    let parts = split(text);
    let Some((kind, arguments)) = parts.split_first() else { return Err("is empty".into()) };
    if arguments.is_empty() {
        return port(kind).map(plain);
    }
    match kind.as_str() {
        "tcp" => read(arguments, None, &mut None),
        "tcp6" => read(arguments, Some("::"), &mut None),
        // Twisted's defaults: one file for both.
        "ssl" => {
            let mut tls = Some(Tls::default());
            let listen = read(arguments, None, &mut tls)?;
            Ok(Listen { tls: tls.map(Tls::into_files), ..listen })
        }
        _ => {
            Err(format!("endpoints of kind '{kind}' are not supported; use 'tcp', 'tcp6' or 'ssl'"))
        }
    }
}

/// The TLS arguments of an endpoint as far as they were read.
#[derive(Default)]
struct Tls {
    key: Option<PathBuf>,
    certificate: Option<PathBuf>,
    chain: Option<PathBuf>,
}

impl Tls {
    /// Twisted's defaults: `server.pem`, and one file for both.
    fn into_files(self) -> TlsFiles {
        let key = self.key.unwrap_or_else(|| "server.pem".into());
        let certificate = self.certificate.unwrap_or_else(|| key.clone());
        TlsFiles { certificate, key, chain: self.chain }
    }
}

fn read(
    arguments: &[String],
    interface: Option<&str>,
    tls: &mut Option<Tls>,
) -> Result<Listen, String> {
    let mut listen = Listen { interface: interface.map(str::to_owned), ..plain(0) };
    let mut has_port = false;
    for (index, argument) in arguments.iter().enumerate() {
        match (argument.split_once('='), tls.as_mut()) {
            (None, _) if index == 0 => (listen.port, has_port) = (port(argument)?, true),
            (Some(("port", number)), _) => (listen.port, has_port) = (port(number)?, true),
            (Some(("interface", name)), _) => listen.interface = Some(name.to_owned()),
            (Some(("privateKey", file)), Some(tls)) => tls.key = Some(file.into()),
            (Some(("certKey", file)), Some(tls)) => tls.certificate = Some(file.into()),
            (Some(("extraCertChain", file)), Some(tls)) => tls.chain = Some(file.into()),
            (_, None) => {
                return Err(format!("'{argument}' is unknown here; known are: port, interface"));
            }
            (_, Some(_)) => {
                return Err(format!(
                    "'{argument}' is unknown here; known are: port, interface, privateKey, \
                     certKey, extraCertChain"
                ));
            }
        }
    }
    if has_port { Ok(listen) } else { Err("needs a port: \"tcp:9990\"".into()) }
}

/// Splits at colons; a backslash takes the next character as it is.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' => parts.push(String::new()),
            '\\' => parts.last_mut().into_iter().for_each(|part| part.extend(chars.next())),
            _ => parts.last_mut().into_iter().for_each(|part| part.push(c)),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let on = |interface: Option<&str>, port| {
            Ok(Listen { interface: interface.map(str::to_owned), port, tls: None })
        };
        for (text, listen) in [
            ("8010", on(None, 8010)),
            ("tcp:9990", on(None, 9990)),
            ("tcp:0", on(None, 0)),
            ("tcp:port=9990:interface=127.0.0.1", on(Some("127.0.0.1"), 9990)),
            ("tcp:9990:interface=127.0.0.1", on(Some("127.0.0.1"), 9990)),
            ("tcp:interface=127.0.0.1:port=9990", on(Some("127.0.0.1"), 9990)),
            (r"tcp6:9990:interface=\:\:1", on(Some("::1"), 9990)),
            ("tcp6:9990", on(Some("::"), 9990)),
        ] {
            assert_eq!(endpoint(text), listen, "{text}");
        }
    }

    #[test]
    fn wrong_endpoints() {
        for (text, part) in [
            ("", "is not a port"),
            ("http", "is not a port"),
            ("tcp:70000", "from 0 to 65535"),
            ("-1", "from 0 to 65535"),
            ("unix:9990:x", "'unix' are not supported"),
            ("ssl:9990:sslmethod=x", "known are: port, interface, privateKey"),
            ("tcp:9990:privateKey=x.pem", "'privateKey=x.pem' is unknown"),
            ("tcp:9990:backlog=5", "'backlog=5' is unknown"),
            ("tcp:interface=::1", "is unknown here"),
            ("tcp:interface=localhost", "needs a port"),
        ] {
            let message = endpoint(text).expect_err(text);
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn the_files_of_tls() {
        let files = |certificate: &str, key: &str, chain: Option<&str>| TlsFiles {
            certificate: certificate.into(),
            key: key.into(),
            chain: chain.map(Into::into),
        };
        for (text, expected) in [
            ("ssl:9989", files("server.pem", "server.pem", None)),
            ("ssl:9989:privateKey=k", files("k", "k", None)),
            ("ssl:port=9989:certKey=c:privateKey=k", files("c", "k", None)),
            ("ssl:9989:privateKey=a\\:b:certKey=c:extraCertChain=d", files("c", "a:b", Some("d"))),
        ] {
            let listen = endpoint(text).expect(text);
            assert_eq!((listen.port, listen.tls), (9989, Some(expected)), "{text}");
        }
    }
}
