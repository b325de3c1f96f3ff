//! Masters and workers of both kinds, as processes with one and the same environment.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::seen::{Sections, seen};
use super::steps;
use crate::compat::stock;
use crate::programs::{Site, free_port, worker_program};

/// How long one build of the set may take.
const PATIENCE: Duration = Duration::from_secs(240);

/// Who made a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Maker {
    Stock,
    Ours,
}

/// A worker, by its program and how it talks to the master.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WorkerKind {
    Pb(Maker),
    MessagePack(Maker),
    /// Inside the master.
    Local,
}

impl WorkerKind {
    /// Its name, and that of the one builder that uses it.
    pub fn name(self) -> &'static str {
        match self {
            WorkerKind::Pb(Maker::Stock) => "stock_pb",
            WorkerKind::Pb(Maker::Ours) => "ours_pb",
            WorkerKind::MessagePack(Maker::Stock) => "stock_msgpack",
            WorkerKind::MessagePack(Maker::Ours) => "ours_msgpack",
            WorkerKind::Local => "inside",
        }
    }
}

/// A master with some workers and a builder `set` of the same steps for each of them.
pub struct Pairs {
    workers: Vec<WorkerKind>,
    pub site: Site,
    /// What builds check out.
    pub repository: String,
    pb: u16,
}

impl Pairs {
    /// Starts them all. `repository` is where the steps check out from.
    pub async fn start(master: Maker, workers: &[WorkerKind], repository: Option<&str>) -> Pairs {
        let site = Site::new("steps = []\n");
        let repository = repository.map_or_else(|| site.repo.url(), str::to_owned);
        let factory = steps::factory(&repository);
        let (workers, pb) = (workers.to_vec(), free_port());
        let mut pairs = Pairs { workers, site, repository, pb };
        std::fs::write(pairs.site.master_dir().join("steps.toml"), &factory).expect("a file");
        let program = match master {
            Maker::Ours => pairs.our_master(&factory),
            Maker::Stock => pairs.stock_master(),
        };
        let mut command = plain(&program, pairs.site.dir());
        command.args(["start", "--nodaemon"]).arg(pairs.site.master_dir());
        pairs.site.start_instead(&mut command).await;
        for worker in pairs.workers.clone() {
            pairs.start_worker(worker);
        }
        for worker in &pairs.workers {
            pairs.site.until_connected(worker.name()).await;
        }
        pairs
    }

    fn our_master(&self, factory: &str) -> PathBuf {
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
        self.site.configure(&format!("{text}{factory}"));
        env!("CARGO_BIN_EXE_buildbot").into()
    }

    fn stock_master(&self) -> PathBuf {
        let program = stock("buildbot").expect("stock's programs");
        let dir = self.site.master_dir();
        std::fs::remove_file(dir.join("buildbot.tac")).expect("our tac");
        let created = Command::new(&program).args(["create-master", "-q", "-r"]).arg(&dir).status();
        assert!(created.expect("stock runs").success());
        let text = include_str!("stock_master.cfg")
            .replace("@WORKERS@", &self.names(" "))
            .replace("@WWW@", &self.site.www.to_string())
            .replace("@PB@", &self.pb.to_string())
            .replace("@MSGPACK@", &self.site.port.to_string());
        std::fs::write(dir.join("master.cfg"), text).expect("a file");
        program
    }

    fn names(&self, between: &str) -> String {
        let names: Vec<&str> = self.workers.iter().map(|worker| worker.name()).collect();
        names.join(between)
    }

    fn start_worker(&mut self, worker: WorkerKind) {
        let (maker, protocol, port) = match worker {
            WorkerKind::Pb(maker) => (maker, "pb", self.pb),
            WorkerKind::MessagePack(maker) => (maker, "msgpack_experimental_v7", self.site.port),
            WorkerKind::Local => return,
        };
        let program = match maker {
            Maker::Ours => worker_program(),
            Maker::Stock => stock("buildbot-worker").expect("stock's programs"),
        };
        let dir = self.worker_dir(worker);
        let mut create = plain(&program, self.site.dir());
        create.args(["create-worker", "-q", "-r", &format!("--protocol={protocol}")]).arg(&dir);
        create.args([&format!("127.0.0.1:{port}"), worker.name(), "sesame"]);
        let output = create.output().expect("create-worker runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut start = plain(&program, self.site.dir());
        start.args(["start", "--nodaemon"]).arg(&dir);
        self.site.add_worker(start);
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
            let params = json!({ "builderid": id, "reason": "the same set" });
            self.site.call("forceschedulers/force", "force", params).await;
        }
    }

    /// The build of this worker, once it has ended. All of them share two processors at times, and
    /// a stock master is not to spend its time on answers to us.
    pub async fn built(&self, worker: WorkerKind) -> Value {
        let began = Instant::now();
        loop {
            let builds =
                self.site.get(&format!("builders/{}/builds?number=1", worker.name())).await;
            if builds["builds"][0]["complete"] == true {
                return builds["builds"][0].clone();
            }
            assert!(began.elapsed() < PATIENCE, "{worker:?} does not come to an end: {builds}");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// What every build left behind, once all have ended.
    pub async fn seen(&self) -> Vec<(WorkerKind, Sections)> {
        let mut all = Vec::new();
        for worker in &self.workers {
            all.push((*worker, seen(self, *worker).await));
        }
        all
    }
}

/// `program` with the one environment that everything here has.
fn plain(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home).env("LANG", "C.UTF-8").env("HOUSE", "of bricks");
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
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
