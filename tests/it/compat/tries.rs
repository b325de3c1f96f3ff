//! `buildbot try` of stock, by Perspective Broker and by files, drives our master.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

use super::stock;
use crate::programs::{Site, free_port};
use crate::world::eventually;

const OURS: &str = env!("CARGO_BIN_EXE_buildbot");

const CONFIG: &str = r#"
buildbotURL = "http://localhost:WWW/"
[protocols]
pb = { port = "tcp:PORT:interface=127.0.0.1" }
[www]
port = "tcp:WWW:interface=127.0.0.1"
[[workers]]
type = "LocalWorker"
name = "w1"
[[workers]]
name = "alice"
password = "a worker's"
[[schedulers]]
type = "Try_Userpass"
name = "try"
builderNames = ["b", "bad", "never"]
port = "tcp:TRY:interface=127.0.0.1"
userpass = [["alice", "wonder"], ["bob", "builder"]]
properties = { kind = "try" }
[[schedulers]]
type = "Try_Userpass"
name = "try-here"
builderNames = ["b"]
port = "tcp:PORT:interface=127.0.0.1"
userpass = [["carol", "c"]]
[[schedulers]]
type = "Try_Jobdir"
name = "jobs"
builderNames = ["b"]
jobdir = "jobs"
[[builders]]
name = "b"
workernames = ["w1"]
[[builders.steps]]
type = "Git"
repourl = "REPO"
[[builders.steps]]
type = "ShellCommand"
name = "hold"
command = "cat README; until [ -e GO ]; do sleep 0.05; done"
[[builders]]
name = "bad"
workernames = ["w1"]
steps = [{ type = "ShellCommand", command = "false" }]
[[builders]]
name = "never"
workernames = ["alice"]
steps = [{ type = "ShellCommand", command = "true" }]
"#;

/// A running master with a try port of its own.
async fn site() -> (Site, u16) {
    let mut site = Site::new("");
    let port = free_port();
    let go = site.dir().join("go");
    site.configure(
        &CONFIG.replace("TRY", &port.to_string()).replace("GO", go.to_str().expect("UTF-8")),
    );
    site.start_master().await;
    (site, port)
}

/// Lets the step `hold` go on.
fn go(site: &Site) {
    File::create(site.dir().join("go")).expect("a file");
}

/// A client whose output goes to a file.
struct Try {
    process: Child,
    said: PathBuf,
}

impl Try {
    /// In a work tree with a change that is not committed.
    fn start(program: &Path, site: &Site, port: u16, options: &[&str]) -> Try {
        let said = site.dir().join("try.out");
        let out = File::create(&said).expect("a file");
        let mut command = Command::new(program);
        command.arg("try").args(["--connect=pb", &format!("--master=127.0.0.1:{port}")]);
        command.args(options).current_dir(site.repo.url()).env("HOME", site.dir());
        // What is said is seen at once.
        command.env("PYTHONUNBUFFERED", "1").stdin(Stdio::null());
        command.stdout(out.try_clone().expect("a second handle")).stderr(out);
        Try { process: command.spawn().expect("the client starts"), said }
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.said).expect("a file")).into_owned()
    }

    async fn says(&self, text: &str) {
        eventually(text, || self.said().contains(text)).await;
    }

    async fn ends(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the end of the client", || {
            status = self.process.try_wait().expect("a child of ours");
            status.is_some()
        })
        .await;
        status.expect("an end")
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- the client\n{}", self.said());
        }
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const ALICE: [&str; 6] = [
    "--username=alice",
    "--passwd=wonder",
    "--vc=git",
    "--branch=main",
    "--who=al",
    "--comment=me",
];

#[tokio::test]
async fn stocks_client_waits_and_shows_how_it_goes() {
    let Some(stock) = stock("buildbot") else { return };
    let (site, port) = site().await;
    waits_and_shows(&stock, &site, port).await;
}

#[tokio::test]
async fn our_client_waits_and_shows_how_it_goes() {
    let (site, port) = site().await;
    waits_and_shows(Path::new(OURS), &site, port).await;
}

async fn waits_and_shows(program: &Path, site: &Site, port: u16) {
    fs::write(Path::new(&site.repo.url()).join("README"), "tried é\n").expect("a file");
    let options = ["--builder=b", "--wait", "--property=foo=bar", "--repository=a repository"];
    let mut client = Try::start(program, site, port, &[&ALICE[..], &options].concat());
    client.says("b: hold").await;
    go(site);
    let status = client.ends().await;
    let said = client.said();
    assert!(status.success(), "{said}");
    assert!(said.contains("All Builds Complete\nb: success (build successful)\n"), "{said}");
    let build = site.finished(1).await;
    assert!(site.stdio(&build, "hold").await.contains("tried é"));
    let set = newest_buildset(site).await;
    assert_eq!(set["reason"], "'try' job by user al (me)");
    let stamp = &set["sourcestamps"][0];
    assert_eq!((&stamp["branch"], &stamp["codebase"]), (&"main".into(), &"".into()));
    assert_eq!(stamp["repository"], "a repository");
    let patch = &stamp["patch"];
    assert_eq!((&patch["author"], &patch["comment"]), (&"al".into(), &"me".into()));
    assert_eq!(patch["level"], 1);
    let properties = site.get(&format!("builds/{}/properties", build["buildid"])).await;
    let properties = &properties["properties"][0];
    assert_eq!(properties["foo"], serde_json::json!(["bar", "try build"]));
    assert_eq!(properties["owners"], serde_json::json!([["al"], "Build"]));
    assert_eq!(properties["kind"], serde_json::json!(["try", "Scheduler"]));

    let mut client = Try::start(
        program,
        site,
        port,
        &[&ALICE[..], &["-b", "bad", "-b", "b", "--wait"]].concat(),
    );
    assert_eq!(client.ends().await.code(), Some(1), "{}", client.said());
    let said = client.said();
    assert!(said.contains("b: success") && said.contains("bad: failure"), "{said}");

    let mut client =
        Try::start(program, site, port, &[&ALICE[..], &["-b", "nosuch", "--wait"]].concat());
    client.ends().await;
    let said = client.said();
    assert!(said.contains("scheduler on the master does not have the builder"), "{said}");
}

