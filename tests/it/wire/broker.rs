//! Perspective Broker workers: attaching, duplicates, commands, leaving, and peers that break the
//! rules.

use std::time::Duration;

use buildbot::actors::worker::{CommandEvent, Patience, RosterConfig, TransferPart, WorkerLink};
use buildbot::config::checked::WorkerProtocol;
use protocol::command::{Block, Command};
use protocol::order::{BuilderDir, Order, Reply};
use protocol::report::{Answer, Report, WorkerRequest};
use protocol::session::{Rejection, WorkerEvent};
use protocol::update::Update;

use super::broker_peer::BrokerPeer;
use super::{World, config, listen, patience, soon};

fn broker(builders: &[&str]) -> RosterConfig {
    RosterConfig { listeners: vec![listen(WorkerProtocol::PerspectiveBroker)], ..config(builders) }
}

async fn attached(world: &World) -> (BrokerPeer, WorkerLink) {
    let mut peer =
        soon("the login", BrokerPeer::log_in(world.address, "w", "sekret")).await.unwrap();
    let link = tokio::select! {
        link = world.attached() => link,
        end = peer.serve() => panic!("the connection ended: {end}"),
    };
    (peer, link)
}

#[actix::test]
async fn the_stock_sequence() {
    let world = World::start(patience(), broker(&["b1", "b2"])).await;
    let (peer, link) = attached(&world).await;
    let builder = |name: &str| BuilderDir { name: name.into(), dir: name.into() };
    let print = || Order::Print { message: "attached".into() };
    let expected = [
        print(),
        Order::GetWorkerInfo,
        Order::SetBuilderList { builders: vec![builder("b1"), builder("b2")] },
        print(),
        print(),
    ];
    assert_eq!(peer.asked, expected);
    assert_eq!(link.protocol(), WorkerProtocol::PerspectiveBroker);
    let entry = world.roster.board().workers["w"].clone();
    let lacks = &entry.info.as_ref().unwrap().lacks;
    assert!(lacks.contains(&"cannot remove single files (rmfile)".to_owned()), "{lacks:?}");
    drop(peer);
    soon("the loss", link.lost()).await;
}

/// The worker would kill what runs for a builder that it is not told of any more.
#[actix::test]
async fn further_builders_are_told_and_none_is_taken_away_from_a_connection() {
    let world = World::start(patience(), broker(&["b", "c"])).await;
    let (mut peer, _link) = attached(&world).await;
    for (wanted, told) in
        [(&["d"][..], ["b", "c", "d"].as_slice()), (&["d", "e"], &["b", "c", "d", "e"])]
    {
        world.roster.configure(broker(&["d"]));
        world.roster.configure(broker(wanted));
        match soon("the builders", peer.order()).await {
            (id, Order::SetBuilderList { builders }) => {
                let names: Vec<String> = builders.into_iter().map(|builder| builder.name).collect();
                assert_eq!(names, told);
                peer.answer(id, Ok(Reply::Done)).await;
            }
            other => panic!("{other:?}"),
        }
        let (id, greeting) = soon("the greeting", peer.order()).await;
        assert_eq!(greeting, Order::Print { message: "attached".into() });
        peer.answer(id, Ok(Reply::Done)).await;
    }
}

#[actix::test]
async fn wrong_logins_hear_of_it_and_may_try_again() {
    let world = World::start(patience(), broker(&[])).await;
    for (name, password) in [("w", "wrong"), ("nobody", "sekret"), ("w", "")] {
        let login = BrokerPeer::log_in(world.address, name, password);
        assert_eq!(soon("a refusal", login).await.err(), Some(Rejection::WrongPassword));
    }
    attached(&world).await;
}

#[actix::test]
async fn a_second_connection_replaces_only_a_dead_first() {
    let quick = Patience { duplicate: Duration::from_millis(300), ..patience() };
    let world = World::start(quick, broker(&[])).await;
    let (mut first, link) = attached(&world).await;
    let serving = async {
        tokio::select! {
            refused = BrokerPeer::log_in(world.address, "w", "sekret") => refused.err(),
            end = first.serve() => panic!("the first ended: {end}"),
        }
    };
    let refusal = soon("the rejection of the second", serving).await;
    assert_eq!(refusal, Some(Rejection::Other("closed".into())), "closed, so it tries again");
    assert!(!link.is_lost());
    // The first one says nothing any more.
    let mut second = BrokerPeer::log_in(world.address, "w", "sekret").await.unwrap();
    tokio::select! {
        () = soon("the loss of the first", link.lost()) => {}
        end = second.serve() => panic!("the second ended: {end}"),
    }
    tokio::select! {
        _ = world.attached() => {}
        end = second.serve() => panic!("the second ended: {end}"),
    }
}

