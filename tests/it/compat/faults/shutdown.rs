//! A worker that asks for its end.

use buildbot::db::buildrequests;
use buildbot::model::Results;

use super::{Farm, HANGING};
use crate::compat::peer::Kind;
use crate::world::{eventually, run};

/// Over MessagePack a stock worker cannot ask.
const KINDS: [Kind; 2] = [Kind::STOCK_PB, Kind::OURS_PB];

#[test]
fn a_shutdown_stamp_ends_the_worker_after_its_build() {
    run(async {
        let create = ["--allow-shutdown=file"];
        let Some(mut farm) = Farm::new(&KINDS, HANGING, "", &create).await else { return };
        farm.start().await;
        farm.force().await;
        farm.all_say("obegun\n").await;
        for peer in &farm.peers {
            std::fs::write(peer.dir.join("shutdown.stamp"), "").expect("a written file");
        }
        let board = farm.master.handles.roster.watch();
        eventually("all ask for their end", || {
            board.borrow().workers.values().all(|worker| worker.graceful)
        })
        .await;
        let waiting = farm.master.handles.control.force("force", Default::default()).await;
        let waiting = waiting.expect("requests").requests;
        farm.let_go();
        farm.all_end(Results::Success).await;
        for peer in &mut farm.peers {
            let name = peer.kind.name();
            eventually(name, || peer.ended().is_some()).await;
            let status = peer.ended().expect("an end");
            assert!(status.success(), "{name}: {status}");
            farm.master.worker_is_offline(name).await;
        }
        for (_, request) in waiting {
            let row = farm.master.read(move |conn| buildrequests::get(conn, request)).await;
            assert_eq!((row.claim, row.complete), (None, false), "it waits for a worker");
        }
        farm.stop().await;
    });
}
