//! The connection over Perspective Broker.

use std::time::Duration;

use protocol::command::{Command, CommandLine};
use protocol::order::Order;
use protocol::report::{Report, WorkerRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

use crate::pb_master::{Knocking, Peer, config};
use crate::support::{FakeMaster, gone, shell, soon};

type Running = JoinHandle<Result<(), buildbot_worker::RunError>>;

/// A worker in a directory of its own, attached with builder `b` in `bdir`.
async fn attached(
    change: impl FnOnce(&mut buildbot_worker::Config),
) -> (tempfile::TempDir, FakeMaster, Peer, Running) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let master = FakeMaster::new().await;
    let mut config = config(&master, dir.path());
    change(&mut config);
    let worker = tokio::spawn(buildbot_worker::run(config, std::future::pending()));
    let peer = Peer::attach(&master, &[("b", "bdir")]).await;
    (dir, master, peer, worker)
}

fn script(text: &str) -> Command {
    Command::Shell(shell("build", CommandLine::Text(text.into())))
}

/// The process id that a script has written.
async fn pid_in(file: std::path::PathBuf) -> String {
    soon(async {
        loop {
            match std::fs::read_to_string(&file) {
                Ok(pid) if pid.ends_with('\n') => return pid,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_master_attaches_and_runs_commands() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let master = FakeMaster::new().await;
    let worker = config(&master, dir.path());
    let worker = tokio::spawn(buildbot_worker::run(worker, std::future::pending()));
    let mut peer = Peer::accept(&master).await;
    peer.print("attached").await;
    let info = peer.info().await;
    assert_eq!(info.basedir, dir.path().to_string_lossy());
    assert!(info.commands.contains(&("shell".into(), "3.3".into())));
    peer.set_builders(&[("b", "bdir"), ("c", "deep/c")]).await.expect("directories");
    assert!(dir.path().join("bdir").is_dir() && dir.path().join("deep/c").is_dir());
    peer.print("attached").await;
    peer.admit().await;

    peer.start("0", "b", script("pwd; printf tail")).await;
    let report = peer.finish("0").await;
    let build = dir.path().join("bdir/build").to_string_lossy().into_owned();
    assert_eq!((report.stdout(), report.rc()), (format!("{build}\ntail\n"), Some(0)));
    assert!(report.header().contains(&format!(" in dir {build} ")), "{}", report.header());
    peer.start("1", "c", Command::MakeDirectory { dir: "made".into() }).await;
    assert_eq!(peer.finish("1").await.rc(), Some(0));
    assert!(dir.path().join("deep/c/made").is_dir());

    assert!(peer.ask(Order::Shutdown).await.is_ok());
    soon(worker).await.expect("no panic").expect("a good end");
}

#[tokio::test]
async fn a_busy_worker_answers_at_once() {
    let (_dir, _master, mut peer, _worker) = attached(|_| {}).await;
    peer.start("0", "b", script("yes")).await;
    // Nothing is acknowledged, so its window fills up.
    let mut unanswered = Vec::new();
    while unanswered.len() < 16 {
        unanswered.push(peer.report().await.expect("still connected").0);
    }
    peer.print("ping").await;
    peer.info().await;
    let interrupt = Order::InterruptCommand {
        command_id: "0".into(),
        builder: Some("b".into()),
        why: "x".into(),
    };
    peer.ask(interrupt).await.expect("interrupted");
    for id in unanswered {
        peer.acknowledge(id).await;
    }
    let report = peer.finish("0").await;
    assert_eq!(report.rc(), Some(-1));
    assert!(report.header().contains("command interrupted"));
}

#[tokio::test]
async fn the_command_of_a_builder_that_is_gone_is_killed() {
    let (dir, _master, mut peer, _worker) =
        attached(|config| config.delete_leftover_dirs = true).await;
    std::fs::create_dir(dir.path().join("info")).expect("made");
    std::fs::create_dir(dir.path().join("old")).expect("made");
    peer.start("0", "b", script("echo $$ > pid; sleep 60")).await;
    let pid = pid_in(dir.path().join("bdir/build/pid")).await;
    peer.set_builders(&[("c", "cdir")]).await.expect("directories");
    gone(&pid).await;
    assert!(dir.path().join("cdir").is_dir() && dir.path().join("info").is_dir());
    assert!(!dir.path().join("old").exists(), "leftovers are deleted when it was asked for");
    peer.print("still here").await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_told() {
    let (dir, _master, mut peer, _worker) = attached(|_| {}).await;
    std::fs::write(dir.path().join("c"), "a file").expect("written");
    let error = peer.set_builders(&[("c", "c")]).await.expect_err("in the way");
    assert!(error.contains("cannot create directory"), "{error}");
}

#[tokio::test]
async fn a_lost_connection_kills_commands_and_is_made_again() {
    let (dir, master, mut peer, _worker) = attached(|_| {}).await;
    peer.start("0", "b", script("echo $$ > pid; sleep 60")).await;
    let pid = pid_in(dir.path().join("bdir/build/pid")).await;
    drop(peer);
    gone(&pid).await;
    Peer::attach(&master, &[("b", "bdir")]).await.print("again").await;
}

#[tokio::test]
async fn the_master_is_asked_for_signs_of_life() {
    let (_dir, master, mut peer, _worker) = attached(|config| {
        config.keepalive = Duration::from_millis(200);
    })
    .await;
    for _ in 0..2 {
        let (id, report) = peer.report().await.expect("still connected");
        assert_eq!(report, Report::Keepalive);
        peer.acknowledge(id).await;
    }
    // Nobody answers any more, though the connection stays open.
    let (_, report) = peer.report().await.expect("still connected");
    assert_eq!(report, Report::Keepalive);
    Peer::attach(&master, &[("b", "bdir")]).await;
}

#[tokio::test]
async fn refused_logins_are_said_and_tried_again() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let master = FakeMaster::new().await;
    for (password, wanted) in [
        ("wrong", "the master does not accept this worker name and password"),
        ("sekret", "the master refused the login: rejecting duplicate worker"),
    ] {
        let mut config = config(&master, dir.path());
        config.password = password.into();
        config.max_retries = Some(1);
        let worker = tokio::spawn(buildbot_worker::run(config, std::future::pending()));
        for _ in 0..2 {
            let stream = master.accept_tcp().await;
            let mut knocking = Knocking::over(Box::new(stream)).await;
            assert_eq!(knocking.proved, password == "sekret");
            match knocking.proved {
                true => {
                    let mut peer = knocking.welcome();
                    let packet = peer.session.reject("rejecting duplicate worker");
                    peer.send(&packet).await;
                    assert!(peer.event().await.is_none(), "the worker hangs up");
                }
                false => {
                    let packet = knocking.login.refuse();
                    soon(knocking.stream.write_all(&packet)).await.expect("sent");
                    let mut rest = Vec::new();
                    let _ = soon(knocking.stream.read_to_end(&mut rest)).await;
                }
            }
        }
        let error = soon(worker).await.expect("no panic").expect_err("gave up").to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[tokio::test]
async fn another_protocol_costs_the_connection_but_not_the_worker() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let master = FakeMaster::new().await;
    let worker = config(&master, dir.path());
    let _worker = tokio::spawn(buildbot_worker::run(worker, std::future::pending()));
    let http = b"HTTP/1.1 400 Bad Request\r\nServer: a web server of another kind\r\n\r\n";
    for nonsense in [&http[..], b"\xff\xff", b"\x01\x82x"] {
        let mut stream = master.accept_tcp().await;
        let _ = stream.write_all(nonsense).await;
        let mut rest = Vec::new();
        let _ = soon(stream.read_to_end(&mut rest)).await;
    }
    Peer::attach(&master, &[("b", "bdir")]).await;
}

#[tokio::test]
async fn a_graceful_end_is_the_masters_to_give() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let master = FakeMaster::new().await;
    let (leave, left) = tokio::sync::oneshot::channel::<()>();
    let left = async { left.await.expect("asked") };
    let config = config(&master, dir.path());
    let worker = tokio::spawn(buildbot_worker::run_until(config, std::future::pending(), left));
    let mut peer = Peer::attach(&master, &[("b", "bdir")]).await;
    // The file lies beside the directory, which the worker makes when it is ready.
    peer.start("0", "b", script("until test -e ../go; do sleep 0.01; done; echo done")).await;
    peer.print("ping").await;
    leave.send(()).expect("running");
    let (id, report) = peer.report().await.expect("still connected");
    assert_eq!(report, Report::Shutdown);
    peer.acknowledge(id).await;
    std::fs::write(dir.path().join("bdir/go"), "").expect("written");
    assert_eq!(peer.finish("0").await.stdout(), "done\n");
    // The build may have more steps.
    peer.start("1", "b", script("echo more")).await;
    assert_eq!(peer.finish("1").await.stdout(), "more\n");
    peer.ask(Order::Shutdown).await.expect("answered");
    soon(worker).await.expect("no panic").expect("a good end");
}

#[tokio::test]
async fn a_master_that_knows_no_graceful_end_is_left_when_nothing_runs() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let master = FakeMaster::new().await;
    let (leave, left) = tokio::sync::oneshot::channel::<()>();
    let left = async { left.await.expect("asked") };
    let config = config(&master, dir.path());
    let worker = tokio::spawn(buildbot_worker::run_until(config, std::future::pending(), left));
    let mut peer = Peer::attach(&master, &[("b", "bdir")]).await;
    // The file lies beside the directory, which the worker makes when it is ready.
    peer.start("0", "b", script("until test -e ../go; do sleep 0.01; done; echo done")).await;
    peer.print("ping").await;
    leave.send(()).expect("running");
    let (id, report) = peer.report().await.expect("still connected");
    assert_eq!(report, Report::Shutdown);
    use protocol::session::MasterSession as _;
    let packet = peer.session.answer(id, Err("no such method".into()));
    peer.send(&packet).await;
    peer.print("ping").await;
    std::fs::write(dir.path().join("bdir/go"), "").expect("written");
    assert_eq!(peer.finish("0").await.stdout(), "done\n");
    assert!(peer.report().await.is_none(), "it hangs up");
    soon(worker).await.expect("no panic").expect("a good end");
}

#[tokio::test]
async fn a_second_command_of_a_builder_takes_the_place_of_the_first() {
    let (dir, _master, mut peer, _worker) = attached(|_| {}).await;
    peer.start("0", "b", script("echo $$ > pid; sleep 60")).await;
    let pid = pid_in(dir.path().join("bdir/build/pid")).await;
    peer.start("1", "b", script("echo second")).await;
    gone(&pid).await;
    let (mut ended, mut stdout) = (Vec::new(), String::new());
    while ended.len() < 2 {
        let (id, report) = peer.report().await.expect("still connected");
        peer.acknowledge(id).await;
        match report {
            Report::Command(WorkerRequest::Complete { command_id, .. }) => ended.push(command_id),
            Report::Command(WorkerRequest::Update { command_id, updates }) if command_id == "1" => {
                let updates = updates.into_iter().map(|timed| timed.update).collect();
                stdout += &crate::support::Report { updates, failure: None }.stdout();
            }
            _ => {}
        }
    }
    assert_eq!(stdout, "second\n");
}