#[actix::test]
async fn a_frozen_worker_is_given_up_within_two_keepalives() {
    let quick = Patience { keepalive: Duration::from_millis(400), ..patience() };
    let world = World::start(quick, broker(&["b"])).await;
    let mut peer = BrokerPeer::log_in(world.address, "w", "sekret").await.unwrap();
    peer.info.commands.push(("glob".into(), "3.3".into()));
    let link = tokio::select! {
        link = world.attached() => link,
        end = peer.serve() => panic!("{end}"),
    };
    let mut running = link.start("b", "b", Command::Glob { path: "*".into() }).await.unwrap();
    // It neither reads nor answers from here on; its socket stays open.
    let began = std::time::Instant::now();
    assert_eq!(soon("the loss", running.next()).await, CommandEvent::Lost);
    soon("the loss of the link", link.lost()).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    drop(peer);
}

/// The worker's side of a start.
async fn started(peer: &mut BrokerPeer) -> String {
    loop {
        let (id, order) = soon("the start", peer.order()).await;
        peer.answer(id, Ok(Reply::Done)).await;
        if let Order::StartCommand { command_id, .. } = order {
            return command_id;
        }
    }
}

fn upload() -> Command {
    let block = Block { workdir: "build".into(), max_size: None, size: 4096 };
    Command::UploadFile { source: "x".into(), block, keep_stamp: false }
}

#[actix::test]
async fn an_upload_goes_through_and_answers_wait_for_the_disk() {
    let world = World::start(patience(), broker(&["b"])).await;
    let mut peer = BrokerPeer::log_in(world.address, "w", "sekret").await.unwrap();
    for name in ["uploadFile", "stat"] {
        peer.info.commands.push((name.into(), "3.3".into()));
    }
    let link = tokio::select! {
        link = world.attached() => link,
        end = peer.serve() => panic!("{end}"),
    };
    let mut running = link.start("b", "b", upload()).await.unwrap();
    let id = started(&mut peer).await;
    let write = WorkerRequest::UploadFileWrite { command_id: id.clone(), data: b"data".to_vec() };
    let ticket = peer.report(Report::Command(write)).await;
    let answer = match soon("the block", running.next()).await {
        CommandEvent::Transfer { part: TransferPart::Write(data), answer } if data == b"data" => {
            answer
        }
        other => panic!("{other:?}"),
    };
    let early = tokio::time::timeout(Duration::from_millis(100), peer.event()).await;
    assert!(early.is_err(), "no answer before the block is stored: {early:?}");
    answer.send(Answer::Done).unwrap();
    let answered = WorkerEvent::Answered { ticket, result: Ok(Answer::Done) };
    assert_eq!(soon("the answer", peer.event()).await, Ok(answered));
    peer.report(Report::Command(WorkerRequest::UploadFileClose { command_id: id.clone() })).await;
    match soon("the end of the file", running.next()).await {
        CommandEvent::Transfer { part: TransferPart::Close, answer } => {
            answer.send(Answer::Done).unwrap();
        }
        other => panic!("{other:?}"),
    }
    peer.update(&id, vec![Update::Rc(0)]).await;
    peer.complete(&id, None).await;
    assert_eq!(running.next().await, CommandEvent::Update(Update::Rc(0)));
    assert_eq!(running.next().await, CommandEvent::Complete(None));
}

#[actix::test]
async fn a_command_that_the_worker_lacks_is_refused_without_asking() {
    let world = World::start(patience(), broker(&["b"])).await;
    let (_peer, link) = attached(&world).await;
    let mut running = link.start("b", "b", Command::Glob { path: "*".into() }).await.unwrap();
    match soon("the refusal", running.next()).await {
        CommandEvent::Complete(Some(text)) => assert!(text.contains("glob"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[actix::test]
async fn a_worker_that_wants_to_leave_is_shut_down_when_idle() {
    let world = World::start(patience(), broker(&[])).await;
    let (mut peer, _link) = attached(&world).await;
    peer.report(Report::Shutdown).await;
    world.board("the graceful state", |board| board.workers["w"].graceful).await;
    assert_eq!(soon("the shutdown", peer.order()).await.1, Order::Shutdown);
}
