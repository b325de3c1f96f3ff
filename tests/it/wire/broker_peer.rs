//! A scripted worker that speaks Perspective Broker and does what the test says.

use std::collections::VecDeque;
use std::net::SocketAddr;

use protocol::info::WorkerInfo;
use protocol::order::{Order, Reply};
use protocol::pb::{PbWorker, PbWorkerLogin};
use protocol::report::{Report, WorkerRequest};
use protocol::session::{Rejection, WorkerEvent, WorkerSession};
use protocol::update::Update;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct BrokerPeer {
    pub stream: TcpStream,
    pub info: WorkerInfo,
    /// Everything the master asked while [`BrokerPeer::serve`] ran.
    pub asked: Vec<Order>,
    session: PbWorker,
    waiting: VecDeque<WorkerEvent>,
    next_ticket: u64,
}

impl BrokerPeer {
    /// Logs in; a refusal is the error.
    pub async fn log_in(
        address: SocketAddr,
        name: &str,
        password: &str,
    ) -> Result<BrokerPeer, Rejection> {
        let commands = vec![("shell".to_owned(), "3.3".to_owned())];
        let info = WorkerInfo {
            basedir: "/srv/w".into(),
            system: "posix".into(),
            version: "4.3.0".into(),
            commands: commands.clone(),
            ..WorkerInfo::default()
        };
        let login = PbWorkerLogin {
            name: name.into(),
            password: password.into(),
            version: "4.3.0".into(),
            commands,
        };
        let mut peer = BrokerPeer {
            stream: TcpStream::connect(address).await.unwrap(),
            info,
            asked: Vec::new(),
            session: PbWorker::new(login),
            waiting: VecDeque::new(),
            next_ticket: 0,
        };
        let mut early = VecDeque::new();
        loop {
            match peer.event().await {
                Ok(WorkerEvent::LoggedIn) => break,
                Ok(WorkerEvent::Rejected { why }) => return Err(why),
                Ok(event) => early.push_back(event),
                Err(end) => return Err(Rejection::Other(end)),
            }
        }
        early.append(&mut peer.waiting);
        peer.waiting = early;
        Ok(peer)
    }

    /// The next event; an error says how the connection ended.
    pub async fn event(&mut self) -> Result<WorkerEvent, String> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(event);
            }
            match self.session.next().map_err(|violation| violation.to_string())? {
                Some(WorkerEvent::Send(packet)) => {
                    self.stream.write_all(&packet).await.map_err(|error| error.to_string())?;
                }
                Some(event) => return Ok(event),
                None => {
                    let mut buffer = [0; 4096];
                    match self.stream.read(&mut buffer).await {
                        Ok(0) => return Err("closed".into()),
                        Ok(length) => self.session.receive(&buffer[..length]),
                        Err(error) => return Err(error.to_string()),
                    }
                }
            }
        }
    }

    /// The next order of the master; answers to own reports are skipped.
    pub async fn order(&mut self) -> (u64, Order) {
        loop {
            if let WorkerEvent::Ordered { id, order } = self.event().await.unwrap() {
                return (id, order);
            }
        }
    }

    pub async fn answer(&mut self, id: u64, result: Result<Reply, String>) {
        let packet = self.session.answer(id, result);
        self.stream.write_all(&packet).await.unwrap();
    }

    /// Sends a report; answers its ticket.
    pub async fn report(&mut self, report: Report) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let packet = self.session.report(ticket, report).unwrap();
        self.stream.write_all(&packet).await.unwrap();
        ticket
    }

    pub async fn update(&mut self, command_id: &str, updates: Vec<Update>) {
        let updates = updates.into_iter().map(Into::into).collect();
        let request = WorkerRequest::Update { command_id: command_id.into(), updates };
        self.report(Report::Command(request)).await;
    }

    pub async fn complete(&mut self, command_id: &str, failure: Option<&str>) {
        let failure = failure.map(Into::into);
        let request = WorkerRequest::Complete { command_id: command_id.into(), failure };
        self.report(Report::Command(request)).await;
    }

    /// Does what a worker does while it is attached; returns when the connection has ended.
    pub async fn serve(&mut self) -> String {
        loop {
            let (id, order) = match self.event().await {
                Ok(WorkerEvent::Ordered { id, order }) => (id, order),
                Ok(_) => continue,
                Err(end) => return end,
            };
            self.asked.push(order.clone());
            let reply = match order {
                Order::GetWorkerInfo => Reply::Info(Box::new(self.info.clone())),
                _ => Reply::Done,
            };
            self.answer(id, Ok(reply)).await;
        }
    }
}
