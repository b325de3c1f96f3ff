//! Tables about who builds what.

use std::collections::HashSet;

use super::super::locks::LockTable;
use super::super::rules::tests::request as details;
use super::*;

fn waiting(id: i64) -> Waiting {
    let details = Some(Arc::new(details(id, |_| ())));
    Waiting { request: BuildRequestId(id), priority: 0, details }
}

fn builder(name: &str, workers: &[i64]) -> QueueBuilder {
    let workers = workers.iter().map(|id| WorkerId(*id)).collect();
    QueueBuilder { name: name.into(), workers, ..QueueBuilder::default() }
}

fn worker(id: i64, change: impl FnOnce(&mut WorkerState)) -> (WorkerId, WorkerState) {
    let name = format!("w{id}");
    let mut state = WorkerState { name, connected: true, ..WorkerState::default() };
    change(&mut state);
    (WorkerId(id), state)
}

fn no_locks() -> locks::Round<'static> {
    Box::leak(Box::<LockTable>::default()).round(0)
}

/// Those that start.
fn serve(
    round: &mut Round<'_>,
    id: BuilderId,
    builder: &QueueBuilder,
    queue: &[Waiting],
) -> (Vec<Start>, Option<String>) {
    let (turns, wrong) = round.serve(id, builder, queue);
    let start = |turn| match turn {
        Turn::Starts(start) => Some(start),
        Turn::WaitsForLocks(_) => None,
    };
    (turns.into_iter().filter_map(start).collect(), wrong)
}

fn busy(builder: i64) -> Occupied {
    Occupied { builder: BuilderId(builder), number: 1 }
}

fn expression(text: &str) -> Expression {
    Expression::parse(text).expect("an expression")
}

#[test]
fn builders_are_served_in_stocks_order() {
    let builders: HashMap<BuilderId, QueueBuilder> = [(1, "b"), (2, "a"), (3, "c"), (4, "d")]
        .into_iter()
        .map(|(id, name)| (BuilderId(id), builder(name, &[])))
        .collect();
    let head = |id, priority, oldest| Head { builder: BuilderId(id), priority, oldest };
    let heads = [head(1, 0, 10), head(2, 0, 10), head(3, 5, 90), head(4, 0, 5)];
    let table = [
        (BuilderOrder::Priority, [3, 4, 2, 1]),
        (BuilderOrder::Oldest, [4, 2, 1, 3]),
        (BuilderOrder::Greatest(expression("builder.name == 'b'")), [1, 3, 4, 2]),
        (BuilderOrder::Greatest(expression("waiting")), [4, 2, 1, 3]),
    ];
    for (rule, expected) in table {
        let mut heads = heads;
        assert_eq!(order(&mut heads, &builders, &rule, 100), None);
        let ids: Vec<i64> = heads.iter().map(|head| head.builder.0).collect();
        assert_eq!(ids, expected, "{rule:?}");
    }
    let broken = BuilderOrder::Greatest(expression("builder.nothing()"));
    assert!(order(&mut heads.clone(), &builders, &broken, 0).unwrap().contains("prioritizeB"));
}

#[test]
fn a_round_ends_with_the_workers() {
    let workers = HashMap::from([worker(1, |_| ()), worker(2, |w| w.running = vec![busy(1)])]);
    let mut round = Round::new(Floor::new(&workers, 0), no_locks(), 1);
    let one = builder("one", &[1, 2]);
    let (starts, _) = serve(&mut round, BuilderId(1), &one, &[waiting(1), waiting(2)]);
    let start = Start { request: BuildRequestId(1), builder: BuilderId(1), worker: WorkerId(1) };
    assert_eq!(starts, [start]);
    assert!(!round.floor.has_room(BuilderId(1), &one));
    assert!(round.floor.has_room(BuilderId(2), &one), "another builder may use them");
    let limited = HashMap::from([worker(1, |w| w.max_builds = Some(1))]);
    let mut round = Round::new(Floor::new(&limited, 0), no_locks(), 1);
    serve(&mut round, BuilderId(1), &one, &[waiting(1)]);
    assert_eq!(round.floor.obstacle(BuilderId(2), WorkerId(1)), Some(Unavailable::Busy));
}

