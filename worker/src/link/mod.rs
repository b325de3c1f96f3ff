//! The connection to the master: found, kept, and found again.
//!
//! [`run`] seeks the master over the network. [`serve_stream`] takes a stream that somebody else has
//! made, such as one in memory when a master runs a worker in its own process.

mod backoff;
mod builders;
mod connect;
mod connection;
mod failure;
mod leaving;
mod login;
mod orders;
mod outbox;
mod proxy;
mod pulse;
mod resolve;
mod running;
mod stamp;
mod stream;
mod tls;
mod trust;
mod wire;
mod writer;

pub use outbox::{AskError, Link, Lost, Outgoing};

use std::future::pending;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::FusedFuture;
use protocol::msgpack::MsgpackWorker;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::commands::environment::Environment;
use crate::config::{AllowShutdown, Config, Protocol};
use backoff::Backoff;
use connection::{Connection, End};
use stamp::Stamp;

/// Why a worker ends by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("giving up after {retries} failed attempts to reach {master}; the last one: {cause}")]
    GaveUp { retries: u32, master: String, cause: String },
    #[error(
        "a worker name must not contain a colon over {protocol}: {name}",
        protocol = Protocol::Msgpack.name()
    )]
    Name { name: String },
}

/// Works for the master until `shutdown` is ready or the master says so. Commands under way are
/// killed then. Fails only when `max_retries` is used up or the name is impossible.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    run_until(config, shutdown, pending()).await
}

/// Like [`run`], and ends gracefully once `leave` is ready, or `shutdown.stamp` is touched where the
/// settings allow it: over Perspective Broker the master is asked to give no more builds and then to
/// shut this worker down; over MessagePack, which cannot say that, the worker ends as soon as no
/// command runs. Without a connection it ends at once.
pub async fn run_until(
    config: Config,
    shutdown: impl Future<Output = ()>,
    leave: impl Future<Output = ()>,
) -> Result<(), RunError> {
    if config.protocol == Protocol::Msgpack && config.name.contains(':') {
        return Err(RunError::Name { name: config.name });
    }
    let environment: Arc<Environment> = Arc::new(std::env::vars_os().collect());
    let mut backoff = Backoff::new(config.first_delay, config.max_delay);
    let by_file = config.allow_shutdown == Some(AllowShutdown::File);
    let stamp = by_file.then(|| Stamp::new(&config.basedir));
    let stamp = async {
        match stamp {
            Some(stamp) => stamp.touched().await,
            None => pending().await,
        }
    };
    let leave = async {
        tokio::select! { () = leave => {}, () = stamp => {} }
    };
    let (mut shutdown, mut leave) = (std::pin::pin!(shutdown.fuse()), std::pin::pin!(leave.fuse()));
    let master = config.master.authority();
    loop {
        let connected = tokio::select! {
            () = &mut shutdown => return Ok(()),
            () = &mut leave => return Ok(()),
            connected = connect::connect(&config) => connected,
        };
        let cause = match connected {
            Err(error) => error.to_string(),
            Ok((session, wire)) => {
                tracing::info!("Connected to {master}");
                let connection = Connection::new(&config, Arc::clone(&environment), session);
                match connection.run(wire, &mut shutdown, &mut leave).await {
                    End::Shutdown => return Ok(()),
                    End::Lost { cause, served } => {
                        if served {
                            backoff.reset();
                        }
                        cause
                    }
                }
            }
        };
        if leave.is_terminated() {
            tracing::info!("{master}: {cause}; ending, as was asked for");
            return Ok(());
        }
        let failures = backoff.failures();
        if config.max_retries.is_some_and(|max| failures >= max) {
            return Err(RunError::GaveUp { retries: failures, master, cause });
        }
        let delay = backoff.next(fastrand::f64());
        tracing::warn!("{master}: {cause}; trying again in {:.1} s", delay.as_secs_f64());
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            () = &mut leave => return Ok(()),
            () = tokio::time::sleep(delay) => {}
        }
    }
}

/// How a connection over a given stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEnd {
    /// As asked, by `shutdown` or by the master.
    Shutdown,
    /// The stream or what came over it is broken; why, in plain words.
    Lost(String),
}

/// Works for the master at the other end of `stream` until the connection ends; commands under way
/// are killed then.
///
/// The stream carries `msgpack_experimental_v7` in WebSocket frames, this side being the client, from
/// the first byte on: no HTTP handshake and no login, since whoever made the stream knows whose it is.
/// The other end is `WebSocketStream::from_raw_socket(stream, Role::Server, …)`. Of `config` only the
/// settings of the work count, not those of the way to the master and of graceful ends.
pub async fn serve_stream(
    config: Config,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    shutdown: impl Future<Output = ()>,
) -> StreamEnd {
    let environment = Arc::new(std::env::vars_os().collect());
    let wire = connect::without_handshake(Box::new(stream)).await;
    let connection = Connection::new(&config, environment, Box::new(MsgpackWorker::new()));
    let mut shutdown = std::pin::pin!(shutdown.fuse());
    match connection.run(wire, &mut shutdown, &mut futures_util::future::pending()).await {
        End::Shutdown => StreamEnd::Shutdown,
        End::Lost { cause, .. } => StreamEnd::Lost(cause),
    }
}
