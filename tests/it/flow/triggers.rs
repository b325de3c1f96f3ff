//! Builds that trigger builds, and wait for them or not.

use buildbot::actors::scheduler::ForceRequest;
use buildbot::db::{buildrequests, builds, buildsets};
use buildbot::model::{BuildId, Buildset, Results};
use serde_json::json;

use super::shell;
use crate::world::{Place, TestMaster, TestWorker, run};

/// Builders `parent` and `child` on a worker each; `child` is triggered, `parent` is forced.
fn config(parent: &str, child: &str) -> String {
    format!(
        r#"
[[workers]]
name = "w1"
password = "pass"
[[workers]]
name = "w2"
password = "pass"
[[schedulers]]
type = "ForceScheduler"
name = "force"
builderNames = ["parent"]
[[schedulers]]
type = "Triggerable"
name = "children"
builderNames = ["child"]
[[builders]]
name = "parent"
workernames = ["w1"]
{parent}
[[builders]]
name = "child"
workernames = ["w2"]
{child}
"#
    )
}

const TRIGGER: &str = r#"
[[builders.steps]]
type = "Trigger"
schedulerNames = ["children"]
waitForFinish = true
set_properties = { colour = "red" }
"#;

struct Site {
    _place: Place,
    master: TestMaster,
    workers: [TestWorker; 2],
}

impl Site {
    async fn new(parent: &str, child: &str) -> Site {
        let place = Place::new();
        let master = place.master(&config(parent, child)).await;
        let workers = [place.worker(&master, "w1").await, place.worker(&master, "w2").await];
        Site { _place: place, master, workers }
    }

    /// Forces the parent; answers its build.
    async fn parent(&mut self) -> BuildId {
        let submitted = self.master.handles.control.force("force", ForceRequest::default()).await;
        submitted.expect("a forced build");
        self.master.build_started().await
    }

    async fn buildset_of(&self, build: BuildId) -> Buildset {
        let read = move |conn: &mut buildbot::db::Conn| {
            let request = builds::get(conn, build)?.request;
            let buildset = buildrequests::get(conn, request)?.buildset;
            buildsets::get(conn, buildset)
        };
        self.master.read(read).await
    }

    async fn stop(self) {
        for worker in self.workers {
            worker.stop().await;
        }
        self.master.stop().await;
    }
}

#[test]
fn the_parent_waits_for_its_child_and_ends_like_it() {
    run(async {
        let child = shell("test %(prop:colour)s = blue");
        let mut site = Site::new(TRIGGER, &child).await;
        let parent = site.parent().await;
        let child = site.master.build_started().await;
        assert_eq!(site.master.build_finished().await, (child, Results::Failure));
        assert_eq!(site.master.build_finished().await, (parent, Results::Failure));
        let set = site.buildset_of(child).await;
        assert_eq!(set.parent_build, Some(parent));
        assert_eq!(set.parent_relationship.as_deref(), Some("Triggered from"));
        let step = site.master.steps(parent).await.remove(1);
        assert_eq!(step.state_string, "triggered children, 1 failure (failure)");
        let names: Vec<&str> = step.urls.iter().map(|url| url.name.as_str()).collect();
        assert!(names.contains(&"failure: child #1"), "{names:?}");
        let read =
            move |conn: &mut buildbot::db::Conn| buildbot::db::properties::of_build(conn, child);
        assert_eq!(site.master.read(read).await.get("colour"), Some(&json!("red")));
        site.stop().await;
    });
}

#[test]
fn a_stopped_parent_takes_its_child_along() {
    run(async {
        let mut site = Site::new(TRIGGER, &shell("sleep 600")).await;
        let parent = site.parent().await;
        let child = site.master.build_started().await;
        site.master.handles.control.stop_build(parent, "enough").await.expect("a running build");
        let mut ended = [site.master.build_finished().await, site.master.build_finished().await];
        ended.sort_by_key(|(build, _)| build.0);
        assert_eq!(ended, [(parent, Results::Cancelled), (child, Results::Cancelled)]);
        site.stop().await;
    });
}

#[test]
fn endless_ping_pong_ends_with_an_explanation() {
    run(async {
        // The condition is always true, which the configuration cannot know.
        let again = "[[builders.steps]]\ntype = \"Trigger\"\nschedulerNames = [\"children\"]\n\
                     doStepIf = \"prop('buildername')\"\n";
        let mut site = Site::new(again, again).await;
        let first = site.parent().await;
        assert_eq!(site.master.build_finished().await, (first, Results::Success));
        let last = loop {
            let (build, results) = site.master.build_finished().await;
            if results != Results::Success {
                assert_eq!(results, Results::Exception);
                break build;
            }
        };
        let said = site.master.all_logs(last).await;
        assert!(said.contains("50"), "{said}");
        assert_eq!(last, BuildId(50));
        site.stop().await;
    });
}
