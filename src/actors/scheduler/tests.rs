//! Schedulers against a real database; the clock is set by hand where time matters.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::catch_up::{Pass, Rules};
use super::{ForceError, ForceRequest, Schedulers, Submitted, Wiring};
use crate::actors::announcer::Announcer;
use crate::actors::supervise::Supervisor;
use crate::actors::tree::Tree;
use crate::config::checked::{
    BasicScheduler, CodebaseDefaults, FieldKind, ForceField, ForceScheduler, Nested, NestedRole,
    SchedulerConfig, SchedulerKind,
};
use crate::config::problems::{Place, Problems};
use crate::config::raw::{Raw, RawValue};
use crate::db::{Db, builders, buildsets, changes, masters, schedulers};
use crate::events::Event;
use crate::flow::change_filter::{ChangeFilter, FileFilter};
use crate::model::{Buildset, ChangeId, MasterId, NewChange, Properties};

const PATIENCE: Duration = Duration::from_secs(60);
/// When the tests happen.
const NOW: i64 = 1_700_000_000;

struct World {
    _dir: TempDir,
    db: Db,
    master: MasterId,
}

impl World {
    async fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path().join("state.sqlite").to_str().unwrap()).unwrap();
        let prepare = db.write(|conn| {
            let master = masters::register(conn, "here", NOW)?;
            for name in ["quick", "full"] {
                builders::find_or_create(conn, name)?;
            }
            Ok(master)
        });
        let master = prepare.await.unwrap();
        World { _dir: dir, db, master }
    }

    async fn change(&self, branch: &str, file: &str, at: i64) -> ChangeId {
        let change = NewChange {
            author: "Ann".into(),
            branch: Some(branch.into()),
            revision: Some(format!("{branch}-{file}-{at}")),
            files: vec![file.into()],
            repository: "repo".into(),
            properties: [("from", json!(file), "Change")].into_iter().collect(),
            ..NewChange::default()
        };
        self.db.write(move |conn| changes::add(conn, &change, at)).await.unwrap().id
    }

    async fn enter(&self, config: &SchedulerConfig, fresh: bool) -> Arc<Rules> {
        let SchedulerKind::Basic(settings) = &config.kind else { panic!("not a change scheduler") };
        let rules = Arc::new(Rules::new(config, settings, self.master));
        let entering = rules.clone();
        self.db.write(move |conn| entering.enter(conn, fresh)).await.unwrap();
        rules
    }

    async fn pass(&self, rules: &Arc<Rules>, now: i64) -> Pass {
        let rules = rules.clone();
        self.db.write(move |conn| rules.pass(conn, now)).await.unwrap()
    }

    async fn buildset(&self, submitted: &Submitted) -> (Buildset, Properties) {
        let id = submitted.buildset;
        let read = self
            .db
            .read(move |conn| Ok((buildsets::get(conn, id)?, buildsets::properties(conn, id)?)));
        read.await.unwrap()
    }

    async fn switch(&self, name: &'static str, on: bool) {
        let switch = self.db.write(move |conn| {
            let id = schedulers::find_or_create(conn, name)?;
            schedulers::set_enabled(conn, id, on)
        });
        switch.await.unwrap();
    }
}

fn settings(timer: Option<u64>) -> BasicScheduler {
    BasicScheduler {
        per_branch: false,
        change_filter: ChangeFilter::branches(vec![Some("main".into())]),
        tree_stable_timer: timer.map(Duration::from_secs),
        file_is_important: FileFilter::default(),
        only_important: false,
    }
}

fn scheduler(name: &str, settings: BasicScheduler) -> SchedulerConfig {
    let mut properties = Properties::new();
    properties.set("kind", "quick", "Scheduler");
    SchedulerConfig {
        name: name.into(),
        builder_names: vec!["full".into(), "quick".into()],
        properties,
        reason: None,
        priority: 7,
        codebases: IndexMap::new(),
        kind: SchedulerKind::Basic(settings),
    }
}

/// A filter that finds changes to documents unimportant.
fn no_docs() -> FileFilter {
    let raw = |value| Raw { value, place: Place::default() };
    let patterns = vec![raw(RawValue::Text("*.rst".into()))];
    let table = [("exclude".to_owned(), raw(RawValue::List(patterns)))].into();
    let mut problems = Problems::new();
    let filter = FileFilter::parse(&raw(RawValue::Table(table)), "fileIsImportant", &mut problems);
    assert!(problems.is_empty(), "{problems}");
    filter
}

