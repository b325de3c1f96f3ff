//! Tables of who gets a lock, who waits and why.

use indexmap::IndexMap;

use super::table::Ticket;
use super::*;
use crate::config::checked::LockConfig;
use crate::model::{BuildId, BuildRequestId, BuilderId, LockAccess, LockKind, LockMode};

pub fn lock(name: &str, kind: LockKind, max_count: usize) -> LockConfig {
    LockConfig { name: name.into(), kind, max_count, max_count_for_worker: IndexMap::new() }
}

pub fn counting(name: &str, count: usize) -> LockAccess {
    LockAccess { name: name.into(), mode: LockMode::Counting(count) }
}

pub fn exclusive(name: &str) -> LockAccess {
    LockAccess { name: name.into(), mode: LockMode::Exclusive }
}

/// A step of build `build` of builder `b`.
pub fn step(build: i64) -> Claimant {
    Claimant {
        request: BuildRequestId(build),
        builder: BuilderId(1),
        builder_name: "b".into(),
        build: Some((BuildId(build), build)),
        step: Some("s".into()),
    }
}

/// A request of builder `b` that could run on `worker`.
pub fn candidate<'a>(request: i64, worker: &'a str, locks: &'a [LockAccess]) -> Candidate<'a> {
    Candidate {
        request: BuildRequestId(request),
        builder: BuilderId(1),
        builder_name: "b",
        worker,
        locks,
        worker_locks: &[],
    }
}

fn table(locks: &[LockConfig]) -> LockTable {
    let mut table = LockTable::default();
    table.configure(locks);
    table
}

fn ask(table: &mut LockTable, build: i64, accesses: &[LockAccess], worker: &str) -> Ticket {
    let ticket = table.ask(step(build), accesses, worker, 0);
    table.settle(0);
    ticket
}

fn holds(table: &LockTable, ticket: Ticket) -> bool {
    table.standing(ticket) == Standing::Held
}

/// Begins a build; its locks, or why it waits.
fn begin(table: &mut LockTable, build: &Candidate<'_>) -> Result<Option<Ticket>, String> {
    let mut round = table.round(0);
    match round.obstacle(build) {
        Some(why) => {
            round.wish(build);
            Err(why)
        }
        None => {
            let ticket = round.take(build);
            if let Some(ticket) = ticket {
                table.name(ticket, BuildId(build.request.0), build.request.0);
            }
            Ok(ticket)
        }
    }
}

#[test]
fn accesses_share_as_they_say() {
    let (one, two, all) = (counting("db", 1), counting("db", 2), exclusive("db"));
    // Size, what is held, what is asked for, whether it is granted.
    let cases: [(usize, &[&LockAccess], &LockAccess, bool); 9] = [
        (1, &[], &one, true),
        (1, &[&one], &one, false),
        (3, &[&one, &one], &one, true),
        (3, &[&two], &one, true),
        (3, &[&two], &two, false),
        (3, &[], &all, true),
        (3, &[&one], &all, false),
        (3, &[&all], &one, false),
        (3, &[&all], &all, false),
    ];
    for (size, held, asked, granted) in cases {
        let mut table = table(&[lock("db", LockKind::Master, size)]);
        for (build, access) in held.iter().enumerate() {
            let ticket = ask(&mut table, build as i64, &[(*access).clone()], "w1");
            assert!(holds(&table, ticket), "{size} {held:?}");
        }
        let ticket = ask(&mut table, 99, std::slice::from_ref(asked), "w2");
        assert_eq!(holds(&table, ticket), granted, "{size} {held:?} {asked:?}");
    }
}

#[test]
fn each_worker_has_its_copy_of_a_worker_lock() {
    let mut cpu = lock("cpu", LockKind::Worker, 1);
    cpu.max_count_for_worker.insert("big".into(), 2);
    let mut table = table(&[cpu]);
    let mut granted = |build, worker| {
        let ticket = ask(&mut table, build, &[counting("cpu", 1)], worker);
        holds(&table, ticket)
    };
    assert!(granted(1, "w1"));
    assert!(!granted(2, "w1"));
    assert!(granted(3, "w2"));
    assert!(granted(4, "big") && granted(5, "big"));
    assert!(!granted(6, "big"));
    let rows = table.snapshot();
    let rows: Vec<_> = rows
        .iter()
        .map(|r| (r.worker.as_deref(), r.max_count, r.holders.len(), r.waiters.len()))
        .collect();
    assert_eq!(rows, [(Some("big"), 2, 2, 1), (Some("w1"), 1, 1, 1), (Some("w2"), 1, 1, 0)]);
}

