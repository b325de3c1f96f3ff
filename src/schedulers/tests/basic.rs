//! Schedulers that wait for changes.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{NOW, World, scheduler};
use crate::config::checked::SchedulerConfig;
use crate::db::masters;
use crate::model::Properties;
use crate::schedulers::Pass;

/// A SingleBranchScheduler for `main` with these options besides.
fn single(name: &str, options: Value) -> Arc<SchedulerConfig> {
    let mut written = json!({
        "type": "SingleBranchScheduler", "name": name, "change_filter": { "branch": "main" },
        "properties": { "kind": "quick" }, "priority": 7,
    });
    let table = written.as_object_mut().unwrap();
    table.extend(options.as_object().unwrap().clone());
    scheduler(written)
}

#[tokio::test]
async fn without_a_timer_each_change_is_a_buildset() {
    let world = World::new().await;
    world.change("main", "before", NOW).await;
    let rules = single("all", json!({}));
    world.enter(&rules, false).await;
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

#[tokio::test]
async fn the_timer_gathers_changes_and_survives_a_restart() {
    let world = World::new().await;
    let rules = single("stable", json!({ "treeStableTimer": 60 }));
    world.enter(&rules, false).await;
    for second in 0..5 {
        world.change("main", &format!("f{second}"), NOW + second).await;
    }
    let pass = world.pass(&rules, NOW + 5).await;
    assert_eq!((pass.submitted.len(), pass.due_at, pass.pending), (0, Some(NOW + 64), 5));

    world.enter(&rules, false).await;
    assert_eq!(world.pass(&rules, NOW + 63).await.due_at, Some(NOW + 64));
    let pass = world.pass(&rules, NOW + 64).await;
    assert_eq!((pass.submitted.len(), pass.due_at, pass.pending), (1, None, 0));
    let (set, _) = world.buildset(&pass.submitted[0]).await;
    assert_eq!(set.sourcestamps[0].revision, Some(format!("main-f4-{}", NOW + 4)));
    assert_eq!(world.pass(&rules, NOW + 200).await, Pass::default());
}

#[tokio::test]
async fn unimportant_changes_wait_for_an_important_one() {
    let world = World::new().await;
    let no_docs = json!({ "exclude": ["*.rst"] });
    let rules = single("docs", json!({ "treeStableTimer": 10, "fileIsImportant": no_docs }));
    let only = json!({ "treeStableTimer": 10, "fileIsImportant": no_docs, "onlyImportant": true });
    let only = single("only", only);
    world.enter(&rules, false).await;
    world.enter(&only, false).await;
    world.change("main", "a.rst", NOW).await;
    let pass = world.pass(&rules, NOW + 100).await;
    assert_eq!((pass.submitted.len(), pass.due_at, pass.pending), (0, None, 1));
    assert_eq!(world.pass(&only, NOW + 100).await.pending, 0);
    world.change("main", "a.rs", NOW + 100).await;
    let pass = world.pass(&rules, NOW + 110).await;
    assert_eq!((pass.submitted.len(), pass.pending), (1, 0));
}

#[tokio::test]
async fn each_branch_has_its_own_timer() {
    let world = World::new().await;
    let any = json!({ "type": "AnyBranchScheduler", "name": "any", "treeStableTimer": 60 });
    let rules = scheduler(any);
    world.enter(&rules, false).await;
    world.change("a", "x", NOW).await;
    world.change("b", "y", NOW + 50).await;
    let pass = world.pass(&rules, NOW + 60).await;
    assert_eq!((pass.submitted.len(), pass.due_at, pass.pending), (1, Some(NOW + 110), 1));
    let (set, _) = world.buildset(&pass.submitted[0]).await;
    assert_eq!(set.reason, "The AnyBranchScheduler scheduler named 'any' triggered this build");
    assert_eq!(set.sourcestamps[0].branch.as_deref(), Some("a"));
    assert_eq!(world.pass(&rules, NOW + 110).await.submitted.len(), 1);
}

#[tokio::test]
async fn a_scheduler_that_is_switched_off_skips() {
    let world = World::new().await;
    let rules = single("all", json!({}));
    world.enter(&rules, false).await;
    world.switch("all", false).await;
    world.change("main", "missed", NOW).await;
    let pass = world.pass(&rules, NOW).await;
    assert_eq!(pass.idle_because.as_deref(), Some("switched off"));
    world.switch("all", true).await;
    assert_eq!(world.pass(&rules, NOW).await, Pass::default());
    world.change("main", "seen", NOW + 1).await;
    assert_eq!(world.pass(&rules, NOW + 1).await.submitted.len(), 1);
}

#[tokio::test]
async fn fresh_skips_and_another_masters_scheduler_rests() {
    let world = World::new().await;
    let rules = single("all", json!({}));
    world.enter(&rules, false).await;
    world.change("main", "built by stock", NOW).await;
    world.enter(&rules, true).await;
    assert_eq!(world.pass(&rules, NOW).await, Pass::default());

    let other = world.db.write(|conn| masters::register(conn, "there", NOW)).await.unwrap();
    world.change("main", "a", NOW + 1).await;
    assert!(world.pass_of(other, &rules, NOW + 1).await.idle_because.is_some());
    assert_eq!(world.pass(&rules, NOW + 1).await.submitted.len(), 1);
}
