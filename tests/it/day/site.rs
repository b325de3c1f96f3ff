//! The master of the day, its workers and its clients.

use std::collections::HashMap;

use buildbot::actors::scheduler::ForceRequest;
use buildbot::config::checked::WorkerProtocol;
use buildbot::db::{builders, builds, schedulers};
use protocol::jelly::Value;
use protocol::pb::{TryJob, TryPatch};
use serde_json::json;

use super::clock::DayClock;
use super::worker::{Diary, FakeWorker};
use crate::world::{Client, Place, TestMaster};

const WORKERS: [&str; 4] = ["farm", "solo", "one", "two"];

/// What the test holds in its hands.
pub struct Day {
    place: Place,
    pub clock: DayClock,
    pub diary: Diary,
    master: Option<TestMaster>,
    pub workers: HashMap<&'static str, FakeWorker>,
    committer: Option<Client>,
}

/// The configuration, with or without the scheduler `each`.
fn config(replaced: bool) -> String {
    let platforms = || (1..=24).map(|number| format!("p{number:02}"));
    let names: Vec<String> = platforms().map(|name| format!("{name:?}")).collect();
    let mut text = include_str!("master.toml").replace("PLATFORMS", &names.join(", "));
    for name in platforms() {
        text += &format!("\n[[builders]]\nname = {name:?}\nworkernames = [\"farm\"]\nBUILD 2\n");
    }
    let codebases = ["app", "lib", "docs"].map(|name| {
        format!(
            "{name} = {{ repository = \"https://git.example.org/{name}.git\", branch = \"main\" }}"
        )
    });
    let text = text.replace("CODEBASES", &format!("codebases = {{ {} }}", codebases.join(", ")));
    let source = |name: &str| format!("{name}=%(src:{name}:branch)s/%(src:{name}:revision:~)s");
    let all = ["app", "lib", "docs"].map(source).join(" ");
    let one = "%(src::branch:~)s/%(src::revision:~)s";
    let step = |line: &str, word: &str, sources: &str| {
        line.strip_prefix(word).map(|minutes| {
            format!(
                "[[builders.steps]]\ntype = \"ShellCommand\"\ncommand = \"build {minutes} {sources}\"\n"
            )
        })
    };
    let mut skipped = false;
    let mut written = String::new();
    for line in text.lines() {
        match line {
            "#EACH" => skipped = replaced,
            "#END" => skipped = false,
            _ if skipped => {}
            _ => {
                let step = step(line, "BUILD ", &all).or_else(|| step(line, "PLAIN ", one));
                written += &step.unwrap_or_else(|| format!("{line}\n"));
            }
        }
    }
    if replaced {
        let each = "name = \"each\"\nworkernames";
        assert!(written.contains(each));
        written += &format!(
            "\n[[schedulers]]\ntype = \"SingleBranchScheduler\"\nname = \"smoke\"\n\
             change_filter = {{ codebase = \"lib\", branch = \"main\" }}\ncodebases = {{ {} }}\n\
             builderNames = [\"each\"]\n",
            codebases.join(", ")
        );
    }
    written
}

impl Day {
    pub async fn begin(clock: DayClock) -> Day {
        let mut day = Day {
            place: Place::new(),
            clock,
            diary: Diary::default(),
            master: None,
            workers: HashMap::new(),
            committer: None,
        };
        day.start_master().await;
        day
    }

    pub fn master(&self) -> &TestMaster {
        self.master.as_ref().expect("the master runs")
    }

    pub async fn start_master(&mut self) {
        let clock = self.clock.clone();
        let mut setup = self.place.setup(&config(false));
        setup.clock = clock.for_master();
        let starting = async {
            let master = self.place.start(setup).await;
            let port = master.port(WorkerProtocol::MessagePack);
            let mut workers = HashMap::new();
            for name in WORKERS {
                let worker = FakeWorker::connect(port, name, &clock, &self.diary).await;
                master.worker_is_online(name).await;
                workers.insert(name, worker);
            }
            let port = master.port(WorkerProtocol::PerspectiveBroker);
            let committer = Client::log_in(port, "change", "changepw").await;
            (master, workers, committer)
        };
        let (master, workers, committer) = clock.meanwhile(starting).await;
        (self.master, self.workers, self.committer) = (Some(master), workers, committer);
    }