#[test]
fn who_came_first_is_served_first() {
    let mut table = table(&[lock("db", LockKind::Master, 2)]);
    let first = ask(&mut table, 1, &[counting("db", 1)], "w1");
    let all = ask(&mut table, 2, &[exclusive("db")], "w1");
    let late = ask(&mut table, 3, &[counting("db", 1)], "w1");
    assert!(holds(&table, first) && !holds(&table, all));
    assert!(!holds(&table, late), "it would starve the one who wants the whole lock");
    let why = "lock 'db' is held by step 's' of build 1 of builder b";
    assert_eq!(table.standing(all), Standing::Waiting(why.into()));
    table.release(first);
    table.settle(0);
    assert!(holds(&table, all) && !holds(&table, late));
    table.release(all);
    table.settle(0);
    assert!(holds(&table, late));
}

#[test]
fn who_gives_up_lets_others_in() {
    let mut table = table(&[lock("db", LockKind::Master, 2)]);
    let first = ask(&mut table, 1, &[counting("db", 1)], "w1");
    let all = ask(&mut table, 2, &[exclusive("db")], "w1");
    let late = ask(&mut table, 3, &[counting("db", 1)], "w1");
    assert!(table.release(all) && !table.release(all));
    assert!(table.settle(0));
    assert!(holds(&table, first) && holds(&table, late));
}

#[test]
fn several_locks_are_taken_together_or_not_at_all() {
    let locks = [lock("a", LockKind::Master, 1), lock("b", LockKind::Master, 1)];
    let mut table = table(&locks);
    let holder = ask(&mut table, 1, &[counting("a", 1)], "w1");
    let both = ask(&mut table, 2, &[counting("b", 1), counting("a", 1)], "w1");
    let other = ask(&mut table, 3, &[counting("b", 1)], "w1");
    assert!(holds(&table, other), "nothing is kept from others by one who waits for 'a'");
    table.release(holder);
    table.settle(0);
    assert!(!holds(&table, both));
    let next = ask(&mut table, 4, &[counting("a", 1)], "w1");
    assert!(!holds(&table, next), "its place at 'a' is kept while it waits for 'b'");
    table.release(other);
    table.settle(0);
    assert!(holds(&table, both));
}

#[test]
fn a_smaller_lock_keeps_its_holders() {
    let mut table = table(&[lock("db", LockKind::Master, 3)]);
    let held = ask(&mut table, 1, &[counting("db", 3)], "w1");
    let next = ask(&mut table, 2, &[counting("db", 2)], "w1");
    table.configure(&[lock("db", LockKind::Master, 1)]);
    assert!(!table.settle(0) && holds(&table, held));
    table.release(held);
    table.settle(0);
    assert!(holds(&table, next), "who wants more than there is gets all of it");
    let last = ask(&mut table, 3, &[counting("db", 1)], "w1");
    assert!(!holds(&table, last));
    table.configure(&[]);
    table.release(next);
    table.settle(0);
    assert!(holds(&table, last), "a lock that is gone still serves older plans");
    assert!(!table.snapshot()[0].configured);
    table.release(last);
    assert!(table.snapshot().is_empty());
}

