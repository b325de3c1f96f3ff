//! Attaching, duplicates, loss and the states of a worker.

use std::time::Duration;

use buildbot::actors::worker::{LinkError, Patience};
use buildbot::events::Event;
use futures_util::SinkExt;
use protocol::msgpack::{MasterRequest, STOCK_NEWLINE_RE};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::peer::Peer;
use super::{World, config, patience, soon};

fn text(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[actix::test]
async fn the_stock_sequence() {
    let mut world = World::start(patience(), config(&["b2", "b1"])).await;
    let (peer, link) = world.with_peer().await;
    let kinds: Vec<String> = peer
        .asked
        .iter()
        .map(|op| match op {
            MasterRequest::Print { message } => format!("print {message}"),
            MasterRequest::GetWorkerInfo => "info".into(),
            MasterRequest::SetWorkerSettings(settings) => {
                assert_eq!(settings.newline_re, STOCK_NEWLINE_RE);
                assert_eq!((settings.buffer_size, settings.max_line_length), (65536, 4096));
                "settings".into()
            }
            MasterRequest::StartCommand { builder_name, command_name, .. } => {
                assert_eq!(*builder_name, None);
                command_name.clone()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        "print attached",
        "info",
        "settings",
        "listdir",
        "mkdir",
        "print attached",
        "print attached",
    ];
    assert_eq!(kinds, expected);
    let commands = peer.commands();
    assert_eq!(commands[0], ("listdir".into(), text(&["/srv/w"])));
    assert_eq!(commands[1], ("mkdir".into(), text(&["/srv/w/b1", "/srv/w/b2"])));
    assert!(matches!(*world.next_fact().await, Event::WorkerConnected { .. }));
    let row = world.row("w").await;
    assert_eq!(row.connected_to, [world.master]);
    assert_eq!(row.info["admin"], "me\n");
    assert_eq!(row.info["version"], "4.3.0");
    let entry = world.roster.board().workers["w"].clone();
    assert_eq!(entry.info.as_ref().unwrap().others["os_id"], "debian");
    assert_eq!(link.info().basedir, "/srv/w");

    drop(peer);
    soon("the loss", link.lost()).await;
    assert!(matches!(*world.next_fact().await, Event::WorkerDisconnected { .. }));
    assert!(world.row("w").await.connected_to.is_empty());
    assert_eq!(link.begin_build("b").await, Err(LinkError::Lost));
}

#[actix::test]
async fn leftover_directories_go_when_the_worker_wants_that() {
    let world = World::start(patience(), config(&["b"])).await;
    let mut peer = Peer::log_in(world.address, "w", "sekret").await.unwrap();
    peer.info.delete_leftover_dirs = true;
    peer.files = text(&["info", "b", "old", "note.txt"]);
    peer.dirs = text(&["/b", "/old", "/info"]);
    tokio::select! {
        _ = world.attached() => {}
        end = peer.serve() => panic!("{end}"),
    }
    let expected = [
        ("listdir".to_owned(), text(&["/srv/w"])),
        ("stat".to_owned(), text(&["/srv/w/old"])),
        ("stat".to_owned(), text(&["/srv/w/note.txt"])),
        ("rmdir".to_owned(), text(&["/srv/w/old"])),
    ];
    assert_eq!(peer.commands(), expected);
}

#[actix::test]
async fn a_further_builder_gets_its_directory() {
    let world = World::start(patience(), config(&["b"])).await;
    let (mut peer, _link) = world.with_peer().await;
    peer.asked.clear();
    world.roster.configure(config(&["b", "c"]));
    let greeted = async {
        while !matches!(peer.asked.last(), Some(MasterRequest::Print { .. })) {
            let _ = tokio::time::timeout(Duration::from_millis(20), peer.serve()).await;
        }
    };
    soon("greeting the builder", greeted).await;
    assert_eq!(peer.commands()[1], ("mkdir".to_owned(), text(&["/srv/w/c"])));
}

#[actix::test]
async fn a_removed_worker_is_closed() {
    let world = World::start(patience(), config(&[])).await;
    let (_peer, link) = world.with_peer().await;
    let mut changed = config(&[]);
    changed.workers.clear();
    world.roster.configure(changed);
    soon("closing", link.lost()).await;
    assert!(world.roster.board().workers.is_empty());
}

#[actix::test]
async fn a_second_connection_is_rejected_while_the_first_answers() {
    let world = World::start(patience(), config(&[])).await;
    let (mut first, link) = world.with_peer().await;
    let mut second = Peer::log_in(world.address, "w", "sekret").await.unwrap();
    let end = tokio::select! {
        end = second.serve() => end,
        end = first.serve() => panic!("the first ended: {end}"),
    };
    assert_eq!(end, "closed");
    assert!(second.asked.is_empty());
    let duplicate = |op: &MasterRequest| matches!(op, MasterRequest::Print { message } if message == "master got a duplicate connection");
    assert!(first.asked.iter().any(duplicate));
    assert!(!link.is_lost());
}

#[actix::test]
async fn a_second_connection_replaces_a_frozen_first() {
    let short = Patience { duplicate: Duration::from_millis(200), ..patience() };
    let world = World::start(short, config(&[])).await;
    let (_frozen, old) = world.with_peer().await;
    let mut second = Peer::log_in(world.address, "w", "sekret").await.unwrap();
    let replaced = async {
        old.lost().await;
        world
            .board("attaching", |board| {
                board.workers["w"].link.as_ref().is_some_and(|link| !link.is_lost())
            })
            .await
    };
    tokio::select! {
        board = replaced => assert!(!board.workers["w"].link.as_ref().unwrap().is_lost()),
        end = second.serve() => panic!("{end}"),
    }
}

#[actix::test]
async fn a_frozen_worker_is_noticed_within_two_intervals() {
    let keepalive = Duration::from_millis(400);
    let world = World::start(Patience { keepalive, ..patience() }, config(&[])).await;
    let (peer, link) = world.with_peer().await;
    // The socket stays open; nobody reads it or answers a ping.
    let frozen = std::time::Instant::now();
    soon("noticing", link.lost()).await;
    // Two intervals, and what a loaded machine may add.
    assert!(frozen.elapsed() < keepalive * 2 + Duration::from_secs(5), "{:?}", frozen.elapsed());
    drop(peer);
}

#[actix::test]
async fn a_quiet_worker_that_answers_pings_stays() {
    let keepalive = Duration::from_millis(500);
    let world = World::start(Patience { keepalive, ..patience() }, config(&[])).await;
    let (mut peer, link) = world.with_peer().await;
    // Answering pings is all that reading does here.
    let quiet = tokio::time::timeout(keepalive * 5, peer.serve()).await;
    assert!(quiet.is_err() && !link.is_lost());
}

#[actix::test]
async fn an_orderly_stop_says_goodbye() {
    let world = World::start(patience(), config(&[])).await;
    let (mut peer, _link) = world.with_peer().await;
    let (end, ()) = tokio::join!(peer.serve(), world.supervisor.stop("roster"));
    assert_eq!(end, "closed");
    assert!(world.row("w").await.connected_to.is_empty());
}

#[actix::test]
async fn half_a_frame_and_silence_is_noticed() {
    let keepalive = Duration::from_millis(200);
    let world = World::start(Patience { keepalive, ..patience() }, config(&[])).await;
    let (mut peer, link) = world.with_peer().await;
    // The header of a masked frame of 100 bytes, and three of them.
    let half = [0x82, 0x80 | 100, 1, 2, 3, 4, 5, 6, 7];
    peer.socket.get_mut().write_all(&half).await.unwrap();
    soon("noticing", link.lost()).await;
}

#[actix::test]
async fn violations_end_the_connection() {
    let world = World::start(patience(), config(&[])).await;
    let unknown_answer =
        protocol::msgpack::encode(&protocol::msgpack::Message::<MasterRequest>::Response {
            seq: 4711,
            result: Ok(rmpv::Value::Nil),
        });
    let cases = [
        Frame::text("hello"),
        Frame::binary(vec![0xc1]),
        Frame::binary(vec![0xdd, 0xff, 0xff, 0xff, 0xff]),
        Frame::binary(vec![0x80]),
        Frame::binary(unknown_answer),
    ];
    for frame in cases {
        let (mut peer, link) = world.with_peer().await;
        peer.socket.send(frame.clone()).await.unwrap();
        soon(&format!("ending after {frame:?}"), link.lost()).await;
        world.board("leaving the board", |board| board.workers["w"].link.is_none()).await;
    }
}

#[actix::test]
async fn paused_and_graceful_states_are_stored_and_shown() {
    let mut world = World::start(patience(), config(&[])).await;
    let (mut peer, _link) = world.with_peer().await;
    let id = world.roster.board().workers["w"].id;
    world.roster.pause(id, "maintenance").await.unwrap();
    let entry = world.roster.board().workers["w"].clone();
    assert!(entry.paused && !entry.is_available());
    assert_eq!(world.row("w").await.pause_reason.as_deref(), Some("maintenance"));
    world.roster.unpause(id).await.unwrap();
    assert!(world.roster.board().workers["w"].is_available());
    assert!(matches!(*world.next_fact().await, Event::WorkerConnected { .. }));
    assert!(matches!(*world.next_fact().await, Event::WorkerStateChanged { .. }));
    // No build runs on it, so the graceful stop goes through.
    world.roster.stop_gracefully(id).await.unwrap();
    let (_, op) = soon("the shutdown", peer.request()).await;
    assert_eq!(op, MasterRequest::Shutdown);
    let nobody = world.roster.pause(buildbot::model::WorkerId(99), "").await;
    assert!(nobody.unwrap_err().to_string().contains("99"));
}
