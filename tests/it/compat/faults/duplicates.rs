//! Two processes of one name.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Farm, proxy::Proxy};
use crate::compat::peer::{Kind, Peer};
use crate::world::{run, soon};

const WHERE: &str = "[[builders.steps]]\ntype = \"ShellCommand\"\ncommand = \"pwd\"\n";

/// A second worker of the same name for every worker of the farm.
async fn seconds(farm: &Farm) -> (Vec<Peer>, Vec<Proxy>) {
    let (mut peers, mut lines) = (Vec::new(), Vec::new());
    for peer in &farm.peers {
        let dir = format!("second_{}", peer.kind.name());
        let (peer, line) = farm.another(peer.kind, &dir, &[]).await;
        peers.push(peer);
        lines.push(line);
    }
    for peer in &mut peers {
        peer.start();
    }
    (peers, lines)
}

/// Builds once on every worker: where?
async fn assert_builds_in(farm: &mut Farm, dirs: &[PathBuf]) {
    for (printed, dir) in farm.prints().await.into_iter().zip(dirs) {
        assert!(printed.contains(&format!("\no{}/", dir.display())), "not in {dir:?}: {printed}");
    }
}

fn dirs(peers: &[Peer]) -> Vec<PathBuf> {
    peers.iter().map(|peer| peer.dir.clone()).collect()
}

/// Waits until the worker of that directory is the one that is attached.
async fn attached(farm: &Farm, peer: &Peer) {
    let name = peer.kind.name();
    let mut board = farm.master.handles.roster.watch();
    let dir = peer.dir.to_str().expect("a path in UTF-8");
    let attached = board.wait_for(|board| {
        let entry = board.workers.get(name).filter(|entry| entry.link.is_some());
        entry.and_then(|entry| entry.info.as_ref()).is_some_and(|info| info.basedir == dir)
    });
    soon(&format!("the worker in {dir}"), attached).await.expect("the roster lives");
}

fn all_run(peers: &mut [Peer]) {
    for peer in peers {
        assert_eq!(peer.ended(), None, "{} has ended", peer.dir.display());
    }
}

#[test]
fn the_second_of_a_name_waits_until_the_first_is_gone() {
    run(async {
        let Some(mut farm) = Farm::started(&Kind::ALL, WHERE, "").await else { return };
        let (mut peers, lines) = seconds(&farm).await;
        Farm::all_tried(&lines, 3).await;
        let firsts = dirs(&farm.peers);
        assert_builds_in(&mut farm, &firsts).await;
        all_run(&mut peers);
        all_run(&mut farm.peers);
        for peer in &mut farm.peers {
            peer.kill();
        }
        for peer in &peers {
            attached(&farm, peer).await;
        }
        assert_builds_in(&mut farm, &dirs(&peers)).await;
        farm.stop().await;
    });
}

#[test]
fn the_second_of_a_name_takes_over_from_a_frozen_one() {
    run(async {
        let Some(mut farm) = Farm::started(&Kind::ALL, WHERE, "").await else { return };
        for peer in &farm.peers {
            peer.signal("STOP");
        }
        let began = Instant::now();
        let (mut peers, _lines) = seconds(&farm).await;
        for peer in &peers {
            attached(&farm, peer).await;
        }
        // Sooner than by two keepalives, which are 30 s each.
        assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
        for peer in &farm.peers {
            peer.signal("CONT");
        }
        Farm::all_tried(&farm.lines, 3).await;
        assert_builds_in(&mut farm, &dirs(&peers)).await;
        all_run(&mut peers);
        all_run(&mut farm.peers);
        farm.stop().await;
    });
}
