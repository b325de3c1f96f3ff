//! The way to the master: TCP, through a proxy if there is one, encrypted if wanted.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::failure::ConnectError;
use super::proxy;
use super::tls;
use super::wire::AnyStream;
use crate::config::Config;
use crate::endpoint::Endpoint;

/// For what a proxy does, and for agreeing on keys.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);

/// A stream to the master of `config`.
pub(super) async fn open(config: &Config) -> Result<AnyStream, ConnectError> {
    let master = &config.master;
    let stream = match &config.proxy {
        None => Box::new(tcp(master).await?),
        Some(proxy) => {
            through(proxy, master).await.map_err(|error| error.at_proxy(&proxy.authority()))?
        }
    };
    encrypted(stream, master).await
}

async fn through(proxy: &Endpoint, master: &Endpoint) -> Result<AnyStream, ConnectError> {
    let stream = encrypted(Box::new(tcp(proxy).await?), proxy).await?;
    in_time(proxy::tunnel(stream, &master.authority())).await
}

async fn encrypted(stream: AnyStream, endpoint: &Endpoint) -> Result<AnyStream, ConnectError> {
    match &endpoint.tls {
        None => Ok(stream),
        Some(wanted) => {
            in_time(async { Ok(tls::encrypt(stream, wanted.clone(), &endpoint.host).await?) }).await
        }
    }
}

async fn in_time<T>(
    work: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    let done = timeout(HANDSHAKE_TIMEOUT, work).await;
    done.unwrap_or(Err(ConnectError::Timeout(HANDSHAKE_TIMEOUT.as_secs())))
}

/// Tries every address of the host in turn.
async fn tcp(endpoint: &Endpoint) -> Result<TcpStream, ConnectError> {
    let late = |_| ConnectError::Timeout(endpoint.timeout.as_secs());
    let resolve = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port));
    let not_found = || ConnectError::NameNotFound(endpoint.host.clone());
    let addresses =
        timeout(endpoint.timeout, resolve).await.map_err(late)?.map_err(|_| not_found())?;
    let mut last = not_found();
    for address in addresses {
        match timeout(endpoint.timeout, connect(endpoint, address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                last = ConnectError::Refused;
            }
            Ok(Err(error)) => last = ConnectError::Io(error),
            Err(elapsed) => last = late(elapsed),
        }
    }
    Err(last)
}

async fn connect(endpoint: &Endpoint, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(own) = endpoint.bind {
        socket.bind(SocketAddr::new(own, 0))?;
    }
    // The kernel notices a peer that vanished while nothing is said.
    let _ = socket.set_keepalive(true);
    socket.connect(address).await
}
