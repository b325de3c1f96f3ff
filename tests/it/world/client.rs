//! A client of Perspective Broker that is no worker, and goes on talking after an error.

use protocol::jelly::{Failure, Value};
use protocol::pb::{ClientEvent, PbClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

pub struct Client {
    stream: TcpStream,
    session: PbClient,
}

impl Client {
    /// `None` when the login was refused.
    pub async fn log_in(port: u16, user: &str, password: &str) -> Option<Client> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Client { stream, session: PbClient::new(user, password) };
        match client.event().await {
            ClientEvent::LoggedIn => Some(client),
            ClientEvent::Rejected { .. } => None,
            other => panic!("{other:?}"),
        }
    }

    /// Calls what the login gave.
    pub async fn call(&mut self, method: &str, args: Vec<Value>) -> Result<Value, Failure> {
        let packet = self.session.call(1, method, args).unwrap();
        self.stream.write_all(&packet).await.unwrap();
        match self.event().await {
            ClientEvent::Answered { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    /// Sends a change of which this is known.
    pub async fn send_change(&mut self, known: &[(&str, Value)]) -> Result<Value, Failure> {
        let known = known.iter().map(|(key, value)| ((*key).into(), value.clone()));
        self.call("addChange", vec![Value::Dict(known.collect())]).await
    }

    async fn event(&mut self) -> ClientEvent {
        loop {
            match self.session.next().unwrap() {
                Some(ClientEvent::Send(packet)) => self.stream.write_all(&packet).await.unwrap(),
                Some(event) => return event,
                None => {
                    let mut buffer = [0; 4096];
                    let read = soon("an answer", self.stream.read(&mut buffer)).await.unwrap();
                    assert_ne!(read, 0, "the master has closed the connection");
                    self.session.receive(&buffer[..read]);
                }
            }
        }
    }
}
