//! The same set of builds by every pair of master and worker: results, logs and files are equal
//! line by line.
//!
//! The reference is the stock master with the stock worker over Perspective Broker.

mod differences;
mod host;
mod seen;
mod steps;

use std::collections::BTreeSet;

use differences::Rule;
use host::Cover;
use seen::{Sections, seen};

use super::pairs::{Pairs, WorkerKind};
use super::peer::{Kind, Maker};
use super::stock;
use crate::world::{HgRepository, Repository, SvnRepository};

const STOCK: Maker = Maker::Stock;
const OURS: Maker = Maker::Ours;

#[tokio::test]
async fn every_pair_of_master_and_worker_builds_the_same() {
    let by_stock = [Kind::STOCK_PB, Kind::OURS_PB, Kind::OURS_MSGPACK].map(WorkerKind::Program);
    let mut by_ours = Kind::ALL.map(WorkerKind::Program).to_vec();
    by_ours.push(WorkerKind::Local);
    all_the_same(steps::ALL, differences::RULES, &by_stock, &by_ours).await;
}

#[tokio::test]
async fn source_steps_do_the_same() {
    let by_stock = [WorkerKind::Program(Kind::STOCK_PB)];
    let by_ours = [WorkerKind::Program(Kind::STOCK_PB), WorkerKind::Local];
    all_the_same(steps::SOURCES, differences::SOURCE_RULES, &by_stock, &by_ours).await;
}

/// Lets a stock master and ours build `set` with their workers, and compares.
async fn all_the_same(
    set: &steps::Set,
    rules: &[Rule],
    by_stock: &[WorkerKind],
    by_ours: &[WorkerKind],
) {
    if stock("buildbot").is_none() {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let repository = Repository::new(place.path().to_owned());
    repository.commit("README", "nothing yet\n", "first");
    let inside = |name: &str| {
        let path = place.path().join(name);
        std::fs::create_dir(&path).expect("a directory");
        path
    };
    let svn = SvnRepository::new(inside("svn"));
    svn.commit("file", "one\n");
    svn.commit("other", "two\n");
    let hg = HgRepository::new(inside("hg"));
    hg.commit("file", "one\n");
    let repositories =
        steps::Repositories { git: &repository.url(), svn: &svn.trunk(), hg: &hg.url() };
    let steps = steps::factory(set, &repositories);
    let theirs = Pairs::start(STOCK, by_stock, &steps).await;
    let ours = Pairs::start(OURS, by_ours, &steps).await;
    theirs.force().await;
    ours.force().await;
    let (theirs, ours) = (all(&theirs, &repository).await, all(&ours, &repository).await);
    let reference = &theirs[0].1;
    println!("{} sections to compare", reference.len());
    let mut found = Vec::new();
    for (master, builds) in [(STOCK, &theirs[1..]), (OURS, &ours)] {
        for (worker, seen) in builds {
            let mut seen = seen.clone();
            let expected = differences::expected(rules, reference, &mut seen, master, *worker);
            let lines = compare(&expected, &seen);
            found.extend(lines.map(|line| format!("{master:?} master, {worker:?}: {line}")));
        }
    }
    assert!(found.is_empty(), "differences from stock (- stock, + seen):\n{}", found.join("\n"));
}

/// What every build left behind, once all have ended.
async fn all(pairs: &Pairs, repository: &Repository) -> Vec<(WorkerKind, Sections)> {
    let mut all = Vec::new();
    for worker in &pairs.workers {
        let cover = Cover::of(pairs, *worker, &repository.url());
        all.push((*worker, seen(pairs, *worker, &cover).await));
    }
    all
}

/// The first lines of each section that differ.
fn compare(expected: &Sections, seen: &Sections) -> impl Iterator<Item = String> {
    let none = Vec::new();
    let mut found = Vec::new();
    for name in expected.keys().chain(seen.keys()).collect::<BTreeSet<_>>() {
        let expected = expected.get(name).unwrap_or(&none);
        let seen = seen.get(name).unwrap_or(&none);
        if expected == seen {
            continue;
        }
        let same = expected.iter().zip(seen).take_while(|(a, b)| a == b).count();
        for (sign, lines) in [('-', expected), ('+', seen)] {
            let lines = lines.iter().skip(same).take(3);
            found.extend(lines.map(|line| format!("{name}:{same}: {sign} {line}")));
        }
    }
    found.into_iter()
}