#[test]
fn obstacles_of_a_worker() {
    let workers = HashMap::from([
        worker(1, |w| (w.connected, w.last_seen) = (false, Some(7))),
        worker(2, |w| w.paused = true),
        worker(3, |w| w.graceful = true),
        worker(4, |w| w.quarantined_until = Some(50)),
        worker(5, |w| w.running = vec![busy(1)]),
        worker(6, |_| ()),
    ]);
    let round = Round::new(Floor::new(&workers, 49), no_locks(), 1);
    let table = [
        (1, Some(Unavailable::NotConnected { last_seen: Some(7) })),
        (2, Some(Unavailable::Paused)),
        (3, Some(Unavailable::ShuttingDown)),
        (4, Some(Unavailable::Quarantined { until: 50 })),
        (5, Some(Unavailable::BusyWithBuilder)),
        (6, None),
        (7, Some(Unavailable::NotConnected { last_seen: None })),
    ];
    for (id, expected) in table {
        assert_eq!(round.floor.obstacle(BuilderId(1), WorkerId(id)), expected, "worker {id}");
    }
    assert_eq!(
        Round::new(Floor::new(&workers, 50), no_locks(), 1)
            .floor
            .obstacle(BuilderId(1), WorkerId(4)),
        None
    );
}

#[test]
fn the_next_worker_follows_the_rule() {
    let workers = HashMap::from([
        worker(1, |w| w.running = vec![busy(9), busy(8)]),
        worker(2, |w| {
            w.running = vec![busy(9)];
            w.properties = Arc::new(Properties::from_iter([("speed", json!(5), "Worker")]));
        }),
        worker(3, |_| ()),
    ]);
    let chosen = |rule: NextWorker| -> HashSet<i64> {
        let mut one = builder("one", &[1, 2, 3]);
        one.rules.next_worker = rule;
        let pick = |seed| {
            let mut round = Round::new(Floor::new(&workers, 0), no_locks(), seed);
            let (starts, wrong) = serve(&mut round, BuilderId(1), &one, &[waiting(1)]);
            assert_eq!(wrong, None);
            starts.first().map(|start| start.worker.0)
        };
        (0..60).filter_map(pick).collect()
    };
    let table: [(NextWorker, &[i64]); 6] = [
        (NextWorker::Random, &[1, 2, 3]),
        (NextWorker::LeastBusy, &[3]),
        (NextWorker::First, &[1]),
        (NextWorker::Greatest(expression("worker.properties.speed")), &[2]),
        (NextWorker::Greatest(expression("worker.builds")), &[1]),
        (NextWorker::Greatest(expression("none")), &[]),
    ];
    for (rule, expected) in table {
        assert_eq!(chosen(rule.clone()), expected.iter().copied().collect(), "{rule:?}");
    }
}

