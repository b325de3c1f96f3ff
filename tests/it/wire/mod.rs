//! The master's side of worker connections, against scripted workers on loopback.

mod attach;
mod broker;
mod broker_peer;
mod commands;
mod login;
mod misbehaviour;
mod peer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use buildbot::actors::announcer::{Announcer, Listener};
use buildbot::actors::supervise::Supervisor;
use buildbot::actors::tree::Tree;
use buildbot::actors::worker::{
    Board, BuilderDirs, Patience, Roster, RosterConfig, RosterSetup, WorkerLink,
};
use buildbot::config::checked::{Listen, WorkerConfig, WorkerListen, WorkerProtocol};
use buildbot::db::{Db, masters, workers};
use buildbot::events::Event;
use buildbot::model::{Clock, MasterId, Properties, Worker};

use peer::Peer;

/// No wait of a test is longer.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for a fact.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not happen"),
    }
}

/// A database, a roster and a port; everything else of a master is missing.
pub struct World {
    pub roster: Roster,
    pub address: SocketAddr,
    pub db: Db,
    pub facts: Listener,
    pub supervisor: Supervisor,
    pub master: MasterId,
    _dir: tempfile::TempDir,
}

/// Waits that suit a test: nothing gives up by accident.
pub fn patience() -> Patience {
    Patience { keepalive: Duration::from_secs(20), ..Patience::default() }
}

pub fn worker(name: &str, password: &str) -> WorkerConfig {
    WorkerConfig {
        locks: Vec::new(),
        name: name.into(),
        password: password.into(),
        local: None,
        keepalive: None,
        max_builds: Some(1),
        notify_on_missing: Vec::new(),
        missing_timeout: Duration::from_secs(3600),
        properties: Properties::new(),
        default_properties: Properties::new(),
    }
}

/// A port of the system's choice on loopback.
pub fn listen(protocol: WorkerProtocol) -> WorkerListen {
    let listen = Listen { interface: Some("127.0.0.1".into()), port: 0, tls: None };
    WorkerListen { protocol, listen }
}

pub fn config(builddirs: &[&str]) -> RosterConfig {
    let dirs = |dir: &&str| BuilderDirs {
        name: (*dir).into(),
        workerbuilddir: (*dir).into(),
        workernames: vec!["w".into()],
    };
    RosterConfig {
        workers: vec![worker("w", "sekret")],
        listeners: vec![listen(WorkerProtocol::MessagePack)],
        client_ports: Vec::new(),
        builders: builddirs.iter().map(dirs).collect(),
    }
}

impl World {
    pub async fn start(patience: Patience, config: RosterConfig) -> World {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path().join("state.sqlite").to_str().unwrap()).unwrap();
        let master = db.write(|conn| masters::register(conn, "m", 1)).await.unwrap();
        let (alarms, _) = tokio::sync::mpsc::unbounded_channel();
        let supervisor = Supervisor::new("", Tree::default(), alarms);
        let announcer = Announcer::default();
        let facts = announcer.listen();
        let setup = RosterSetup {
            basedir: dir.path().to_owned(),
            db: db.clone(),
            announcer,
            master,
            clock: Clock::default(),
            patience,
            homes: vec![actix::Arbiter::new().handle(), actix::Arbiter::new().handle()],
        };
        let roster = Roster::start(&supervisor, setup);
        roster.configure(config);
        let address = roster.ready().await.unwrap()[0].1;
        World { roster, address, db, facts, supervisor, master, _dir: dir }
    }

    /// Waits until the board is as wanted.
    pub async fn board(&self, what: &str, wanted: impl Fn(&Board) -> bool) -> Arc<Board> {
        let mut boards = self.roster.watch();
        let board = soon(what, boards.wait_for(|board| wanted(board))).await.unwrap();
        board.clone()
    }

    pub async fn attached(&self) -> WorkerLink {
        let board = self.board("attaching", |board| board.workers["w"].link.is_some()).await;
        board.workers["w"].link.clone().unwrap()
    }

    /// A worker `w` that has been attached and answers nothing by itself any more.
    pub async fn with_peer(&self) -> (Peer, WorkerLink) {
        let mut peer = Peer::log_in(self.address, "w", "sekret").await.unwrap();
        let link = tokio::select! {
            link = self.attached() => link,
            end = peer.serve() => panic!("the connection ended: {end}"),
        };
        (peer, link)
    }

    pub async fn next_fact(&mut self) -> Arc<Event> {
        soon("a fact", self.facts.recv()).await.unwrap()
    }

    pub async fn row(&self, name: &str) -> Worker {
        let rows = self.db.read(workers::list).await.unwrap();
        rows.into_iter().find(|row| row.name == name).unwrap()
    }
}
