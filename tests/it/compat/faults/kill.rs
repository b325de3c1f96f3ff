//! A worker's process is killed in the middle of a step.

use buildbot::model::Results;

use super::{Farm, HANGING};
use crate::compat::peer::Kind;
use crate::world::run;

#[test]
fn what_a_killed_worker_was_building_is_built_when_it_is_back() {
    run(async {
        let Some(mut farm) = Farm::started(&Kind::ALL, HANGING, "").await else { return };
        farm.force().await;
        let first = farm.all_say("obegun\n").await;
        for peer in &mut farm.peers {
            peer.kill();
        }
        farm.all_end(Results::Retry).await;
        farm.let_go();
        farm.start().await;
        let second = farm.all_end(Results::Success).await;
        let mut requests = Vec::new();
        for builds in [first, second] {
            let mut of = Vec::new();
            for build in builds {
                of.push(farm.master.build(build).await.request);
            }
            of.sort();
            requests.push(of);
        }
        assert_eq!(requests[0], requests[1], "the same requests");
        farm.stop().await;
    });
}