#[actix::test]
async fn without_a_timer_each_change_is_a_buildset() {
    let world = World::new().await;
    world.change("main", "before", NOW).await;
    let rules = world.enter(&scheduler("all", settings(None)), false).await;
    world.change("main", "a", NOW + 1).await;
    world.change("other", "b", NOW + 2).await;
    world.change("main", "c", NOW + 3).await;
    let pass = world.pass(&rules, NOW + 4).await;
    assert_eq!(pass.submitted.len(), 2);
    assert_eq!(pass.submitted[0].requests.len(), 2);
    let (set, properties) = world.buildset(&pass.submitted[0]).await;
    assert_eq!(set.reason, "The SingleBranchScheduler scheduler named 'all' triggered this build");
    assert_eq!(set.sourcestamps.len(), 1);
    assert_eq!(set.sourcestamps[0].revision, Some(format!("main-a-{}", NOW + 1)));
    let expected: Properties = [
        ("kind", json!("quick"), "Scheduler"),
        ("scheduler", json!("all"), "Scheduler"),
        ("from", json!("a"), "Change"),
    ]
    .into_iter()
    .collect();
    assert_eq!(properties, expected);
    assert_eq!(world.pass(&rules, NOW + 5).await, Pass::default());
}

#[actix::test]
async fn the_timer_gathers_changes_and_survives_a_restart() {
    let world = World::new().await;
    let config = scheduler("stable", settings(Some(60)));
    let rules = world.enter(&config, false).await;
    for second in 0..5 {
        world.change("main", &format!("f{second}"), NOW + second).await;
    }
    let pass = world.pass(&rules, NOW + 5).await;
    assert_eq!((pass.submitted.len(), pass.due_at, pass.pending), (0, Some(NOW + 64), 5));

    let again = world.enter(&config, false).await;
    assert_eq!(world.pass(&again, NOW + 63).await.due_at, Some(NOW + 64));
    let pass = world.pass(&again, NOW + 64).await;
    assert_eq!((pass.submitted.len(), pass.due_at, pass.pending), (1, None, 0));
    let (set, _) = world.buildset(&pass.submitted[0]).await;
    assert_eq!(set.sourcestamps[0].revision, Some(format!("main-f4-{}", NOW + 4)));
    assert_eq!(world.pass(&again, NOW + 200).await, Pass::default());
}

#[actix::test]
async fn unimportant_changes_wait_for_an_important_one() {
    let world = World::new().await;
    let docs = BasicScheduler { file_is_important: no_docs(), ..settings(Some(10)) };
    let rules = world.enter(&scheduler("docs", docs.clone()), false).await;
    let only = BasicScheduler { only_important: true, ..docs };
    let only = world.enter(&scheduler("only", only), false).await;
    world.change("main", "a.rst", NOW).await;
    let pass = world.pass(&rules, NOW + 100).await;
    assert_eq!((pass.submitted.len(), pass.due_at, pass.pending), (0, None, 1));
    assert_eq!(world.pass(&only, NOW + 100).await.pending, 0);
    world.change("main", "a.rs", NOW + 100).await;
    let pass = world.pass(&rules, NOW + 110).await;
    assert_eq!((pass.submitted.len(), pass.pending), (1, 0));
}

#[actix::test]
async fn each_branch_has_its_own_timer() {
    let world = World::new().await;
    let any = BasicScheduler {
        per_branch: true,
        change_filter: ChangeFilter::default(),
        ..settings(Some(60))
    };
    let rules = world.enter(&scheduler("any", any), false).await;
    world.change("a", "x", NOW).await;
    world.change("b", "y", NOW + 50).await;
    let pass = world.pass(&rules, NOW + 60).await;
    assert_eq!((pass.submitted.len(), pass.due_at, pass.pending), (1, Some(NOW + 110), 1));
    let (set, _) = world.buildset(&pass.submitted[0]).await;
    assert_eq!(set.reason, "The AnyBranchScheduler scheduler named 'any' triggered this build");
    assert_eq!(set.sourcestamps[0].branch.as_deref(), Some("a"));
    assert_eq!(world.pass(&rules, NOW + 110).await.submitted.len(), 1);
}

#[actix::test]
async fn a_scheduler_that_is_switched_off_skips() {
    let world = World::new().await;
    let rules = world.enter(&scheduler("all", settings(None)), false).await;
    world.switch("all", false).await;
    world.change("main", "missed", NOW).await;
    let pass = world.pass(&rules, NOW).await;
    assert_eq!(pass.idle_because.as_deref(), Some("switched off"));
    world.switch("all", true).await;
    assert_eq!(world.pass(&rules, NOW).await, Pass::default());
    world.change("main", "seen", NOW + 1).await;
    assert_eq!(world.pass(&rules, NOW + 1).await.submitted.len(), 1);
}

