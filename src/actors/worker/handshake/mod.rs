//! From a fresh connection to a peer that has logged in.
//!
//! Runs as a task of its own per socket, with a deadline; nothing else of the master learns of a
//! peer before it has logged in.

mod broker;
mod web_socket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::pb::PbServer;
use protocol::session::MasterSession;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use super::logins::{Logins, Perspective, Throttle};
use super::transport::{Pipe, Socket};
use crate::config::checked::WorkerProtocol;

/// How peers get in at one port.
#[derive(Clone)]
pub(super) struct Gate {
    pub protocol: WorkerProtocol,
    pub tls: Option<TlsAcceptor>,
    pub logins: Logins,
    pub throttle: Throttle,
    /// For the whole login.
    pub deadline: Duration,
}

/// A peer that has logged in.
pub(super) struct Caller {
    pub name: String,
    pub session: Session,
    pub socket: Socket,
}

/// What a peer is, by its name.
pub(super) enum Session {
    Worker(Box<dyn MasterSession>),
    /// With what it may call.
    Client(Box<PbServer>, Arc<dyn Perspective>),
}

/// Why a peer did not get in; none of the texts holds a password.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("no login within {0:?}")]
    Late(Duration),
    #[error("wrong password, or nobody named '{0}' is configured")]
    Refused(String),
    #[error("{0}")]
    Header(String),
    #[error("no WebSocket handshake: {0}")]
    NotWebSocket(String),
    #[error("no TLS handshake: {0}")]
    Tls(std::io::Error),
    #[error("it does not speak Perspective Broker: {0}")]
    NotBroker(String),
    #[error("too many others came after it and have not logged in either")]
    Crowd,
    #[error("closed by the peer")]
    Closed,
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Takes a fresh connection to a peer that has logged in, on the current thread.
pub(super) async fn log_in(
    stream: std::net::TcpStream,
    peer: SocketAddr,
    gate: &Gate,
) -> Result<Caller, HandshakeError> {
    tokio::time::sleep(gate.throttle.pause(peer.ip(), Instant::now())).await;
    let caller = match timeout(gate.deadline, enter(stream, gate)).await {
        Ok(caller) => caller,
        Err(_) => Err(HandshakeError::Late(gate.deadline)),
    };
    match &caller {
        Ok(_) => gate.throttle.succeeded(peer.ip()),
        Err(HandshakeError::Refused(_)) => gate.throttle.failed(peer.ip(), Instant::now()),
        Err(_) => {}
    }
    caller
}

async fn enter(stream: std::net::TcpStream, gate: &Gate) -> Result<Caller, HandshakeError> {
    let stream = TcpStream::from_std(stream)?;
    let pipe: Pipe = match &gate.tls {
        None => Box::new(stream),
        Some(acceptor) => Box::new(acceptor.accept(stream).await.map_err(HandshakeError::Tls)?),
    };
    match gate.protocol {
        WorkerProtocol::MessagePack => web_socket::enter(pipe, &gate.logins).await,
        WorkerProtocol::PerspectiveBroker => broker::enter(pipe, &gate.logins).await,
    }
}
