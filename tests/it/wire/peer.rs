//! A scripted worker: speaks the wire, does what the test says.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use protocol::info::WorkerInfo;
use protocol::msgpack::{self, MasterRequest, Message, Received, WorkerRequest};
use protocol::update::Update;
use rmpv::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use tokio_tungstenite::{WebSocketStream, client_async};

pub struct Peer {
    pub socket: WebSocketStream<TcpStream>,
    pub info: WorkerInfo,
    /// Entries of its base directory.
    pub files: Vec<String>,
    /// Those of them that are directories.
    pub dirs: Vec<String>,
    /// Everything the master asked while [`Peer::serve`] ran.
    pub asked: Vec<MasterRequest>,
    next_seq: u64,
}

impl Peer {
    pub async fn log_in(address: SocketAddr, name: &str, password: &str) -> Result<Peer, Error> {
        let mut request = format!("ws://{address}/").into_client_request()?;
        let login = protocol::basic_auth::format(name, password).unwrap();
        request.headers_mut().insert("Authorization", login.parse().unwrap());
        let stream = TcpStream::connect(address).await.unwrap();
        let (socket, _) = client_async(request, stream).await?;
        let info = WorkerInfo {
            basedir: "/srv/w".into(),
            system: "posix".into(),
            version: "4.3.0".into(),
            admin: Some("me\n".into()),
            environ: vec![("HOME".into(), "/home/bb".into())],
            others: vec![("os_id".into(), Value::from("debian"))],
            ..WorkerInfo::default()
        };
        let files = vec!["info".into(), "twistd.log".into()];
        Ok(Peer { socket, info, files, dirs: Vec::new(), asked: Vec::new(), next_seq: 0 })
    }

    /// The next message; an error says how the connection ended.
    pub async fn recv(&mut self) -> Result<Received<MasterRequest>, String> {
        loop {
            match self.socket.next().await {
                Some(Ok(Frame::Binary(bytes))) => return Ok(msgpack::decode(&bytes).unwrap()),
                Some(Ok(Frame::Close(_))) | None => return Err("closed".into()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.to_string()),
            }
        }
    }

    /// The next request of the master; answers to own requests are skipped.
    pub async fn request(&mut self) -> (u64, MasterRequest) {
        loop {
            if let Received::Request { seq, op } = self.recv().await.unwrap() {
                return (seq, op.unwrap());
            }
        }
    }

    pub async fn answer(&mut self, seq: u64, result: Result<Value, String>) {
        self.send(&Message::Response { seq, result }).await;
    }

    /// Sends a request and answers its number.
    pub async fn ask(&mut self, op: WorkerRequest) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.send(&Message::Request { seq, op }).await;
        seq
    }

    pub async fn update(&mut self, command_id: &str, updates: Vec<Update>) {
        let updates = updates.into_iter().map(Into::into).collect();
        self.ask(WorkerRequest::Update { command_id: command_id.into(), updates }).await;
    }

    pub async fn complete(&mut self, command_id: &str, failure: Option<&str>) {
        let failure = failure.map(Into::into);
        self.ask(WorkerRequest::Complete { command_id: command_id.into(), failure }).await;
    }

    async fn send(&mut self, message: &Message<WorkerRequest>) {
        self.socket.send(Frame::binary(msgpack::encode(message))).await.unwrap();
    }

    /// Does what a worker does while it is attached; returns when the connection has ended.
    pub async fn serve(&mut self) -> String {
        loop {
            let (seq, op) = match self.recv().await {
                Ok(Received::Request { seq, op }) => (seq, op.unwrap()),
                Ok(Received::Response { .. }) => continue,
                Err(end) => return end,
            };
            self.asked.push(op.clone());
            let mut result = Value::Nil;
            match op {
                MasterRequest::GetWorkerInfo => result = self.info.to_value(),
                MasterRequest::StartCommand { command_id, command_name, args, .. } => {
                    let updates = self.run(&command_name, &args);
                    // Updates before the answer, as stock workers do it.
                    self.update(&command_id, updates).await;
                    self.complete(&command_id, None).await;
                }
                _ => {}
            }
            self.answer(seq, Ok(result)).await;
        }
    }

    fn run(&mut self, name: &str, args: &Value) -> Vec<Update> {
        let path = args["path"].as_str().unwrap_or_default().to_owned();
        match name {
            "listdir" => vec![Update::Files(self.files.clone()), Update::Rc(0)],
            "stat" => {
                let is_dir = self.dirs.iter().any(|dir| path.ends_with(dir.as_str()));
                let mode = if is_dir { 0o040755 } else { 0o100644 };
                vec![Update::Stat([mode, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Update::Rc(0)]
            }
            _ => vec![Update::Rc(0)],
        }
    }

    /// Name and paths of the commands that were asked for.
    pub fn commands(&self) -> Vec<(String, Vec<String>)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.asked
            .iter()
            .filter_map(|op| match op {
                MasterRequest::StartCommand { command_name, args, .. } => {
                    let paths =
                        args["paths"].as_array().map(|paths| paths.iter().map(text).collect());
                    let path = args["path"].as_str().map(|path| vec![path.to_owned()]);
                    Some((command_name.clone(), paths.or(path).unwrap_or_default()))
                }
                _ => None,
            })
            .collect()
    }
}