#[actix::test]
async fn fresh_skips_and_another_masters_scheduler_rests() {
    let world = World::new().await;
    let config = scheduler("all", settings(None));
    world.enter(&config, false).await;
    world.change("main", "built by stock", NOW).await;
    let rules = world.enter(&config, true).await;
    assert_eq!(world.pass(&rules, NOW).await, Pass::default());

    let SchedulerKind::Basic(settings) = &config.kind else { unreachable!() };
    let other = world.db.write(|conn| masters::register(conn, "there", NOW)).await.unwrap();
    let other = Arc::new(Rules::new(&config, settings, other));
    world.change("main", "a", NOW + 1).await;
    assert!(world.pass(&other, NOW + 1).await.idle_because.is_some());
    assert_eq!(world.pass(&rules, NOW + 1).await.submitted.len(), 1);
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
    let mut wiring = Wiring::new(world.db.clone(), announcer.clone(), world.master, move || {
        poked.fetch_add(1, Ordering::SeqCst);
    });
    wiring.clock = Arc::new(move || told.load(Ordering::SeqCst));
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
    let config = Arc::new(scheduler("all", settings(Some(60))));
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
    let config = scheduler("all", settings(Some(1)));
    let rules = world.enter(&config, false).await;
    let now = crate::model::now();
    world.change("main", "a", now).await;
    assert!(world.pass(&rules, now).await.due_at.is_some());

    let mut running = run(&world);
    running.wiring.clock = Arc::new(crate::model::now);
    let mut listener = running.announcer.listen();
    running.schedulers.start(&running.supervisor, Arc::new(config), &running.wiring, false);
    let heard = tokio::time::timeout(PATIENCE, listener.recv()).await.unwrap().unwrap();
    assert!(matches!(&*heard, Event::BuildsetSubmitted { .. }));
    running.schedulers.stop(&running.supervisor, "all").await;
}

fn force_scheduler() -> SchedulerConfig {
    let field = |name: &str, required| ForceField {
        name: name.into(),
        full_name: name.into(),
        label: name.into(),
        default: json!(""),
        required,
        ..ForceField::default()
    };
    let group = Nested {
        role: NestedRole::Codebase(String::new()),
        layout: "vertical".into(),
        columns: 1,
        fields: vec![field("branch", false)],
    };
    let codebase = ForceField { kind: FieldKind::Nested(group), ..ForceField::default() };
    let priority = FieldKind::Int { size: 10 };
    let form = ForceScheduler {
        label: "force".into(),
        button_name: "force".into(),
        username: field("username", false),
        reason: field("reason", true),
        priority: ForceField { kind: priority, default: json!(0), ..field("priority", false) },
        fields: vec![codebase, field("extra", false)],
        reason_string: "A build was forced by '%(owner)s': %(reason)s".into(),
    };
    let codebases = [(String::new(), CodebaseDefaults::default())].into();
    let kind = SchedulerKind::Force(form);
    SchedulerConfig { kind, codebases, ..scheduler("force", settings(None)) }
}

#[actix::test]
async fn a_forced_build_is_submitted_or_refused() {
    let world = World::new().await;
    let running = run(&world);
    let config = Arc::new(force_scheduler());
    running.schedulers.start(&running.supervisor, config, &running.wiring, false);
    let handle = running.schedulers.force("force").unwrap();
    assert!(running.schedulers.force("nobody").is_none());

    let mut request = ForceRequest { owner: "ann".into(), ..ForceRequest::default() };
    let refused = loop {
        match handle.force(request.clone(), PATIENCE).await.unwrap_err() {
            // Its first life has not begun yet.
            ForceError::Down(_) => tokio::task::yield_now().await,
            refused => break refused,
        }
    };
    assert!(
        matches!(&refused, ForceError::Invalid(why) if why.contains_key("reason")),
        "{refused}"
    );

    request.values =
        json!({"reason": "why not", "branch": "dev", "extra": "x"}).as_object().unwrap().clone();
    request.builders = vec!["nobody".into()];
    let refused = handle.force(request.clone(), PATIENCE).await.unwrap_err();
    assert!(matches!(refused, ForceError::NoBuilder(_)));

    request.builders = vec!["quick".into(), "nobody".into()];
    let submitted = handle.force(request, PATIENCE).await.unwrap();
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
