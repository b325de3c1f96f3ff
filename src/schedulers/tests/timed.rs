//! Schedulers that go by the clock. [`NOW`] is 100 seconds before a quarter of an hour.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{NOW, World, problem_of, scheduler};
use crate::config::checked::SchedulerConfig;
use crate::schedulers::Pass;

const QUARTER: i64 = NOW + 100;

/// Every quarter of an hour, with these options besides.
fn nightly(options: Value) -> Arc<SchedulerConfig> {
    let mut written = json!({ "type": "Nightly", "name": "n", "minute": [0, 15, 30, 45] });
    written.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    scheduler(written)
}

fn told(pass: &Pass) -> (usize, Option<i64>, usize) {
    (pass.submitted.len(), pass.due_at, pass.pending)
}

#[tokio::test]
async fn periodic_builds_at_once_and_then_in_time() {
    let world = World::new().await;
    let hourly = scheduler(json!({ "type": "Periodic", "name": "p", "periodicBuildTimer": 3600 }));
    world.enter(&hourly, false).await;
    assert_eq!(told(&world.pass(&hourly, NOW).await), (1, Some(NOW + 3600), 0));
    assert_eq!(told(&world.pass(&hourly, NOW + 10).await), (0, Some(NOW + 3600), 0));
    // A restart changes nothing.
    world.enter_at(&hourly, false, NOW + 20).await;
    assert_eq!(told(&world.pass(&hourly, NOW + 20).await), (0, Some(NOW + 3600), 0));
    let pass = world.pass(&hourly, NOW + 3601).await;
    assert_eq!(told(&pass), (1, Some(NOW + 7200), 0));
    let (set, properties) = world.buildset(&pass.submitted[0]).await;
    assert_eq!(set.reason, "The Periodic scheduler named 'p' triggered this build");
    assert_eq!(set.sourcestamps.len(), 1);
    assert_eq!(properties.get_str("scheduler"), Some("p"));
    // Missed for a day: once, and counted from then.
    let late = NOW + 100_000;
    world.enter_at(&hourly, false, late).await;
    assert_eq!(told(&world.pass(&hourly, late).await), (1, Some(late + 3600), 0));
}

#[tokio::test]
async fn nightly_waits_for_its_time() {
    let world = World::new().await;
    let nightly = nightly(json!({ "codebases": { "app": { "branch": "main" }, "lib": {} } }));
    world.enter(&nightly, false).await;
    assert_eq!(told(&world.pass(&nightly, NOW).await), (0, Some(QUARTER), 0));
    // It was down when its very first time came.
    world.enter_at(&nightly, false, QUARTER + 5).await;
    let pass = world.pass(&nightly, QUARTER + 5).await;
    assert_eq!(told(&pass), (1, Some(QUARTER + 900), 0));
    let (set, _) = world.buildset(&pass.submitted[0]).await;
    assert_eq!(set.reason, "The Nightly scheduler named 'n' triggered this build");
    let stamps: Vec<_> = set
        .sourcestamps
        .iter()
        .map(|stamp| (stamp.codebase.as_str(), stamp.branch.as_deref()))
        .collect();
    assert_eq!(stamps, [("app", Some("main")), ("lib", None)]);
    assert_eq!(told(&world.pass(&nightly, QUARTER + 6).await), (0, Some(QUARTER + 900), 0));
}

#[tokio::test]
async fn a_scheduler_that_was_switched_off_makes_up_for_it_as_stock_does() {
    let world = World::new().await;
    let nightly = nightly(json!({}));
    world.enter(&nightly, false).await;
    world.switch("n", false).await;
    assert!(world.pass(&nightly, QUARTER + 1).await.submitted.is_empty());
    world.switch("n", true).await;
    // It has never acted: there is nothing to make up for.
    assert_eq!(told(&world.pass(&nightly, QUARTER + 2).await), (0, Some(QUARTER + 900), 0));
    assert_eq!(world.pass(&nightly, QUARTER + 900).await.submitted.len(), 1);
    world.switch("n", false).await;
    assert!(world.pass(&nightly, QUARTER + 1801).await.submitted.is_empty());
    world.switch("n", true).await;
    assert_eq!(world.pass(&nightly, QUARTER + 2000).await.submitted.len(), 1);
}

