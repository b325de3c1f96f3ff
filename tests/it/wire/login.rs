//! Logging in: the handshake's bytes, wrong and missing passwords, strangers on the port.

use std::time::Duration;

use buildbot::actors::worker::Patience;
use buildbot::events::Event;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;

use super::peer::Peer;
use super::{World, config, patience, soon, worker};

/// What an autobahn client sends, with a login or without.
fn handshake(authorization: Option<&str>) -> String {
    let login = authorization.map(|value| format!("Authorization: {value}\r\n"));
    format!(
        "GET / HTTP/1.1\r\nUser-Agent: AutobahnPython/26.10.2\r\nHost: 127.0.0.1:28882\r\n\
         Upgrade: WebSocket\r\nConnection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n\
         {}Sec-WebSocket-Key: VR5Xgx+CgUZswkZIWs9drw==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        login.unwrap_or_default()
    )
}

/// Sends bytes and reads until the master closes.
async fn exchange(world: &World, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset counts as closed as well.
    let _ = soon("closing", stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[actix::test]
async fn a_recorded_handshake_is_accepted() {
    let mut config = config(&[]);
    config.workers = vec![worker("w-ws", "sekret")];
    let world = World::start(patience(), config).await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(handshake(Some("Basic dy13czpzZWtyZXQ=")).as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(soon("an answer", stream.read_u8()).await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
    // The key and its answer are those of the recording.
    assert!(answer.contains(": MHcmfNm6mZJMTNP8ESszfrUzTns=\r\n"), "{answer}");
    // The first frame is unmasked and binary: print "attached".
    let first = soon("a frame", stream.read_u8()).await.unwrap();
    assert_eq!(first, 0x82);
}

#[actix::test]
async fn wrong_logins_get_a_bare_status_line() {
    let world = World::start(patience(), config(&[])).await;
    let cases = [
        (None, "HTTP/1.1 401 Unauthorized\r\n\r\n"),
        (Some("Basic dzp3cm9uZw=="), "HTTP/1.1 401 Unauthorized\r\n\r\n"), // w:wrong
        (Some("Basic bm9ib2R5OnNla3JldA=="), "HTTP/1.1 401 Unauthorized\r\n\r\n"), // nobody:sekret
        (Some("Bearer x"), "HTTP/1.1 400 Bad Request\r\n\r\n"),
        (Some("Basic ???"), "HTTP/1.1 400 Bad Request\r\n\r\n"),
        (Some("Basic bm9jb2xvbg=="), "HTTP/1.1 400 Bad Request\r\n\r\n"),
    ];
    for (login, expected) in cases {
        assert_eq!(exchange(&world, handshake(login).as_bytes()).await, expected, "{login:?}");
    }
}

#[actix::test]
async fn garbage_and_silence_do_not_keep_workers_out() {
    let short = Patience { handshake: Duration::from_millis(300), ..patience() };
    let mut world = World::start(short, config(&[])).await;
    let garbage = [&b"\x00\xff\x13garbage\r\n\r\n"[..], b"pb\x04none\x80", &[0x80; 70_000]];
    for bytes in garbage {
        assert!(!exchange(&world, bytes).await.contains("101"));
    }
    // Half a request, then nothing: the deadline closes it.
    assert_eq!(exchange(&world, &handshake(None).as_bytes()[..80]).await, "");
    let silent: Vec<TcpStream> = {
        let connects = (0..50).map(|_| TcpStream::connect(world.address));
        futures_util::future::try_join_all(connects).await.unwrap()
    };
    let (_peer, _link) = world.with_peer().await;
    drop(silent);
    assert!(matches!(*world.next_fact().await, Event::WorkerConnected { .. }));
}

#[actix::test]
async fn a_new_password_counts_at_the_next_login() {
    let world = World::start(patience(), config(&[])).await;
    let (_peer, link) = world.with_peer().await;
    let mut changed = config(&[]);
    changed.workers = vec![worker("w", "other"), worker("v", "sekret")];
    world.roster.configure(changed);
    world.roster.ready().await.unwrap();
    assert!(!link.is_lost());
    let refused = Peer::log_in(world.address, "w", "sekret").await;
    assert!(matches!(refused, Err(Error::Http(answer)) if answer.status() == 401));
    assert!(Peer::log_in(world.address, "v", "sekret").await.is_ok());
}

#[actix::test]
async fn a_port_in_use_is_named_with_its_key() {
    let world = World::start(patience(), config(&[])).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut changed = config(&[]);
    changed.listeners[0].listen.port = port;
    world.roster.configure(changed);
    let error = world.roster.ready().await.unwrap_err().to_string();
    assert!(error.contains(&port.to_string()), "{error}");
    assert!(error.contains("protocols.msgpack_experimental_v7"), "{error}");
    // It opens by itself when the port becomes free.
    drop(taken);
    let opened = async {
        while world.roster.ready().await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon("opening the port", opened).await;
    assert_eq!(world.roster.bound()[0].1.port(), port);
}
