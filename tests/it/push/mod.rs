//! Pushes to servers that answer what they were told, by a real master that builds something.

mod faults;
mod forges;
mod server;

use std::time::Duration;

use buildbot::db::outbox::{self, Line};
use buildbot::model::{BuildId, Results};
use server::Server;

use crate::flow::force;
use crate::world::{Place, TestMaster, TestWorker, soon};

/// What nobody but the server may see.
const TOKEN: &str = "s3cr3t-t0k3n";

/// One builder, forced at a commit of `octo/hello` that no worker looks at; `services` is TOML.
fn config(services: &str) -> String {
    format!(
        r#"
title = "Test"
titleURL = "http://localhost/"
buildbotURL = "http://localhost:8010/"
[[workers]]
name = "w1"
password = "pass"
[[schedulers]]
type = "ForceScheduler"
name = "force"
builderNames = ["linux"]
codebases = [{{ codebase = "", repository = "https://git.example.org/octo/hello.git", branch = "refs/pull/12/merge", revision = "abc123", project = "" }}]
[[builders]]
name = "linux"
workernames = ["w1"]
[[builders.steps]]
type = "ShellCommand"
command = "echo built"
{services}
"#
    )
}

/// A master whose target `name` listens, with a worker.
async fn started(place: &Place, services: &str, name: &str) -> (TestMaster, TestWorker) {
    let master = place.master(&config(services)).await;
    let worker = place.worker(&master, "w1").await;
    listens(&master, name).await;
    (master, worker)
}

/// A target that never read begins with the present: waits until it has.
async fn listens(master: &TestMaster, name: &str) {
    soon("the target listens", async {
        loop {
            let name = name.to_owned();
            if master.read(move |conn| outbox::place(conn, &name)).await.is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// Forces a build and waits for its end.
async fn build(master: &mut TestMaster) -> BuildId {
    force(master).await;
    let (build, results) = master.build_finished().await;
    assert_eq!(results, Results::Success);
    build
}

/// Waits until the messages of a target, oldest first, are as wanted.
async fn messages(master: &TestMaster, name: &str, wanted: impl Fn(&[Line]) -> bool) -> Vec<Line> {
    soon("the outbox", async {
        loop {
            let name = name.to_owned();
            let mut lines = master.read(move |conn| outbox::recent(conn, &name, 100)).await;
            lines.reverse();
            if wanted(&lines) {
                return lines;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
}

/// The states of all messages.
fn states(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| line.state.as_str()).collect()
}

/// Nothing of what logs in is in any file of the master's database.
fn keeps_its_secrets(place: &Place) {
    for entry in std::fs::read_dir(place.path("master")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().contains("sqlite")) {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes());
            assert!(!found, "{} holds the token", path.display());
        }
    }
}
