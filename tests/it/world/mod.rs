//! A whole master in this process, with a real worker when a test wants one.
//!
//! Everything lives in a temporary directory and on loopback ports that the system chooses. Tests
//! wait for facts, never for time.

mod client;
mod git;
mod http;
mod vcs;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use buildbot::actors::announcer::Listener;
use buildbot::actors::control::Order;
use buildbot::actors::handles::Handles;
use buildbot::actors::master::{Master, OrderDesk, Setup, Watcher};
use buildbot::actors::tree::ChildStatus;
use buildbot::config::checked::WorkerProtocol;
use buildbot::config::problems::Problems;
use buildbot::db::{Conn, Db, DbError, buildrequests, builds, logs, steps};
use buildbot::events::Event;
use buildbot::model::{Build, BuildId, BuildRequestId, Clock, LogLines, MasterId, Results, Step};
use buildbot::status::targets::Targets;
use tempfile::TempDir;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;

pub use client::Client;
pub use git::Repository;
pub use http::http;
pub use vcs::{HgRepository, SvnRepository};

/// The longest a fact may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test inside an actix system.
pub fn run<F: Future<Output = ()>>(test: F) {
    actix::System::new().block_on(test);
}

/// Waits for a future, at most [`PATIENCE`].
pub async fn soon<T>(what: &str, fact: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, fact).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} in vain for: {what}"),
    }
}

