//! Accepts the TCP connections of one address.
//! In:   connections.      Out: logged-in workers, to the roster.
//! Owns: a clone of the listening socket; the roster keeps the socket itself.
//! Dies: safely at any time; waiting connections stay in the socket's queue.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, ArbiterHandle, AsyncContext, Context};
use tokio::sync::Semaphore;

use super::handshake::{Logins, log_in};
use super::roster::{Arrived, RosterActor};
use crate::actors::mail::{Child, Mailbox};
use crate::receives;

/// Connections that have not logged in yet, per address; further ones wait in the socket's queue.
const STRANGERS: usize = 128;

/// The first and the longest pause after a failed accept, as when no file descriptor is left.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Where logged-in workers go.
#[derive(Clone)]
pub(super) struct Door {
    pub logins: Logins,
    pub roster: Mailbox<RosterActor>,
    /// The threads that connections live on.
    pub homes: Arc<Vec<ArbiterHandle>>,
    /// For the whole login.
    pub deadline: Duration,
}

pub(super) struct Listener {
    socket: Arc<std::net::TcpListener>,
    door: Door,
}

impl Listener {
    pub(super) fn new(socket: Arc<std::net::TcpListener>, door: Door) -> Listener {
        Listener { socket, door }
    }
}

impl Actor for Listener {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let clone = self.socket.try_clone().and_then(tokio::net::TcpListener::from_std);
        let socket = match clone {
            Ok(socket) => socket,
            Err(error) => {
                tracing::error!(%error, "cannot listen for workers");
                return ctx.stop();
            }
        };
        let accepting = accept_all(socket, self.door.clone());
        ctx.spawn(actix::fut::wrap_future::<_, Self>(accepting).map(|(), _, _| ()));
    }
}

impl Child for Listener {}

receives!(Listener:);

async fn accept_all(socket: tokio::net::TcpListener, door: Door) {
    let strangers = Arc::new(Semaphore::new(STRANGERS));
    let mut pause = PAUSES.0;
    let mut homes = door.homes.iter().cycle();
    loop {
        // The semaphore is never closed.
        let Ok(place) = strangers.clone().acquire_owned().await else { return };
        let accepted = socket.accept().await.and_then(|(stream, peer)| {
            stream.set_nodelay(true)?;
            Ok((stream.into_std()?, peer))
        });
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a worker's connection; trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSES.1);
                continue;
            }
        };
        pause = PAUSES.0;
        let Some(home) = homes.next().cloned() else { return };
        let (door, thread) = (door.clone(), home.clone());
        home.spawn_fn(move || {
            tokio::task::spawn_local(async move {
                let _place = place;
                welcome(stream, peer.to_string(), door, thread).await;
            });
        });
    }
}

async fn welcome(stream: std::net::TcpStream, peer: String, door: Door, home: ArbiterHandle) {
    match log_in(stream, &door.logins, door.deadline).await {
        Ok((worker, socket)) => {
            door.roster.post(Arrived { worker, peer, socket, home });
        }
        Err(error) => tracing::warn!(peer, "a worker's login failed: {error}"),
    }
}
