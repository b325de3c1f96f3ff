//! From a fresh connection to a peer that has logged in.
//!
//! Runs as a task of its own per socket, with a deadline; nothing else of the master learns of a
//! peer before it has logged in.

mod broker;
mod hesitant;
mod web_socket;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use protocol::pb::PbServer;
use protocol::session::MasterSession;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use super::logins::{Login, Logins, Perspective, Throttle};
use super::transport::{Pipe, Socket};
use crate::config::checked::{WorkerListen, WorkerProtocol};

/// How peers get in at one port.
#[derive(Clone)]
pub(super) struct Gate {
    pub port: WorkerListen,
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
    let Gate { port, logins, throttle, .. } = gate;
    let desk = Desk { port, logins, throttle, address: peer.ip() };
    match timeout(gate.deadline, enter(stream, gate, &desk)).await {
        Ok(caller) => caller,
        Err(_) => Err(HandshakeError::Late(gate.deadline)),
    }
}

/// Where one peer shows its name and password.
struct Desk<'a> {
    port: &'a WorkerListen,
    logins: &'a Logins,
    throttle: &'a Throttle,
    address: IpAddr,
}

impl Desk<'_> {
    /// Is the password of `name` the one that `matches` accepts? A refusal is to be held back for
    /// the time that is the error.
    fn check(&self, name: &str, matches: impl FnOnce(&str) -> bool) -> Result<Login, Duration> {
        let Some(login) = self.logins.accept(self.port, name, matches) else {
            return Err(self.throttle.failed(self.address, Instant::now()));
        };
        self.throttle.succeeded(self.address);
        Ok(login)
    }
}

async fn enter(
    stream: std::net::TcpStream,
    gate: &Gate,
    desk: &Desk<'_>,
) -> Result<Caller, HandshakeError> {
    let stream = TcpStream::from_std(stream)?;
    let pipe: Pipe = match &gate.tls {
        None => Box::new(stream),
        Some(acceptor) => Box::new(acceptor.accept(stream).await.map_err(HandshakeError::Tls)?),
    };
    match gate.port.protocol {
        WorkerProtocol::MessagePack => web_socket::enter(pipe, desk).await,
        WorkerProtocol::PerspectiveBroker => broker::enter(pipe, desk).await,
    }
}
