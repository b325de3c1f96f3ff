//! The connection: login, liveness, loss, memory.

use std::time::Duration;

use buildbot_worker::{Config, StreamEnd};
use protocol::command::Command;
use protocol::info::WorkerInfo;
use protocol::msgpack::{MasterRequest, WorkerRequest};
use protocol::update::Update;
use rmpv::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::support::{AnyStream, Attached, Connection, FakeMaster, Report, gone, soon};

#[tokio::test]
async fn requests_are_answered() {
    let mut worker = Attached::with(|config| config.numcpus = Some(9)).await;
    let basedir = worker.dir.path().to_string_lossy().into_owned();
    let connection = &mut worker.connection;
    assert_eq!(connection.ask(MasterRequest::Keepalive).await, Ok(Value::Nil));
    let info = connection.ask(MasterRequest::GetWorkerInfo).await.expect("info");
    let info = WorkerInfo::from_value(&info).expect("sound info");
    assert_eq!((info.basedir, info.numcpus, info.obfuscated_args), (basedir, Some(9), true));
    assert!(info.commands.contains(&("shell".into(), "3.3".into())));
    // A map {op: "nosuch", seq_number: 77}, and one without a sequence number, which is ignored.
    connection.send_bytes(b"\x81\xa2op\xa5print".to_vec()).await;
    connection.send_bytes(b"\x82\xa2op\xa6nosuch\xaaseq_number\x4d".to_vec()).await;
    assert_eq!(connection.answer(77).await, Err("Command nosuch does not exist.".into()));
}

#[tokio::test]
async fn shutdown_is_answered_and_ends_the_worker() {
    let mut worker = Attached::new().await;
    assert_eq!(worker.connection.ask(MasterRequest::Shutdown).await, Ok(Value::Nil));
    soon(worker.worker).await.expect("no panic").expect("a good end");
}

#[tokio::test]
async fn a_wrong_password_is_said_and_tried_again() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let master = FakeMaster::new().await;
    let mut config = master.config(dir.path());
    config.max_retries = Some(1);
    let worker = tokio::spawn(buildbot_worker::run(config, std::future::pending()));
    for _ in 0..2 {
        let mut stream = master.accept_tcp().await;
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(soon(stream.read_u8()).await.expect("a request"));
        }
        // Byte for byte what a stock master answers.
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\n\r\n").await.expect("answered");
    }
    let error = soon(worker).await.expect("no panic").expect_err("gave up").to_string();
    assert!(error.contains("does not accept this worker name and password"), "{error}");
}

#[tokio::test]
async fn other_failures_are_said_in_plain_words() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let master = FakeMaster::new().await;
    let mut config = master.config(dir.path());
    config.max_retries = Some(0);
    let worker = tokio::spawn(buildbot_worker::run(config.clone(), std::future::pending()));
    let mut stream = master.accept_tcp().await;
    stream.write_all(b"\x02\x80\x02\x82pb\x04\x82none").await.expect("a PB greeting");
    drop(stream);
    let error = soon(worker).await.expect("no panic").expect_err("gave up").to_string();
    assert!(
        error.contains("is this the port of another protocol?") || error.contains("cannot connect"),
        "{error}"
    );

    drop(master);
    let error = buildbot_worker::run(config.clone(), std::future::pending()).await;
    let error = error.expect_err("gave up").to_string();
    assert!(error.contains("connection refused"), "{error}");
    config.master.host = "no-such-host.invalid".into();
    let error = buildbot_worker::run(config, std::future::pending()).await;
    let error = error.expect_err("gave up").to_string();
    assert!(error.contains("host name 'no-such-host.invalid' not found"), "{error}");
}

