//! A scripted master that speaks Perspective Broker.

use std::collections::VecDeque;
use std::path::Path;

use buildbot_worker::{Config, Protocol};
use protocol::command::Command;
use protocol::info::WorkerInfo;
use protocol::order::{BuilderDir, Order, Reply};
use protocol::pb::{LoginEvent, PbLogin, PbMaster};
use protocol::report::{Answer, Report, WorkerRequest};
use protocol::session::{MasterEvent, MasterSession as _};
use protocol::update::Update;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{self, AnyStream, FakeMaster, soon};

/// Settings of a worker that speaks it.
pub fn config(master: &FakeMaster, basedir: &Path) -> Config {
    let mut config = master.config(basedir);
    config.protocol = Protocol::Pb;
    config
}

/// One worker that has proved its password. Nobody has told it so until [`Peer::admit`].
pub struct Peer {
    stream: AnyStream,
    pub session: PbMaster,
    next_ticket: u64,
    /// Reports that came while something else was waited for.
    reports: VecDeque<(u64, Report)>,
}

/// A connection up to where the worker has answered the challenge.
pub struct Knocking {
    pub stream: AnyStream,
    pub login: PbLogin,
    /// The password was the right one.
    pub proved: bool,
}

impl Knocking {
    pub async fn over(mut stream: AnyStream) -> Knocking {
        let mut login = PbLogin::new();
        soon(stream.write_all(&login.begin())).await.expect("sent");
        loop {
            match login.next().expect("a sound login") {
                Some(LoginEvent::Send(bytes)) => {
                    soon(stream.write_all(&bytes)).await.expect("sent");
                }
                Some(LoginEvent::Respond { name, proof }) => {
                    assert_eq!(name, "w");
                    return Knocking { stream, login, proved: proof.matches("sekret") };
                }
                None => {
                    let mut piece = [0; 4096];
                    let n = soon(stream.read(&mut piece)).await.expect("readable");
                    assert_ne!(n, 0, "the worker is gone");
                    login.receive(&piece[..n]);
                }
            }
        }
    }

    pub fn welcome(self) -> Peer {
        assert!(self.proved, "the password is right");
        let session = self.login.into_worker();
        Peer { stream: self.stream, session, next_ticket: 0, reports: VecDeque::new() }
    }
}

impl Peer {
    /// The next worker, which must log in as `w` with `sekret`.
    pub async fn accept(master: &FakeMaster) -> Peer {
        let stream = master.accept_tcp().await;
        Knocking::over(Box::new(stream)).await.welcome()
    }

    /// Attaches the next worker in the order in which a stock master does it.
    pub async fn attach(master: &FakeMaster, builders: &[(&str, &str)]) -> Peer {
        let mut peer = Peer::accept(master).await;
        peer.print("attached").await;
        peer.info().await;
        peer.set_builders(builders).await.expect("directories");
        peer.print("attached").await;
        peer.admit().await;
        peer
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        soon(self.stream.write_all(bytes)).await.expect("sent");
    }

    pub async fn admit(&mut self) {
        let packet = self.session.admit();
        self.send(&packet).await;
    }

    /// The next event that is not the session's own business; `None` when the worker is gone.
    pub async fn event(&mut self) -> Option<MasterEvent> {
        loop {
            match self.session.next().expect("a sound message") {
                Some(MasterEvent::Send(bytes)) => self.send(&bytes).await,
                Some(event) => return Some(event),
                None => {
                    let mut piece = [0; 65536];
                    match soon(self.stream.read(&mut piece)).await {
                        Ok(0) | Err(_) => return None,
                        Ok(n) => self.session.receive(&piece[..n]),
                    }
                }
            }
        }
    }

    pub async fn ask(&mut self, order: Order) -> Result<Reply, String> {
        let wanted = self.next_ticket;
        self.next_ticket += 1;
        let packet = self.session.order(wanted, order).expect("an order");
        self.send(&packet).await;
        loop {
            match self.event().await.expect("still connected") {
                MasterEvent::Answered { ticket, result } if ticket == wanted => return result,
                MasterEvent::Reported { id, report } => self.reports.push_back((id, report)),
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    pub async fn print(&mut self, message: &str) {
        let printed = self.ask(Order::Print { message: message.into() }).await;
        assert_eq!(printed, Ok(Reply::Done));
    }

    pub async fn info(&mut self) -> WorkerInfo {
        match self.ask(Order::GetWorkerInfo).await {
            Ok(Reply::Info(info)) => *info,
            other => panic!("unexpected {other:?}"),
        }
    }

    pub async fn set_builders(&mut self, builders: &[(&str, &str)]) -> Result<Reply, String> {
        let builder = |(name, dir): &(&str, &str)| BuilderDir {
            name: (*name).to_owned(),
            dir: (*dir).to_owned(),
        };
        let builders = builders.iter().map(builder).collect();
        self.ask(Order::SetBuilderList { builders }).await
    }

    /// The next report, not yet answered; `None` when the worker is gone.
    pub async fn report(&mut self) -> Option<(u64, Report)> {
        if let Some(report) = self.reports.pop_front() {
            return Some(report);
        }
        match self.event().await? {
            MasterEvent::Reported { id, report } => Some((id, report)),
            other => panic!("unexpected {other:?}"),
        }
    }

    pub async fn acknowledge(&mut self, id: u64) {
        let packet = self.session.answer(id, Ok(Answer::Done));
        self.send(&packet).await;
    }

    pub async fn start(&mut self, id: &str, builder: &str, command: Command) {
        let order = Order::StartCommand {
            command_id: id.into(),
            builder: Some(builder.into()),
            base: String::new(),
            command,
        };
        assert_eq!(self.ask(order).await, Ok(Reply::Done));
    }

    /// Everything of a command until `complete`, acknowledged.
    pub async fn finish(&mut self, wanted: &str) -> support::Report {
        let mut updates: Vec<Update> = Vec::new();
        loop {
            let (id, report) = self.report().await.expect("still connected");
            self.acknowledge(id).await;
            match report {
                Report::Command(WorkerRequest::Update { command_id, updates: more }) => {
                    assert_eq!(command_id, wanted);
                    updates.extend(more.into_iter().map(|timed| timed.update));
                }
                Report::Command(WorkerRequest::Complete { command_id, failure }) => {
                    assert_eq!(command_id, wanted);
                    return support::Report { updates, failure };
                }
                other => panic!("unexpected {other:?}"),
            }
        }
    }
}
