//! Which commits are built, and when.

use buildbot::db::{changes, properties};
use buildbot::events::Event;
use buildbot::model::Results;
use serde_json::json;

use super::commit::first_poll;
use super::{config, shell};
use crate::world::{Place, Repository, TestMaster, eventually, run};

/// The basic configuration, with another scheduler for changes.
fn with_scheduler(repository: &Repository, scheduler: &str) -> String {
    let old =
        "type = \"SingleBranchScheduler\"\nname = \"all\"\nchange_filter = { branch = \"main\" }\n";
    let text = config(repository, &shell("true"));
    assert!(text.contains(old), "{text}");
    text.replace(old, &format!("name = \"all\"\n{scheduler}\n"))
        .replace("branches = [\"main\"]", "branches = true")
}

async fn polled(master: &mut TestMaster, commits: usize) {
    assert!(master.handles.control.poll_now("poller"));
    for _ in 0..commits {
        master.fact("a change", |event| matches!(event, Event::ChangeAdded(_)).then_some(())).await;
    }
}

#[test]
fn every_branch_is_built_by_itself() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        repository.commit("a", "a", "a");
        let text =
            with_scheduler(&repository, "type = \"AnyBranchScheduler\"\ntreeStableTimer = 1");
        let mut master = place.master(&text).await;
        let worker = place.worker(&master, "w1").await;
        first_poll(&master).await;
        repository.commit("a", "b", "on main");
        repository.git(&["checkout", "-q", "-b", "topic"]);
        repository.commit("a", "c", "on topic");
        polled(&mut master, 2).await;
        let mut branches = Vec::new();
        for _ in 0..2 {
            let (build, results) = master.build_finished().await;
            assert_eq!(results, Results::Success);
            let stored = master.read(move |conn| properties::of_build(conn, build)).await;
            branches.push(stored.get("branch").cloned());
        }
        branches.sort_by_key(|branch| branch.as_ref().map(ToString::to_string));
        assert_eq!(branches, [Some(json!("main")), Some(json!("topic"))]);
        worker.stop().await;
        master.stop().await;
    });
}

#[test]
fn a_quiet_tree_makes_one_build_even_after_a_restart() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        repository.commit("a", "a", "a");
        let text = with_scheduler(
            &repository,
            "type = \"SingleBranchScheduler\"\nchange_filter = { branch = \"main\" }\ntreeStableTimer = 2",
        );
        let mut master = place.master(&text).await;
        first_poll(&master).await;
        repository.commit("a", "b", "one");
        let last = repository.commit("a", "c", "two");
        polled(&mut master, 2).await;
        master.stop().await;

        let mut master = place.master(&text).await;
        let worker = place.worker(&master, "w1").await;
        let (build, _) = master.build_finished().await;
        let stored = master.read(move |conn| properties::of_build(conn, build)).await;
        assert_eq!(stored.get("revision"), Some(&json!(last)));
        assert_eq!(master.build(build).await.number, 1);
        worker.stop().await;
        master.stop().await;
    });
}

#[test]
fn changes_that_do_not_matter_are_not_built() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        repository.commit("a", "a", "a");
        let text = with_scheduler(
            &repository,
            "type = \"SingleBranchScheduler\"\nchange_filter = { branch_re = \"main\" }\n\
             fileIsImportant = \"*.c\"\nonlyImportant = true",
        );
        let mut master = place.master(&text).await;
        let worker = place.worker(&master, "w1").await;
        first_poll(&master).await;
        repository.commit("README", "words", "words only");
        repository.git(&["checkout", "-q", "-b", "topic"]);
        repository.commit("other.c", "", "on a branch that is not built");
        repository.git(&["checkout", "-q", "main"]);
        let last = repository.commit("main.c", "", "code");
        polled(&mut master, 3).await;
        let (build, _) = master.build_finished().await;
        let stored = master.read(move |conn| properties::of_build(conn, build)).await;
        assert_eq!(stored.get("revision"), Some(&json!(last)));
        assert_eq!(master.build(build).await.number, 1);
        let left = master.read(|conn| buildbot::db::buildrequests::recent(conn, 10, 0)).await;
        assert_eq!(left.len(), 1, "{left:?}");
        worker.stop().await;
        master.stop().await;
    });
}

#[test]
fn a_missing_repository_is_told_and_found_later() {
    run(async {
        let place = Place::new();
        let path = place.path("elsewhere").join("repository");
        let elsewhere = Repository::new(place.path("other"));
        let text = with_scheduler(&elsewhere, "type = \"AnyBranchScheduler\"")
            .replace(&elsewhere.url(), path.to_str().expect("a path in UTF-8"));
        let master = place.master(&text).await;
        let sources = master.handles.sources.clone();
        let error = || sources.snapshot()[0].last_error.clone();
        eventually("an error", || error().is_some()).await;
        let told = error().expect("an error");
        assert!(told.contains("repository"), "{told}");
        std::fs::create_dir_all(&path).expect("a directory");
        let repository = Repository::new(path);
        repository.commit("a", "a", "a");
        assert!(master.handles.control.poll_now("poller"));
        eventually("no error", || error().is_none()).await;
        master.stop().await;
    });
}

#[test]
fn a_commit_of_odd_bytes_reaches_its_build() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        repository.commit("a", "a", "a");
        let text = with_scheduler(&repository, "type = \"AnyBranchScheduler\"");
        let mut master = place.master(&text).await;
        let worker = place.worker(&master, "w1").await;
        first_poll(&master).await;
        // git itself would guess an encoding, so the commit is written by hand.
        let script = "printf x > \"$(printf 'caf\\351.txt')\" && git add -A && \
             printf 'tree %s\\nparent %s\\nauthor Ren\\351 <r@example.org> 1700000000 +0000\\n' \
             $(git write-tree) $(git rev-parse HEAD) > ../commit && \
             printf 'committer c <c@example.org> 1700000000 +0000\\n\\nr\\351sum\\351\\n' \
             >> ../commit && \
             git update-ref refs/heads/main $(git hash-object -t commit -w ../commit)";
        let done = std::process::Command::new("sh")
            .args(["-c", script])
            .current_dir(repository.url())
            .status()
            .expect("sh runs");
        assert!(done.success());
        polled(&mut master, 1).await;
        let (build, results) = master.build_finished().await;
        assert_eq!(results, Results::Success);
        let changes = master.read(move |conn| changes::for_build(conn, build)).await;
        let change = changes.first().expect("a change");
        assert_eq!(change.author, "Ren\u{fffd} <r@example.org>");
        assert_eq!(change.comments.trim(), "r\u{fffd}sum\u{fffd}");
        assert_eq!(change.files, ["caf\u{fffd}.txt"]);
        worker.stop().await;
        master.stop().await;
    });
}
