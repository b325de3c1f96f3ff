//! A worker's login: the WebSocket handshake with its name and password.
//!
//! Runs as a task of its own per socket, with a deadline; nothing else of the master learns of a
//! peer before it has logged in.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use protocol::basic_auth;
use subtle::ConstantTimeEq;
use tokio::net::TcpStream;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::connection::{MESSAGE_SIZE, Socket};

/// Names and passwords of the configured workers. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Logins(Arc<RwLock<HashMap<String, String>>>);

impl Logins {
    pub(super) fn replace(&self, logins: HashMap<String, String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = logins;
    }

    /// Takes as long for an unknown name as for a wrong password.
    fn accept(&self, name: &str, password: &str) -> bool {
        let logins = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let expected = logins.get(name);
        let same = expected.map_or("", String::as_str).as_bytes().ct_eq(password.as_bytes());
        bool::from(same) && expected.is_some()
    }
}

/// Why a peer did not get in; none of the texts holds a password.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("no login within {0:?}")]
    Late(Duration),
    #[error("wrong password, or no worker '{0}' is configured")]
    Refused(String),
    #[error("{0}")]
    Header(String),
    #[error("no WebSocket handshake: {0}")]
    NotWebSocket(String),
}

/// Takes a fresh connection to a logged-in worker's name and socket, on the current thread.
pub(super) async fn log_in(
    stream: std::net::TcpStream,
    logins: &Logins,
    deadline: Duration,
) -> Result<(String, Socket), HandshakeError> {
    match tokio::time::timeout(deadline, accept(stream, logins)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(HandshakeError::Late(deadline)),
    }
}

async fn accept(
    stream: std::net::TcpStream,
    logins: &Logins,
) -> Result<(String, Socket), HandshakeError> {
    let stream = TcpStream::from_std(stream)
        .map_err(|error| HandshakeError::NotWebSocket(error.to_string()))?;
    let config = WebSocketConfig::default()
        .read_buffer_size(32 << 10)
        .write_buffer_size(0)
        .max_message_size(Some(MESSAGE_SIZE))
        .max_frame_size(Some(MESSAGE_SIZE));
    let mut outcome = Err(HandshakeError::Header("no request".to_owned()));
    #[expect(clippy::result_large_err, reason = "the signature is the library's")]
    let check = |request: &Request, response: Response| match check(request, logins) {
        Ok(name) => {
            outcome = Ok(name);
            Ok(response)
        }
        Err((status, error)) => {
            outcome = Err(error);
            Err(refusal(status))
        }
    };
    match accept_hdr_async_with_config(stream, check, Some(config)).await {
        Ok(socket) => Ok((outcome?, socket)),
        Err(error) => match outcome {
            Err(error @ HandshakeError::Refused(_)) => Err(error),
            _ => Err(HandshakeError::NotWebSocket(error.to_string())),
        },
    }
}

/// The name of a worker whose password is right.
fn check(request: &Request, logins: &Logins) -> Result<String, (StatusCode, HandshakeError)> {
    let malformed = |text: String| (StatusCode::BAD_REQUEST, HandshakeError::Header(text));
    let Some(header) = request.headers().get("Authorization") else {
        let error = HandshakeError::Header("no Authorization header".to_owned());
        return Err((StatusCode::UNAUTHORIZED, error));
    };
    let header = header.to_str().map_err(|error| malformed(error.to_string()))?;
    let (name, password) =
        basic_auth::parse(header).map_err(|error| malformed(error.to_string()))?;
    match logins.accept(&name, &password) {
        true => Ok(name),
        false => Err((StatusCode::UNAUTHORIZED, HandshakeError::Refused(name))),
    }
}

/// Only a status line, as stock answers.
fn refusal(status: StatusCode) -> ErrorResponse {
    let mut response = ErrorResponse::new(None);
    *response.status_mut() = status;
    response
}
