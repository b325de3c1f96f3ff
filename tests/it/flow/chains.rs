//! Schedulers that follow each other, are asked, and come and go.

use buildbot::actors::scheduler::{Order, Trigger};
use buildbot::db::{buildrequests, buildsets, changes, properties};
use buildbot::flow::sources::PartialStamp;
use buildbot::model::{NewChange, Properties, Results};
use serde_json::json;

use super::{config, force, shell};
use crate::world::{Place, Repository, TestMaster, eventually, run, soon};

const MORE: &str = r#"
[[schedulers]]
type = "Dependent"
name = "after force"
upstream = "force"
builderNames = ["runtests"]

[[schedulers]]
type = "Triggerable"
name = "asked"
builderNames = ["runtests"]

[[schedulers]]
type = "Periodic"
name = "yearly"
periodicBuildTimer = 31536000
builderNames = ["runtests"]
"#;

async fn scheduler_of_next(master: &mut TestMaster) -> Option<String> {
    let (build, results) = master.build_finished().await;
    assert_eq!(results, Results::Success);
    let stored = master.read(move |conn| properties::of_build(conn, build)).await;
    stored.get_str("scheduler").map(str::to_owned)
}

#[test]
fn one_build_leads_to_another() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        repository.commit("a", "a", "a");
        let text = config(&repository, &shell("true")) + MORE;
        let mut master = place.master(&text).await;
        let worker = place.worker(&master, "w1").await;
        // A Periodic begins at once, and goes on after a restart where it was.
        assert_eq!(scheduler_of_next(&mut master).await.as_deref(), Some("yearly"));
        force(&master).await;
        assert_eq!(scheduler_of_next(&mut master).await.as_deref(), Some("force"));
        assert_eq!(scheduler_of_next(&mut master).await.as_deref(), Some("after force"));
        let trigger = Trigger {
            stamps: vec![PartialStamp::default()],
            properties: Properties::from_iter([("answer", json!(42), "Trigger")]),
            ..Trigger::default()
        };
        let submitted = master.handles.schedulers.order("asked", Order::Trigger(trigger)).await;
        let submitted = submitted.expect("taken").expect("submitted at once");
        assert_eq!(scheduler_of_next(&mut master).await.as_deref(), Some("asked"));
        let id = submitted.buildset;
        soon("the buildset's end", async {
            while !master.read(move |conn| buildsets::get(conn, id)).await.complete {}
        })
        .await;
        worker.stop().await;
        master.stop().await;

        let master = place.master(&text).await;
        let list = || master.handles.schedulers.list();
        let waits = || list().iter().any(|s| s.name == "yearly" && s.waiting_until.is_some());
        eventually("the next time of the Periodic", waits).await;
        let requests = master.read(|conn| buildrequests::recent(conn, 10, 0)).await;
        assert_eq!(requests.len(), 4, "{requests:?}");
        master.stop().await;
    });
}

async fn arrives(master: &TestMaster, revision: &'static str) {
    let change = NewChange {
        author: "Ann".into(),
        branch: Some("main".into()),
        revision: Some(revision.into()),
        ..NewChange::default()
    };
    let stored = master.handles.db.write(move |conn| changes::add(conn, &change, 1_700_000_000));
    stored.await.expect("a change");
}

#[test]
fn a_scheduler_that_is_removed_and_added_again_takes_up_where_it_was() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        repository.commit("a", "a", "a");
        let with = config(&repository, &shell("true"));
        let without = with.replace("name = \"all\"", "name = \"other\"");
        let mut master = place.master(&with).await;
        let worker = place.worker(&master, "w1").await;
        // It has put its cursor when it is asked to look and answers.
        arrives(&master, "first").await;
        master.handles.schedulers.get("all").expect("the scheduler").poke();
        assert_eq!(scheduler_of_next(&mut master).await.as_deref(), Some("all"));
        place.reconfigure(&master, &without).await.expect("a good configuration");
        let other = || master.handles.schedulers.get("other").is_some();
        assert!(other() && master.handles.schedulers.get("all").is_none());
        // Another name is another scheduler, which begins with what comes.
        arrives(&master, "meanwhile").await;
        place.reconfigure(&master, &with).await.expect("a good configuration");
        assert_eq!(scheduler_of_next(&mut master).await.as_deref(), Some("all"));
        arrives(&master, "last").await;
        master.handles.schedulers.get("all").expect("the scheduler").poke();
        assert_eq!(scheduler_of_next(&mut master).await.as_deref(), Some("all"));
        let requests = master.read(|conn| buildrequests::recent(conn, 10, 0)).await;
        assert_eq!(requests.len(), 3, "{requests:?}");
        worker.stop().await;
        master.stop().await;
    });
}
