//! `GitPoller` against real repositories.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::server::Server;
use super::world::{World, next_change, pairs, plan, run};
use crate::change_sources::SourcePlan;
use crate::config::fields::Fields;
use crate::config::problems::Problems;
use crate::config::raw::Raw;
use crate::flow::intake::{CodebaseRules, IntakeRules, RevlinkRules};

/// A world with a repository.
pub struct GitWorld {
    pub world: World,
}

impl std::ops::Deref for GitWorld {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl GitWorld {
    pub fn new() -> GitWorld {
        let world = GitWorld { world: World::new() };
        std::fs::create_dir(world.repo()).unwrap();
        world.git(&["init", "-q", "-b", "main"]);
        world
    }

    pub fn repo(&self) -> PathBuf {
        self.path("repo")
    }

    fn git(&self, args: &[&str]) -> String {
        self.git_with(args, b"")
    }

    fn git_with(&self, args: &[&str], stdin: &[u8]) -> String {
        let named = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"];
        let args: Vec<&str> = named.iter().chain(args).copied().collect();
        run(&self.repo(), "git", &args, stdin)
    }

    /// Commits one changed file and answers the new commit.
    pub fn commit(&self, file: &str, message: &str) -> String {
        let path = self.repo().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, message).unwrap();
        self.git(&["add", "--", file]);
        self.git(&["commit", "-q", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Adds `count` commits to `main`, quickly.
    fn import(&self, count: usize) {
        let mut script = String::from("reset refs/heads/main\nfrom refs/heads/main^0\n\n");
        for n in 0..count {
            let message = format!("commit {n}");
            write!(
                script,
                "commit refs/heads/main\ncommitter Bob <bob@example.org> 1700000000 +0000\n\
                 data {}\n{message}\nM 100644 inline file\ndata {}\n{n}\n",
                message.len(),
                n.to_string().len() + 1,
            )
            .unwrap();
        }
        self.git_with(&["fast-import", "--quiet"], script.as_bytes());
    }

    /// A poller of the repository that polls when asked.
    pub fn poller(&self, more: Value) -> SourcePlan {
        let base = json!({
            "name": "poller",
            "repourl": self.repo().to_str().unwrap(),
            "pollInterval": 3600,
            "project": "proj",
            "category": "cat",
            "codebase": "base",
            "workdir": "work",
        });
        plan("GitPoller", base, more)
    }

    async fn last_rev(&self) -> Value {
        self.state("poller", "GitPoller", "lastRev").await
    }
}

#[actix::test]
async fn new_commits_become_changes_with_everything_git_knows() {
    let world = GitWorld::new();
    world.commit("old", "old");
    let config = world.poller(json!({ "branches": ["main"], "properties": { "team": "core" } }));
    let mut listener = world.announcer.listen();
    assert_eq!(world.reported(&config).await, []);
    let first = world.commit("dir/a b.txt", "subject\n\nbody ü");
    let second = world.commit("c", "second");
    assert_eq!(world.look(&config).await.unwrap().changes, 2);

    let changes = world.changes().await;
    assert_eq!(changes.len(), 2);
    let change = &changes[0];
    assert_eq!(change.author, "Ann <ann@example.org>");
    assert_eq!(change.committer.as_deref(), Some("Bob <bob@example.org>"));
    assert_eq!(change.comments, "subject\nbody ü");
    assert_eq!(change.files, ["dir/a b.txt"]);
    assert_eq!(change.branch.as_deref(), Some("main"));
    assert_eq!(change.revision, Some(first));
    assert_eq!(change.when_timestamp, 1_700_000_000);
    assert_eq!(change.category.as_deref(), Some("cat"));
    assert_eq!((change.project.as_str(), change.codebase.as_str()), ("proj", "base"));
    assert_eq!(change.repository, world.repo().to_str().unwrap());
    assert_eq!(change.properties.get_str("team"), Some("core"));
    assert_eq!(changes[1].revision, Some(second.clone()));
    assert_eq!(next_change(&mut listener).await, changes[0].id);
    assert_eq!(next_change(&mut listener).await, changes[1].id);

    assert_eq!(world.last_rev().await, serde_json::json!({"main": second}));
    assert_eq!(world.reported(&config).await, []);
}

#[actix::test]
async fn all_branches_are_keyed_by_ref_and_share_commits_once() {
    let world = GitWorld::new();
    let base = world.commit("f", "base");
    let config = world.poller(json!({ "branches": true }));
    world.look(&config).await.unwrap();
    world.git(&["checkout", "-q", "-b", "feature/x"]);
    let tip = world.commit("g", "on feature");
    world.git(&["branch", "-q", "twin"]);
    assert_eq!(world.reported(&config).await, pairs(&[("feature/x", "on feature")]));
    let expected = serde_json::json!({
        "refs/heads/feature/x": tip, "refs/heads/main": base, "refs/heads/twin": tip
    });
    assert_eq!(world.last_rev().await, expected);

    world.git(&["checkout", "-q", "main"]);
    world.commit("h", "on main");
    world.git(&["merge", "-q", "--no-ff", "-m", "merge", "twin"]);
    assert_eq!(world.reported(&config).await, pairs(&[("main", "on main"), ("main", "merge")]));
    assert_eq!(world.changes().await.last().unwrap().files, ["g"]);
}

#[actix::test]
async fn patterns_and_the_default_branch_choose() {
    let world = GitWorld::new();
    world.commit("f", "base");
    for branch in ["rel/1", "rel/2", "other"] {
        world.git(&["branch", branch]);
    }
    let patterns = world.poller(json!({ "branches": ["rel/*", "gone"] }));
    let found = world.look(&patterns).await.unwrap();
    assert!(found.notes[0].contains("no branch 'gone'"), "{found:?}");
    let keys: Vec<String> = world.last_rev().await.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["rel/1", "rel/2"]);

    let head = world.poller(json!({ "name": "head", "workdir": "head" }));
    world.look(&head).await.unwrap();
    world.git(&["checkout", "-q", "other"]);
    world.commit("x", "elsewhere");
    world.git(&["checkout", "-q", "main"]);
    world.commit("y", "here");
    assert_eq!(world.reported(&head).await, pairs(&[("main", "here")]));
}

#[actix::test]
async fn force_pushed_deleted_and_renamed_branches_survive() {
    let world = GitWorld::new();
    world.commit("f", "base");
    world.git(&["checkout", "-q", "-b", "dev"]);
    world.commit("g", "draft");
    let config = world.poller(json!({ "branches": true }));
    world.look(&config).await.unwrap();

    world.git(&["reset", "-q", "--hard", "main"]);
    world.commit("g", "rewritten");
    world.commit("g", "more");
    let expected = pairs(&[("dev", "rewritten"), ("dev", "more")]);
    assert_eq!(world.reported(&config).await, expected);

    // Back to an older commit: nothing is new.
    world.git(&["reset", "-q", "--hard", "HEAD^"]);
    assert_eq!(world.reported(&config).await, []);

    world.git(&["checkout", "-q", "main"]);
    world.git(&["branch", "-q", "-D", "dev"]);
    assert_eq!(world.reported(&config).await, []);
    assert_eq!(world.last_rev().await.as_object().unwrap().len(), 1);

    // A directory takes the place of the branch that was deleted.
    world.git(&["checkout", "-q", "-b", "dev/two"]);
    world.commit("h", "again");
    assert_eq!(world.reported(&config).await, pairs(&[("dev/two", "again")]));
}

#[actix::test]
async fn a_lost_clone_is_made_again_without_repeating() {
    let world = GitWorld::new();
    world.commit("f", "base");
    world.git(&["branch", "side"]);
    let config = world.poller(json!({ "branches": true }));
    world.look(&config).await.unwrap();
    std::fs::remove_dir_all(world.dir.path().join("work")).unwrap();
    world.commit("g", "new");
    assert_eq!(world.reported(&config).await, pairs(&[("main", "new")]));

    // The clone is gone and so is the old head: only the new head can be told.
    std::fs::remove_dir_all(world.dir.path().join("work")).unwrap();
    world.git(&["reset", "-q", "--hard", "HEAD^"]);
    world.commit("g", "one");
    world.commit("g", "two");
    world.git(&["reflog", "expire", "--expire=now", "--all"]);
    world.git(&["gc", "-q", "--prune=now"]);
    assert_eq!(world.reported(&config).await, pairs(&[("main", "two")]));
}

#[actix::test]
async fn bytes_that_are_not_utf8_are_replaced() {
    let world = GitWorld::new();
    world.commit("f", "base");
    let config = world.poller(json!({ "branches": ["main"] }));
    world.look(&config).await.unwrap();
    let script = b"commit refs/heads/main\nauthor J\xfcrgen <j@example.org> 1700000000 +0000\n\
        committer J\xfcrgen <j@example.org> 1700000000 +0000\ndata 6\ngr\xfc\xdfe\nfrom refs/heads/main^0\n\
        M 100644 inline \"\\377.txt\"\ndata 2\nx\n\n";
    world.git_with(&["fast-import", "--quiet"], script);
    world.look(&config).await.unwrap();
    let change = world.changes().await.pop().unwrap();
    assert_eq!(change.author, "J\u{fffd}rgen <j@example.org>");
    assert_eq!(change.comments, "gr\u{fffd}\u{fffd}e");
    assert_eq!(change.files, ["\u{fffd}.txt"]);
}

#[actix::test]
async fn a_large_push_that_is_interrupted_is_taken_up_again() {
    let world = GitWorld::new();
    world.commit("f", "base");
    let config = world.poller(json!({ "branches": ["main"] }));
    world.look(&config).await.unwrap();
    world.import(2_000);
    let mut listener = world.announcer.listen();
    {
        let poll = world.look(&config);
        tokio::select! {
            biased;
            _ = next_change(&mut listener) => {}
            _ = poll => panic!("the first batch was not announced before the end"),
        }
    }
    world.look(&config).await.unwrap();
    let changes = world.changes().await;
    let told: Vec<&str> = changes.iter().map(|change| change.comments.as_str()).collect();
    let expected: Vec<String> = (0..2_000).map(|n| format!("commit {n}")).collect();
    assert_eq!(told, expected);
}

#[actix::test]
async fn a_push_without_commits_is_reported_when_wanted() {
    let world = GitWorld::new();
    world.commit("f", "base");
    let quiet = world.poller(json!({ "branches": true }));
    let loud = world.poller(json!({
        "name": "loud",
        "workdir": "loud",
        "branches": true,
        "buildPushesWithNoCommits": true,
    }));
    world.look(&quiet).await.unwrap();
    world.look(&loud).await.unwrap();
    world.git(&["branch", "copy"]);
    assert_eq!(world.reported(&quiet).await, []);
    assert_eq!(world.reported(&loud).await, pairs(&[("copy", "base")]));
}

#[actix::test]
async fn tags_are_watched_instead_of_branches() {
    let world = GitWorld::new();
    world.commit("f", "base");
    world.git(&["tag", "v0"]);
    let tags = world.poller(json!({ "only_tags": true }));
    assert_eq!(world.reported(&tags).await, []);
    let second = world.commit("g", "second");
    assert_eq!(world.reported(&tags).await, []);
    world.git(&["tag", "-a", "-m", "release", "v1"]);
    assert_eq!(world.reported(&tags).await, pairs(&[("refs/tags/v1", "second")]));
    assert_eq!(world.changes().await[0].revision, Some(second));
    assert_eq!(world.reported(&tags).await, []);
    world.git(&["tag", "v1-again"]);
    assert_eq!(world.reported(&tags).await, []);

    let both = json!({
        "name": "both",
        "workdir": "both",
        "branches": { "expression": "branch == 'main' or ref is startingwith('refs/tags/v')" },
    });
    let both = world.poller(both);
    world.look(&both).await.unwrap();
    world.commit("h", "third");
    world.git(&["tag", "v2"]);
    assert_eq!(world.reported(&both).await, pairs(&[("main", "third")]));
}

#[actix::test]
async fn a_category_may_depend_on_the_change() {
    let world = GitWorld::new();
    world.commit("f", "base");
    let expression = "'docs' if files | select('endingwith', '.md') | list else 'code'";
    let config = world.poller(json!({ "category": { "expression": expression } }));
    world.look(&config).await.unwrap();
    world.commit("a.md", "docs");
    world.commit("a.c", "code");
    world.look(&config).await.unwrap();
    let changes = world.changes().await;
    let categories: Vec<Option<&str>> =
        changes.iter().map(|change| change.category.as_deref()).collect();
    assert_eq!(categories, [Some("docs"), Some("code")]);
}

#[actix::test]
async fn keys_are_gone_after_a_poll() {
    let world = GitWorld::new();
    world.commit("f", "base");
    let config = world.poller(json!({
        "sshPrivateKey": "KEY",
        "sshKnownHosts": "* ssh-rsa A",
        "git_credentials": { "credentials": ["url=https://h\nusername=me\npassword=pw"] },
    }));
    world.look(&config).await.unwrap();
    let left: Vec<String> = std::fs::read_dir(world.path("work"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".buildbot-ssh"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[actix::test]
async fn codebase_and_link_come_from_the_rules_of_the_master() {
    let world = GitWorld::new();
    world.commit("f", "base");
    let config = world.poller(json!({ "codebase": "" }));
    world.look(&config).await.unwrap();
    let raw = Raw::from_json(json!({
        "codebaseGenerator": [
            { "repository_re": ".*/(?P<name>\\w+)$", "codebase": "of-\\g<name>" },
        ],
        "revlink": [{ "repo_urls": ".*/(repo)$", "revlink": "https://h/\\1/%s" }],
    }));
    let mut problems = Problems::new();
    let mut fields = Fields::of(&raw, "", &mut problems);
    let (revlink, codebases) = (RevlinkRules::read(&mut fields), CodebaseRules::read(&mut fields));
    world.intake.configure(Arc::new(IntakeRules { revlink, codebases }));
    let revision = world.commit("g", "new");
    world.look(&config).await.unwrap();
    let change = &world.changes().await[0];
    assert_eq!(
        (change.codebase.as_str(), change.sourcestamp.codebase.as_str()),
        ("of-repo", "of-repo")
    );
    assert_eq!(change.revlink, Some(format!("https://h/repo/{revision}")));
}

#[actix::test]
async fn a_password_reaches_the_server_and_nobody_else() {
    let (world, server) = (GitWorld::new(), Server::start().await);
    server.answer("/r.git", 401, "WWW-Authenticate: Basic realm=\"r\"\r\n", &[""]);
    let config = world.poller(json!({
        "repourl": format!("{}/r.git", server.url), "auth_credentials": ["me", "hunter2"],
    }));
    let told = world.look(&config).await.unwrap_err().to_string();
    assert!(told.contains("git ls-remote failed") && !told.contains("hunter2"), "{told}");
    let heard = server.heard().concat().to_lowercase();
    assert!(heard.contains("authorization: basic bwu6ahvudgvymg=="), "{heard}");
}