#[tokio::test]
async fn only_if_changed() {
    let world = World::new().await;
    let nightly = nightly(json!({
        "onlyIfChanged": true, "fileIsImportant": "*.c", "branch": "main",
        "force_at_minute": 45,
    }));
    world.enter(&nightly, false).await;
    assert_eq!(world.pass(&nightly, QUARTER).await.submitted.len(), 1, "the first");
    assert_eq!(told(&world.pass(&nightly, QUARTER + 900).await), (0, Some(QUARTER + 1800), 0));
    world.change("main", "a.rst", NOW + 1000).await;
    world.change("other", "a.c", NOW + 1000).await;
    assert_eq!(told(&world.pass(&nightly, NOW + 1001).await), (0, Some(QUARTER + 1800), 1));
    // 22:45 is forced; the quarter before it was 22:15.
    let pass = world.pass(&nightly, QUARTER + 1800).await;
    assert_eq!(told(&pass), (1, Some(QUARTER + 2700), 0));
    world.change("main", "b.c", NOW + 2000).await;
    world.change("main", "c.rst", NOW + 2001).await;
    let pass = world.pass(&nightly, QUARTER + 2700).await;
    assert_eq!(told(&pass), (1, Some(QUARTER + 3600), 0));
    let (set, _) = world.buildset(&pass.submitted[0]).await;
    assert_eq!(set.sourcestamps[0].revision, Some(format!("main-c.rst-{}", NOW + 2001)));
}

#[tokio::test]
async fn absolute_stamps_name_what_was_seen_last() {
    let world = World::new().await;
    let nightly = nightly(json!({
        "createAbsoluteSourceStamps": true, "codebases": ["app", "lib"],
    }));
    world.enter(&nightly, false).await;
    world.change_in("app", "main", "a", NOW).await;
    world.change_in("lib", "dev", "l", NOW + 1).await;
    let revisions = async |pass: &Pass| {
        let (set, _) = world.buildset(&pass.submitted[0]).await;
        let stamps = set.sourcestamps.into_iter();
        let mut of: Vec<(String, Option<String>)> =
            stamps.map(|stamp| (stamp.codebase, stamp.revision)).collect();
        of.sort();
        of
    };
    let (app, lib) = (format!("main-a-{NOW}"), format!("dev-l-{}", NOW + 1));
    let expected = [("app".to_owned(), Some(app)), ("lib".to_owned(), Some(lib.clone()))];
    assert_eq!(revisions(&world.pass(&nightly, QUARTER).await).await, expected);
    assert_eq!(revisions(&world.pass(&nightly, QUARTER + 900).await).await, expected);
    world.change_in("app", "main", "b", NOW + 1000).await;
    let app = format!("main-b-{}", NOW + 1000);
    let expected = [("app".to_owned(), Some(app)), ("lib".to_owned(), Some(lib))];
    assert_eq!(revisions(&world.pass(&nightly, QUARTER + 1800).await).await, expected);
}

#[test]
fn calendars_are_checked() {
    for (options, expected) in [
        (json!({ "type": "Nightly", "dayOfMonth": 31, "month": [2, 4] }), "no day is ever"),
        (json!({ "type": "Nightly", "hour": 24 }), "24 is not between 0 and 23"),
        (json!({ "type": "Nightly", "minute": "*/0" }), "a step must not be 0"),
        (json!({ "type": "Nightly", "dayOfWeek": "mon-fry" }), "'fry' is no value"),
        (json!({ "type": "NightlyTriggerable", "month": true }), "must be a number, a list"),
        (json!({ "type": "Nightly", "force_at_hour": "x" }), "'x' is no value"),
        (json!({ "type": "Periodic" }), "needs a value for 'periodicBuildTimer'"),
        (json!({ "type": "Periodic", "periodicBuildTimer": 0 }), "must be more than 0 seconds"),
    ] {
        let mut written = json!({ "name": "n", "builderNames": ["full"] });
        written.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let problem = problem_of(&written);
        assert!(problem.contains(expected), "{options}: {problem}");
    }
}
