//! One attempt to connect and log in, and its failure in plain words.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header::AUTHORIZATION};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, error::UrlError};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::wire::{self, AnyStream, Reader, Writer};
use crate::config::{Config, PROTOCOL};

/// For the TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// For the answer to the login. A master that loads its configuration lets workers wait.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(300);
/// Bytes; a master sends nothing near it.
const MAX_MESSAGE: usize = 64 << 20;

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("host name '{0}' not found")]
    NameNotFound(String),
    #[error("connection refused (is the master running, with {PROTOCOL} on this port?)")]
    Refused,
    #[error("no answer within {0} s")]
    Timeout(u64),
    #[error("the master does not accept this worker name and password")]
    WrongPassword,
    #[error("the master answered the login with HTTP status {0}")]
    Status(u16),
    #[error(
        "what answers there is no {PROTOCOL} listener ({0}); is this the port of another protocol?"
    )]
    NotMessagePack(String),
    #[error("cannot connect: {0}")]
    Io(io::Error),
    #[error("'{0}' is not a valid host name")]
    BadHost(String),
}

/// Connects and logs in.
pub(super) async fn connect(
    config: &Config,
    login: &str,
) -> Result<(Reader, Writer), ConnectError> {
    let stream = tcp(config).await?;
    let _ = stream.set_nodelay(true);
    let host = match config.host.contains(':') {
        true => format!("[{}]", config.host),
        false => config.host.clone(),
    };
    let bad_host = |_| ConnectError::BadHost(config.host.clone());
    let url = format!("ws://{host}:{}/", config.port);
    let mut request = url.into_client_request().map_err(bad_host)?;
    let mut login = HeaderValue::from_str(login).map_err(|_| ConnectError::WrongPassword)?;
    login.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, login);
    let stream: AnyStream = Box::new(stream);
    let handshake = client_async_with_config(request, stream, Some(limits()));
    match timeout(LOGIN_TIMEOUT, handshake).await {
        Err(_) => Err(ConnectError::Timeout(LOGIN_TIMEOUT.as_secs())),
        Ok(Ok((socket, _))) => Ok(wire::frames(socket)),
        Ok(Err(error)) => Err(plain(error)),
    }
}

/// WebSocket frames on a stream that needs no handshake.
pub(super) async fn without_handshake(stream: AnyStream) -> (Reader, Writer) {
    wire::frames(WebSocketStream::from_raw_socket(stream, Role::Client, Some(limits())).await)
}

fn limits() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE))
}

async fn tcp(config: &Config) -> Result<TcpStream, ConnectError> {
    let resolve = tokio::net::lookup_host((config.host.as_str(), config.port));
    let not_found = |_| ConnectError::NameNotFound(config.host.clone());
    let addresses = timeout(CONNECT_TIMEOUT, resolve)
        .await
        .map_err(|_| ConnectError::Timeout(CONNECT_TIMEOUT.as_secs()))?
        .map_err(not_found)?;
    let mut last = ConnectError::NameNotFound(config.host.clone());
    for address in addresses {
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                last = ConnectError::Refused;
            }
            Ok(Err(error)) => last = ConnectError::Io(error),
            Err(_) => last = ConnectError::Timeout(CONNECT_TIMEOUT.as_secs()),
        }
    }
    Err(last)
}

fn plain(error: Error) -> ConnectError {
    match error {
        Error::Http(response) => match response.status().as_u16() {
            401 | 403 => ConnectError::WrongPassword,
            status => ConnectError::Status(status),
        },
        Error::Io(error) => ConnectError::Io(error),
        Error::Url(UrlError::NoHostName) => ConnectError::BadHost(String::new()),
        other => ConnectError::NotMessagePack(other.to_string()),
    }
}
