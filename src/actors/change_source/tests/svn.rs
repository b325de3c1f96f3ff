//! `SVNPoller` against real repositories.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::world::{World, pairs, plan, run, status};
use crate::change_sources::{SourcePlan, Trouble};

struct SvnWorld {
    world: World,
}

impl std::ops::Deref for SvnWorld {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl SvnWorld {
    fn new() -> SvnWorld {
        let world = SvnWorld { world: World::new() };
        run(world.dir.path(), "svnadmin", &["create", "repo"], b"");
        world.svn(&[
            "mkdir",
            "-q",
            "--parents",
            "-m",
            "begin",
            &world.url("app/trunk"),
            &world.url("app/branches"),
        ]);
        world.svn(&["checkout", "-q", &world.url(""), "tree"]);
        world
    }

    fn url(&self, path: &str) -> String {
        let url = format!("file://{}/{path}", self.path("repo").display());
        url.trim_end_matches('/').to_owned()
    }

    fn svn(&self, args: &[&str]) -> String {
        run(self.dir.path(), "svn", args, b"")
    }

    /// Commits one changed file as Ann.
    fn commit(&self, file: &str, message: &str) {
        let path = self.path("tree").join(file);
        std::fs::write(&path, message).unwrap();
        let path = path.to_str().unwrap();
        self.svn(&["add", "-q", "--force", path]);
        self.svn(&["commit", "-q", "--username", "ann", "-m", message, "tree"]);
        self.svn(&["update", "-q", "tree"]);
    }

    fn poller(&self, more: Value) -> SourcePlan {
        let base = json!({ "name": "poller", "repourl": self.url("app"), "pollInterval": 3600 });
        plan("SVNPoller", base, more)
    }

    async fn last_change(&self) -> Value {
        self.state("poller", "SVNPoller", "last_change").await
    }
}

#[actix::test]
async fn new_revisions_become_changes() {
    let world = SvnWorld::new();
    let poller = world.poller(json!({
        "split_file": "split_file_branches", "revlinktmpl": "https://h/r%s", "category": "cat",
        "project": "proj", "svnuser": "joe", "svnpasswd": "hunter2", "cachepath": "cache",
    }));
    assert_eq!(world.reported(&poller).await, []);
    assert_eq!(world.last_change().await, json!(1));
    world.commit("app/trunk/a b ü", "first ü");
    world.commit("README", "outside of the project");
    world.svn(&[
        "copy",
        "-q",
        "-m",
        "branch",
        &world.url("app/trunk"),
        &world.url("app/branches/x"),
    ]);
    world.svn(&["remove", "-q", "-m", "gone", &world.url("app/branches/x")]);
    let expected = pairs(&[("", "first ü"), ("branches/x", "branch")]);
    assert_eq!(world.reported(&poller).await, expected);
    let change = &world.changes().await[0];
    assert_eq!((change.author.as_str(), change.branch.as_deref()), ("ann", None));
    assert_eq!(change.files, ["a b ü"]);
    assert_eq!(
        (change.revision.as_deref(), change.revlink.as_deref()),
        (Some("2"), Some("https://h/r2"))
    );
    assert_eq!(
        (change.repository.as_str(), change.project.as_str()),
        (world.url("app").as_str(), "proj")
    );
    assert_eq!(change.category.as_deref(), Some("cat"));
    assert_eq!(world.last_change().await, json!(5));
    assert_eq!(std::fs::read_to_string(world.path("cache")).unwrap(), "5");
    assert_eq!(world.reported(&poller).await, []);
}

#[actix::test]
async fn more_revisions_than_histmax_are_all_reported() {
    let world = SvnWorld::new();
    let poller = world.poller(json!({ "histmax": 2, "repourl": world.url("app/trunk") }));
    world.look(&poller).await.unwrap();
    for n in 0..5 {
        world.commit("app/trunk/f", &format!("commit {n}"));
    }
    let messages: Vec<String> =
        world.reported(&poller).await.into_iter().map(|(_, message)| message).collect();
    assert_eq!(messages, ["commit 0", "commit 1", "commit 2", "commit 3", "commit 4"]);
}

#[actix::test]
async fn it_begins_where_stock_has_left_its_cache() {
    let world = SvnWorld::new();
    world.commit("app/trunk/f", "one");
    world.commit("app/trunk/f", "two");
    std::fs::write(world.path("cache"), "2\n").unwrap();
    let poller = world.poller(json!({ "cachepath": "cache" }));
    assert_eq!(world.reported(&poller).await, pairs(&[("", "two")]));
}

#[actix::test]
async fn a_repository_that_was_made_anew_is_told_and_followed() {
    let world = SvnWorld::new();
    let poller = world.poller(json!({}));
    for n in 0..3 {
        world.commit("app/trunk/f", &format!("commit {n}"));
    }
    world.look(&poller).await.unwrap();
    std::fs::remove_dir_all(world.path("repo")).unwrap();
    std::fs::remove_dir_all(world.path("tree")).unwrap();
    run(world.dir.path(), "svnadmin", &["create", "repo"], b"");
    world.svn(&["mkdir", "-q", "--parents", "-m", "begin", &world.url("app/trunk")]);
    world.svn(&["checkout", "-q", &world.url(""), "tree"]);
    let found = world.look(&poller).await.unwrap();
    assert!(found.notes[0].contains("no revision 4 any more"), "{found:?}");
    world.commit("app/trunk/f", "new");
    assert_eq!(world.reported(&poller).await, pairs(&[("", "new")]));
}

/// A server that stops in the middle of its answer, and one that is not there.
#[actix::test]
async fn a_server_that_answers_half_stops_nothing() {
    let world = SvnWorld::new();
    let script = world.path("half-svn");
    let cut = "#!/bin/sh\ncase \"$1\" in\nlog) svn \"$@\" | head -c 200 ;;\n\
               *) exec svn \"$@\" ;;\nesac\n";
    std::fs::write(&script, cut).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let whole = world.poller(json!({ "pollAtLaunch": true }));
    world.look(&whole).await.unwrap();
    world.commit("app/trunk/f", "new");
    let half = world.poller(json!({ "svnbin": script.to_str().unwrap() }));
    let Err(Trouble::Remote(told)) = world.look(&half).await else { panic!("half is enough") };
    assert!(told.contains("half an answer"), "{told}");
    assert_eq!(world.changes().await.len(), 0);
    assert_eq!(world.reported(&whole).await, pairs(&[("", "new")]));

    let away = world.poller(json!({
        "pollAtLaunch": true, "repourl": world.url("").replace("repo", "later") + "/app",
        "svnuser": "joe", "svnpasswd": "hunter2",
    }));
    let sources = world.start(&away).await;
    let failed = status(&sources, |status| status.last_error.is_some()).await;
    let told = failed.last_error.unwrap();
    assert!(told.contains("svn info failed") && !told.contains("hunter2"), "{told}");
    std::fs::rename(world.path("repo"), world.path("later")).unwrap();
    sources.poll_now("poller");
    status(&sources, |status| status.last_poll.is_some() && status.last_error.is_none()).await;
    sources.stop(&world.supervisor, "poller").await;
}
