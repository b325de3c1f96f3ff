//! Faults, with worker programs of all kinds at once: stock's and ours, over both protocols.

mod duplicates;
mod freeze;
mod kill;
mod leftovers;
mod login;
mod master;
mod network;
mod proxy;
mod shutdown;

use std::time::Duration;

use buildbot::actors::scheduler::ForceRequest;
use buildbot::model::{BuildId, Results};

use proxy::Proxy;

use super::peer::{Kind, Peer};
use super::stock;
use crate::world::{Place, TestMaster, eventually, soon};

/// A master in this process, and a worker program of each kind with a builder of its own.
struct Farm {
    peers: Vec<Peer>,
    /// The line of each worker to the master.
    lines: Vec<Proxy>,
    master: TestMaster,
    place: Place,
}

impl Farm {
    /// Workers are created and not started; `None` without stock's programs. `steps` and
    /// `workers`, further options of every worker, are TOML.
    async fn new(kinds: &[Kind], steps: &str, workers: &str, create: &[&str]) -> Option<Farm> {
        stock("buildbot-worker")?;
        let place = Place::new();
        let steps = steps.replace("@SIGNS@", place.path("signs").to_str()?);
        let master = place.master(&config(kinds, &steps, workers)).await;
        let mut farm = Farm { place, master, peers: Vec::new(), lines: Vec::new() };
        for kind in kinds {
            let (peer, line) = farm.another(*kind, kind.name(), create).await;
            farm.peers.push(peer);
            farm.lines.push(line);
        }
        Some(farm)
    }

    /// A worker in the directory `dir`, not started, with its line to the master.
    async fn another(&self, kind: Kind, dir: &str, create: &[&str]) -> (Peer, Proxy) {
        let line = Proxy::to(self.master.port(kind.protocol)).await;
        let dir = self.place.path("workers").join(dir);
        (Peer::create(kind, dir, line.port, "pass", create), line)
    }

    /// With all workers online.
    async fn started(kinds: &[Kind], steps: &str, workers: &str) -> Option<Farm> {
        let mut farm = Farm::new(kinds, steps, workers, &[]).await?;
        farm.start().await;
        Some(farm)
    }

    async fn start(&mut self) {
        for peer in &mut self.peers {
            peer.start();
        }
        self.all_online().await;
    }

    async fn all_online(&self) {
        for peer in &self.peers {
            self.master.worker_is_online(peer.kind.name()).await;
        }
    }

    /// Forces a build of every builder.
    async fn force(&self) {
        let submitted = self.master.handles.control.force("force", ForceRequest::default()).await;
        submitted.expect("forced builds");
    }

    /// Waits until a build of every builder has printed `text`; the builds.
    async fn all_say(&mut self, text: &str) -> Vec<BuildId> {
        let mut builds = Vec::new();
        for _ in 0..self.peers.len() {
            builds.push(self.master.build_started().await);
        }
        for build in &builds {
            self.says(*build, text).await;
        }
        builds
    }

    async fn says(&self, build: BuildId, text: &str) {
        soon(&format!("{build} prints {text}"), async {
            while !self.master.all_logs(build).await.contains(text) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// Waits until as many builds as there are workers have ended, all with these results.
    async fn all_end(&mut self, expected: Results) -> Vec<BuildId> {
        let mut builds = Vec::new();
        for _ in 0..self.peers.len() {
            let (build, results) = self.master.build_finished().await;
            let row = self.master.build(build).await;
            let logs = self.master.all_logs(build).await;
            assert_eq!(results, expected, "{}: {}\n{logs}", row.builder, row.state_string);
            builds.push(build);
        }
        builds
    }

    /// Waits until each of these lines has been used so often.
    async fn all_tried(lines: &[Proxy], times: u64) {
        eventually("attempts to connect", || lines.iter().all(|line| line.connections() >= times))
            .await;
    }

    /// Forces a build of every builder; what each prints, in the order of the workers.
    async fn prints(&mut self) -> Vec<String> {
        self.force().await;
        let mut printed = vec![String::new(); self.peers.len()];
        for build in self.all_end(Results::Success).await {
            let worker = self.master.build(build).await.worker.expect("a worker");
            let board = self.master.handles.roster.watch().borrow().clone();
            let name =
                board.workers.values().find(|entry| entry.id == worker).map(|e| e.name.clone());
            let index =
                self.peers.iter().position(|peer| Some(peer.kind.name()) == name.as_deref());
            printed[index.expect("a worker of ours")] = self.master.all_logs(build).await;
        }
        printed
    }

    /// Lets hanging steps end.
    fn let_go(&self) {
        std::fs::write(self.place.path("signs").join("go"), "").expect("a written file");
    }

    async fn stop(mut self) {
        for peer in &mut self.peers {
            peer.kill();
        }
        self.master.stop().await;
    }
}

/// A step that prints `begun` and hangs until [`Farm::let_go`]. It ends with the test, too, where
/// nobody ends it because its worker was killed.
const HANGING: &str = r#"
[[builders.steps]]
type = "ShellCommand"
command = "echo begun; while test -d @SIGNS@ && ! test -e @SIGNS@/go; do sleep 0.05; done; echo done"
"#;

fn config(kinds: &[Kind], steps: &str, workers: &str) -> String {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    let mut text = format!(
        "title = \"Test\"\nbuildbotURL = \"http://localhost:8010/\"\n[[schedulers]]\n\
         type = \"ForceScheduler\"\nname = \"force\"\nbuilderNames = {names:?}\n"
    );
    for name in names {
        text.push_str(&format!(
            "[[workers]]\nname = \"{name}\"\npassword = \"pass\"\n{workers}\n[[builders]]\n\
             name = \"{name}\"\nworkernames = [\"{name}\"]\n{steps}\n"
        ));
    }
    text
}
