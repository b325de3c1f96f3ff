//! Builds and steps that share locks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use buildbot::actors::scheduler::ForceRequest;
use buildbot::db::{Conn, builds};
use buildbot::model::{BuildId, BuildRequestId, Results, Step as StepRow};
use buildbot::steps::{Outcome, Step, StepError, Workbench};

use super::shell;
use crate::world::{Place, TestMaster, TestWorker, eventually, run, soon};

/// Workers `w1` and `w2`, the lock `db` and others, and builders that are forced one by one.
fn config(locks: &str, builders: &[(&str, &str, String)]) -> String {
    let names: Vec<&str> = builders.iter().map(|(name, _, _)| *name).collect();
    let mut text = format!(
        "[[workers]]\nname = \"w1\"\npassword = \"pass\"\n\
         [[workers]]\nname = \"w2\"\npassword = \"pass\"\n\
         [[schedulers]]\ntype = \"ForceScheduler\"\nname = \"force\"\nbuilderNames = {names:?}\n{locks}"
    );
    for (name, options, steps) in builders {
        text.push_str(&format!("\n[[builders]]\nname = \"{name}\"\n{options}\n{steps}"));
    }
    text
}

const DB: &str = "[[locks]]\ntype = \"MasterLock\"\nname = \"db\"\n";
const W1: &str = "workernames = [\"w1\"]\n";
const W2: &str = "workernames = [\"w2\"]\n";

/// A step that hangs until `site.let_go(sign)`.
fn hang(place: &Place, sign: &str) -> String {
    let sign = place.path("signs").join(sign);
    shell(&format!("while ! test -e {}; do sleep 0.05; done", sign.display()))
}

fn with_db(steps: String) -> String {
    steps + "locks = [\"db\"]\n"
}

struct Site {
    place: Place,
    master: TestMaster,
    workers: Vec<TestWorker>,
}

impl Site {
    async fn new(text: impl Fn(&Place) -> String) -> Site {
        let place = Place::new();
        let master = place.master(&text(&place)).await;
        Site::with(place, master).await
    }

    async fn with(place: Place, master: TestMaster) -> Site {
        let workers = vec![place.worker(&master, "w1").await, place.worker(&master, "w2").await];
        Site { place, master, workers }
    }

    async fn force(&self, builder: &str) -> BuildRequestId {
        let request = ForceRequest { builders: vec![builder.into()], ..ForceRequest::default() };
        let submitted = self.master.handles.control.force("force", request).await;
        submitted.expect("a forced build").requests[0].1
    }

    /// Forces a build and waits for its beginning.
    async fn begin(&mut self, builder: &str) -> BuildId {
        self.force(builder).await;
        self.master.build_started().await
    }

    fn let_go(&self, sign: &str) {
        std::fs::write(self.place.path("signs").join(sign), "").expect("a written file");
    }

    async fn pends(&self, request: BuildRequestId, why: &str) {
        self.master.waits_because(request, why).await;
    }

