//! Masters and workers of both kinds, as processes with one and the same environment.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use buildbot::config::checked::WorkerProtocol;
use serde_json::{Value, json};

use super::peer::{Kind, Maker, Peer, plain};
use super::stock;
use crate::programs::{Site, free_port};

/// How long a build may take.
const PATIENCE: Duration = Duration::from_secs(150);

/// A worker, by its program and how it talks to the master.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WorkerKind {
    Program(Kind),
    /// Inside the master.
    Local,
}

impl WorkerKind {
    /// Its name, and that of the one builder that uses it.
    pub fn name(self) -> &'static str {
        match self {
            WorkerKind::Program(kind) => kind.name(),
            WorkerKind::Local => "inside",
        }
    }

    /// Is its program ours?
    pub fn is_ours(self) -> bool {
        !matches!(self, WorkerKind::Program(Kind { maker: Maker::Stock, .. }))
    }
}

/// A master with some workers and a builder of the same steps for each of them.
pub struct Pairs {
    pub workers: Vec<WorkerKind>,
    /// End before their directory goes.
    peers: Vec<Peer>,
    pub site: Site,
    master: Maker,
    pb: u16,
}

impl Pairs {
    /// Starts them all; `steps` is TOML with `[[factories.set.steps]]`.
    pub async fn start(master: Maker, workers: &[WorkerKind], steps: &str) -> Pairs {
        let site = Site::new("steps = []\n");
        let (workers, pb) = (workers.to_vec(), free_port());
        let mut pairs = Pairs { workers, site, master, peers: Vec::new(), pb };
        std::fs::write(pairs.site.master_dir().join("steps.toml"), steps).expect("a file");
        match master {
            Maker::Ours => pairs.configure_ours(steps),
            Maker::Stock => pairs.configure_stock(),
        }
        pairs.start_master().await;
        for worker in pairs.workers.clone() {
            pairs.start_worker(worker);
        }
        for worker in &pairs.workers {
            pairs.site.until_connected(worker.name()).await;
        }
        pairs
    }

    pub async fn start_master(&mut self) {
        let program = match self.master {
            Maker::Ours => env!("CARGO_BIN_EXE_buildbot").into(),
            Maker::Stock => stock("buildbot").expect("stock's programs"),
        };
        let mut command = plain(&program, self.site.dir());
        command.args(["start", "--nodaemon"]).arg(self.site.master_dir());
        self.site.start_instead(&mut command).await;
    }

    fn configure_ours(&self, steps: &str) {
        let mut text = OUR_MASTER.replace("MSGPACK", &self.site.port.to_string());
        text = text.replace("PB", &self.pb.to_string()).replace("BUILDERS", &self.names("\", \""));
        for worker in &self.workers {
            let name = worker.name();
            let class = match worker {
                WorkerKind::Local => "type = \"LocalWorker\"",
                _ => "password = \"sesame\"",
            };
            text.push_str(&format!(
                "[[workers]]\nname = \"{name}\"\n{class}\n[[builders]]\nname = \"{name}\"\n\
                 workernames = [\"{name}\"]\nworkerbuilddir = \"set\"\nfactory = \"set\"\n"
            ));
        }
        self.site.configure(&format!("{text}{steps}"));
    }

    fn configure_stock(&self) {
        let program = stock("buildbot").expect("stock's programs");
        let dir = self.site.master_dir();
        std::fs::remove_file(dir.join("buildbot.tac")).expect("our tac");
        let created = Command::new(&program).args(["create-master", "-q", "-r"]).arg(&dir).status();
        assert!(created.expect("stock runs").success());
        let text = include_str!("same/stock_master.cfg")
            .replace("@WORKERS@", &self.names(" "))
            .replace("@WWW@", &self.site.www.to_string())
            .replace("@PB@", &self.pb.to_string())
            .replace("@MSGPACK@", &self.site.port.to_string());
        std::fs::write(dir.join("master.cfg"), text).expect("a file");
    }

    fn names(&self, between: &str) -> String {
        let names: Vec<&str> = self.workers.iter().map(|worker| worker.name()).collect();
        names.join(between)
    }

    fn start_worker(&mut self, worker: WorkerKind) {
        let WorkerKind::Program(kind) = worker else { return };
        let port = match kind.protocol {
            WorkerProtocol::PerspectiveBroker => self.pb,
            WorkerProtocol::MessagePack => self.site.port,
        };
        let mut peer = Peer::create(kind, self.worker_dir(worker), port, "sesame", &["-r"]);
        peer.start();
        self.peers.push(peer);
    }

    /// The process of a worker that has one of its own.
    pub fn pid(&self, worker: WorkerKind) -> u32 {
        let of = self.peers.iter().find(|peer| WorkerKind::Program(peer.kind) == worker);
        of.expect("a worker that was started").pid()
    }

    pub fn worker_dir(&self, worker: WorkerKind) -> PathBuf {
        match worker {
            WorkerKind::Local => self.site.master_dir().join("workers").join("inside"),
            _ => self.site.dir().join(worker.name()),
        }
    }

    /// Asks for one build by every worker.
    pub async fn force(&self) {
        let builders = self.site.get("builders").await;
        for worker in &self.workers {
            let builder = builders["builders"].as_array().and_then(|builders| {
                builders.iter().find(|builder| builder["name"] == worker.name())
            });
            let id = builder.expect("a builder")["builderid"].to_string();
            let params = json!({ "builderid": id, "reason": "look" });
            self.site.call("forceschedulers/force", "force", params).await;
        }
    }

    async fn builds(&self, worker: WorkerKind, number: i64) -> Value {
        self.site.get(&format!("builders/{}/builds?number={number}", worker.name())).await
    }

    /// Waits until a build's first step has this in its log.
    pub async fn says(&self, worker: WorkerKind, number: i64, text: &str) {
        let began = Instant::now();
        loop {
            let id = self.builds(worker, number).await["builds"][0]["buildid"].to_string();
            let log = self.site.text(&format!("builds/{id}/steps/1/logs/stdio/raw")).await;
            if log.contains(text) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{worker:?} does not say {text}: {log}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Build `number` of this worker, once it has ended. All of them share two processors at times, and
    /// a stock master is not to spend its time on answers to us.
    pub async fn built(&self, worker: WorkerKind, number: i64) -> Value {
        let began = Instant::now();
        loop {
            let builds = self.builds(worker, number).await;
            if builds["builds"][0]["complete"] == true {
                return builds["builds"][0].clone();
            }
            assert!(began.elapsed() < PATIENCE, "{worker:?} does not come to an end: {builds}");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}

const OUR_MASTER: &str = r#"
title = "Site"
buildbotURL = "http://localhost:WWW/"
[db]
db_url = "sqlite:///state.sqlite"
[protocols]
pb = { port = "tcp:PB:interface=127.0.0.1" }
msgpack_experimental_v7 = { port = "tcp:MSGPACK:interface=127.0.0.1" }
[www]
port = "tcp:WWW:interface=127.0.0.1"
[[schedulers]]
type = "ForceScheduler"
name = "force"
builderNames = ["BUILDERS"]
"#;
