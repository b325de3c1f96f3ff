//! Addresses to listen on: a port number or an endpoint string as Twisted writes it.

use super::checked::Listen;
use super::fields::FromRaw;
use super::raw::{Raw, RawValue};

/// `9990`, `"9990"`, `"tcp:9990"`, `"tcp:9990:interface=127.0.0.1"`, `"tcp:port=9990"`,
/// `"tcp6:9990:interface=\\:\\:1"`.
impl FromRaw for Listen {
    fn from_raw(raw: &Raw) -> Result<Listen, String> {
        match &raw.value {
            RawValue::Int(number) => {
                Ok(Listen { interface: None, port: port(&number.to_string())? })
            }
            RawValue::Text(text) => endpoint(text),
            _ => Err(format!(
                "must be a port number or an endpoint such as \
                 \"tcp:9990:interface=127.0.0.1\", not {}",
                raw.kind()
            )),
        }
    }
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("'{text}' is not a port; ports are numbers from 0 to 65535"))
}

fn endpoint(text: &str) -> Result<Listen, String> {
    let parts = split(text);
    let Some((kind, arguments)) = parts.split_first() else { return Err("is empty".into()) };
    if arguments.is_empty() {
        return Ok(Listen { interface: None, port: port(kind)? });
    }
    let interface = match kind.as_str() {
        "tcp" => None,
        "tcp6" => Some("::".to_owned()),
        _ => return Err(format!("endpoints of kind '{kind}' are not supported yet; use 'tcp'")),
    };
    let mut listen = Listen { interface, port: 0 };
    let mut has_port = false;
    for (index, argument) in arguments.iter().enumerate() {
        match argument.split_once('=') {
            None if index == 0 => (listen.port, has_port) = (port(argument)?, true),
            Some(("port", number)) => (listen.port, has_port) = (port(number)?, true),
            Some(("interface", name)) => listen.interface = Some(name.to_owned()),
            _ => return Err(format!("'{argument}' is unknown here; known are: port, interface")),
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
            Ok(Listen { interface: interface.map(str::to_owned), port })
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
            ("ssl:9990:privateKey=x.pem", "'ssl' are not supported"),
            ("tcp:9990:backlog=5", "'backlog=5' is unknown"),
            ("tcp:interface=::1", "is unknown here"),
            ("tcp:interface=localhost", "needs a port"),
        ] {
            let message = endpoint(text).expect_err(text);
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
