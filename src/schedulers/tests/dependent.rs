//! Schedulers that wait for others.

use std::sync::Arc;

use serde_json::json;

use super::{NOW, World, scheduler};
use crate::config::checked::SchedulerConfig;
use crate::db::{buildrequests, buildsets};
use crate::model::{NewBuildset, Results};
use crate::schedulers::{Pass, Submitted};

impl World {
    /// Ends all requests of the buildset like this.
    async fn finish(&self, set: &Submitted, results: Results) {
        let ids: Vec<_> = set.requests.iter().map(|(_, id)| *id).collect();
        let finish = self.db.write(move |conn| {
            buildrequests::complete(conn, &ids, results, NOW)?;
            buildsets::complete_finished(conn, NOW)
        });
        finish.await.unwrap();
    }

    /// A change that `upstream` builds.
    async fn built(&self, upstream: &Arc<SchedulerConfig>, file: &str) -> Submitted {
        self.change("main", file, NOW).await;
        self.pass(upstream, NOW).await.submitted.remove(0)
    }
}

fn chain() -> (Arc<SchedulerConfig>, Arc<SchedulerConfig>) {
    let upstream = json!({ "type": "SingleBranchScheduler", "name": "up", "branch": "main" });
    let dependent = json!({
        "type": "Dependent", "name": "down", "upstream": "up", "builderNames": ["full"],
        "properties": { "own": 1 }, "priority": "3 if changes else 1",
    });
    (scheduler(upstream), scheduler(dependent))
}

#[tokio::test]
async fn the_same_stamps_follow_what_went_well() {
    let world = World::new().await;
    let (up, down) = chain();
    world.enter(&up, false).await;
    world.enter(&down, false).await;
    let good = world.built(&up, "good").await;
    let warned = world.built(&up, "warned").await;
    let bad = world.built(&up, "bad").await;
    let pass = world.pass(&down, NOW).await;
    assert_eq!(pass.submitted, []);
    assert_eq!(pass.idle_because.as_deref(), Some("waits for 3 buildsets of 'up'"));
    world.finish(&good, Results::Success).await;
    world.finish(&warned, Results::Warnings).await;
    world.finish(&bad, Results::Failure).await;
    let pass = world.pass(&down, NOW).await;
    assert_eq!((pass.submitted.len(), pass.idle_because), (2, None));
    let (upstream, _) = world.buildset(&good).await;
    let (set, properties) = world.buildset(&pass.submitted[0]).await;
    assert_eq!(set.reason, "downstream");
    assert_eq!(set.sourcestamps, upstream.sourcestamps);
    assert_eq!(properties.get_str("from"), Some("good"));
    assert_eq!(properties.get_str("scheduler"), Some("down"));
    assert_eq!(properties.get("own"), Some(&json!(1)));
    let request = pass.submitted[0].requests[0].1;
    let stored = world.db.read(move |conn| buildrequests::get(conn, request)).await.unwrap();
    assert_eq!(stored.priority, 3);
    assert_eq!(world.pass(&down, NOW).await, Pass::default());
}

#[tokio::test]
async fn nothing_is_lost_or_repeated_over_a_restart() {
    let world = World::new().await;
    let (up, down) = chain();
    world.enter(&up, false).await;
    let before = world.built(&up, "before").await;
    world.enter(&down, false).await;
    let awaited = world.built(&up, "awaited").await;
    assert!(world.pass(&down, NOW).await.submitted.is_empty());
    // While it does not run, one buildset ends, and another begins and ends.
    world.finish(&before, Results::Success).await;
    world.finish(&awaited, Results::Success).await;
    let meanwhile = world.built(&up, "meanwhile").await;
    world.finish(&meanwhile, Results::Success).await;
    world.enter(&down, false).await;
    assert_eq!(world.pass(&down, NOW).await.submitted.len(), 2);
    world.enter(&down, false).await;
    assert_eq!(world.pass(&down, NOW).await, Pass::default());
}

#[tokio::test]
async fn switched_off_it_forgets_what_comes_and_keeps_what_it_waits_for() {
    let world = World::new().await;
    let (up, down) = chain();
    world.enter(&up, false).await;
    world.enter(&down, false).await;
    let awaited = world.built(&up, "awaited").await;
    world.pass(&down, NOW).await;
    world.switch("down", false).await;
    let missed = world.built(&up, "missed").await;
    world.finish(&awaited, Results::Success).await;
    world.finish(&missed, Results::Success).await;
    assert!(world.pass(&down, NOW).await.submitted.is_empty());
    world.switch("down", true).await;
    let pass = world.pass(&down, NOW).await;
    assert_eq!(pass.submitted.len(), 1);
    let (_, properties) = world.buildset(&pass.submitted[0]).await;
    assert_eq!(properties.get_str("from"), Some("awaited"));
}

#[tokio::test]
async fn a_rebuild_is_nobodys() {
    let world = World::new().await;
    let (up, down) = chain();
    world.enter(&up, false).await;
    world.enter(&down, false).await;
    let built = world.built(&up, "a").await;
    world.finish(&built, Results::Failure).await;
    assert!(world.pass(&down, NOW).await.submitted.is_empty());
    let build = world.build_of(&built).await;
    let rebuild = world.db.write(move |conn| {
        let builder = built.requests[0].0;
        let set = buildsets::get(conn, built.buildset)?;
        let new = NewBuildset {
            properties: buildsets::properties(conn, built.buildset)?,
            sourcestamp_ids: set.sourcestamps.iter().map(|stamp| stamp.id).collect(),
            builders: vec![builder],
            rebuilt_build: Some(build),
            ..NewBuildset::default()
        };
        buildsets::submit(conn, &new, NOW)
    });
    let (buildset, requests) = rebuild.await.unwrap();
    world.finish(&Submitted { buildset, requests }, Results::Success).await;
    assert_eq!(world.pass(&down, NOW).await, Pass::default());
}
