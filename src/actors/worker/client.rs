//! The connections of clients that are no workers, such as those that send changes: a task for
//! each, which ends with it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt};
use protocol::broker::{Args, invalid_object};
use protocol::pb::{Callee, PbServer, ServerEvent};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout};

use super::logins::Perspective;
use super::transport::Socket;

/// Clients at once.
const CLIENTS: usize = 256;
/// Calls of one client at once; it has to wait with more.
const CALLS: usize = 16;
/// For a client to take an answer.
const TAKE: Duration = Duration::from_secs(30);

/// Room for clients. Clones share it.
#[derive(Clone)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    /// How long a client may ask nothing.
    idle: Duration,
}

/// A client that has logged in.
pub(super) struct Guest {
    pub name: String,
    pub peer: SocketAddr,
    pub session: Box<PbServer>,
    /// What it may call.
    pub perspective: Arc<dyn Perspective>,
    pub socket: Socket,
}

impl Places {
    pub(super) fn new(idle: Duration) -> Places {
        Places { free: Arc::new(Semaphore::new(CLIENTS)), idle }
    }

    /// Serves the client until it goes, if there is room for it.
    pub(super) async fn serve(&self, guest: Guest) {
        let (name, peer) = (guest.name.clone(), guest.peer);
        let Ok(_place) = self.free.try_acquire() else {
            tracing::warn!(name, %peer, "too many clients are connected; this one is sent away");
            return;
        };
        tracing::debug!(name, %peer, "a client has logged in");
        match guest.talk(self.idle).await {
            Ok(()) => tracing::debug!(name, %peer, "the client has gone"),
            Err(why) => tracing::warn!(name, %peer, "a client's connection was closed: {why}"),
        }
    }
}

impl Guest {
    /// Returns when the client has gone; an error says why it is sent away.
    async fn talk(mut self, idle: Duration) -> Result<(), String> {
        let hello = self.session.admit();
        self.send(hello).await?;
        let mut calls = FuturesUnordered::new();
        let mut idle_since = Instant::now();
        loop {
            while calls.len() < CALLS
                && let Some(event) =
                    self.session.next().map_err(|violation| violation.to_string())?
            {
                match event {
                    ServerEvent::Send(packet) => self.send(packet).await?,
                    ServerEvent::Called { id, callee: Callee::Avatar, method, args, kwargs } => {
                        let perspective = self.perspective.clone();
                        let args = Args { positional: args, named: kwargs };
                        calls.push(async move { (id, perspective.call(&method, args).await) });
                    }
                    // Nobody gives clients further objects yet, or calls theirs.
                    ServerEvent::Called { id, callee: Callee::Object(_), .. } => {
                        let answer = self.session.answer(id, Err(invalid_object()));
                        self.send(answer).await?;
                    }
                    ServerEvent::Answered { .. } => {}
                }
            }
            tokio::select! {
                Some((id, result)) = calls.next() => {
                    let answer = self.session.answer(id, result);
                    self.send(answer).await?;
                    idle_since = Instant::now();
                }
                arrived = self.socket.incoming.next(), if calls.len() < CALLS => match arrived {
                    Some(bytes) => self.session.receive(&bytes?),
                    None => return Ok(()),
                },
                () = sleep_until(idle_since + idle), if calls.is_empty() => {
                    return Err(format!("it asked nothing for {idle:?}"));
                }
            }
        }
    }

    async fn send(&mut self, packet: Vec<u8>) -> Result<(), String> {
        if packet.is_empty() {
            return Ok(());
        }
        match timeout(TAKE, self.socket.outgoing.send(packet)).await {
            Ok(sent) => sent,
            Err(_) => Err(format!("it took no answer for {TAKE:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use protocol::jelly::{Failure, Value};
    use protocol::pb::{ClientEvent, LoginEvent, PbClient, PbLogin};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::task::JoinHandle;

    use super::*;

    /// Answers its method's name, except `never`.
    struct Echo;

    #[async_trait]
    impl Perspective for Echo {
        async fn call(&self, method: &str, _: Args) -> Result<Value, Failure> {
            match method {
                "never" => std::future::pending().await,
                method => Ok(method.into()),
            }
        }
    }

    /// Both sides right before the master says welcome.
    fn log_in() -> (PbServer, PbClient) {
        let (mut login, mut client) = (PbLogin::new(), PbClient::new("me", "secret"));
        client.receive(&login.begin());
        loop {
            while let Some(ClientEvent::Send(packet)) = client.next().unwrap() {
                login.receive(&packet);
            }
            match login.next().unwrap() {
                Some(LoginEvent::Send(packet)) => client.receive(&packet),
                Some(LoginEvent::Respond { proof, .. }) => {
                    assert!(proof.matches("secret"));
                    return (login.into_client(), client);
                }
                None => {}
            }
        }
    }

    struct Far {
        stream: DuplexStream,
        client: PbClient,
    }

    impl Far {
        /// The next event; `None` when the master has closed the connection.
        async fn event(&mut self) -> Option<ClientEvent> {
            loop {
                match self.client.next().unwrap() {
                    Some(ClientEvent::Send(packet)) => {
                        self.stream.write_all(&packet).await.unwrap();
                    }
                    Some(event) => return Some(event),
                    None => {
                        let mut buffer = [0; 1024];
                        match self.stream.read(&mut buffer).await.unwrap() {
                            0 => return None,
                            length => self.client.receive(&buffer[..length]),
                        }
                    }
                }
            }
        }

        async fn call(&mut self, ticket: u64, method: &str) {
            let packet = self.client.call(ticket, method, vec![]).unwrap();
            self.stream.write_all(&packet).await.unwrap();
        }
    }

    fn serve(places: &Places) -> (Far, JoinHandle<()>) {
        let (session, client) = log_in();
        let (near, stream) = tokio::io::duplex(1 << 16);
        let guest = Guest {
            name: "me".into(),
            peer: ([127, 0, 0, 1], 1).into(),
            session: Box::new(session),
            perspective: Arc::new(Echo),
            socket: Socket::raw(Box::new(near)),
        };
        let places = places.clone();
        (Far { stream, client }, tokio::spawn(async move { places.serve(guest).await }))
    }

    #[tokio::test]
    async fn a_call_that_takes_long_holds_no_other_up() {
        let (mut far, served) = serve(&Places::new(Duration::from_secs(60)));
        assert_eq!(far.event().await, Some(ClientEvent::LoggedIn));
        far.call(1, "never").await;
        far.call(2, "quick").await;
        let answer = ClientEvent::Answered { ticket: 2, result: Ok("quick".into()) };
        assert_eq!(far.event().await, Some(answer));
        drop(far);
        served.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_asks_nothing_is_sent_away() {
        let places = Places::new(Duration::from_millis(20));
        let (mut far, served) = serve(&places);
        assert_eq!(far.event().await, Some(ClientEvent::LoggedIn));
        assert_eq!(far.event().await, None);
        served.await.unwrap();
        assert_eq!(places.free.available_permits(), CLIENTS);
    }

    #[tokio::test]
    async fn there_is_room_for_so_many_only() {
        let places = Places::new(Duration::from_secs(60));
        let _others = places.free.acquire_many(u32::try_from(CLIENTS).unwrap()).await.unwrap();
        let (mut far, served) = serve(&places);
        assert_eq!(far.event().await, None);
        served.await.unwrap();
    }
}
