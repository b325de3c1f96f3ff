//! Schedulers that are asked.

use serde_json::json;

use super::{NOW, World, scheduler};
use crate::flow::sources::PartialStamp;
use crate::model::{BuildId, Properties};
use crate::schedulers::{Order, Trigger};

fn trigger(revision: &str, parent: BuildId) -> Trigger {
    Trigger {
        stamps: vec![PartialStamp {
            codebase: "app".into(),
            revision: Some(Some(revision.into())),
            ..PartialStamp::default()
        }],
        properties: Properties::from_iter([("kind", json!("asked"), "Trigger")]),
        waited_for: true,
        parent_build: Some(parent),
        parent_relationship: Some("Triggered from".into()),
    }
}

/// A build that triggers others.
async fn parent(world: &World) -> BuildId {
    let asked = scheduler(json!({ "type": "Triggerable", "name": "first" }));
    let order = Order::Trigger(Trigger::default());
    let submitted = world.order(&asked, order, NOW).await.unwrap().unwrap();
    world.build_of(&submitted).await
}

#[tokio::test]
async fn a_triggerable_answers_at_once() {
    let world = World::new().await;
    let asked = scheduler(json!({
        "type": "Triggerable", "name": "t",
        "properties": { "kind": "own", "more": 1, "of": "%(src:app:branch)s %(prop:kind)s" },
        "codebases": { "app": { "branch": "main" }, "lib": {} }, "priority": 2,
    }));
    let build = parent(&world).await;
    let order = Order::Trigger(trigger("abc", build));
    let submitted = world.order(&asked, order, NOW).await.unwrap().expect("ids at once");
    assert_eq!(submitted.requests.len(), 2);
    let (set, properties) = world.buildset(&submitted).await;
    assert_eq!(set.reason, "The Triggerable scheduler named 't' triggered this build");
    assert_eq!(set.parent_build, Some(build));
    assert_eq!(set.parent_relationship.as_deref(), Some("Triggered from"));
    let app = set.sourcestamps.iter().find(|stamp| stamp.codebase == "app").unwrap();
    assert_eq!((app.branch.as_deref(), app.revision.as_deref()), (Some("main"), Some("abc")));
    assert_eq!(set.sourcestamps.len(), 2);
    assert_eq!(properties.get_str("kind"), Some("asked"));
    assert_eq!(properties.get("more"), Some(&json!(1)));
    assert_eq!(properties.get_str("of"), Some("main asked"));

    let mut told = trigger("abc", build);
    told.properties.set("reason", "because", "Trigger");
    let submitted = world.order(&asked, Order::Trigger(told), NOW).await.unwrap().unwrap();
    assert_eq!(world.buildset(&submitted).await.0.reason, "because");
}

#[tokio::test]
async fn only_a_triggerable_can_be_triggered() {
    let world = World::new().await;
    let single = json!({ "type": "SingleBranchScheduler", "name": "s", "branch": "main" });
    let refused = world.order(&scheduler(single), Order::Trigger(Trigger::default()), NOW).await;
    assert_eq!(refused.unwrap_err().to_string(), "there is no triggerable scheduler 's'");
}

#[tokio::test]
async fn a_nightly_triggerable_builds_the_last_trigger_at_night() {
    let world = World::new().await;
    // NOW is 100 seconds before the quarter.
    let nightly = scheduler(json!({
        "type": "NightlyTriggerable", "name": "nt", "minute": "*/15",
        "codebases": { "app": { "branch": "main" } },
    }));
    world.enter(&nightly, false).await;
    let pass = world.pass(&nightly, NOW).await;
    assert_eq!(pass.idle_because.as_deref(), Some("nothing was triggered"));
    let build = parent(&world).await;
    for revision in ["one", "two"] {
        let order = Order::Trigger(trigger(revision, build));
        assert_eq!(world.order(&nightly, order, NOW).await.unwrap(), None);
    }
    // A restart forgets nothing.
    world.enter(&nightly, false).await;
    let pass = world.pass(&nightly, NOW).await;
    assert_eq!((pass.submitted.len(), pass.due_at, pass.idle_because), (0, Some(NOW + 100), None));
    let pass = world.pass(&nightly, NOW + 100).await;
    assert_eq!(pass.submitted.len(), 1);
    let (set, properties) = world.buildset(&pass.submitted[0]).await;
    assert_eq!(set.reason, "The NightlyTriggerable scheduler named 'nt' triggered this build");
    assert_eq!(set.sourcestamps[0].revision.as_deref(), Some("two"));
    assert_eq!(set.sourcestamps[0].branch.as_deref(), Some("main"));
    assert_eq!(set.parent_build, Some(build));
    assert_eq!(properties.property("kind").unwrap().source, "Trigger");
    assert!(world.pass(&nightly, NOW + 1000).await.submitted.is_empty());
}

#[tokio::test]
async fn an_endless_ping_pong_ends() {
    let world = World::new().await;
    let asked = scheduler(json!({ "type": "Triggerable", "name": "ping" }));
    let mut build = parent(&world).await;
    for _ in 1..50 {
        let order = Order::Trigger(trigger("a", build));
        let submitted = world.order(&asked, order, NOW).await.unwrap().unwrap();
        build = world.build_of(&submitted).await;
    }
    let refused = world.order(&asked, Order::Trigger(trigger("a", build)), NOW).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "a chain of 50 builds has led here, from build 1 to build 50; does a builder trigger its \
         own scheduler?"
    );
}

#[tokio::test]
async fn builders_can_be_named_by_properties() {
    let world = World::new().await;
    let asked = scheduler(json!({
        "type": "Triggerable", "name": "t", "builderNames": ["%(prop:which)s", "nobody"],
    }));
    let order = Order::Trigger(Trigger {
        properties: Properties::from_iter([("which", json!("full"), "Trigger")]),
        ..Trigger::default()
    });
    let submitted = world.order(&asked, order, NOW).await.unwrap().unwrap();
    assert_eq!(submitted.requests.len(), 1);
}
