//! Running schedulers against a real database; the clock is set by hand where time matters.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;

use super::{ForceRequest, Order, Refused, Schedulers, Wiring};
use crate::actors::announcer::Announcer;
use crate::actors::supervise::Supervisor;
use crate::actors::tree::Tree;
use crate::config::checked::SchedulerConfig;
use crate::db::{changes, schedulers};
use crate::events::Event;
use crate::model::Clock;
use crate::schedulers::tests::{NOW, World, scheduler};

const PATIENCE: Duration = Duration::from_secs(60);

/// Builds `main` after some quiet seconds.
fn all(quiet_s: u64) -> Arc<SchedulerConfig> {
    scheduler(json!({
        "type": "SingleBranchScheduler", "name": "all", "branch": "main",
        "treeStableTimer": quiet_s,
    }))
}

/// Running schedulers with a clock of their own.
struct Running {
    announcer: Announcer,
    supervisor: Supervisor,
    schedulers: Schedulers,
    wiring: Wiring,
    clock: Arc<AtomicI64>,
    pokes: Arc<AtomicUsize>,
}

fn run(world: &World) -> Running {
    let announcer = Announcer::default();
    let pokes = Arc::new(AtomicUsize::new(0));
    let clock = Arc::new(AtomicI64::new(NOW));
    let (poked, told) = (pokes.clone(), clock.clone());
    let by_hand = Clock::new(move || told.load(Ordering::SeqCst));
    let poke = move || {
        poked.fetch_add(1, Ordering::SeqCst);
    };
    let wiring = Wiring::new(world.db.clone(), announcer.clone(), world.master, by_hand, poke);
    Running {
        announcer,
        supervisor: Supervisor::new("", Tree::default(), mpsc::unbounded_channel().0),
        schedulers: Schedulers::default(),
        wiring,
        clock,
        pokes,
    }
}

async fn until(fact: impl Fn() -> bool) {
    let seen = async {
        while !fact() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.expect("it never happened");
}

#[actix::test]
async fn the_actor_hears_of_changes_and_tells_of_buildsets() {
    let world = World::new().await;
    let running = run(&world);
    let config = all(60);
    running.schedulers.start(&running.supervisor, config, &running.wiring, false);
    // The first pass puts the cursor behind what is there already.
    let db = world.db.clone();
    let entered = async {
        loop {
            let known = db.read(schedulers::list).await.unwrap();
            if known.iter().any(|row| row.name == "all") {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, entered).await.unwrap();
    let mut listener = running.announcer.listen();
    let id = world.change("main", "a", NOW).await;
    let change = world.db.read(move |conn| changes::get_many(conn, &[id])).await.unwrap().remove(0);
    running.announcer.announce(Event::ChangeAdded(Arc::new(change)));
    until(|| running.schedulers.list()[0].waiting_until == Some(NOW + 60)).await;
    assert_eq!(running.schedulers.list()[0].pending_changes, 1);

    running.clock.store(NOW + 60, Ordering::SeqCst);
    running.announcer.announce(Event::SchedulerUpdated { scheduler: crate::model::SchedulerId(1) });
    let heard = async {
        loop {
            if let Event::BuildsetSubmitted { scheduler, requests, .. } =
                &*listener.recv().await.unwrap()
            {
                return (scheduler.clone(), requests.len());
            }
        }
    };
    let heard = tokio::time::timeout(PATIENCE, heard).await.unwrap();
    assert_eq!(heard, (Some("all".to_owned()), 2));
    until(|| running.pokes.load(Ordering::SeqCst) == 1).await;
    running.schedulers.stop(&running.supervisor, "all").await;
    assert_eq!(running.schedulers.list(), []);
}

#[actix::test]
async fn a_timer_of_a_former_life_fires() {
    let world = World::new().await;
    let config = all(1);
    world.enter(&config, false).await;
    let now = crate::model::now();
    world.change("main", "a", now).await;
    assert!(world.pass(&config, now).await.due_at.is_some());

    let mut running = run(&world);
    running.wiring.clock = Clock::default();
    let mut listener = running.announcer.listen();
    running.schedulers.start(&running.supervisor, config, &running.wiring, false);
    let heard = tokio::time::timeout(PATIENCE, listener.recv()).await.unwrap().unwrap();
    assert!(matches!(&*heard, Event::BuildsetSubmitted { .. }));
    running.schedulers.stop(&running.supervisor, "all").await;
}

#[actix::test]
async fn a_forced_build_is_submitted_or_refused() {
    let world = World::new().await;
    let running = run(&world);
    let config = scheduler(json!({
        "type": "ForceScheduler", "name": "force",
        "reason": { "type": "StringParameter", "required": true },
        "properties": [{ "type": "StringParameter", "name": "extra" }],
    }));
    running.schedulers.start(&running.supervisor, config, &running.wiring, false);
    let force = async |name: &str, request: &ForceRequest| {
        running.schedulers.order(name, Order::Force(request.clone())).await
    };
    let mut request = ForceRequest { owner: "ann".into(), ..ForceRequest::default() };
    let refused = force("nobody", &request).await.unwrap_err();
    assert_eq!(refused.to_string(), "there is no force scheduler 'nobody'");
    let refused = force("force", &request).await.unwrap_err();
    assert!(matches!(&refused, Refused::Invalid(why) if why.contains_key("reason")), "{refused}");

    request.values =
        json!({"reason": "why not", "branch": "dev", "extra": "x"}).as_object().unwrap().clone();
    request.builders = vec!["nobody".into()];
    let refused = force("force", &request).await.unwrap_err();
    assert!(matches!(refused, Refused::NoBuilder(_)));

    request.builders = vec!["quick".into(), "nobody".into()];
    let submitted = force("force", &request).await.unwrap().unwrap();
    assert_eq!(submitted.requests.len(), 1);
    let (set, properties) = world.buildset(&submitted).await;
    assert_eq!(set.reason, "A build was forced by 'ann': why not");
    assert_eq!(set.sourcestamps[0].branch.as_deref(), Some("dev"));
    assert_eq!(set.sourcestamps[0].revision.as_deref(), Some(""));
    assert_eq!(properties.get_str("scheduler"), Some("force"));
    assert_eq!(properties.property("extra").unwrap().source, "Force Build Form");
    assert_eq!(properties.get_str("owner"), Some("ann"));
    assert_eq!(running.pokes.load(Ordering::SeqCst), 1);
    running.schedulers.stop(&running.supervisor, "force").await;
}

#[actix::test]
async fn an_order_finds_the_scheduler_that_can_do_it() {
    let world = World::new().await;
    let running = run(&world);
    running.schedulers.start(&running.supervisor, all(1), &running.wiring, false);
    let order = Order::Force(ForceRequest::default());
    let refused = running.schedulers.order("all", order).await.unwrap_err();
    assert_eq!(refused.to_string(), "there is no force scheduler 'all'");
    running.schedulers.stop(&running.supervisor, "all").await;
}
