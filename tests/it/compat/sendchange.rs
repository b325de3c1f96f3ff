//! `buildbot sendchange`, stock's and ours, tells stock's master and ours the same.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::stock;
use crate::programs::Site;

const OURS: &str = env!("CARGO_BIN_EXE_buildbot");

const CONFIG: &str = r#"
buildbotURL = "http://localhost:WWW/"
[protocols]
pb = { port = "tcp:PORT:interface=127.0.0.1" }
[www]
port = "tcp:WWW:interface=127.0.0.1"
[[workers]]
name = "w1"
password = "sesame"
[[change_source]]
type = "PBChangeSource"
[[schedulers]]
type = "ForceScheduler"
name = "force"
builderNames = ["b"]
[[builders]]
name = "b"
workernames = ["w1"]
steps = [{ type = "ShellCommand", command = "true" }]
"#;

/// The same in stock's words.
const STOCK_CONFIG: &str = r#"
from buildbot.plugins import changes, schedulers, steps, util, worker
c = BuildmasterConfig = {
    "buildbotNetUsageData": None,
    "buildbotURL": "http://localhost:WWW/",
    "db": {"db_url": "sqlite:///state.sqlite"},
    "protocols": {"pb": {"port": "tcp:PORT:interface=127.0.0.1"}},
    "www": {"port": "tcp:WWW:interface=127.0.0.1"},
    "workers": [worker.Worker("w1", "sesame")],
    "change_source": [changes.PBChangeSource()],
    "schedulers": [schedulers.ForceScheduler(name="force", builderNames=["b"])],
    "builders": [util.BuilderConfig(name="b", workernames=["w1"], factory=util.BuildFactory(
        [steps.ShellCommand(command=["true"])]))],
}
"#;

/// All that can be told of a change.
const EVERYTHING: [&str; 18] = [
    "--who=Joe Dev <joe@example.org>",
    "--auth=change:changepw",
    "--repository=https://example.org/r.git",
    "--vc=git",
    "--project=proj",
    "--branch=main",
    "--category=cat",
    "--codebase=base",
    "--revision=abc123",
    "--property=p1:v1",
    "-p",
    "p2:v:2",
    "--comments=a comment é",
    "--when=1700000000.5",
    "--revlink=https://example.org/r/abc123",
    "--encoding=utf8",
    "src/a.c",
    "src/b é.c",
];

#[tokio::test]
async fn our_master_hears_stocks_client_and_ours() {
    let Some(stock) = stock("buildbot") else { return };
    let mut site = Site::new("");
    site.configure(CONFIG);
    site.start_master().await;
    hears_both(&site, &stock).await;
}

#[tokio::test]
async fn a_stock_master_hears_stocks_client_and_ours() {
    let Some(stock) = stock("buildbot") else { return };
    let mut site = Site::new("");
    let dir = site.master_dir();
    let config =
        STOCK_CONFIG.replace("WWW", &site.www.to_string()).replace("PORT", &site.port.to_string());
    std::fs::write(dir.join("master.cfg"), config).expect("a file");
    for ours in ["buildbot.tac", "state.sqlite"] {
        std::fs::remove_file(dir.join(ours)).expect("a file of ours");
    }
    let created = Command::new(&stock).args(["create-master", "-q", "-r"]).arg(&dir).status();
    assert!(created.expect("stock runs").success());
    site.start_instead(Command::new(&stock).args(["start", "--nodaemon"]).arg(&dir)).await;
    hears_both(&site, &stock).await;
}

async fn hears_both(site: &Site, stock: &Path) {
    for program in [stock.to_owned(), PathBuf::from(OURS)] {
        let who = program.display();
        assert_sent(&sendchange(&program, site, &EVERYTHING));
        assert_eq!(newest_change(site).await, everything(), "{who}");
        assert_sent(&sendchange(&program, site, &["-W", "bob", "f.txt"]));
        let mut change = newest_change(site).await;
        assert!(change["when_timestamp"].take().as_i64() > Some(1_700_000_000), "{who}");
        assert_eq!(change, next_to_nothing(), "{who}");

        let wrong = sendchange(&program, site, &["-W", "bob", "-a", "change:wrong", "f.txt"]);
        assert_eq!(wrong.status.code(), Some(1), "{who}");
        assert!(text(&wrong).contains("change not sent:"), "{who}: {}", text(&wrong));
        let missing = sendchange(&program, site, &["f.txt"]);
        assert_eq!(missing.status.code(), Some(1), "{who}");
        assert!(text(&missing).contains("Required argument missing: who"), "{}", text(&missing));
    }
}

fn sendchange(program: &Path, site: &Site, options: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(["sendchange", "-m", &format!("127.0.0.1:{}", site.port)]);
    // Nobody's own defaults.
    command.args(options).current_dir(site.dir()).env("HOME", site.dir());
    command.output().expect("the client runs")
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

fn assert_sent(output: &Output) {
    assert!(output.status.success(), "{}", text(output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "change sent successfully\n");
}

async fn newest_change(site: &Site) -> Value {
    let changes = site.get("changes?order=-changeid&limit=1").await;
    let mut change = changes["changes"][0].clone();
    // Numbers and times of their own.
    for own in ["changeid", "parent_changeids", "sourcestamp"] {
        change.as_object_mut().expect("a change").remove(own);
    }
    change
}

fn everything() -> Value {
    json!({
        "author": "Joe Dev <joe@example.org>",
        "branch": "main",
        "category": "cat",
        "codebase": "base",
        "comments": "a comment é",
        "committer": null,
        "files": ["src/a.c", "src/b é.c"],
        "project": "proj",
        "properties": { "p1": ["v1", "Change"], "p2": ["v:2", "Change"] },
        "repository": "https://example.org/r.git",
        "revision": "abc123",
        "revlink": "https://example.org/r/abc123",
        "when_timestamp": 1_700_000_000,
    })
}

fn next_to_nothing() -> Value {
    json!({
        "author": "bob",
        "branch": null,
        "category": null,
        "codebase": "",
        "comments": "",
        "committer": null,
        "files": ["f.txt"],
        "project": "",
        "properties": {},
        "repository": "",
        "revision": null,
        "revlink": "",
        "when_timestamp": null,
    })
}
