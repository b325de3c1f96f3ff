//! `HgPoller` against real repositories.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::world::{World, pairs, plan, run, status};
use crate::change_sources::{SourcePlan, Trouble};

struct HgWorld {
    world: World,
}

impl std::ops::Deref for HgWorld {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl HgWorld {
    fn new() -> HgWorld {
        let world = HgWorld { world: World::new() };
        std::fs::create_dir(world.repo()).unwrap();
        world.hg(&["init"]);
        world
    }

    fn repo(&self) -> PathBuf {
        self.path("repo")
    }

    fn hg(&self, args: &[&str]) -> String {
        run(&self.repo(), "hg", args, b"")
    }

    /// Commits one changed file and answers the new changeset.
    fn commit(&self, file: &str, message: &str) -> String {
        std::fs::write(self.repo().join(file), message).unwrap();
        self.hg(&["add", "-q", file]);
        self.hg(&["commit", "-q", "-m", message, "-u", "Ann <a@h>", "-d", "1700000000 0"]);
        self.hg(&["log", "-r", ".", "--template", "{node}"])
    }

    fn poller(&self, more: Value) -> SourcePlan {
        let base = json!({
            "name": "poller", "repourl": self.repo().to_str().unwrap(), "workdir": "work",
            "pollInterval": 3600,
        });
        plan("HgPoller", base, more)
    }
}

#[actix::test]
async fn new_changesets_become_changes_with_everything_hg_knows() {
    let world = HgWorld::new();
    world.commit("old", "old");
    let poller = world.poller(json!({
        "project": "proj", "category": "cat", "revlink": "https://h/%(branch)s/%(revision)s",
    }));
    assert_eq!(world.reported(&poller).await, []);
    let first = world.commit("a b ü", "subject\n\nbody ü");
    let second = world.commit("c", "second");
    assert_eq!(world.look(&poller).await.unwrap().changes, 2);

    let changes = world.changes().await;
    let change = &changes[0];
    assert_eq!(change.author, "Ann <a@h>");
    assert_eq!(
        (change.comments.as_str(), change.files.as_slice()),
        ("subject\n\nbody ü", &["a b ü".into()][..])
    );
    assert_eq!(
        (change.branch.as_deref(), &change.revision),
        (Some("default"), &Some(first.clone()))
    );
    assert_eq!(change.revlink, Some(format!("https://h/default/{first}")));
    assert_eq!(change.when_timestamp, 1_700_000_000);
    assert_eq!((change.category.as_deref(), change.project.as_str()), (Some("cat"), "proj"));
    assert_eq!(changes[1].revision, Some(second.clone()));
    let state = world.state("poller", "HgPoller", "lastRev").await;
    assert_eq!(state, json!({ "default": second }));
    assert_eq!(world.reported(&poller).await, []);
}

#[actix::test]
async fn branches_and_bookmarks_are_followed_one_by_one() {
    let world = HgWorld::new();
    world.commit("f", "base");
    world.hg(&["bookmark", "mark"]);
    let poller = world.poller(json!({ "branches": ["default", "later"], "bookmarks": ["mark"] }));
    let found = world.look(&poller).await.unwrap();
    assert_eq!(found.notes, ["there is no branch 'later' (yet)"]);
    world.hg(&["branch", "-q", "later"]);
    world.commit("g", "on later");
    // A branch that is seen for the first time is only remembered.
    assert_eq!(world.reported(&poller).await, pairs(&[("mark", "on later")]));
    world.commit("h", "more");
    world.hg(&["update", "-q", "default"]);
    world.commit("i", "on default");
    let expected = pairs(&[("default", "on default"), ("later", "more"), ("mark", "more")]);
    assert_eq!(world.reported(&poller).await, expected);
}

#[actix::test]
async fn several_heads_wait_until_they_are_merged() {
    let world = HgWorld::new();
    world.commit("f", "base");
    let poller = world.poller(json!({}));
    world.look(&poller).await.unwrap();
    world.commit("g", "left");
    world.hg(&["update", "-q", "0"]);
    world.commit("h", "right");
    let found = world.look(&poller).await.unwrap();
    assert!(found.notes[0].contains("has 2 heads"), "{found:?}");
    world.hg(&["merge", "-q"]);
    world.hg(&["commit", "-q", "-m", "merge", "-u", "Ann"]);
    let messages: Vec<String> =
        world.reported(&poller).await.into_iter().map(|(_, message)| message).collect();
    assert_eq!(messages, ["left", "right", "merge"]);
}

#[actix::test]
async fn a_copy_that_is_lost_and_numbers_of_stock_repeat_nothing() {
    let world = HgWorld::new();
    let base = world.commit("f", "base");
    let poller = world.poller(json!({}));
    world.look(&poller).await.unwrap();
    std::fs::remove_dir_all(world.path("work")).unwrap();
    world.commit("g", "new");
    assert_eq!(world.reported(&poller).await, pairs(&[("default", "new")]));

    // Stock remembers the number in its copy.
    let number = json!({ "default": "0" });
    let remembered = world.db.write(move |conn| {
        let object = crate::db::state::object(conn, "poller", "HgPoller")?;
        crate::db::state::set(conn, object, "lastRev", &number)
    });
    remembered.await.unwrap();
    assert_eq!(world.reported(&poller).await, pairs(&[("default", "new")]));

    // What was seen last is gone for good: only the new head is told.
    std::fs::remove_dir_all(world.path("work")).unwrap();
    world.hg(&["update", "-q", &base]);
    std::fs::remove_dir_all(world.repo()).unwrap();
    std::fs::create_dir(world.repo()).unwrap();
    world.hg(&["init"]);
    world.commit("x", "one");
    world.commit("y", "two");
    assert_eq!(world.reported(&poller).await, pairs(&[("default", "two")]));
}

#[actix::test]
async fn a_repository_that_comes_later_mends_the_poller() {
    let world = HgWorld::new();
    world.commit("f", "base");
    let later = world.path("later");
    let poller = world.poller(json!({ "repourl": later.to_str().unwrap(), "pollAtLaunch": true }));
    let Err(Trouble::Remote(told)) = world.look(&poller).await else { panic!("no repository") };
    assert!(told.contains("not found"), "{told}");
    let missing = world.poller(json!({ "hgbin": "/no/such/hg" }));
    let told = world.look(&missing).await.unwrap_err().to_string();
    assert!(told.contains("install it or set 'hgbin'"), "{told}");

    let sources = world.start(&poller).await;
    status(&sources, |status| status.last_error.is_some()).await;
    std::fs::rename(world.repo(), &later).unwrap();
    assert!(sources.poll_now("poller"));
    status(&sources, |status| status.last_poll.is_some() && status.last_error.is_none()).await;
    sources.stop(&world.supervisor, "poller").await;
}
