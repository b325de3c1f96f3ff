//! A Perspective Broker login: dialect, challenge, response.

use futures_util::{SinkExt, StreamExt};
use protocol::pb::{LoginEvent, PbLogin};

use super::{Caller, Desk, HandshakeError, Session};
use crate::actors::worker::logins::Login;
use crate::actors::worker::transport::{Pipe, Socket};

/// Talks until the peer has proved its password, or has failed to. After a refusal the peer, which
/// may want to read it, closes the connection.
pub(super) async fn enter(pipe: Pipe, desk: &Desk<'_>) -> Result<Caller, HandshakeError> {
    let mut socket = Socket::raw(pipe);
    let mut login = PbLogin::new();
    send(&mut socket, login.begin()).await?;
    let mut refused = None;
    loop {
        while let Some(event) = next(&mut login)? {
            match event {
                LoginEvent::Send(packet) => send(&mut socket, packet).await?,
                LoginEvent::Respond { name, proof } => {
                    let session = match desk.check(&name, |password| proof.matches(password)) {
                        Ok(Login::Worker) => Session::Worker(Box::new(login.into_worker())),
                        Ok(Login::Client(perspective)) => {
                            Session::Client(Box::new(login.into_client()), perspective)
                        }
                        Err(pause) => {
                            tokio::time::sleep(pause).await;
                            send(&mut socket, login.refuse()).await?;
                            refused = Some(HandshakeError::Refused(name));
                            continue;
                        }
                    };
                    return Ok(Caller { name, session, socket });
                }
            }
        }
        match socket.incoming.next().await {
            Some(Ok(bytes)) => login.receive(&bytes),
            Some(Err(error)) => {
                return Err(refused.unwrap_or(HandshakeError::Io(std::io::Error::other(error))));
            }
            None => return Err(refused.unwrap_or(HandshakeError::Closed)),
        }
    }
}

fn next(login: &mut PbLogin) -> Result<Option<LoginEvent>, HandshakeError> {
    login.next().map_err(|violation| HandshakeError::NotBroker(violation.to_string()))
}

async fn send(socket: &mut Socket, packet: Vec<u8>) -> Result<(), HandshakeError> {
    let sent = socket.outgoing.send(packet).await;
    sent.map_err(|error| HandshakeError::Io(std::io::Error::other(error)))
}