/// Waits for a fact that nobody announces: looks again and again, at most [`PATIENCE`].
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    soon(what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// A directory for a master and its worker; outlives restarts of both.
pub struct Place {
    dir: TempDir,
}

impl Place {
    pub fn new() -> Place {
        Place { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(&path).expect("a directory below the temporary one");
        path
    }

    /// Starts a master with this configuration, to which ports and database are added.
    pub async fn master(&self, config: &str) -> TestMaster {
        self.start(self.setup(config)).await
    }

    /// What a master with this configuration is started with.
    pub fn setup(&self, config: &str) -> Setup {
        let basedir = self.path("master");
        let file = write_config(&basedir, config);
        let config = buildbot::config::load(&file, &basedir).unwrap_or_else(|p| panic!("{p}"));
        let path = basedir.join("state.sqlite");
        let db = Db::open(path.to_str().expect("a path in UTF-8")).expect("a database");
        let (clock, status) = (Clock::default(), vec![Box::new(Targets) as Box<dyn Watcher>]);
        Setup { basedir, config_file: file, config, db, clock, status }
    }

    pub async fn start(&self, setup: Setup) -> TestMaster {
        let desk = OrderDesk::default();
        let orders = desk.orders.clone();
        let master = Master::start(setup, desk).await.expect("the master starts");
        let handles = master.handles().clone();
        let facts = handles.announcer.listen();
        let ended = actix::spawn(async move { master.run().await.expect("an orderly end") });
        TestMaster { handles, facts, orders, ended }
    }

    /// Lets a running master read another configuration; answers what it says about it.
    pub async fn reconfigure(&self, master: &TestMaster, config: &str) -> Result<String, Problems> {
        write_config(&self.path("master"), config);
        soon("the reconfiguration", master.handles.control.reconfigure()).await
    }

    /// A worker of our own kind, connected to `master`.
    pub async fn worker(&self, master: &TestMaster, name: &str) -> TestWorker {
        let worker = self.start_worker(master, name, "pass");
        master.worker_is_online(name).await;
        worker
    }

    /// A worker that has yet to connect.
    pub fn start_worker(&self, master: &TestMaster, name: &str, password: &str) -> TestWorker {
        let port = master.port(WorkerProtocol::MessagePack);
        let dir = self.path(&format!("worker-{name}"));
        let mut config = buildbot_worker::Config::new(dir, "127.0.0.1", port, name, password);
        config.protocol = buildbot_worker::Protocol::Msgpack;
        let (stop, mut stopping) = watch::channel(false);
        let task = tokio::task::spawn_local(async move {
            let stopped = async move {
                let _ = stopping.wait_for(|stop| *stop).await;
            };
            let _ = buildbot_worker::run(config, stopped).await;
        });
        TestWorker { stop, task }
    }
}

/// Where ports are not the point of a test, the system chooses them.
fn write_config(basedir: &Path, config: &str) -> PathBuf {
    let file = basedir.join("master.toml");
    let port = "{ port = \"tcp:0:interface=127.0.0.1\" }";
    let ports = match config.contains("[protocols]") {
        true => String::new(),
        false => format!("[protocols]\npb = {port}\nmsgpack_experimental_v7 = {port}\n"),
    };
    std::fs::write(&file, format!("{config}\n{ports}")).expect("a written configuration");
    file
}

/// A worker inside this process.
pub struct TestWorker {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl TestWorker {
    /// Ends the worker in an orderly way.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.task.await;
    }

    /// Ends the worker as a power failure would.
    pub fn vanish(self) {
        self.task.abort();
    }
}

/// A running master.
pub struct TestMaster {
    pub handles: Handles,
    facts: Listener,
    orders: mpsc::Sender<Order>,
    ended: JoinHandle<()>,
}

impl TestMaster {
    /// Waits for the next fact that `pick` takes.
    pub async fn fact<T>(&mut self, what: &str, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        soon(what, async {
            loop {
                match self.facts.recv().await {
                    Ok(event) => {
                        if let Some(value) = pick(&event) {
                            return value;
                        }
                    }
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(error) => panic!("the announcer is gone: {error}"),
                }
            }
        })
        .await
    }

    pub async fn build_started(&mut self) -> BuildId {
        self.fact("a build starts", |event| match event {
            Event::BuildStarted { build, .. } => Some(*build),
            _ => None,
        })
        .await
    }

    pub async fn build_finished(&mut self) -> (BuildId, Results) {
        self.fact("a build finishes", |event| match event {
            Event::BuildFinished { build, results, .. } => Some((*build, *results)),
            _ => None,
        })
        .await
    }

    /// Waits for a log that has this text.
    pub async fn log_says(&mut self, build: BuildId, text: &str) {
        loop {
            self.fact("a log grows", |event| {
                matches!(event, Event::LogAppended { .. } | Event::LogFinished { .. }).then_some(())
            })
            .await;
            if self.all_logs(build).await.contains(text) {
                return;
            }
        }
    }

    /// The port where workers speak `protocol`.
    pub fn port(&self, protocol: WorkerProtocol) -> u16 {
        let bound = self.handles.roster.bound();
        let port = bound.iter().find(|(of, _)| *of == protocol);
        port.expect("a port for workers").1.port()
    }

    pub async fn worker_is_online(&self, name: &str) {
        let mut board = self.handles.roster.watch();
        let online = board
            .wait_for(|board| board.workers.get(name).is_some_and(|worker| worker.link.is_some()));
        soon("the worker connects", online).await.expect("the roster lives");
    }

    pub async fn worker_is_offline(&self, name: &str) {
        let mut board = self.handles.roster.watch();
        let offline = board
            .wait_for(|board| board.workers.get(name).is_some_and(|worker| worker.link.is_none()));
        soon("the worker is gone", offline).await.expect("the roster lives");
    }

    pub async fn build(&self, id: BuildId) -> Build {
        self.read(move |conn| buildbot::db::builds::get(conn, id)).await
    }

    /// Why a request waits; empty when it does not.
    pub async fn reason(&self, request: BuildRequestId) -> String {
        let explainer = self.handles.explainer();
        let mut reasons = self.read(move |conn| explainer.why(conn, &[request])).await;
        reasons.remove(&request).unwrap_or_default()
    }

    /// Waits until a request waits for this reason.
    pub async fn waits_because(&self, request: BuildRequestId, expected: &str) {
        soon(expected, async {
            while self.reason(request).await != expected {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    pub async fn steps(&self, build: BuildId) -> Vec<Step> {
        self.read(move |conn| buildbot::db::steps::of_build(conn, build)).await
    }

    /// Names of the steps that ran with their results, in order; without step 0.
    pub async fn outcomes(&self, build: BuildId) -> Vec<(String, Results)> {
        let steps = self.steps(build).await.into_iter().skip(1);
        steps.map(|step| (step.name, step.results.expect("a finished step"))).collect()
    }

    /// Every line of every log of a build.
    pub async fn all_logs(&self, build: BuildId) -> String {
        self.read(move |conn| {
            let mut text = String::new();
            for (_, log) in buildbot::db::logs::of_build(conn, build)? {
                let lines: LogLines = buildbot::db::logs::lines(conn, log.id, 0, 1_000_000)?;
                text.push_str(&lines.text);
            }
            Ok(text)
        })
        .await
    }

    pub async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut buildbot::db::Conn) -> Result<T, buildbot::db::DbError> + Send + 'static,
    ) -> T {
        self.handles.db.read(query).await.expect("an answer of the database")
    }

    /// What must hold whenever nothing is about to change: see [`strays`].
    pub async fn is_tidy(&self) {
        let mut found = Vec::new();
        let tidy = async {
            loop {
                let tree = self.handles.tree.snapshot();
                let me = self.handles.master.id;
                found = self.read(move |conn| strays(conn, me, &tree)).await;
                if found.is_empty() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(5), tidy).await.is_err() {
            panic!("strays: {found:#?}");
        }
    }

    /// Stops in an orderly way and leaves nothing behind.
    pub async fn stop(self) {
        self.is_tidy().await;
        self.halt().await;
    }

    /// Stops in an orderly way in the middle of something.
    pub async fn halt(self) {
        let _ = self.orders.send(Order::Shutdown).await;
        soon("the master stops", self.ended).await.expect("an orderly end");
    }

    pub fn config(&self) -> Arc<buildbot::config::MasterConfig> {
        self.handles.config.borrow().clone()
    }
}

/// What belongs to nobody: requests claimed without a build, builds that run by their row only or
/// by their actor only, steps and logs of ended builds that are open.
fn strays(conn: &mut Conn, me: MasterId, tree: &[ChildStatus]) -> Result<Vec<String>, DbError> {
    let mut strays = Vec::new();
    for request in buildrequests::claimed_without_build(conn, me)? {
        strays.push(format!("request {request} is claimed and nobody builds it"));
    }
    let running = builds::running(conn, me)?;
    let actors = tree.iter().filter(|row| row.path.contains("/build ")).count();
    if actors != running.len() {
        strays.push(format!("{} builds run and {actors} have an actor", running.len()));
    }
    for build in builds::recent(conn, 100, 0)?.iter().filter(|build| build.complete_at.is_some()) {
        for step in steps::of_build(conn, build.id)?.iter().filter(|s| s.complete_at.is_none()) {
            strays.push(format!("step {} of the ended build {} is open", step.name, build.id));
        }
        for log in logs::unfinished(conn, build.id)? {
            strays.push(format!("log {} of the ended build {} is open", log.name, build.id));
        }
    }
    Ok(strays)
}
