//! A worker's process is stopped: its connection stays open and nobody answers.

use std::time::{Duration, Instant};

use buildbot::model::Results;

use super::{Farm, HANGING};
use crate::compat::peer::Kind;
use crate::world::run;

const KEEPALIVE: Duration = Duration::from_secs(4);

#[test]
fn a_frozen_worker_is_noticed_within_two_keepalives_and_comes_back() {
    run(async {
        let keepalive = format!("keepalive_interval = {}", KEEPALIVE.as_secs());
        let Some(mut farm) = Farm::started(&Kind::ALL, HANGING, &keepalive).await else { return };
        farm.force().await;
        farm.all_say("obegun\n").await;
        let began = Instant::now();
        for peer in &farm.peers {
            peer.signal("STOP");
        }
        farm.all_end(Results::Retry).await;
        // A busy machine gets half a keepalive more.
        assert!(began.elapsed() < KEEPALIVE * 5 / 2, "{:?}", began.elapsed());
        farm.let_go();
        for peer in &farm.peers {
            peer.signal("CONT");
        }
        farm.all_end(Results::Success).await;
        farm.stop().await;
    });
}
