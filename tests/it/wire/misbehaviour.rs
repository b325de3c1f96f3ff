//! A thousand peers that break the rules, beside one worker that keeps them.

use std::net::SocketAddr;
use std::time::Duration;

use buildbot::actors::worker::Patience;
use buildbot::config::checked::WorkerProtocol;
use futures_util::StreamExt;
use protocol::session::Rejection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::broker_peer::BrokerPeer;
use super::peer::Peer;
use super::{World, config, listen, patience, soon};

/// The dialect `pb`, and the version that every peer tells.
const HELLO: &[u8] = b"\x02\x82pb\x02\x80\x13\x87\x06\x81";

/// What strangers say on a Perspective Broker port.
fn broker_nonsense() -> Vec<Vec<u8>> {
    let after_hello = |bytes: &[u8]| [HELLO, bytes].concat();
    vec![
        Vec::new(),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"\x00\xff\x13garbage".to_vec(),
        [1; 65].to_vec(),
        b"\x04\x82evil".to_vec(),
        // Half a frame, then silence.
        after_hello(b"\x07\x80\x1a\x87\x01\x81"),
        // A string that is announced as longer than any may be, and one as long as may be.
        after_hello(b"\x01\x00\x28\x82"),
        after_hello(b"\x00\x00\x28\x82"),
        // Lists in lists in lists.
        after_hello(&b"\x01\x80".repeat(20_000)),
        // A list of more elements than were ever sent.
        after_hello(b"\x7f\x7f\x27\x80"),
        // `message 1` to object 99, and to the root without a login.
        after_hello(b"\x07\x80\x1a\x87\x01\x81\x63\x81\x05\x82hello\x01\x81\x01\x80\x0b\x87\x01\x80\x05\x87"),
        after_hello(b"\x07\x80\x1a\x87\x01\x81\x04\x82root\x0e\x82loginAnonymous\x01\x81\x02\x80\x0b\x87\x01\x80\x01\x87\x01\x80\x05\x87"),
        // An answer to a question that nobody asked.
        after_hello(b"\x03\x80\x1b\x87\x63\x81\x01\x80\x01\x87"),
        // A login without a proof.
        after_hello(b"\x07\x80\x1a\x87\x01\x81\x04\x82root\x14\x87\x01\x81\x02\x80\x0b\x87\x01\x82w\x01\x80\x05\x87"),
    ]
}

fn web_socket_nonsense() -> Vec<Vec<u8>> {
    let head = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Key: VR5Xgx+CgUZswkZIWs9drw==\r\nSec-WebSocket-Version: 13\r\n";
    vec![
        Vec::new(),
        b"\x02\x82pb".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        format!("{head}\r\n").into_bytes(),
        head.as_bytes().to_vec(),
        format!("{head}Authorization: Basic dzp3cm9uZw==\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\r\n{}", "X: y\r\n".repeat(20_000)).into_bytes(),
    ]
}

/// Says it and waits for the end of the connection.
async fn say(address: SocketAddr, bytes: Vec<u8>) {
    let Ok(mut stream) = TcpStream::connect(address).await else { return };
    // The master may close before everything is said.
    let _ = stream.write_all(&bytes).await;
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    assert!(!heard.windows(3).any(|text| text == b"101"), "it got in: {bytes:?}");
}

/// Resident bytes of this process.
fn memory() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[actix::test]
async fn a_thousand_strangers_harm_nobody() {
    let short = Patience { handshake: Duration::from_millis(400), ..patience() };
    let mut config = config(&["b"]);
    config.listeners =
        [WorkerProtocol::PerspectiveBroker, WorkerProtocol::MessagePack].map(listen).to_vec();
    let world = World::start(short, config).await;
    let bound = world.roster.bound();
    let port = |wanted| bound.iter().find(|(protocol, _)| *protocol == wanted).unwrap().1;
    let (broker, web_socket) =
        (port(WorkerProtocol::PerspectiveBroker), port(WorkerProtocol::MessagePack));

    let mut good = BrokerPeer::log_in(broker, "w", "sekret").await.unwrap();
    let link = tokio::select! {
        link = world.attached() => link,
        end = good.serve() => panic!("{end}"),
    };
    let broker_kinds = broker_nonsense().into_iter().map(|bytes| (broker, bytes));
    let web_kinds = web_socket_nonsense().into_iter().map(|bytes| (web_socket, bytes));
    let kinds: Vec<_> = broker_kinds.chain(web_kinds).collect();
    let wave = |count: usize| {
        let cases = kinds.clone().into_iter().cycle().take(count);
        futures_util::stream::iter(cases)
            .map(|(address, bytes)| say(address, bytes))
            .buffer_unordered(100)
            .count()
    };
    let work = async {
        let refused = BrokerPeer::log_in(broker, "w", "wrong").await.err();
        assert_eq!(refused, Some(Rejection::WrongPassword));
        // What the first wave needs stays with the process's allocator.
        assert_eq!(wave(200).await, 200);
        let before = memory();
        assert_eq!(wave(1000).await, 1000);
        let grown = memory().saturating_sub(before);
        assert!(grown < 16 << 20, "{} KiB are kept", grown >> 10);
        link.begin_build("b").await
    };
    let begun = tokio::select! {
        begun = soon("the strangers", work) => begun,
        end = good.serve() => panic!("the good worker was cut off: {end}"),
    };
    assert_eq!(begun, Ok(()), "the good worker works on");
}

#[actix::test]
async fn silent_strangers_do_not_keep_workers_out() {
    let mut config = config(&[]);
    config.listeners = vec![listen(WorkerProtocol::MessagePack)];
    let world = World::start(patience(), config).await;
    let connects = (0..400).map(|_| TcpStream::connect(world.address));
    let silent = futures_util::future::try_join_all(connects).await.unwrap();
    let mut peer = soon("the login", Peer::log_in(world.address, "w", "sekret")).await.unwrap();
    tokio::select! {
        _ = soon("attaching", world.attached()) => {}
        end = peer.serve() => panic!("{end}"),
    }
    drop(silent);
}