    pub async fn stop_master(&mut self) {
        let master = self.master.take().expect("the master runs");
        self.committer = None;
        self.clock.meanwhile(master.halt()).await;
        self.workers.clear();
    }

    pub async fn connect(&mut self, name: &'static str) {
        let port = self.master().port(WorkerProtocol::MessagePack);
        let worker = FakeWorker::connect(port, name, &self.clock, &self.diary).await;
        self.workers.insert(name, worker);
    }

    pub async fn reconfigure(&mut self, replaced: bool) {
        let master = self.master.as_ref().expect("the master runs");
        let text = config(replaced);
        let done = self.place.reconfigure(master, &text);
        self.clock.meanwhile(done).await.expect("a good configuration");
    }

    pub async fn commit(
        &mut self,
        (codebase, branch, revision, file): (&str, &str, &str, &str),
        category: Option<&str>,
    ) {
        let mut change: Vec<(&str, Value)> = vec![
            ("who", "Ann <ann@example.org>".into()),
            ("repository", format!("https://git.example.org/{codebase}.git").as_str().into()),
            ("branch", branch.into()),
            ("revision", revision.into()),
            ("files", Value::List(vec![file.into()])),
            ("comments", revision.into()),
        ];
        change.extend(category.map(|category| ("category", category.into())));
        let client = self.committer.as_mut().expect("a client");
        assert_eq!(client.send_change(&change).await, Ok(Value::None));
    }

    pub async fn force(&self) {
        let control = &self.master().handles.control;
        control.force("force", ForceRequest::default()).await.expect("a forced build");
    }

    pub async fn stop(&self, builder: &str) {
        let (master, name) = (self.master(), builder.to_owned());
        let me = master.handles.master.id;
        let running = master.read(move |conn| {
            let builder = builders::by_name(conn, &name)?;
            let running = builds::running(conn, me)?;
            Ok(running.into_iter().find(|build| build.builder == builder.id))
        });
        let build = running.await.expect("a running build").id;
        master.handles.control.stop_build(build, "enough").await.expect("it can be stopped");
    }

    pub async fn attempt(&self, revision: &str, names: &[&str]) {
        let port = self.master().port(WorkerProtocol::PerspectiveBroker);
        let mut client = Client::log_in(port, "alice", "wonder").await.expect("a login");
        let job = TryJob {
            branch: Some("main".into()),
            revision: Some(revision.into()),
            patch: TryPatch { level: 1, body: Some(b"a difference".to_vec()), subdir: "".into() },
            builder_names: Some(names.iter().map(|name| (*name).to_owned()).collect()),
            who: "alice".into(),
            ..TryJob::default()
        };
        client.call("try", job.to_args()).await.expect("an answer");
    }

    /// Puts a job where `buildbot tryserver` puts it.
    pub fn drop_job(&self, revision: &str) {
        let job = json!({
            "jobid": revision, "branch": "main", "baserev": revision, "patch_level": 1,
            "patch_body": "a difference", "repository": "", "project": "", "who": "bob",
            "comment": "", "builderNames": [], "properties": {},
        })
        .to_string();
        let jobs = self.place.path("master").join("jobs");
        let text = format!("1:5,{}:{job},", job.len());
        std::fs::write(jobs.join("tmp/job"), text).expect("a file");
        std::fs::rename(jobs.join("tmp/job"), jobs.join("new/job")).expect("a maildir");
    }

    pub async fn switch(&self, name: &str, on: bool) {
        let (master, name) = (self.master(), name.to_owned());
        let scheduler = master.read(move |conn| {
            let all = schedulers::list(conn)?;
            Ok(all.into_iter().find(|row| row.name == name).map(|row| row.id))
        });
        let scheduler = scheduler.await.expect("a scheduler of that name");
        let control = &master.handles.control;
        control.set_scheduler_enabled(scheduler, on).await.expect("a switch");
    }
}
