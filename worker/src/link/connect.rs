//! One attempt to connect, up to where the protocol takes over.

use protocol::msgpack::MsgpackWorker;
use protocol::pb::{PbWorker, PbWorkerLogin};
use protocol::session::WorkerSession;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header::AUTHORIZATION};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::failure::ConnectError;
use super::login::LOGIN_TIMEOUT;
use super::stream;
use super::wire::{self, AnyStream, Reader, Writer};
use crate::config::{Config, Protocol};
use crate::info;

/// Bytes; a master sends nothing near it.
const MAX_MESSAGE: usize = 64 << 20;

/// A session and the packets it lives on.
pub(super) type Connected = (Box<dyn WorkerSession>, (Reader, Writer));

/// Connects. Over MessagePack the worker is then logged in, over Perspective Broker the session has
/// that before it.
pub(super) async fn connect(config: &Config) -> Result<Connected, ConnectError> {
    let stream = stream::open(config).await?;
    match config.protocol {
        Protocol::Pb => Ok((Box::new(PbWorker::new(login(config))), wire::bytes(stream))),
        Protocol::Msgpack => {
            let wire = timeout(LOGIN_TIMEOUT, handshake(config, stream)).await;
            let wire = wire.map_err(|_| ConnectError::Timeout(LOGIN_TIMEOUT.as_secs()))??;
            Ok((Box::new(MsgpackWorker::new()), wire))
        }
    }
}

fn login(config: &Config) -> PbWorkerLogin {
    PbWorkerLogin {
        name: config.name.clone(),
        password: config.password.clone(),
        version: info::VERSION.to_owned(),
        commands: info::commands(),
    }
}

async fn handshake(config: &Config, stream: AnyStream) -> Result<(Reader, Writer), ConnectError> {
    let scheme = if config.master.tls.is_some() { "wss" } else { "ws" };
    let url = format!("{scheme}://{}{}", config.master.authority(), config.path);
    let bad_address = |_| ConnectError::BadAddress(url.clone());
    let mut request = url.as_str().into_client_request().map_err(bad_address)?;
    let login = protocol::basic_auth::format(&config.name, &config.password);
    let login = login.map_err(|_| ConnectError::WrongPassword)?;
    let mut login = HeaderValue::from_str(&login).map_err(|_| ConnectError::WrongPassword)?;
    login.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, login);
    match client_async_with_config(request, stream, Some(limits())).await {
        Ok((socket, _)) => Ok(wire::frames(socket)),
        Err(error) => Err(ConnectError::of_handshake(error)),
    }
}

/// WebSocket frames on a stream that needs no handshake.
pub(super) async fn without_handshake(stream: AnyStream) -> (Reader, Writer) {
    wire::frames(WebSocketStream::from_raw_socket(stream, Role::Client, Some(limits())).await)
}

fn limits() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE))
}
