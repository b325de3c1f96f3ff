//! Why there is no connection, in plain words.

use std::io;

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::UrlError;

use super::tls::TlsError;
use crate::config::Protocol;

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("host name '{0}' not found")]
    NameNotFound(String),
    #[error("connection refused (is it running, and is this the right port?)")]
    Refused,
    #[error("no answer within {0} s")]
    Timeout(u64),
    #[error("the master does not accept this worker name and password")]
    WrongPassword,
    #[error("the master answered the login with HTTP status {0}")]
    Status(u16),
    #[error(
        "what answers there is no {name} listener ({0}); is this the port of another protocol?",
        name = Protocol::Msgpack.name()
    )]
    NotMessagePack(String),
    #[error("cannot connect: {0}")]
    Io(io::Error),
    #[error("'{0}' is not a valid host name or path")]
    BadAddress(String),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("proxy {proxy}: {error}")]
    Proxy { proxy: String, error: Box<ConnectError> },
    #[error("it refused to connect us to the master: {0}")]
    ProxyAnswer(String),
}

impl ConnectError {
    /// What went wrong with a WebSocket handshake.
    pub(super) fn of_handshake(error: Error) -> ConnectError {
        match error {
            Error::Http(response) => match response.status().as_u16() {
                401 | 403 => ConnectError::WrongPassword,
                status => ConnectError::Status(status),
            },
            Error::Io(error) => ConnectError::Io(error),
            Error::Url(UrlError::NoHostName) => ConnectError::BadAddress(String::new()),
            other => ConnectError::NotMessagePack(other.to_string()),
        }
    }

    /// What went wrong with the proxy on the way.
    pub(super) fn at_proxy(self, proxy: &str) -> ConnectError {
        ConnectError::Proxy { proxy: proxy.to_owned(), error: Box::new(self) }
    }
}
