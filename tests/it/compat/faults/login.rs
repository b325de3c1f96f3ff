//! A worker whose password the master does not know yet.

use super::{Farm, config};
use crate::compat::peer::Kind;
use crate::world::run;

#[test]
fn a_password_that_is_corrected_lets_the_worker_in() {
    run(async {
        let text = "[[builders.steps]]\ntype = \"ShellCommand\"\ncommand = \"true\"\n";
        let Some(mut farm) = Farm::new(&Kind::ALL, text, "", &[]).await else { return };
        let right = config(&Kind::ALL, text, "");
        let wrong = right.replace("password = \"pass\"", "password = \"other\"");
        farm.place.reconfigure(&farm.master, &wrong).await.expect("a good configuration");
        for peer in &mut farm.peers {
            peer.start();
        }
        Farm::all_tried(&farm.lines, 2).await;
        for peer in &mut farm.peers {
            assert_eq!(peer.ended(), None, "{}", peer.kind.name());
        }
        let board = farm.master.handles.roster.watch().borrow().clone();
        assert!(board.workers.values().all(|worker| worker.link.is_none()));
        farm.place.reconfigure(&farm.master, &right).await.expect("a good configuration");
        farm.all_online().await;
        farm.stop().await;
    });
}
