//! Accepts the TCP connections of one address.
//! In:   connections.      Out: logged-in workers, to the roster; clients, as tasks of their own.
//! Owns: a clone of the listening socket; the roster keeps the socket itself.
//! Dies: safely at any time; waiting connections stay in the socket's queue.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, ArbiterHandle, AsyncContext, Context};
use nix::sys::socket::{setsockopt, sockopt};

use super::client::{Guest, Places};
use super::handshake::{Caller, Gate, HandshakeError, Session, log_in};
use super::roster::{Arrived, RosterActor};
use super::strangers::{Place, Strangers};
use crate::actors::mail::{Child, Mailbox};
use crate::receives;

/// The first and the longest pause after a failed accept, as when no file descriptor is left.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Who gets in, and where to.
#[derive(Clone)]
pub(super) struct Door {
    pub gate: Gate,
    pub roster: Mailbox<RosterActor>,
    /// The threads that connections live on.
    pub homes: Arc<Vec<ArbiterHandle>>,
    pub clients: Places,
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
    let mut strangers = Strangers::default();
    let mut pause = PAUSES.0;
    let mut homes = door.homes.iter().cycle();
    loop {
        let accepted = socket.accept().await.and_then(|(stream, peer)| {
            stream.set_nodelay(true)?;
            // A client may wait for hours and say nothing.
            setsockopt(&stream, sockopt::KeepAlive, &true)?;
            Ok((stream.into_std()?, peer))
        });
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection; trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSES.1);
                continue;
            }
        };
        pause = PAUSES.0;
        let Some(home) = homes.next().cloned() else { return };
        let place = strangers.take_place().await;
        let (door, thread) = (door.clone(), home.clone());
        home.spawn_fn(move || {
            tokio::task::spawn_local(welcome(stream, peer, door, thread, place));
        });
    }
}

async fn welcome(
    stream: std::net::TcpStream,
    peer: SocketAddr,
    door: Door,
    home: ArbiterHandle,
    mut place: Place,
) {
    let caller = tokio::select! {
        caller = log_in(stream, peer, &door.gate) => caller,
        () = place.lost() => Err(HandshakeError::Crowd),
    };
    match caller {
        Ok(Caller { name: worker, session: Session::Worker(session), socket }) => {
            let (peer, protocol) = (peer.to_string(), door.gate.port.protocol);
            door.roster.post(Arrived { worker, peer, protocol, session, socket, home });
        }
        Ok(Caller { name, session: Session::Client(session, perspective), socket }) => {
            drop(place);
            door.clients.serve(Guest { name, peer, session, perspective, socket }).await;
        }
        Err(error) => {
            let protocol = door.gate.port.protocol.key();
            tracing::warn!(%peer, protocol, "a login failed: {error}");
        }
    }
}
