//! Our database in stock Buildbot: the door swings both ways.

use std::process::Command;

use serde_json::{Value, json};

use super::stock;
use crate::programs::Site;

/// The site's configuration in stock's words.
const STOCK_CONFIG: &str = r#"
from buildbot.plugins import schedulers, steps, util, worker
c = BuildmasterConfig = {
    "buildbotNetUsageData": None,
    "title": "Site",
    "buildbotURL": "http://localhost:WWW/",
    "db": {"db_url": "sqlite:///state.sqlite"},
    "protocols": {"pb": {"port": "tcp:PORT:interface=127.0.0.1"}},
    "www": {"port": "tcp:WWW:interface=127.0.0.1"},
    "workers": [worker.Worker("w1", "sesame")],
    "schedulers": [schedulers.ForceScheduler(name="force", builderNames=["b"])],
    "builders": [util.BuilderConfig(name="b", workernames=["w1"], factory=util.BuildFactory(
        [steps.ShellCommand(command=["true"])]))],
}
"#;

#[tokio::test]
async fn stock_shows_the_builds_that_we_made() {
    stock_shows_what_we_made("gz").await;
}

/// A stock master reads zstd with the Python module `zstandard` only.
#[tokio::test]
async fn stock_reads_zstd() {
    stock_shows_what_we_made("zstd").await;
}

async fn stock_shows_what_we_made(compression: &str) {
    let Some(stock) = stock("buildbot") else { return };
    let mut site = Site::new(
        "[[builders.steps]]\ntype = \"ShellCommand\"\nname = \"hello\"\n\
         command = [\"sh\", \"-c\", \"for i in 1 2 3; do echo line $i; done; exit 1\"]\n",
    );
    let file = site.master_dir().join("master.toml");
    let config = std::fs::read_to_string(&file).expect("a file");
    let config = format!("logCompressionMethod = \"{compression}\"\n{config}");
    std::fs::write(&file, config).expect("a file");
    site.start_master().await;
    site.start_worker("w1", "sesame").await;
    site.until_connected("w1").await;
    site.call("forceschedulers/force", "force", json!({ "builderid": "1", "reason": "look" }))
        .await;
    let build = site.finished(1).await;
    let ours = what_is_shown(&site, &build).await;
    assert!(site.master().end("TERM").success());

    let dir = site.master_dir();
    let config =
        STOCK_CONFIG.replace("WWW", &site.www.to_string()).replace("PORT", &site.port.to_string());
    std::fs::write(dir.join("master.cfg"), config).expect("a file");
    std::fs::remove_file(dir.join("buildbot.tac")).expect("our tac");
    let created = Command::new(&stock).args(["create-master", "-q", "-r"]).arg(&dir).status();
    assert!(created.expect("stock runs").success());
    site.start_instead(Command::new(&stock).args(["start", "--nodaemon"]).arg(&dir)).await;

    let theirs = what_is_shown(&site, &build).await;
    for part in ["build", "step", "logs", "properties", "raw"] {
        assert_eq!(ours[part], theirs[part], "{part}");
    }
    // And it goes on counting where we stopped.
    let builders = site.get("builders").await;
    assert_eq!(builders["builders"].as_array().map(Vec::len), Some(1), "{builders}");
}

/// What pages show of a build.
async fn what_is_shown(site: &Site, build: &Value) -> Value {
    let id = &build["buildid"];
    let pick = |value: &Value, keys: &[&str]| -> Value {
        keys.iter().map(|key| ((*key).to_owned(), value[*key].clone())).collect()
    };
    let shown = site.get(&format!("builds/{id}")).await["builds"][0].clone();
    let steps = site.get(&format!("builds/{id}/steps")).await["steps"].clone();
    let step = steps
        .as_array()
        .and_then(|steps| steps.iter().find(|step| step["name"] == "hello"))
        .expect("the step")
        .clone();
    let logs = site.get(&format!("steps/{}/logs", step["stepid"])).await["logs"].clone();
    json!({
        "build": pick(&shown, &["number", "complete", "results", "state_string", "started_at",
                                "complete_at", "builderid", "buildrequestid", "workerid"]),
        "step": pick(&step, &["number", "name", "complete", "results", "state_string",
                              "started_at", "complete_at", "hidden"]),
        "logs": logs,
        "properties": site.get(&format!("builds/{id}/properties")).await["properties"],
        "raw": site.stdio(build, "hello").await,
    })
}
