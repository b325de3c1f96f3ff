//! A worker whose commands take time by the clock of the test, and do nothing else.
//!
//! It understands `build MINUTES SOURCES`, which fails for sources that are `bad`.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt};
use protocol::info::WorkerInfo;
use protocol::msgpack::{self, MasterRequest, Message, Received, WorkerRequest};
use protocol::update::Update;
use rmpv::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::clock::DayClock;
use buildbot::model::Timestamp;

/// A command that was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    pub at: Timestamp,
    pub builder: String,
    /// Behind the minutes.
    pub sources: String,
}

/// What all workers ran. Clones share it.
pub type Diary = Rc<RefCell<Vec<Ran>>>;

/// A connection that lasts until it is dropped.
pub struct FakeWorker(JoinHandle<()>);

impl Drop for FakeWorker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl FakeWorker {
    /// Logs in with the password `pass`.
    pub async fn connect(port: u16, name: &str, clock: &DayClock, diary: &Diary) -> FakeWorker {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut request = format!("ws://{address}/").into_client_request().unwrap();
        let login = protocol::basic_auth::format(name, "pass").unwrap();
        request.headers_mut().insert("Authorization", login.parse().unwrap());
        let stream = TcpStream::connect(address).await.unwrap();
        // The kernel holds no small packet back, which would look like quiet.
        stream.set_nodelay(true).unwrap();
        let (socket, _) = client_async(request, stream).await.unwrap();
        let side = Side {
            socket,
            clock: clock.clone(),
            diary: diary.clone(),
            next_seq: 0,
            running: Vec::new(),
        };
        FakeWorker(tokio::task::spawn_local(side.serve()))
    }
}

struct Side {
    socket: WebSocketStream<TcpStream>,
    clock: DayClock,
    diary: Diary,
    next_seq: u64,
    /// Commands by their ids.
    running: Vec<(String, AbortHandle)>,
}

impl Side {
    async fn serve(mut self) {
        let mut ends = FuturesUnordered::new();
        loop {
            tokio::select! {
                frame = self.socket.next() => {
                    let Some(Ok(frame)) = frame else { return };
                    let Frame::Binary(bytes) = frame else { continue };
                    let received: Received<MasterRequest> = msgpack::decode(&bytes).unwrap();
                    let Received::Request { seq, op } = received else { continue };
                    let op = op.unwrap();
                    if let Some((id, work)) = self.obey(seq, op).await {
                        let (stop, registration) = AbortHandle::new_pair();
                        self.running.push((id.clone(), stop));
                        ends.push(async move { (id, Abortable::new(work, registration).await) });
                    }
                }
                Some((id, end)) = ends.next() => {
                    self.running.retain(|(other, _)| *other != id);
                    // As of a program that was killed.
                    self.end(&id, end.unwrap_or(-1)).await;
                }
            }
        }
    }

    /// Answers a request; a command that takes its time is handed back.
    async fn obey(
        &mut self,
        seq: u64,
        op: MasterRequest,
    ) -> Option<(String, impl Future<Output = i64> + use<>)> {
        let mut result = Value::Nil;
        let mut at_once = None;
        let mut work = None;
        match op {
            MasterRequest::GetWorkerInfo => {
                let info = WorkerInfo {
                    basedir: "/srv/w".into(),
                    system: "posix".into(),
                    version: "4.3.0".into(),
                    ..WorkerInfo::default()
                };
                result = info.to_value();
            }
            MasterRequest::StartCommand { command_id, builder_name, command_name, args } => {
                match (command_name.as_str(), args["command"].as_str()) {
                    ("shell", Some(text)) => {
                        let builder = builder_name.unwrap_or_default();
                        work = Some((command_id, self.work(builder, text)));
                    }
                    ("listdir", _) => at_once = Some((command_id, vec![Update::Files(Vec::new())])),
                    _ => at_once = Some((command_id, Vec::new())),
                }
            }
            MasterRequest::InterruptCommand { command_id, .. } => {
                let running = self.running.iter().filter(|(id, _)| *id == command_id);
                running.for_each(|(_, stop)| stop.abort());
            }
            _ => {}
        }
        self.send(Message::Response { seq, result: Ok(result) }).await;
        if let Some((id, updates)) = at_once {
            self.tell(&id, updates).await;
            self.end(&id, 0).await;
        }
        work
    }

    fn work(&mut self, builder: String, text: &str) -> impl Future<Output = i64> + use<> {
        let mut words = text.strip_prefix("build ").expect("its only word").splitn(2, ' ');
        let minutes: u64 = words.next().and_then(|word| word.parse().ok()).expect("minutes");
        let sources = words.next().unwrap_or_default().to_owned();
        let exit = i64::from(sources.contains("bad"));
        self.diary.borrow_mut().push(Ran { at: self.clock.now(), builder, sources });
        async move {
            tokio::time::sleep(Duration::from_secs(minutes * 60)).await;
            exit
        }
    }

    async fn tell(&mut self, id: &str, updates: Vec<Update>) {
        let updates = updates.into_iter().map(Into::into).collect();
        self.ask(WorkerRequest::Update { command_id: id.into(), updates }).await;
    }

    async fn end(&mut self, id: &str, exit: i64) {
        self.tell(id, vec![Update::Rc(exit)]).await;
        self.ask(WorkerRequest::Complete { command_id: id.into(), failure: None }).await;
    }

    async fn ask(&mut self, op: WorkerRequest) {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.send(Message::Request { seq, op }).await;
    }

    /// A connection that is gone is noticed by the next read.
    async fn send(&mut self, message: Message<WorkerRequest>) {
        let _ = self.socket.send(Frame::binary(msgpack::encode(&message))).await;
    }
}
