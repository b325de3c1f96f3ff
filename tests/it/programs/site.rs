//! A master and a worker as processes, in a directory of their own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{buildbot, eventually, free_port, worker_program};
use crate::world::Repository;

/// A directory with a repository, a master and a worker; everything ends with it.
pub struct Site {
    pub repo: Repository,
    pub www: u16,
    /// Where workers connect.
    pub port: u16,
    master: Option<Process>,
    workers: Vec<Process>,
    client: reqwest::Client,
    dir: TempDir,
}

/// What every configuration here begins with; `WWW`, `PORT` and `REPO` are filled in.
const HEAD: &str = r#"
title = "Site"
buildbotURL = "http://localhost:WWW/"
[db]
db_url = "sqlite:///state.sqlite"
[protocols]
msgpack_experimental_v7 = { port = "tcp:PORT:interface=127.0.0.1" }
[www]
port = "tcp:WWW:interface=127.0.0.1"
[[workers]]
name = "w1"
password = "sesame"
[[change_source]]
type = "GitPoller"
repourl = "REPO"
branches = ["main"]
pollInterval = 1
pollAtLaunch = true
[[schedulers]]
type = "SingleBranchScheduler"
name = "commits"
change_filter = { branch = "main" }
builderNames = ["b"]
[[schedulers]]
type = "ForceScheduler"
name = "force"
builderNames = ["b"]
[[builders]]
name = "b"
workernames = ["w1"]
"#;

/// Keeps no connection open: another program may serve the same port next.
fn client() -> reqwest::Client {
    let client = crate::world::http().pool_max_idle_per_host(0).build();
    client.expect("a client")
}

