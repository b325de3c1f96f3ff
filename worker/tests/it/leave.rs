//! Graceful ends that the worker's side asks for.

use std::process::Stdio;

use buildbot_worker::config::AllowShutdown;
use protocol::msgpack::MasterRequest;
use rmpv::Value;

use crate::support::{FakeMaster, soon};

#[tokio::test]
async fn over_messagepack_the_running_command_ends_first() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let master = FakeMaster::new().await;
    let (leave, left) = tokio::sync::oneshot::channel::<()>();
    let left = async { left.await.expect("asked") };
    let config = master.config(dir.path());
    let worker = tokio::spawn(buildbot_worker::run_until(config, std::future::pending(), left));
    let mut connection = master.accept().await;
    let workdir = dir.path().join("build").to_string_lossy().into_owned();
    let script = "until test -e ../go; do sleep 0.01; done; echo done";
    let arguments = [("workdir", workdir.as_str()), ("command", script)];
    let arguments = arguments.map(|(name, value)| (Value::from(name), Value::from(value))).to_vec();
    connection.start_raw("shell", Value::Map(arguments)).await.expect("accepted");
    leave.send(()).expect("running");
    for _ in 0..5 {
        connection.ask(MasterRequest::Keepalive).await.expect("still there");
    }
    std::fs::write(dir.path().join("go"), "").expect("written");
    let report = connection.finish().await;
    assert_eq!((report.rc(), report.stdout().as_str()), (Some(0), "done\n"));
    assert!(connection.receive().await.is_none(), "the connection is closed");
    soon(worker).await.expect("no panic").expect("a good end");
}

#[tokio::test]
async fn an_old_stamp_means_nothing_and_no_connection_means_at_once() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let master = FakeMaster::new().await;
    let stamp = dir.path().join("shutdown.stamp");
    std::fs::write(&stamp, "").expect("an old stamp");
    let mut config = master.config(dir.path());
    config.allow_shutdown = Some(AllowShutdown::File);
    let worker = tokio::spawn(buildbot_worker::run(config, std::future::pending()));
    let silent = master.accept_tcp().await;
    assert!(!worker.is_finished());
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    std::fs::File::options()
        .write(true)
        .open(&stamp)
        .expect("stamp")
        .set_modified(later)
        .expect("touched");
    soon(worker).await.expect("no panic").expect("a good end");
    drop(silent);
}

#[tokio::test]
async fn sighup_ends_a_process_that_allows_it() {
    for (option, ends) in [("--allow-shutdown=signal", true), ("--maxdelay=300", false)] {
        let parent = tempfile::tempdir().expect("temporary directory");
        let dir = parent.path().join("w");
        let master = FakeMaster::new().await;
        let program = env!("CARGO_BIN_EXE_buildbot-worker");
        let created = std::process::Command::new(program)
            .args(["create-worker", "-q", "--protocol=msgpack_experimental_v7", option])
            .arg(&dir)
            .args([&format!("127.0.0.1:{}", master.port), "w", "sekret"])
            .status();
        assert!(created.expect("ran").success());
        let mut process = tokio::process::Command::new(program)
            .args(["start", "--nodaemon"])
            .arg(&dir)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("started");
        let mut connection = master.accept().await;
        let message = "attached".to_owned();
        let print = MasterRequest::Print { message };
        connection.ask(print.clone()).await.expect("printed");
        let pid = i32::try_from(process.id().expect("running")).expect("a pid");
        let pid = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).expect("signalled");
        match ends {
            true => {
                assert!(soon(process.wait()).await.expect("waited").success());
            }
            false => {
                connection.ask(print).await.expect("still there");
                process.kill().await.expect("killed");
            }
        }
    }
}
