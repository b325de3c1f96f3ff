//! A MessagePack worker's login: the WebSocket handshake with its name and password.

use std::time::Duration;

use protocol::basic_auth;
use protocol::msgpack::{Limits, MsgpackMaster};
use subtle::ConstantTimeEq;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::hesitant::Hesitant;
use super::{Caller, Desk, HandshakeError, Session};
use crate::actors::worker::logins::Login;
use crate::actors::worker::transport::{Pipe, Socket};

/// The largest message a worker may send, in bytes. Stock workers send about 64 KiB of output, and
/// uploads in blocks of 256 KiB.
const MESSAGE_SIZE: usize = 16 << 20;

/// Reads the request and answers it.
pub(super) async fn enter(pipe: Pipe, desk: &Desk<'_>) -> Result<Caller, HandshakeError> {
    let (pipe, brake) = Hesitant::new(pipe);
    let config = WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(0)
        .max_message_size(Some(MESSAGE_SIZE))
        .max_frame_size(Some(MESSAGE_SIZE));
    let mut outcome = Err(HandshakeError::Header("no request".to_owned()));
    #[expect(clippy::result_large_err, reason = "the signature is the library's")]
    let check = |request: &Request, response: Response| match check(request, desk) {
        Ok(name) => {
            outcome = Ok(name);
            Ok(response)
        }
        Err(Refusal { status, error, pause }) => {
            outcome = Err(error);
            brake.hold(pause);
            Err(answer(status))
        }
    };
    match accept_hdr_async_with_config(Box::new(pipe) as Pipe, check, Some(config)).await {
        Ok(socket) => {
            let limits = Limits { size: MESSAGE_SIZE, ..Limits::default() };
            Ok(Caller {
                name: outcome?,
                session: Session::Worker(Box::new(MsgpackMaster::new(limits))),
                socket: Socket::web_socket(socket),
            })
        }
        Err(error) => match outcome {
            Err(error @ HandshakeError::Refused(_)) => Err(error),
            _ => Err(HandshakeError::NotWebSocket(error.to_string())),
        },
    }
}

/// Why a request is refused, with which status, and for how long the answer is held back.
struct Refusal {
    status: StatusCode,
    error: HandshakeError,
    pause: Duration,
}

fn malformed(text: String) -> Refusal {
    let error = HandshakeError::Header(text);
    Refusal { status: StatusCode::BAD_REQUEST, error, pause: Duration::ZERO }
}

/// The name of a worker whose password is right.
fn check(request: &Request, desk: &Desk<'_>) -> Result<String, Refusal> {
    let unauthorized = |error, pause| Refusal { status: StatusCode::UNAUTHORIZED, error, pause };
    let Some(header) = request.headers().get("Authorization") else {
        let error = HandshakeError::Header("no Authorization header".to_owned());
        return Err(unauthorized(error, Duration::ZERO));
    };
    let header = header.to_str().map_err(|error| malformed(error.to_string()))?;
    let (name, password) =
        basic_auth::parse(header).map_err(|error| malformed(error.to_string()))?;
    let matches = |expected: &str| expected.as_bytes().ct_eq(password.as_bytes()).into();
    match desk.check(&name, matches) {
        Ok(Login::Worker) => Ok(name),
        // Clients speak Perspective Broker only.
        Ok(Login::Client(_)) => Err(unauthorized(HandshakeError::Refused(name), Duration::ZERO)),
        Err(pause) => Err(unauthorized(HandshakeError::Refused(name), pause)),
    }
}

/// Only a status line, as stock answers.
fn answer(status: StatusCode) -> ErrorResponse {
    let mut response = ErrorResponse::new(None);
    *response.status_mut() = status;
    response
}