impl Site {
    /// A site whose builder `b` has the given steps; nothing runs yet.
    pub fn new(steps: &str) -> Site {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("repo")).expect("a directory");
        let repo = Repository::new(dir.path().join("repo"));
        repo.commit("README", "nothing yet\n", "first");
        let site = Site {
            repo,
            www: free_port(),
            port: free_port(),
            master: None,
            workers: Vec::new(),
            client: client(),
            dir,
        };
        let made = buildbot(&["create-master", "-q", "-r", "master"], site.dir.path());
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        site.configure(&format!("{HEAD}{steps}"));
        site
    }

    /// Writes `master.toml`.
    pub fn configure(&self, text: &str) {
        let text = text
            .replace("WWW", &self.www.to_string())
            .replace("PORT", &self.port.to_string())
            .replace("REPO", &self.repo.url());
        std::fs::write(self.master_dir().join("master.toml"), text).expect("a file");
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn master_dir(&self) -> PathBuf {
        self.dir.path().join("master")
    }

    /// Starts the master and waits until it answers.
    pub async fn start_master(&mut self) {
        let dir = self.master_dir();
        let mut command = Command::new(env!("CARGO_BIN_EXE_buildbot"));
        self.start_instead(command.args(["start", "--nodaemon"]).arg(&dir)).await;
    }

    /// Runs `command` as the master and waits until it answers.
    pub async fn start_instead(&mut self, command: &mut Command) {
        self.master = Some(Process::spawn(command, &self.dir.path().join("master.out")));
        eventually("the master's first answer", || async {
            self.client.get(self.url("masters")).send().await.ok()
        })
        .await;
    }

    /// Starts a worker of ours and waits until the master knows it as connected.
    pub async fn start_worker(&mut self, name: &str, password: &str) {
        let dir = self.dir.path().join(name);
        let mut create = Command::new(worker_program());
        create.args(["create-worker", "-q", "-r", "-f", "--protocol=msgpack_experimental_v7"]);
        create.arg(&dir).args([&format!("127.0.0.1:{}", self.port), name, password]);
        assert!(create.status().expect("buildbot-worker runs").success());
        let mut command = Command::new(worker_program());
        command.args(["start", "--nodaemon"]).arg(&dir);
        self.add_worker(command);
    }

    /// Runs `command` as a worker until the site ends.
    pub fn add_worker(&mut self, mut command: Command) {
        let output = self.dir.path().join(format!("worker{}.out", self.workers.len()));
        self.workers.push(Process::spawn(&mut command, &output));
    }

    /// The worker that was started last.
    pub fn last_worker(&mut self) -> &mut Process {
        self.workers.last_mut().expect("a worker was started")
    }

    pub async fn until_connected(&self, name: &str) {
        eventually(&format!("worker {name}"), || async {
            let workers = self.get("workers").await;
            let found = workers["workers"].as_array()?.iter().find(|w| w["name"] == name)?.clone();
            (!found["connected_to"].as_array()?.is_empty()).then_some(())
        })
        .await;
    }

    pub fn master(&mut self) -> &mut Process {
        self.master.as_mut().expect("the master was started")
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/api/v2/{path}", self.www)
    }

    /// The JSON at an address below `/api/v2/`. Asks again when a connection is cut, as a stock
    /// master does with those that it takes for idle.
    pub async fn get(&self, path: &str) -> Value {
        let (status, text) = eventually(path, || async {
            let answer = self.client.get(self.url(path)).send().await.ok()?;
            Some((answer.status(), answer.text().await.ok()?))
        })
        .await;
        assert!(status.is_success(), "{path}: {status}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    /// The plain text at an address below `/api/v2/`.
    pub async fn text(&self, path: &str) -> String {
        let answer = self.client.get(self.url(path)).send().await.expect("an answer");
        answer.text().await.expect("a body")
    }

    /// Calls a control method; the answer's `result`.
    pub async fn call(&self, path: &str, method: &str, params: Value) -> Value {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = self.client.post(self.url(path)).json(&call).send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        assert!(answer["error"].is_null(), "{path} {method}: {answer}");
        answer["result"].clone()
    }

    /// Build `number` of builder `b`, once it has begun.
    pub async fn begun(&self, number: i64) -> Value {
        self.build("b", number, "begin", |_| true).await
    }

    /// Build `number` of builder `b`, once it is complete.
    pub async fn finished(&self, number: i64) -> Value {
        self.finished_of("b", number).await
    }

    /// Build `number` of any builder, once it is complete.
    pub async fn finished_of(&self, builder: &str, number: i64) -> Value {
        self.build(builder, number, "end", |build| build["complete"] == true).await
    }

    async fn build(
        &self,
        builder: &str,
        number: i64,
        what: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Value {
        eventually(&format!("build {number} to {what}"), || async {
            let builds = self.get(&format!("builders/{builder}/builds?number={number}")).await;
            let build = builds["builds"].as_array()?.first()?.clone();
            fits(&build).then_some(build)
        })
        .await
    }

    /// The whole stdio log of the step `name` of a build, as downloaded.
    pub async fn stdio(&self, build: &Value, name: &str) -> String {
        let steps = self.get(&format!("builds/{}/steps", build["buildid"])).await;
        let step = steps["steps"]
            .as_array()
            .and_then(|steps| steps.iter().find(|step| step["name"] == name))
            .unwrap_or_else(|| panic!("no step {name} in {steps}"))
            .clone();
        self.text(&format!("steps/{}/logs/stdio/raw", step["stepid"])).await
    }

    /// `twistd.log` so far.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.master_dir().join("twistd.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}

/// A failing test shows what the master and the workers said last.
impl Drop for Site {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let workers = (0..self.workers.len()).map(|index| format!("worker{index}.out"));
        for name in
            ["master.out".to_owned(), "master/twistd.log".to_owned()].into_iter().chain(workers)
        {
            let said = std::fs::read(self.dir.path().join(&name)).unwrap_or_default();
            let said =
                String::from_utf8_lossy(&said[said.len().saturating_sub(4000)..]).into_owned();
            eprintln!("---- {name}\n{said}");
        }
    }
}

/// A process that does not outlive its owner.
pub struct Process(Child);

impl Process {
    fn spawn(command: &mut Command, output: &Path) -> Process {
        let file = File::create(output).expect("a file");
        let both = file.try_clone().expect("a second handle");
        let child = command.stdin(Stdio::null()).stdout(file).stderr(both).spawn();
        Process(child.expect("the program starts"))
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal, `TERM` or `KILL`, and waits for the end.
    pub fn end(&mut self, signal: &str) -> ExitStatus {
        let sent = Command::new("kill").args(["-s", signal, &self.pid().to_string()]).status();
        assert!(sent.expect("kill runs").success());
        self.wait()
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.0.wait().expect("an end")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