#[tokio::test]
async fn a_client_is_told_of_a_request_that_is_never_built() {
    let Some(stock) = stock("buildbot") else { return };
    let (site, port) = site().await;
    for (number, program) in [(1, stock.as_path()), (2, Path::new(OURS))] {
        let options = [&ALICE[..], &["--builder=never", "--wait"]].concat();
        let mut client = Try::start(program, &site, port, &options);
        client.says("never: no build").await;
        let reason = serde_json::json!({ "reason": "enough" });
        site.call(&format!("buildrequests/{number}"), "cancel", reason).await;
        assert_eq!(client.ends().await.code(), Some(1), "{}", client.said());
        let said = client.said();
        assert!(said.ends_with("All Builds Complete\nnever: cancelled (never built)\n"), "{said}");
    }
}

#[tokio::test]
async fn ports_have_names_of_their_own() {
    let Some(stock) = stock("buildbot") else { return };
    let (site, port) = site().await;
    for (program, port, login, expected) in [
        (stock.as_path(), port, ["--username=bob", "--passwd=builder"], "b\nbad\nnever\n"),
        (stock.as_path(), site.port, ["--username=carol", "--passwd=c"], "b\n"),
        (Path::new(OURS), site.port, ["--username=carol", "--passwd=c"], "b\n"),
    ] {
        let options = [&login[..], &["--get-builder-names"]].concat();
        let mut client = Try::start(program, &site, port, &options);
        assert!(client.ends().await.success(), "{}", client.said());
        let said = client.said();
        assert!(said.contains(&format!("for the try scheduler: \n{expected}")), "{said}");
    }
    for (port, login) in [
        (port, ["--username=carol", "--passwd=c"]),
        (port, ["--username=alice", "--passwd=a worker's"]),
        (site.port, ["--username=bob", "--passwd=builder"]),
    ] {
        let options = [&login[..], &["--get-builder-names"]].concat();
        // Stock's never ends after a failed login.
        let mut client = Try::start(Path::new(OURS), &site, port, &options);
        assert!(!client.ends().await.success(), "{}", client.said());
    }
}

#[tokio::test]
async fn jobs_come_as_files_and_junk_is_set_aside() {
    let Some(stock) = stock("buildbot") else { return };
    let (mut site, _) = site().await;
    go(&site);
    let jobs = site.master_dir().join("jobs");
    eventually("the job directory", || jobs.join("new").is_dir()).await;
    // What ssh would run on the master's machine.
    let ssh = site.dir().join("ssh");
    fs::write(&ssh, "#!/bin/sh\nshift\nexec \"$@\"\n").expect("a file");
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).expect("a program");
    for (number, server) in [(1, stock.as_path()), (2, Path::new(OURS))] {
        let text = format!("tried {number}\n");
        fs::write(Path::new(&site.repo.url()).join("README"), &text).expect("a file");
        let mut client = Command::new(&stock);
        client.args(["try", "--connect=ssh", "--host=here", "--vc=git", "--branch=main"]);
        client.arg(format!("--ssh={}", ssh.display())).arg(format!("--jobdir={}", jobs.display()));
        client.arg(format!("--buildbotbin={}", server.display())).args(["--who=al", "--builder=b"]);
        client.current_dir(site.repo.url()).env("HOME", site.dir());
        let output = client.output().expect("the client runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let build = site.finished(number).await;
        assert!(site.stdio(&build, "hold").await.contains(text.trim()), "{}", server.display());
    }
    let set = newest_buildset(&site).await;
    assert_eq!(set["reason"], "'try' job by user al");
    assert!(set["external_idstring"].as_str().expect("an id").contains('-'));

    for (name, junk) in [
        ("junk", &b"\xffjunk"[..]),
        ("cut", b"1:5,400:{"),
        ("other", b"1:1,1:x,0:,0:,1:0,0:,4:none,"),
    ] {
        fs::write(jobs.join("new").join(name), junk).expect("a file");
        let kept = jobs.join("cur").join(format!("{name}.rejected"));
        eventually(name, || kept.is_file()).await;
        assert_eq!(fs::read(&kept).expect("a file"), junk);
    }
    let log = site.log();
    assert!(log.contains("junk is no try job") && log.contains("cut off"), "{log}");

    // What was done before a crash, and what was not, is done once.
    let builds = async |site: &Site| site.get("builds").await["builds"].as_array().map(Vec::len);
    assert_eq!(builds(&site).await, Some(2));
    site.master().end("KILL");
    fs::write(jobs.join("new/late"), b"1:1,4:late,0:,0:,1:0,0:,").expect("a file");
    site.start_master().await;
    site.finished(3).await;
    eventually("the file is moved", || jobs.join("cur/late").is_file()).await;
    assert_eq!(builds(&site).await, Some(3));
    assert_eq!(newest_buildset(&site).await["external_idstring"], "late");
}

async fn newest_buildset(site: &Site) -> Value {
    site.get("buildsets?order=-bsid&limit=1").await["buildsets"][0].clone()
}
