//! The program as people call it.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::{FakeMaster, gone, is_alive};
use protocol::msgpack::MasterRequest;

fn worker(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_buildbot-worker")).args(args).output().expect("ran")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn create(dir: &Path, master: &str) -> Output {
    let protocol = "--protocol=msgpack_experimental_v7";
    let dir = dir.to_string_lossy();
    worker(&["create-worker", "--maxdelay=1", protocol, &dir, master, "w", "sekret"])
}

async fn call(args: Vec<String>) -> Output {
    let run = move || worker(&args.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.expect("no panic")
}

#[tokio::test]
async fn the_life_of_a_worker() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let dir = parent.path().join("w");
    let name = dir.to_string_lossy().into_owned();
    let master = FakeMaster::new().await;
    let created = create(&dir, &format!("127.0.0.1:{}", master.port));
    assert!(created.status.success(), "{}", text(&created.stderr));

    let started = call(vec!["start".into(), name.clone()]).await;
    assert!(started.status.success(), "{}", text(&started.stderr));
    let pid = std::fs::read_to_string(dir.join("twistd.pid")).expect("pid file");
    let mut connection = master.accept().await;
    connection.ask(MasterRequest::Print { message: "attached".into() }).await.expect("printed");

    let twice = call(vec!["start".into(), name.clone()]).await;
    assert!(!twice.status.success());
    assert!(text(&twice.stderr).contains(&format!("already running in '{name}' with pid {pid}")));

    let restarted = call(vec!["restart".into(), name.clone()]);
    let (restarted, mut connection) = tokio::join!(restarted, master.accept());
    assert!(restarted.status.success(), "{}", text(&restarted.stderr));
    assert!(!is_alive(&pid));
    connection.ask(MasterRequest::Keepalive).await.expect("answered");

    let pid = std::fs::read_to_string(dir.join("twistd.pid")).expect("pid file");
    let stopped = call(vec!["stop".into(), name.clone()]).await;
    assert!(stopped.status.success(), "{}", text(&stopped.stderr));
    assert_eq!(text(&stopped.stdout), format!("worker process {pid} is dead\n"));
    gone(&pid).await;
    assert!(!dir.join("twistd.pid").exists());
    let again = call(vec!["stop".into(), name]).await;
    assert_eq!(
        (again.status.code(), text(&again.stdout).as_str()),
        (Some(0), "worker not running\n")
    );

    let log = std::fs::read_to_string(dir.join("twistd.log")).expect("log");
    assert!(log.contains("+0000 [-] message from master: attached\n"), "{log}");
    assert!(log.contains("+0000 [-] Connected to buildmaster; worker is ready\n"), "{log}");
    assert!(log.contains("Received SIGTERM, shutting down.") && log.contains("Server Shut Down."));
    assert!(!log.contains("sekret"), "the password is never written");
}

#[test]
fn bad_directories_and_options_are_explained() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let missing = parent.path().join("none").to_string_lossy().into_owned();
    for verb in ["start", "stop", "restart"] {
        let output = worker(&[verb, &missing]);
        assert_eq!(output.status.code(), Some(1), "{verb}");
        assert!(text(&output.stderr).contains("invalid worker directory"), "{verb}");
    }
    let dir = parent.path().join("w");
    assert!(create(&dir, "localhost").status.success());
    assert!(create(&dir, "localhost").status.success(), "an existing one is updated");
    let tac = std::fs::read_to_string(dir.join("buildbot.tac")).expect("tac");
    let computed = tac.replace("passwd = 'sekret'", "passwd = open('pw').read()");
    assert_ne!(tac, computed);
    std::fs::write(dir.join("buildbot.tac"), computed).expect("written");
    let output = worker(&["start", &dir.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("line ") && error.contains("passwd is computed there"), "{error}");
    assert!(error.contains("write its value itself: 'secret'"), "{error}");

    for (args, wrong) in [
        (&["--protocol=null", "x", "h", "n", "p"][..], "Unknown protocol null"),
        (&["--keepalive=soon", "x", "h", "n", "p"], "keepalive parameter needs to be a number"),
        (&["--numcpus=many", "x", "h", "n", "p"], "numcpus parameter needs to be a number or None"),
        (&["--allow-shutdown=x", "x", "h", "n", "p"], "one of 'signal' or 'file'"),
        (&["--connection-string=unix:/x", "x", "h", "n", "p"], "unknown kind 'unix'"),
        (&["x", "http://h", "n", "p"], "<master> is not a URL"),
        (&["x", "h", "n"], "<PASSWD>"),
    ] {
        let output = worker(&[&["create-worker"], args].concat());
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(text(&output.stderr).contains(wrong), "{args:?}: {}", text(&output.stderr));
    }
    assert!(!Path::new("x").exists());
}

#[test]
fn the_names_of_old_are_understood() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let buildslave = parent.path().join("buildslave");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_buildbot-worker"), &buildslave).expect("linked");
    let dir = parent.path().join("w").to_string_lossy().into_owned();
    let run = |args: &[&str]| Command::new(&buildslave).args(args).output().expect("ran");
    let created = run(&["create-slave", "--usepty=0", "--umask=None", &dir, "localhost", "w", "p"]);
    assert!(created.status.success(), "{}", text(&created.stderr));
    assert!(text(&created.stdout).ends_with(&format!("worker configured in {dir}\n")));
    let upgraded = run(&["upgrade-slave", &dir]);
    assert!(upgraded.status.success(), "{}", text(&upgraded.stderr));
    assert!(text(&upgraded.stdout).contains("nothing to upgrade"));
}