#[tokio::test]
async fn a_lost_connection_kills_commands_and_is_made_again() {
    let mut worker = Attached::new().await;
    let shell = worker.script("echo $$ > pid; sleep 60");
    worker.connection.start(&Command::Shell(shell)).await.expect("accepted");
    let file = worker.path("build/pid");
    let pid = soon(async {
        loop {
            match std::fs::read_to_string(&file) {
                Ok(pid) if pid.ends_with('\n') => return pid,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    drop(worker.connection);
    gone(&pid).await;
    let mut again = worker.master.accept().await;
    assert_eq!(again.ask(MasterRequest::Keepalive).await, Ok(Value::Nil));
}

#[tokio::test]
async fn nonsense_costs_the_connection_but_not_the_worker() {
    let mut worker = Attached::new().await;
    worker.connection.send_bytes(b"\xc1\xc1".to_vec()).await;
    assert!(worker.connection.receive().await.is_none());
    let mut again = worker.master.accept().await;
    again.acknowledge(4711).await;
    assert!(again.receive().await.is_none(), "an answer to nothing");
    worker.master.accept().await;
}

#[tokio::test]
async fn a_master_that_falls_silent_is_noticed() {
    let worker = Attached::with(|config| {
        config.keepalive = Duration::from_millis(20);
        config.ping_deadline = Duration::from_millis(100);
    })
    .await;
    // The connection stays open, but nobody reads it and so nobody answers the ping.
    let _silent = worker.connection;
    worker.master.accept().await;
}

#[tokio::test]
async fn the_end_of_the_worker_ends_its_commands() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let master = FakeMaster::new().await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async {
        let _ = stopped.await;
    };
    let worker = tokio::spawn(buildbot_worker::run(master.config(dir.path()), shutdown));
    let mut connection = master.accept().await;
    let workdir = dir.path().join("build").to_string_lossy().into_owned();
    let arguments = [("workdir", workdir.as_str()), ("command", "echo $$ > pid; sleep 60")];
    let arguments = arguments.map(|(name, value)| (Value::from(name), Value::from(value))).to_vec();
    connection.start_raw("shell", Value::Map(arguments)).await.expect("accepted");
    let file = dir.path().join("build/pid");
    soon(async {
        while !std::fs::read_to_string(&file).is_ok_and(|pid| pid.ends_with('\n')) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    stop.send(()).expect("running");
    soon(worker).await.expect("no panic").expect("a good end");
    gone(&std::fs::read_to_string(&file).expect("pid")).await;
}

#[tokio::test]
async fn a_stream_in_memory_is_served_without_a_login() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let config = Config::new(dir.path().to_owned(), "", 0, "w", "");
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let worker = buildbot_worker::serve_stream(config, ours, std::future::pending());
    let worker = tokio::spawn(worker);
    let stream: AnyStream = Box::new(theirs);
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    let mut connection = Connection::new(socket);
    connection.ask(MasterRequest::Print { message: "attached".into() }).await.expect("printed");
    let workdir = dir.path().join("build").to_string_lossy().into_owned();
    let arguments = [("workdir", workdir.as_str()), ("command", "echo here")];
    let arguments = arguments.map(|(name, value)| (Value::from(name), Value::from(value))).to_vec();
    connection.start_raw("shell", Value::Map(arguments)).await.expect("accepted");
    assert_eq!(connection.finish().await.stdout(), "here\n");
    drop(connection);
    let end = soon(worker).await.expect("no panic");
    assert!(matches!(end, StreamEnd::Lost(_)), "{end:?}");
}

/// Peak memory of this process in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("peak memory");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

#[tokio::test]
async fn a_flood_without_newlines_stays_small_and_complete() {
    let mut worker = Attached::new().await;
    let before = peak_memory();
    let shell = worker.script("head -c 40000000 /dev/zero | tr '\\0' x");
    worker.connection.start(&Command::Shell(shell)).await.expect("accepted");
    let mut characters = 0;
    loop {
        let (seq, request) = worker.connection.request().await;
        worker.connection.acknowledge(seq).await;
        match request {
            WorkerRequest::Update { updates, .. } => {
                for timed in updates {
                    if let Update::Stdout(text) = timed.update {
                        assert!(text.lines().all(|line| line.len() <= 4095));
                        characters += text.bytes().filter(|byte| *byte == b'x').count();
                    }
                }
            }
            WorkerRequest::Complete { failure, .. } => {
                assert_eq!(failure, None);
                break;
            }
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(characters, 40_000_000);
    let grown = peak_memory() - before;
    assert!(grown < 16 * 1024, "grew by {grown} KiB for 40 MB");
}

#[tokio::test]
async fn a_master_that_answers_nothing_stops_the_program_and_may_still_interrupt_it() {
    let mut worker = Attached::new().await;
    let mut shell = worker.script("yes");
    shell.limits.timeout = Some(1.0);
    let id = worker.connection.start(&Command::Shell(shell)).await.expect("accepted");
    let mut unanswered = Vec::new();
    let mut report = Report { updates: Vec::new(), failure: None };
    // The window is full after 16 updates; not one more may come.
    while unanswered.len() < 16 {
        let (seq, request) = worker.connection.request().await;
        unanswered.push(seq);
        if let WorkerRequest::Update { updates, .. } = request {
            report.updates.extend(updates.into_iter().map(|timed| timed.update));
        }
    }
    let more = tokio::time::timeout(Duration::from_millis(1300), worker.connection.receive()).await;
    assert!(more.is_err(), "the window is full, and waiting for the master is not silence");
    worker.connection.interrupt(&id).await;
    for seq in unanswered {
        worker.connection.acknowledge(seq).await;
    }
    worker.connection.updates_until(&mut report, |_| false).await;
    assert_eq!((report.rc(), report.reason()), (Some(-1), None));
    assert!(report.header().contains("command interrupted"));
}