#[test]
fn a_build_waits_in_the_queue_and_says_why() {
    let mut table = table(&[lock("db", LockKind::Master, 1)]);
    let locks = [counting("db", 1)];
    let (first, second) = (candidate(1, "w1", &locks), candidate(2, "w2", &locks));
    let held = begin(&mut table, &first).expect("free").expect("a ticket");
    let why = begin(&mut table, &second).expect_err("taken");
    assert_eq!(why, "lock 'db' is held by build 1 of builder b");
    assert_eq!(table.snapshot()[0].waiters[0].buildrequestid, 2);
    // A step that comes later does not pass the request.
    table.release(held);
    let step = ask(&mut table, 3, &locks, "w1");
    let why = "lock 'db' goes to request 2 of builder b first";
    assert_eq!(table.standing(step), Standing::Waiting(why.into()));
    assert!(begin(&mut table, &second).is_ok());
    // A request that is gone gives up its place.
    let mut other = super::tests::table(&[lock("db", LockKind::Master, 1)]);
    let held = ask(&mut other, 1, &locks, "w1");
    begin(&mut other, &second).expect_err("taken");
    other.release(held);
    other.settle(0);
    let step = ask(&mut other, 3, &locks, "w1");
    drop(other.round(0));
    assert!(other.settle(0) && holds(&other, step));
}

#[test]
fn a_build_without_locks_needs_no_claim() {
    let mut table = LockTable::default();
    assert_eq!(begin(&mut table, &candidate(1, "w1", &[])), Ok(None));
}

#[test]
fn a_worker_can_have_locks_too() {
    let mut table = table(&[lock("a", LockKind::Master, 2), lock("b", LockKind::Master, 1)]);
    let (a, b) = ([counting("a", 1)], [counting("b", 1), counting("a", 1)]);
    let one = Candidate { worker_locks: &b, ..candidate(1, "w1", &a) };
    assert!(begin(&mut table, &one).is_ok(), "two units of 'a' for one build");
    let why = begin(&mut table, &candidate(2, "w2", &a)).expect_err("taken");
    assert_eq!(why, "lock 'a' is held by build 1 of builder b");
}

#[test]
fn waits_in_a_circle_are_refused() {
    let mut table = table(&[lock("a", LockKind::Master, 1), lock("b", LockKind::Master, 1)]);
    let (a, b) = ([counting("a", 1)], [counting("b", 1)]);
    begin(&mut table, &candidate(1, "w1", &a)).expect("free");
    let other = begin(&mut table, &candidate(2, "w2", &b)).expect("free").expect("a ticket");
    let first = ask(&mut table, 1, &b, "w1");
    assert_eq!(table.deadlocked(), None);
    let second = ask(&mut table, 2, &a, "w2");
    assert_eq!(table.deadlocked(), Some(second), "the youngest of them");
    assert!(table.refuse_deadlock() && !table.refuse_deadlock());
    let Standing::Refused(why) = table.standing(second) else { panic!("it waits") };
    assert!(why.starts_with("lock 'a' is held by build 1 of builder b while"), "{why}");
    // Its build ends, and the other one goes on.
    table.release(second);
    table.release(other);
    table.settle(0);
    assert!(holds(&table, first));
}

#[test]
fn a_wait_behind_many_is_no_circle() {
    let mut table = table(&[lock("a", LockKind::Master, 1), lock("b", LockKind::Master, 2)]);
    let (a, b) = ([counting("a", 1)], [counting("b", 1)]);
    begin(&mut table, &candidate(1, "w1", &a)).expect("free");
    begin(&mut table, &candidate(2, "w2", &b)).expect("free");
    // A build that waits for nothing has the other unit.
    begin(&mut table, &candidate(3, "w3", &b)).expect("free");
    ask(&mut table, 1, &b, "w1");
    ask(&mut table, 2, &a, "w2");
    assert_eq!(table.deadlocked(), None);
}

#[test]
fn the_order_puts_what_is_held_first() {
    let edge = |held, wanted| Edge { held, wanted, builder: "x" };
    let names = ["a", "b", "c"];
    assert_eq!(order(&names, &[]).expect("an order"), names);
    let edges = [edge("c", "a"), edge("a", "b")];
    assert_eq!(order(&names, &edges).expect("an order"), ["c", "a", "b"]);
    let circle = order(&names, &[edge("c", "a"), edge("a", "b"), edge("b", "a")]);
    let circle = circle.expect_err("a circle");
    let ends: Vec<_> = circle.iter().map(|edge| (edge.held, edge.wanted)).collect();
    assert!(ends == [("a", "b"), ("b", "a")] || ends == [("b", "a"), ("a", "b")], "{ends:?}");
}
