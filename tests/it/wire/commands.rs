//! Running commands: events in order, refusals, interrupts, back-pressure.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use buildbot::actors::worker::{CommandEvent, Patience, Running, WorkerLink};
use futures_util::{SinkExt, StreamExt};
use protocol::command::Command;
use protocol::msgpack::{self, MasterRequest, Message, Received, WorkerRequest};
use protocol::update::Update;
use rmpv::Value;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::peer::Peer;
use super::{World, config, patience, soon};

async fn glob(link: &WorkerLink) -> Running {
    link.start("b", "builder", Command::Glob { path: "*.txt".into() }).await.unwrap()
}

/// The worker's side of the start; answers number and id.
async fn started(peer: &mut Peer) -> (u64, String) {
    match soon("the start", peer.request()).await {
        (seq, MasterRequest::StartCommand { command_id, builder_name, args, .. }) => {
            assert_eq!(builder_name.as_deref(), Some("builder"));
            assert_eq!(args["path"].as_str(), Some("/srv/w/b/*.txt"));
            (seq, command_id)
        }
        other => panic!("{other:?}"),
    }
}

#[actix::test]
async fn events_arrive_in_order_and_the_end_ends() {
    let world = World::start(patience(), config(&[])).await;
    let (mut peer, link) = world.with_peer().await;
    let mut running = glob(&link).await;
    let (seq, id) = started(&mut peer).await;
    let updates =
        [Update::Files(vec!["a.txt".into()]), Update::Stdout("x\n".into()), Update::Rc(0)];
    peer.update(&id, updates.to_vec()).await;
    peer.complete(&id, None).await;
    peer.answer(seq, Ok(Value::Nil)).await;
    for update in updates {
        assert_eq!(soon("an update", running.next()).await, CommandEvent::Update(update));
    }
    assert_eq!(soon("the end", running.next()).await, CommandEvent::Complete(None));
    assert_eq!(running.next().await, CommandEvent::Lost);
    // Late news and late interrupts are answered or ignored, and harm nobody.
    running.interrupt("too late");
    peer.update(&id, vec![Update::Rc(1)]).await;
    peer.complete("nonsense", None).await;
    let mut answers = 0;
    while answers < 4 {
        match soon("answers", peer.recv()).await.unwrap() {
            Received::Response { result, .. } => {
                assert_eq!(result, Ok(Value::Nil));
                answers += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(!link.is_lost());
}

#[actix::test]
async fn a_refused_start_is_the_end_of_the_command() {
    let world = World::start(patience(), config(&[])).await;
    let (mut peer, link) = world.with_peer().await;
    let mut running = glob(&link).await;
    let (seq, _) = started(&mut peer).await;
    peer.answer(seq, Err("unrecognized WorkerCommand 'glob'".into())).await;
    let end = soon("the end", running.next()).await;
    assert_eq!(end, CommandEvent::Complete(Some("unrecognized WorkerCommand 'glob'".into())));
}

#[actix::test]
async fn unknown_operations_and_transfers_are_answered_with_stock_texts() {
    let world = World::start(patience(), config(&[])).await;
    let (mut peer, link) = world.with_peer().await;
    peer.ask(WorkerRequest::ReadFile { command_id: "7".into(), length: 1 }).await;
    let answer = loop {
        if let Received::Response { result: Err(text), .. } = peer.recv().await.unwrap() {
            break text;
        }
    };
    assert_eq!(answer, "'unknown \"command_id\"'");
    let keepalive = Value::Map(vec![
        (Value::from("op"), Value::from("keepalive")),
        (Value::from("seq_number"), Value::from(900)),
    ]);
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &keepalive).unwrap();
    peer.socket.send(Frame::binary(bytes)).await.unwrap();
    let expected =
        Received::Response { seq: 900, result: Err("Command keepalive does not exist.".into()) };
    assert_eq!(soon("an answer", peer.recv()).await, Ok(expected));
    assert!(!link.is_lost());
}

#[actix::test]
async fn a_lost_connection_ends_its_commands() {
    let world = World::start(patience(), config(&[])).await;
    let (mut peer, link) = world.with_peer().await;
    let mut running = glob(&link).await;
    started(&mut peer).await;
    drop(peer);
    assert_eq!(soon("the loss", running.next()).await, CommandEvent::Lost);
    // Commands hear of the loss while the connection is still going away.
    soon("the end of the link", link.lost()).await;
    assert!(link.start("b", "builder", Command::Stat { file: "x".into() }).await.is_err());
}

#[actix::test]
async fn a_command_nobody_waits_for_is_interrupted() {
    let world = World::start(patience(), config(&[])).await;
    let (mut peer, link) = world.with_peer().await;
    let running = glob(&link).await;
    let (_, id) = started(&mut peer).await;
    drop(running);
    match soon("the interrupt", peer.request()).await.1 {
        MasterRequest::InterruptCommand { command_id, .. } => assert_eq!(command_id, id),
        other => panic!("{other:?}"),
    }
}

/// Nobody reads the events: the worker must come to a stop, the interrupt must get out, and the
/// master must not take its own slowness for a dead worker.
#[actix::test]
async fn a_slow_reader_stops_the_worker_but_not_the_interrupt() {
    let impatient = Patience { keepalive: Duration::from_millis(200), ..patience() };
    let world = World::start(impatient, config(&[])).await;
    let (mut peer, link) = world.with_peer().await;
    let mut running = glob(&link).await;
    let (seq, id) = started(&mut peer).await;
    peer.answer(seq, Ok(Value::Nil)).await;
    let (mut sink, mut frames) = peer.socket.split();
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let flooding = tokio::spawn(async move {
        let updates = vec![Update::Stdout("x".repeat(64 << 10)).into()];
        let flood = async {
            for seq in 100.. {
                let op = WorkerRequest::Update { command_id: id.clone(), updates: updates.clone() };
                let frame = msgpack::encode(&Message::Request { seq, op });
                sink.send(Frame::binary(frame)).await.unwrap();
                counter.fetch_add(1, Ordering::SeqCst);
            }
        };
        tokio::select! {
            () = flood => {}
            _ = stopped => {}
        }
        // Keeps the socket open.
        sink
    });
    // The flood stands still when nothing was sent for a while.
    let standstill = async {
        let mut last = usize::MAX;
        while last != sent.load(Ordering::SeqCst) || last == 0 {
            last = sent.load(Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
    };
    soon("the standstill", standstill).await;
    // What is on its way are the buffers of the sockets and a few events.
    assert!(sent.load(Ordering::SeqCst) < 400, "{}", sent.load(Ordering::SeqCst));
    assert!(!link.is_lost());
    running.interrupt("enough");
    let interrupt = async {
        loop {
            let Frame::Binary(bytes) = frames.next().await.unwrap().unwrap() else { continue };
            if let Received::Request {
                op: Ok(MasterRequest::InterruptCommand { why, .. }), ..
            } = msgpack::decode(&bytes).unwrap()
            {
                return why;
            }
        }
    };
    assert_eq!(soon("the interrupt", interrupt).await, "enough");
    // Reading the events lets everything go on.
    let before = sent.load(Ordering::SeqCst);
    let reading = async {
        while sent.load(Ordering::SeqCst) < before + 50 {
            assert!(matches!(running.next().await, CommandEvent::Update(_)));
        }
    };
    soon("going on", reading).await;
    assert!(!link.is_lost());
    stop.send(()).unwrap();
    drop(flooding.await.unwrap());
}
