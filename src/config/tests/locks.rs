//! `locks`, and the lists that name them.

use super::check;
use crate::model::{LockAccess, LockKind, LockMode};

/// Two workers, two locks, and builders `a` and `b` with further keys and steps.
fn text(locks: &str, a: &str, b: &str) -> String {
    format!(
        "{locks}\n[protocols]\npb = {{ port = 0 }}\n\
         [[workers]]\nname = 'w1'\npassword = 'p'\n[[workers]]\nname = 'w2'\npassword = 'p'\n\
         [[schedulers]]\ntype = 'ForceScheduler'\nname = 'f'\nbuilderNames = ['a', 'b']\n\
         [[builders]]\nname = 'a'\nworkernames = ['w1', 'w2']\n{a}\n\
         [[builders]]\nname = 'b'\nworkernames = ['w1']\n{b}\n"
    )
}

const LOCKS: &str = "[[locks]]\ntype = 'MasterLock'\nname = 'db'\nmaxCount = 2\n\
                     [[locks]]\ntype = 'WorkerLock'\nname = 'cpu'\nmaxCount = 4\n\
                     maxCountForWorker = { w2 = 1 }\n";

fn step(locks: &str) -> String {
    format!("[[builders.steps]]\ntype = 'ShellCommand'\ncommand = 'x'\nlocks = {locks}")
}

#[test]
fn every_form_of_an_entry() {
    let builder = "locks = ['db', { name = 'cpu', access = 'exclusive' }]\n";
    let a = format!("{builder}{}", step("[]"));
    let config = check(&text(LOCKS, &a, &step("{ name = 'db', count = 2 }"))).expect("good");
    let cpu = config.locks.iter().find(|lock| lock.name == "cpu").expect("cpu");
    assert_eq!((cpu.kind, cpu.limit(Some("w1")), cpu.limit(Some("w2"))), (LockKind::Worker, 4, 1));
    let access = |name: &str, mode| LockAccess { name: name.into(), mode };
    let expected = [access("db", LockMode::Counting(1)), access("cpu", LockMode::Exclusive)];
    assert_eq!(config.builders[0].locks, expected);
    let step = &config.builders[1].steps[0].options;
    assert_eq!(step.locks, [access("db", LockMode::Counting(2))]);
    let none = check(&text(LOCKS, &step_with_none(), &step_with_none())).expect("good");
    assert!(none.builders[0].steps[0].options.locks.is_empty());
}

fn step_with_none() -> String {
    step("[{ name = 'db', count = 0 }]")
}

#[test]
fn locks_are_in_the_order_in_which_builds_take_them() {
    let a = format!("locks = 'cpu'\n{}", step("'db'"));
    let config = check(&text(LOCKS, &a, &step("[]"))).expect("good");
    let names: Vec<&str> = config.locks.iter().map(|lock| lock.name.as_str()).collect();
    assert_eq!(names, ["cpu", "db"]);
}

#[test]
fn mistakes_are_told_with_their_place() {
    let good = step("[]");
    let lock = |more: &str| format!("[[locks]]\ntype = 'MasterLock'\nname = 'x'\n{more}\n");
    let holds = |lock: &str, step_lock: &str| format!("locks = ['{lock}']\n{}", step(step_lock));
    let cases = [
        (lock("maxCount = 0"), good.clone(), good.clone(), "locks[0].maxCount: must be at least 1"),
        (
            lock("maxCountForWorker = { w1 = 2 }"),
            good.clone(),
            good.clone(),
            "belongs to a WorkerLock",
        ),
        (
            LOCKS.replace("w2 = 1", "w3 = 1"),
            good.clone(),
            good.clone(),
            "locks[1].maxCountForWorker: unknown worker 'w3'",
        ),
        (LOCKS.replace("'cpu'", "'db'"), good.clone(), good.clone(), "a lock named 'db' stands in"),
        (LOCKS.replace("WorkerLock", "SlaveLock"), good.clone(), good.clone(), "unknown type"),
        (
            LOCKS.into(),
            step("['dbb']"),
            good.clone(),
            "builders[0].steps[0].locks[0]: unknown lock",
        ),
        (LOCKS.into(), holds("dv", "[]"), good.clone(), "builders[0].locks[0]: unknown lock 'dv'"),
        (LOCKS.into(), step("['db', 'db']"), good.clone(), "locks[1]: the lock 'db' stands twice"),
        (
            LOCKS.into(),
            step("{ name = 'db', access = 'shared' }"),
            good.clone(),
            "locks.access: is 'shared' and must be 'counting' or 'exclusive'",
        ),
        (
            LOCKS.into(),
            step("{ name = 'db', access = 'exclusive', count = 2 }"),
            good.clone(),
            "locks.count: an exclusive access takes the whole lock",
        ),
        (LOCKS.into(), step("{ name = 'db', count = 3 }"), good.clone(), "wants 3 units"),
        (
            LOCKS.into(),
            step("{ name = 'cpu', count = 2 }"),
            good.clone(),
            "wants 2 units of the lock 'cpu', of which there are 1",
        ),
        (LOCKS.into(), step("{ name = 'db', acces = 'x' }"), good.clone(), "did you mean 'access'"),
        (
            LOCKS.into(),
            holds("db", "['db']"),
            good.clone(),
            "builders[0].steps[0].locks[0]: the lock 'db' is held by every build of the builder 'a'",
        ),
        (
            LOCKS.into(),
            holds("db", "['cpu']"),
            holds("cpu", "['db']"),
            "the locks can block each other for ever",
        ),
    ];
    for (locks, a, b, part) in cases {
        let report = check(&text(&locks, &a, &b)).expect_err(part);
        assert!(report.contains(part), "{part} is not in\n{report}");
        assert_eq!(report.lines().count(), 1, "{report}");
        assert!(report.starts_with("master.toml:"), "{report}");
    }
}

#[test]
fn a_factory_is_looked_at_with_its_builders() {
    let factory = "[[factories.f.steps]]\ntype = 'ShellCommand'\ncommand = 'x'\nlocks = ['db']\n";
    let uses = "factory = 'f'\n";
    let text = |a: &str| text(&format!("{LOCKS}{factory}"), a, uses);
    assert!(check(&text(uses)).is_ok());
    let report = check(&text(&format!("{uses}locks = ['db']"))).expect_err("held already");
    assert!(report.contains("factories.f.steps[0].locks[0]: the lock 'db' is held"), "{report}");
}

#[test]
fn a_worker_has_locks_as_well() {
    let worker = |locks: &str| {
        text(LOCKS, "locks = ['db']\nsteps = []", &step("['db']")).replacen(
            "password = 'p'",
            &format!("password = 'p'\nlocks = {locks}"),
            1,
        )
    };
    assert!(check(&worker("['cpu']")).is_ok());
    let report = check(&worker("['db']")).expect_err("taken twice");
    assert!(
        report.contains("builders[0].locks[0]: the lock 'db' is taken for a worker"),
        "{report}"
    );
    assert!(report.contains("builders[1].steps[0].locks[0]: the lock 'db' is held"), "{report}");
    let report = check(&worker("['gpu']")).expect_err("unknown");
    assert!(report.contains("workers[0].locks[0]: unknown lock 'gpu'"), "{report}");
}