#[test]
fn a_request_may_ask_for_a_worker() {
    let workers = HashMap::from([worker(1, |_| ()), worker(2, |_| ())]);
    let asks = |name: serde_json::Value| {
        let details = details(1, |r| _ = r.properties.set("workername", name, "Force"));
        Waiting { request: BuildRequestId(1), priority: 0, details: Some(Arc::new(details)) }
    };
    let starts = |rule: CanStart, waiting: Waiting| -> Vec<(i64, i64)> {
        let mut one = builder("one", &[1, 2]);
        one.rules.can_start = rule;
        let queue = [waiting, self::waiting(2)];
        let mut round = Round::new(Floor::new(&workers, 0), no_locks(), 3);
        let (starts, _) = serve(&mut round, BuilderId(1), &one, &queue);
        starts.iter().map(|start| (start.request.0, start.worker.0)).collect()
    };
    let enforced = || CanStart::ChosenWorker;
    assert_eq!(starts(enforced(), asks(json!("w2"))), [(1, 2), (2, 1)]);
    assert_eq!(starts(enforced(), asks(json!("w9"))).len(), 1, "the other one does not wait");
    assert_eq!(starts(enforced(), asks(json!(5))).len(), 2, "stock looks at texts only");
    assert_eq!(starts(CanStart::Always, asks(json!("w9"))).len(), 2);
    let by = CanStart::If(expression("worker.name == prop('workername', worker.name)"));
    assert_eq!(starts(by, asks(json!("w2"))), [(1, 2), (2, 1)]);
    let mut one = builder("one", &[1, 2]);
    one.rules.can_start = CanStart::If(expression("worker.nothing()"));
    let (starts, wrong) = Round::new(Floor::new(&workers, 0), no_locks(), 3).serve(
        BuilderId(1),
        &one,
        &[self::waiting(2)],
    );
    assert!(starts.is_empty() && wrong.unwrap().starts_with("canStartBuild: "));
}

#[test]
fn the_next_build_follows_the_rule() {
    let sorted = |rule: NextBuild| -> Vec<i64> {
        let mut one = builder("one", &[1]);
        one.rules.next_build = rule;
        let mut queue = [waiting(3), waiting(1), waiting(2)];
        assert_eq!(sort(&mut queue, &one, 10), None);
        queue.iter().map(|waiting| waiting.request.0).collect()
    };
    assert_eq!(sorted(NextBuild::Oldest), [3, 1, 2], "the order of the database");
    assert_eq!(sorted(NextBuild::Newest), [3, 2, 1]);
    assert_eq!(sorted(NextBuild::Greatest(expression("request.id == 2"))), [2, 3, 1]);
    assert_eq!(sorted(NextBuild::Greatest(expression("waiting"))), [1, 2, 3]);
}

#[test]
fn builds_get_their_locks_with_the_worker_or_keep_a_place() {
    use crate::config::checked::LockConfig;
    use crate::model::{LockKind, LockMode};

    let config = LockConfig {
        name: "db".into(),
        kind: LockKind::Master,
        max_count: 2,
        max_count_for_worker: Default::default(),
    };
    let workers = HashMap::from([worker(1, |_| ()), worker(2, |_| ()), worker(3, |_| ())]);
    let with = |name, worker, mode| {
        let locks = vec![LockAccess { name: "db".into(), mode }];
        QueueBuilder { locks, ..builder(name, &[worker]) }
    };
    let part = LockMode::Counting(1);
    // One who wants it whole waits, and nobody behind it takes a part.
    let table = [
        ([part, part, part], [true, true, false]),
        ([part, LockMode::Exclusive, part], [true, false, false]),
        ([LockMode::Exclusive, part, part], [true, false, false]),
    ];
    for (modes, expected) in table {
        let mut locks = LockTable::default();
        locks.configure(std::slice::from_ref(&config));
        let mut round = Round::new(Floor::new(&workers, 0), locks.round(0), 1);
        for (place, (mode, starts)) in modes.into_iter().zip(expected).enumerate() {
            let id = place as i64 + 1;
            let builder = with("b", id, mode);
            let (turns, _) = round.serve(BuilderId(id), &builder, &[waiting(id)]);
            let start =
                Start { request: BuildRequestId(id), builder: BuilderId(id), worker: WorkerId(id) };
            let turn = if starts { Turn::Starts(start) } else { Turn::WaitsForLocks(start) };
            assert_eq!(turns, [turn], "{modes:?} {id}");
        }
        drop(round);
        let lock = locks.snapshot().remove(0);
        assert_eq!(lock.holders.len(), expected.iter().filter(|starts| **starts).count());
    }
}
