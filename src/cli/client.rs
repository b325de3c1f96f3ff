//! Calls a running master over Perspective Broker, as a client with a name and a password.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use protocol::jelly::Value;
use protocol::pb::{ClientEvent, PbClient};
use protocol::session::Rejection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// For the connection, and for the whole talk.
const DEADLINES: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(150));

/// Where a master listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

/// As whom to call.
pub struct Login {
    pub user: String,
    pub password: String,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("cannot connect to the master at {0}: {1}")]
    Connect(Address, std::io::Error),
    #[error("the master at {0} did not answer within {1:?}")]
    Late(Address, Duration),
    #[error("the connection to the master was lost: {0}")]
    Lost(std::io::Error),
    #[error("the master closed the connection without an answer")]
    Closed,
    #[error("this is no master's port for workers and clients: {0}")]
    NotBroker(String),
    #[error("the master does not accept the user '{0}' with this password")]
    WrongPassword(String),
    #[error("the master refused the login: {0}")]
    Refused(String),
    #[error("{0}")]
    Call(String),
    /// In the master's words.
    #[error("the master answered: {0}")]
    Failed(String),
}

/// Logs in, makes one call and takes its result.
///
/// # Errors
/// See [`CallError`].
pub async fn call(
    master: &Address,
    login: &Login,
    method: &str,
    args: Vec<Value>,
) -> Result<Value, CallError> {
    let stream = timeout(DEADLINES.0, master.connect())
        .await
        .map_err(|_| CallError::Late(master.clone(), DEADLINES.0))?
        .map_err(|error| CallError::Connect(master.clone(), error))?;
    match timeout(DEADLINES.1, talk(stream, login, (method, args))).await {
        Ok(result) => result,
        Err(_) => Err(CallError::Late(master.clone(), DEADLINES.1)),
    }
}

async fn talk(
    mut stream: TcpStream,
    login: &Login,
    (method, mut args): (&str, Vec<Value>),
) -> Result<Value, CallError> {
    let mut client = PbClient::new(&login.user, &login.password);
    let mut buffer = vec![0; 16 << 10];
    loop {
        while let Some(event) =
            client.next().map_err(|violation| CallError::NotBroker(violation.to_string()))?
        {
            let packet = match event {
                ClientEvent::Send(packet) => packet,
                ClientEvent::LoggedIn => {
                    client.call(1, method, std::mem::take(&mut args)).map_err(CallError::Call)?
                }
                ClientEvent::Rejected { why: Rejection::WrongPassword } => {
                    return Err(CallError::WrongPassword(login.user.clone()));
                }
                ClientEvent::Rejected { why: Rejection::Other(text) } => {
                    return Err(CallError::Refused(text));
                }
                // Nobody has reason to call back.
                ClientEvent::Told { .. } => continue,
                ClientEvent::Answered { result, .. } => {
                    return result.map_err(|failure| CallError::Failed(failure.explain()));
                }
            };
            stream.write_all(&packet).await.map_err(CallError::Lost)?;
        }
        match stream.read(&mut buffer).await {
            Ok(0) => return Err(CallError::Closed),
            Ok(length) => client.receive(&buffer[..length]),
            Err(error) => return Err(CallError::Lost(error)),
        }
    }
}

impl Address {
    pub(super) async fn connect(&self) -> std::io::Result<TcpStream> {
        TcpStream::connect((self.host.as_str(), self.port)).await
    }
}

impl FromStr for Address {
    type Err = anyhow::Error;

    /// `host:port`; an IPv6 address stands in brackets.
    fn from_str(text: &str) -> anyhow::Result<Address> {
        let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        match parts {
            Some((host, port)) if !host.is_empty() => {
                let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                Ok(Address { host, port })
            }
            _ => anyhow::bail!("master must have the form 'hostname:port', and is '{text}'"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_shown() {
        for text in ["localhost:9989", "127.0.0.1:1", "[::1]:9989"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in ["localhost", "localhost:", ":9989", "localhost:70000", "localhost:pb", ""] {
            let error = text.parse::<Address>().expect_err(text).to_string();
            assert!(error.contains("master must have the form 'hostname:port'"), "{error}");
        }
    }
}
