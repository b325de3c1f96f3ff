//! The connections of clients that are no workers, such as those that send changes: a task for
//! each, which ends with it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt};
use protocol::broker::{Args, invalid_object};
use protocol::jelly::{Failure, Value};
use protocol::pb::{Callee, PbServer, ServerEvent};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::line::{Line, Wish, trouble};
use super::logins::Perspective;
use super::transport::Socket;

/// Clients at once.
const CLIENTS: usize = 256;
/// Calls of one client at once; it has to wait with more.
const CALLS: usize = 16;
/// Calls of one client that wait for something, such as the end of a build; more are refused.
const PATIENT: usize = 2048;
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
        match Talk::new(guest).run(self.idle).await {
            Ok(()) => tracing::debug!(name, %peer, "the client has gone"),
            Err(why) => tracing::warn!(name, %peer, "a client's connection was closed: {why}"),
        }
    }
}

/// A call of the client's that is being served, with its number.
type Served = BoxFuture<'static, (u64, Result<Value, Failure>)>;

/// What goes on on one connection.
struct Talk {
    guest: Guest,
    line: Line,
    wishes: tokio::sync::mpsc::Receiver<Wish>,
    /// What the client was shown and has not dropped, by number.
    objects: HashMap<i64, Arc<dyn Perspective>>,
    /// Our calls, by ticket.
    asked: HashMap<u64, oneshot::Sender<Result<Value, Failure>>>,
    tickets: u64,
    quick: FuturesUnordered<Served>,
    patient: FuturesUnordered<Served>,
    kept: FuturesUnordered<BoxFuture<'static, ()>>,
}

impl Talk {
    fn new(guest: Guest) -> Talk {
        let (line, wishes) = Line::new();
        Talk {
            guest,
            line,
            wishes,
            objects: HashMap::new(),
            asked: HashMap::new(),
            tickets: 0,
            quick: FuturesUnordered::new(),
            patient: FuturesUnordered::new(),
            kept: FuturesUnordered::new(),
        }
    }

    /// Returns when the client has gone; an error says why it is sent away.
    async fn run(mut self, idle: Duration) -> Result<(), String> {
        let hello = self.guest.session.admit();
        self.send(hello).await?;
        let mut idle_since = Instant::now();
        loop {
            while self.quick.len() < CALLS
                && let Some(event) =
                    self.guest.session.next().map_err(|violation| violation.to_string())?
            {
                self.hear(event).await?;
            }
            let waits = self.patient.is_empty() && self.kept.is_empty() && self.quick.is_empty();
            tokio::select! {
                Some((id, result)) = self.quick.next() => self.answer(id, result).await?,
                Some((id, result)) = self.patient.next() => self.answer(id, result).await?,
                Some(()) = self.kept.next() => {}
                Some(wish) = self.wishes.recv() => self.fulfil(wish).await?,
                arrived = self.guest.socket.incoming.next(), if self.quick.len() < CALLS => {
                    match arrived {
                        Some(bytes) => self.guest.session.receive(&bytes?),
                        None => return Ok(()),
                    }
                    continue;
                }
                () = sleep_until(idle_since + idle), if waits => {
                    return Err(format!("it asked nothing for {idle:?}"));
                }
            }
            idle_since = Instant::now();
        }
    }

    async fn hear(&mut self, event: ServerEvent) -> Result<(), String> {
        match event {
            ServerEvent::Send(packet) => self.send(packet).await?,
            ServerEvent::Called { id, callee, method, args, kwargs } => {
                let callee = match callee {
                    Callee::Avatar => Some(self.guest.perspective.clone()),
                    Callee::Object(number) => self.objects.get(&number).cloned(),
                };
                let args = Args { positional: args, named: kwargs };
                match callee {
                    Some(callee) => self.serve(id, callee, method, args).await?,
                    None => self.answer(id, Err(invalid_object())).await?,
                }
            }
            ServerEvent::Answered { ticket, result } => {
                if let Some(answer) = self.asked.remove(&ticket) {
                    // Whoever asked may have gone.
                    let _ = answer.send(result);
                }
            }
            ServerEvent::Dropped { object } => drop(self.objects.remove(&object)),
        }
        Ok(())
    }

    async fn serve(
        &mut self,
        id: u64,
        callee: Arc<dyn Perspective>,
        method: String,
        args: Args,
    ) -> Result<(), String> {
        let (line, patient) = (self.line.clone(), callee.is_patient(&method));
        if patient && self.patient.len() >= PATIENT {
            return self.answer(id, Err(trouble("too many calls of yours are waiting"))).await;
        }
        let calls = if patient { &self.patient } else { &self.quick };
        calls.push(Box::pin(async move { (id, callee.call(&method, args, &line).await) }));
        Ok(())
    }

    async fn fulfil(&mut self, wish: Wish) -> Result<(), String> {
        match wish {
            Wish::Show { object, number } => {
                // Whoever asked may have gone.
                let _ = number.send(self.show(object));
            }
            Wish::Call { call, answer } => {
                self.tickets += 1;
                let ticket = self.tickets;
                match self.guest.session.call(ticket, call.object, &call.method, call.args) {
                    Ok(packet) => {
                        self.asked.insert(ticket, answer);
                        self.send(packet).await?;
                    }
                    Err(text) => drop(answer.send(Err(trouble(&text)))),
                }
            }
            Wish::Keep(work) => self.kept.push(work),
        }
        Ok(())
    }

