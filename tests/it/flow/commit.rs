//! A commit is polled, scheduled, built and stored.

use buildbot::db::{changes, properties};
use buildbot::events::Event;
use buildbot::model::Results;
use serde_json::json;

use super::{config, shell};
use crate::world::{Place, Repository, TestMaster, eventually, run};

pub async fn first_poll(master: &TestMaster) {
    let sources = master.handles.sources.clone();
    eventually("the first poll", || sources.snapshot().iter().all(|s| s.last_poll.is_some())).await;
}

fn steps(repository: &Repository) -> String {
    let url = repository.url();
    format!(
        "[[builders.steps]]\ntype = \"Git\"\nrepourl = \"{url}\"\nmode = \"incremental\"\n{}",
        shell("sh test.sh")
    )
}

#[test]
fn a_commit_becomes_a_build() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        repository.commit("test.sh", "echo fine", "begin");
        let mut master = place.master(&config(&repository, &steps(&repository))).await;
        let worker = place.worker(&master, "w1").await;
        first_poll(&master).await;

        let revision = repository.commit("test.sh", "echo still fine; exit 0", "go on");
        assert!(master.handles.control.poll_now("poller"));
        let (build, results) = master.build_finished().await;
        assert_eq!(results, Results::Success, "{}", master.all_logs(build).await);
        assert!(master.all_logs(build).await.contains("ostill fine\n"));
        let outcomes = master.outcomes(build).await;
        assert_eq!(
            outcomes,
            [("git".into(), Results::Success), ("shell".into(), Results::Success)]
        );

        let stored = master.read(move |conn| properties::of_build(conn, build)).await;
        assert_eq!(stored.get("got_revision"), Some(&json!(revision)));
        assert_eq!(stored.get("owners"), Some(&json!(["Ann Author <ann@example.org>"])));

        repository.commit("test.sh", "echo broken; exit 3", "break it");
        assert!(master.handles.control.poll_now("poller"));
        let (build, results) = master.build_finished().await;
        assert_eq!(results, Results::Failure);
        let row = master.build(build).await;
        assert_eq!((row.number, row.state_string.as_str()), (2, "failed 'sh test.sh' (failure)"));

        worker.stop().await;
        master.stop().await;
    });
}

#[test]
fn a_restart_neither_repeats_nor_skips_a_commit() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        repository.commit("test.sh", "true", "one");
        let text = config(&repository, &steps(&repository));
        let mut master = place.master(&text).await;
        first_poll(&master).await;
        repository.commit("test.sh", "true;", "two");
        master.handles.control.poll_now("poller");
        master
            .fact("the change", |event| matches!(event, Event::ChangeAdded(_)).then_some(()))
            .await;
        master.stop().await;

        repository.commit("test.sh", "true;;", "three");
        let mut master = place.master(&text).await;
        first_poll(&master).await;
        let comments = master
            .read(|conn| {
                Ok(changes::recent(conn, 10, 0)?.into_iter().map(|c| c.comments).collect())
            })
            .await;
        let comments: Vec<String> = comments;
        let trimmed: Vec<&str> = comments.iter().map(|text| text.trim()).collect();
        assert_eq!(trimmed, ["three", "two"]);
        let worker = place.worker(&master, "w1").await;
        master.build_finished().await;
        worker.stop().await;
        master.stop().await;
    });
}