    /// Waits until the last step of a build says this.
    async fn step_says(&self, build: BuildId, text: &str) -> StepRow {
        soon(text, async {
            loop {
                let last = self.master.steps(build).await.pop();
                if let Some(step) = last.filter(|step| step.state_string == text) {
                    return step;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await
    }

    /// How many hold each lock and how many wait.
    fn counts(&self) -> Vec<(String, usize, usize)> {
        let locks = self.master.handles.locks.snapshot().into_iter();
        locks.map(|lock| (lock.name, lock.holders.len(), lock.waiters.len())).collect()
    }

    async fn db_is(&self, holders: usize, waiters: usize) {
        let expected = [("db".to_owned(), holders, waiters)];
        eventually(&format!("{expected:?}"), || self.counts() == expected).await;
    }

    async fn stop(self) {
        for worker in self.workers {
            worker.stop().await;
        }
        self.master.stop().await;
    }
}

const HELD_BY_A: &str = "lock 'db' is held by build 1 of builder a";

#[test]
fn a_builders_lock_keeps_the_next_build_in_the_queue() {
    run(async {
        let mut site = Site::new(|place| {
            let hold = |worker: &str| format!("{worker}locks = [\"db\"]\n");
            config(DB, &[("a", &hold(W1), hang(place, "a")), ("b", &hold(W2), shell("true"))])
        })
        .await;
        let first = site.begin("a").await;
        let waiting = site.force("b").await;
        site.pends(waiting, HELD_BY_A).await;
        site.db_is(1, 1).await;
        let lock = site.master.handles.locks.snapshot().remove(0);
        assert_eq!((lock.holders[0].buildid, lock.holders[0].number), (Some(first.0), Some(1)));
        assert_eq!(lock.waiters[0].buildrequestid, waiting.0);
        site.let_go("a");
        assert_eq!(site.master.build_finished().await, (first, Results::Success));
        let (second, results) = site.master.build_finished().await;
        assert_eq!(results, Results::Success);
        assert_eq!(site.master.build(second).await.request, waiting);
        let steps = site.master.steps(second).await;
        let names: Vec<_> = steps.iter().map(|step| (step.number, step.name.as_str())).collect();
        assert_eq!(names, [(0, "worker_preparation"), (1, "locks_acquire"), (2, "shell")]);
        assert_eq!(steps[1].state_string, "locks acquired");
        site.db_is(0, 0).await;
        site.stop().await;
    });
}

#[test]
fn who_wants_the_whole_lock_is_not_passed() {
    run(async {
        let mut site = Site::new(|place| {
            let all = format!("{W2}locks = [{{ name = \"db\", access = \"exclusive\" }}]\n");
            let one = |worker: &str| format!("{worker}locks = [\"db\"]\n");
            config(
                &format!("{DB}maxCount = 2\n"),
                &[
                    ("a", &one(W1), hang(place, "a")),
                    ("all", &all, shell("true")),
                    ("late", &one(W2), shell("true")),
                ],
            )
        })
        .await;
        let first = site.begin("a").await;
        let all = site.force("all").await;
        site.pends(all, HELD_BY_A).await;
        let late = site.force("late").await;
        site.pends(late, HELD_BY_A).await;
        site.let_go("a");
        assert_eq!(site.master.build_finished().await.0, first);
        for request in [all, late] {
            let (build, results) = site.master.build_finished().await;
            assert_eq!(results, Results::Success);
            assert_eq!(site.master.build(build).await.request, request);
        }
        site.stop().await;
    });
}

#[test]
fn a_step_waits_and_says_for_whom() {
    run(async {
        let mut site = Site::new(|place| {
            let waits = with_db(shell("true"));
            config(DB, &[("a", W1, with_db(hang(place, "a"))), ("b", W2, waits)])
        })
        .await;
        let first = site.begin("a").await;
        site.db_is(1, 0).await;
        let second = site.begin("b").await;
        let why = "waiting: lock 'db' is held by step 'shell' of build 1 of builder a";
        let step = site.step_says(second, why).await;
        assert!(step.started_at.is_some() && step.locks_acquired_at.is_none(), "{step:?}");
        assert_eq!(site.master.build(second).await.state_string, "acquiring locks");
        site.let_go("a");
        assert_eq!(site.master.build_finished().await, (first, Results::Success));
        assert_eq!(site.master.build_finished().await, (second, Results::Success));
        let step = site.master.steps(second).await.pop().expect("a step");
        assert!(step.locks_acquired_at >= step.started_at, "{step:?}");
        site.db_is(0, 0).await;
        site.stop().await;
    });
}

#[test]
fn a_stop_ends_a_wait() {
    run(async {
        let mut site = Site::new(|place| {
            let waits = with_db(shell("true"));
            config(DB, &[("a", W1, with_db(hang(place, "a"))), ("b", W2, waits)])
        })
        .await;
        let first = site.begin("a").await;
        site.db_is(1, 0).await;
        let second = site.begin("b").await;
        site.db_is(1, 1).await;
        site.master.handles.control.stop_build(second, "enough").await.expect("a stopped build");
        assert_eq!(site.master.build_finished().await, (second, Results::Cancelled));
        assert!(site.master.all_logs(second).await.contains("enough"));
        site.db_is(1, 0).await;
        site.let_go("a");
        assert_eq!(site.master.build_finished().await, (first, Results::Success));
        site.stop().await;
    });
}

#[test]
fn a_lost_worker_gives_its_locks_back() {
    run(async {
        let mut site = Site::new(|place| {
            let a = format!("{W1}locks = [\"db\"]\n");
            config(DB, &[("a", &a, hang(place, "a")), ("b", W2, with_db(shell("true")))])
        })
        .await;
        let first = site.begin("a").await;
        let second = site.begin("b").await;
        site.db_is(1, 1).await;
        site.workers.remove(0).vanish();
        assert_eq!(site.master.build_finished().await, (first, Results::Retry));
        assert_eq!(site.master.build_finished().await, (second, Results::Success));
        site.db_is(0, 0).await;
        site.stop().await;
    });
}

#[test]
fn a_worker_lost_while_a_step_waits_ends_the_wait() {
    run(async {
        let mut site = Site::new(|place| {
            let waits = with_db(shell("true"));
            config(DB, &[("a", W1, with_db(hang(place, "a"))), ("b", W2, waits)])
        })
        .await;
        let first = site.begin("a").await;
        site.db_is(1, 0).await;
        let second = site.begin("b").await;
        site.db_is(1, 1).await;
        site.workers.remove(1).vanish();
        assert_eq!(site.master.build_finished().await, (second, Results::Retry));
        site.db_is(1, 0).await;
        site.let_go("a");
        assert_eq!(site.master.build_finished().await, (first, Results::Success));
        site.stop().await;
    });
}

#[test]
fn a_shutdown_ends_builds_that_hold_and_that_wait() {
    run(async {
        let mut site = Site::new(|place| {
            let waits = with_db(shell("true"));
            config(DB, &[("a", W1, with_db(hang(place, "a"))), ("b", W2, waits)])
        })
        .await;
        let first = site.begin("a").await;
        site.db_is(1, 0).await;
        let second = site.begin("b").await;
        site.db_is(1, 1).await;
        let (db, locks) = (site.master.handles.db.clone(), site.master.handles.locks.clone());
        site.master.halt().await;
        let read = move |conn: &mut Conn| builds::get_many(conn, &[first, second]);
        for build in db.read(read).await.expect("two builds") {
            assert_eq!(build.results, Some(Results::Retry), "{build:?}");
        }
        let free = locks.snapshot().remove(0);
        assert!(free.holders.is_empty() && free.waiters.is_empty(), "{free:?}");
        for worker in site.workers {
            worker.stop().await;
        }
    });
}

/// Panics.
#[derive(Debug)]
struct Fragile;

#[async_trait(?Send)]
impl Step for Fragile {
    async fn run(&self, _: &mut dyn Workbench) -> Result<Outcome, StepError> {
        panic!("a fault of this step");
    }
}

#[test]
fn a_step_that_panics_gives_all_locks_back() {
    run(async {
        let place = Place::new();
        let locks = format!("{DB}[[locks]]\ntype = \"WorkerLock\"\nname = \"cpu\"\n");
        let a = format!("{W1}locks = [\"cpu\"]\n");
        let steps = with_db(shell("true"));
        let mut setup = place.setup(&config(&locks, &[("a", &a, steps.clone()), ("b", W1, steps)]));
        let mut broken = (*setup.config.builders[0]).clone();
        let mut plan = broken.steps[0].clone();
        plan.step = Arc::new(Fragile);
        broken.steps = Arc::new(vec![plan]);
        setup.config.builders[0] = Arc::new(broken);
        let master = place.start(setup).await;
        let mut site = Site::with(place, master).await;
        site.force("a").await;
        assert_eq!(site.master.build_finished().await.1, Results::Exception);
        let free = ["cpu", "db"].map(|name| (name.to_owned(), 0, 0));
        eventually("free locks", || site.counts() == free).await;
        site.force("b").await;
        assert_eq!(site.master.build_finished().await.1, Results::Success);
        site.stop().await;
    });
}

#[test]
fn a_larger_lock_lets_the_next_one_in_and_removed_builders_keep_theirs() {
    run(async {
        let text = |place: &Place, size: usize, first: bool| {
            let one = |worker: &str| format!("{worker}locks = [\"db\"]\n");
            let mut builders = vec![("b", one(W2), shell("true")), ("c", one(W2), shell("true"))];
            if first {
                builders.push(("a", one(W1), hang(place, "a")));
            }
            let builders: Vec<_> =
                builders.iter().map(|(n, o, s)| (*n, o.as_str(), s.clone())).collect();
            config(&format!("{DB}maxCount = {size}\n"), &builders)
        };
        let mut site = Site::new(|place| text(place, 1, true)).await;
        let first = site.begin("a").await;
        let second = site.force("b").await;
        site.pends(second, HELD_BY_A).await;
        let told = site.place.reconfigure(&site.master, &text(&site.place, 2, false)).await;
        assert_eq!(
            told.expect("a good file"),
            "builders: 1 removed; schedulers: 1 changed; settings changed"
        );
        let (build, _) = site.master.build_finished().await;
        assert_eq!(site.master.build(build).await.request, second);
        site.place.reconfigure(&site.master, &text(&site.place, 1, false)).await.expect("good");
        let third = site.force("c").await;
        site.pends(third, HELD_BY_A).await;
        site.let_go("a");
        assert_eq!(site.master.build_finished().await, (first, Results::Success));
        assert_eq!(site.master.build_finished().await.1, Results::Success);
        site.db_is(0, 0).await;
        site.stop().await;
    });
}

#[test]
fn a_worker_lock_counts_on_each_worker() {
    run(async {
        let mut site = Site::new(|place| {
            let locks = "[[locks]]\ntype = \"WorkerLock\"\nname = \"cpu\"\n\
                         maxCountForWorker = { w2 = 2 }\n";
            let options = "workernames = [\"w1\", \"w2\"]\nlocks = [\"cpu\"]\n";
            let builders: Vec<_> =
                ["a", "b", "c", "d"].iter().map(|n| (*n, options, hang(place, "go"))).collect();
            config(locks, &builders)
        })
        .await;
        for builder in ["a", "b", "c"] {
            site.begin(builder).await;
        }
        let fourth = site.force("d").await;
        let names_both = |why: &str| {
            why.contains("lock 'cpu' of worker w1 is held by build 1 of builder")
                && why.contains("lock 'cpu' of worker w2 is held by build 1 of builder")
                && why.ends_with("and another")
        };
        soon("a reason that names both workers", async {
            while !names_both(&site.master.reason(fourth).await) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
        let mut running = Vec::new();
        for row in site.master.handles.locks.snapshot() {
            running.push((row.worker.unwrap_or_default(), row.max_count, row.holders.len()));
        }
        assert_eq!(running, [("w1".to_owned(), 1, 1), ("w2".to_owned(), 2, 2)]);
        site.let_go("go");
        for _ in 0..4 {
            assert_eq!(site.master.build_finished().await.1, Results::Success);
        }
        site.stop().await;
    });
}

#[test]
fn a_circle_across_a_reconfiguration_is_broken() {
    run(async {
        let locks = format!("{DB}[[locks]]\ntype = \"MasterLock\"\nname = \"net\"\n");
        let wants = |lock: &str| shell("true") + &format!("locks = [\"{lock}\"]\n");
        let holds = |worker: &str, lock: &str| format!("{worker}locks = [\"{lock}\"]\n");
        let old = |place: &Place| {
            let steps = hang(place, "a") + &wants("net");
            config(&locks, &[("a", &holds(W1, "db"), steps), ("b", W2, shell("true"))])
        };
        let mut site = Site::new(old).await;
        let first = site.begin("a").await;
        let both = |place: &Place| {
            let steps = hang(place, "a") + &wants("net");
            let b = wants("db");
            config(&locks, &[("a", &holds(W1, "db"), steps), ("b", &holds(W2, "net"), b)])
        };
        let refused = site.place.reconfigure(&site.master, &both(&site.place)).await;
        let refused = refused.expect_err("a circle").to_string();
        assert!(refused.contains("block each other for ever"), "{refused}");
        let new =
            config(&locks, &[("a", W1, shell("true")), ("b", &holds(W2, "net"), wants("db"))]);
        site.place.reconfigure(&site.master, &new).await.expect("a good file");
        let second = site.begin("b").await;
        site.step_says(second, &format!("waiting: {HELD_BY_A}")).await;
        site.let_go("a");
        // The old build would wait for the new one, which waits for it.
        let (build, results) = site.master.build_finished().await;
        assert_eq!((build, results), (first, Results::Retry));
        let said = site.master.all_logs(first).await;
        assert!(said.contains("waiting would never end: lock 'net' is held by build 1"), "{said}");
        let mut left = [site.master.build_finished().await, site.master.build_finished().await];
        left.sort_by_key(|(build, _)| build.0);
        assert_eq!(left[0], (second, Results::Success));
        assert_eq!(left[1].1, Results::Success, "the old build was tried again by the new plan");
        site.stop().await;
    });
}