    fn show(&mut self, object: Arc<dyn Perspective>) -> Result<i64, String> {
        let known = self.objects.iter().find(|(_, known)| Arc::ptr_eq(known, &object));
        if let Some((number, _)) = known {
            self.guest.session.refer(*number);
            return Ok(*number);
        }
        let number = self.guest.session.export()?;
        self.objects.insert(number, object);
        Ok(number)
    }

    async fn answer(&mut self, id: u64, result: Result<Value, Failure>) -> Result<(), String> {
        let answer = self.guest.session.answer(id, result);
        self.send(answer).await
    }

    async fn send(&mut self, packet: Vec<u8>) -> Result<(), String> {
        if packet.is_empty() {
            return Ok(());
        }
        match timeout(TAKE, self.guest.socket.outgoing.send(packet)).await {
            Ok(sent) => sent,
            Err(_) => Err(format!("it took no answer for {TAKE:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use protocol::pb::{ClientEvent, LoginEvent, PbClient, PbLogin};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::task::JoinHandle;

    use super::*;

    /// Answers its method's name, except some.
    struct Echo;

    #[async_trait]
    impl Perspective for Echo {
        async fn call(&self, method: &str, mut args: Args, line: &Line) -> Result<Value, Failure> {
            match method {
                "never" | "wait" => std::future::pending().await,
                "object" => line.show(Arc::new(Echo)).await,
                "back" => {
                    let Some(Value::Remote(client)) = args.take(0, "client") else {
                        return Err(trouble("no client"));
                    };
                    let mine = line.show(Arc::new(Echo)).await?;
                    line.call(client, "hello", vec![mine]).await
                }
                "keep" => {
                    line.keep(std::future::pending()).await;
                    Ok(Value::None)
                }
                method => Ok(method.into()),
            }
        }

        fn is_patient(&self, method: &str) -> bool {
            method == "wait"
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
            self.call_with(ticket, method, vec![]).await;
        }

        async fn call_with(&mut self, ticket: u64, method: &str, args: Vec<Value>) {
            let packet = self.client.call(ticket, method, args).unwrap();
            self.stream.write_all(&packet).await.unwrap();
        }

        async fn answer(&mut self) -> Result<Value, Failure> {
            match self.event().await {
                Some(ClientEvent::Answered { result, .. }) => result,
                other => panic!("{other:?}"),
            }
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
    async fn objects_that_were_shown_can_be_called() {
        let (mut far, served) = serve(&Places::new(Duration::from_secs(60)));
        assert_eq!(far.event().await, Some(ClientEvent::LoggedIn));
        far.call(1, "object").await;
        let Ok(Value::Remote(object)) = far.answer().await else { panic!("an object") };
        let packet = far.client.call_object(2, object, "of an object", vec![]).unwrap();
        far.stream.write_all(&packet).await.unwrap();
        assert_eq!(far.answer().await, Ok("of an object".into()));
        let packet = far.client.call_object(3, object + 9, "of nothing", vec![]).unwrap();
        far.stream.write_all(&packet).await.unwrap();
        assert_eq!(far.answer().await, Err(invalid_object()));
        drop(far);
        served.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_is_called_back() {
        let (mut far, served) = serve(&Places::new(Duration::from_secs(60)));
        assert_eq!(far.event().await, Some(ClientEvent::LoggedIn));
        far.call_with(1, "back", vec![PbClient::SELF]).await;
        let Some(ClientEvent::Told { method, args }) = far.event().await else { panic!("a call") };
        assert!(method == "hello" && matches!(args[..], [Value::Remote(_)]));
        assert_eq!(far.answer().await, Ok(Value::None));
        drop(far);
        served.await.unwrap();
    }

    #[tokio::test]
    async fn any_number_of_calls_may_wait() {
        let (mut far, served) = serve(&Places::new(Duration::from_millis(20)));
        assert_eq!(far.event().await, Some(ClientEvent::LoggedIn));
        for ticket in 0..3 * CALLS as u64 {
            far.call(ticket, "wait").await;
        }
        tokio::time::sleep(Duration::from_millis(60)).await;
        far.call(99, "quick").await;
        assert_eq!(far.answer().await, Ok("quick".into()));
        drop(far);
        served.await.unwrap();
    }

    #[tokio::test]
    async fn a_client_for_whom_something_goes_on_need_not_ask() {
        let (mut far, served) = serve(&Places::new(Duration::from_millis(20)));
        assert_eq!(far.event().await, Some(ClientEvent::LoggedIn));
        far.call(1, "keep").await;
        assert_eq!(far.answer().await, Ok(Value::None));
        tokio::time::sleep(Duration::from_millis(60)).await;
        far.call(2, "quick").await;
        assert_eq!(far.answer().await, Ok("quick".into()));
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
