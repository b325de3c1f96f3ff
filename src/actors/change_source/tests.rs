//! Pollers against real repositories.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc;

use super::poll::{Found, Poll, PollError};
use super::{SourceStatus, Sources, Wiring};
use crate::actors::announcer::{Announcer, Listener};
use crate::actors::intake::Intake;
use crate::actors::supervise::Supervisor;
use crate::actors::tree::Tree;
use crate::actors::worker::Logins;
use crate::config::checked::{Branches, ChangeSourceConfig, GitPollerConfig};
use crate::db::{Db, changes, changesources, masters, state};
use crate::events::Event;
use crate::model::{Change, ChangeId, Properties};

const PATIENCE: Duration = Duration::from_secs(60);

/// A repository, a database and an intake, all of them real.
struct World {
    dir: TempDir,
    db: Db,
    announcer: Announcer,
    supervisor: Supervisor,
    intake: Intake,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path().join("state.sqlite").to_str().unwrap()).unwrap();
        let announcer = Announcer::default();
        let supervisor = Supervisor::new("", Tree::default(), mpsc::unbounded_channel().0);
        let intake = Intake::start(&supervisor, db.clone(), announcer.clone());
        let world = World { dir, db, announcer, supervisor, intake };
        std::fs::create_dir(world.repo()).unwrap();
        world.git(&["init", "-q", "-b", "main"]);
        world
    }

    async fn wiring(&self) -> Wiring {
        let master = self.db.write(|conn| masters::register(conn, "here", 0)).await.unwrap();
        Wiring {
            db: self.db.clone(),
            master,
            intake: self.intake.clone(),
            basedir: self.dir.path().to_owned(),
            logins: Logins::default(),
        }
    }

    fn repo(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    fn git(&self, args: &[&str]) -> String {
        self.git_with(args, b"")
    }

    fn git_with(&self, args: &[&str], stdin: &[u8]) -> String {
        let mut child = Command::new("git")
            .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.org"])
            .args(args)
            .current_dir(self.repo())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_COMMITTER_NAME", "Bob")
            .env("GIT_COMMITTER_EMAIL", "bob@example.org")
            .env("GIT_COMMITTER_DATE", "1700000000 +0000")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "git {args:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Commits one changed file and answers the new commit.
    fn commit(&self, file: &str, message: &str) -> String {
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

    fn config(&self, branches: Branches) -> GitPollerConfig {
        GitPollerConfig {
            name: "poller".into(),
            repourl: self.repo().to_str().unwrap().into(),
            branches,
            poll_interval: Duration::from_secs(3600),
            poll_at_launch: false,
            poll_random_delay_min: Duration::ZERO,
            poll_random_delay_max: Duration::ZERO,
            project: "proj".into(),
            category: Some("cat".into()),
            codebase: "base".into(),
            gitbin: "git".into(),
            workdir: "work".into(),
            usetimestamps: true,
            properties: Properties::new(),
            build_pushes_with_no_commits: false,
        }
    }

    async fn poll(&self, config: &GitPollerConfig) -> Result<Found, PollError> {
        Poll::new(config, &self.intake, self.dir.path()).run().await
    }

    /// Polls and answers the subjects of the new changes with their branches.
    async fn reported(&self, config: &GitPollerConfig) -> Vec<(String, String)> {
        let before = self.changes().await.last().map_or(0, |change| change.id.0);
        self.poll(config).await.unwrap();
        let new = self.changes().await.into_iter().filter(|change| change.id.0 > before);
        new.map(|change| (change.branch.unwrap(), change.comments)).collect()
    }

    async fn changes(&self) -> Vec<Change> {
        self.db.read(|conn| changes::after(conn, ChangeId(0), 10_000)).await.unwrap()
    }

    async fn state(&self) -> serde_json::Value {
        let read = self.db.write(|conn| {
            let object = state::object(conn, "poller", "GitPoller")?;
            state::get(conn, object, "lastRev")
        });
        read.await.unwrap().unwrap()
    }
}

fn named(names: &[&str]) -> Branches {
    Branches::Named(names.iter().map(|name| (*name).to_owned()).collect())
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

async fn next_change(listener: &mut Listener) -> ChangeId {
    let heard = async {
        loop {
            if let Event::ChangeAdded(change) = &*listener.recv().await.unwrap() {
                return change.id;
            }
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.expect("no change was announced")
}

#[actix::test]
async fn new_commits_become_changes_with_everything_git_knows() {
    let world = World::new();
    world.commit("old", "old");
    let mut config = world.config(named(&["main"]));
    config.properties.set("team", "core", "Change");
    let mut listener = world.announcer.listen();
    assert_eq!(world.reported(&config).await, []);
    let first = world.commit("dir/a b.txt", "subject\n\nbody ü");
    let second = world.commit("c", "second");
    assert_eq!(world.poll(&config).await.unwrap().changes, 2);

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
    assert_eq!(change.repository, config.repourl);
    assert_eq!(change.properties.get_str("team"), Some("core"));
    assert_eq!(changes[1].revision, Some(second.clone()));
    assert_eq!(next_change(&mut listener).await, changes[0].id);
    assert_eq!(next_change(&mut listener).await, changes[1].id);

    assert_eq!(world.state().await, serde_json::json!({"main": second}));
    assert_eq!(world.reported(&config).await, []);
}

#[actix::test]
async fn all_branches_are_keyed_by_ref_and_share_commits_once() {
    let world = World::new();
    let base = world.commit("f", "base");
    let config = world.config(Branches::All);
    world.poll(&config).await.unwrap();
    world.git(&["checkout", "-q", "-b", "feature/x"]);
    let tip = world.commit("g", "on feature");
    world.git(&["branch", "-q", "twin"]);
    assert_eq!(world.reported(&config).await, pairs(&[("feature/x", "on feature")]));
    let expected = serde_json::json!({
        "refs/heads/feature/x": tip, "refs/heads/main": base, "refs/heads/twin": tip
    });
    assert_eq!(world.state().await, expected);

    world.git(&["checkout", "-q", "main"]);
    world.commit("h", "on main");
    world.git(&["merge", "-q", "--no-ff", "-m", "merge", "twin"]);
    assert_eq!(world.reported(&config).await, pairs(&[("main", "on main"), ("main", "merge")]));
    assert_eq!(world.changes().await.last().unwrap().files, ["g"]);
}

#[actix::test]
async fn patterns_and_the_default_branch_choose() {
    let world = World::new();
    world.commit("f", "base");
    for branch in ["rel/1", "rel/2", "other"] {
        world.git(&["branch", branch]);
    }
    let patterns = world.config(named(&["rel/*", "gone"]));
    let found = world.poll(&patterns).await.unwrap();
    assert_eq!(found.missing, ["gone"]);
    let keys: Vec<String> = world.state().await.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["rel/1", "rel/2"]);

    let head = GitPollerConfig { name: "head".into(), ..world.config(Branches::Head) };
    world.poll(&head).await.unwrap();
    world.git(&["checkout", "-q", "other"]);
    world.commit("x", "elsewhere");
    world.git(&["checkout", "-q", "main"]);
    world.commit("y", "here");
    assert_eq!(world.reported(&head).await, pairs(&[("main", "here")]));
}

#[actix::test]
async fn force_pushed_deleted_and_renamed_branches_survive() {
    let world = World::new();
    world.commit("f", "base");
    world.git(&["checkout", "-q", "-b", "dev"]);
    world.commit("g", "draft");
    let config = world.config(Branches::All);
    world.poll(&config).await.unwrap();

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
    assert_eq!(world.state().await.as_object().unwrap().len(), 1);

    // A directory takes the place of the branch that was deleted.
    world.git(&["checkout", "-q", "-b", "dev/two"]);
    world.commit("h", "again");
    assert_eq!(world.reported(&config).await, pairs(&[("dev/two", "again")]));
}

#[actix::test]
async fn a_lost_clone_is_made_again_without_repeating() {
    let world = World::new();
    world.commit("f", "base");
    world.git(&["branch", "side"]);
    let config = world.config(Branches::All);
    world.poll(&config).await.unwrap();
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
    let world = World::new();
    world.commit("f", "base");
    let config = world.config(named(&["main"]));
    world.poll(&config).await.unwrap();
    let script = b"commit refs/heads/main\nauthor J\xfcrgen <j@example.org> 1700000000 +0000\n\
        committer J\xfcrgen <j@example.org> 1700000000 +0000\ndata 6\ngr\xfc\xdfe\nfrom refs/heads/main^0\n\
        M 100644 inline \"\\377.txt\"\ndata 2\nx\n\n";
    world.git_with(&["fast-import", "--quiet"], script);
    world.poll(&config).await.unwrap();
    let change = world.changes().await.pop().unwrap();
    assert_eq!(change.author, "J\u{fffd}rgen <j@example.org>");
    assert_eq!(change.comments, "gr\u{fffd}\u{fffd}e");
    assert_eq!(change.files, ["\u{fffd}.txt"]);
}

#[actix::test]
async fn a_large_push_that_is_interrupted_is_taken_up_again() {
    let world = World::new();
    world.commit("f", "base");
    let config = world.config(named(&["main"]));
    world.poll(&config).await.unwrap();
    world.import(2_000);
    let mut listener = world.announcer.listen();
    {
        let poll = world.poll(&config);
        tokio::select! {
            biased;
            _ = next_change(&mut listener) => {}
            _ = poll => panic!("the first batch was not announced before the end"),
        }
    }
    world.poll(&config).await.unwrap();
    let changes = world.changes().await;
    let told: Vec<&str> = changes.iter().map(|change| change.comments.as_str()).collect();
    let expected: Vec<String> = (0..2_000).map(|n| format!("commit {n}")).collect();
    assert_eq!(told, expected);
}

#[actix::test]
async fn a_push_without_commits_is_reported_when_wanted() {
    let world = World::new();
    world.commit("f", "base");
    let quiet = world.config(Branches::All);
    let loud = GitPollerConfig {
        name: "loud".into(),
        workdir: "loud".into(),
        build_pushes_with_no_commits: true,
        ..quiet.clone()
    };
    world.poll(&quiet).await.unwrap();
    world.poll(&loud).await.unwrap();
    world.git(&["branch", "copy"]);
    assert_eq!(world.reported(&quiet).await, []);
    assert_eq!(world.reported(&loud).await, pairs(&[("copy", "base")]));
}

async fn status(sources: &Sources, wanted: impl Fn(&SourceStatus) -> bool) -> SourceStatus {
    let seen = async {
        loop {
            if let Some(status) = sources.snapshot().into_iter().find(|status| wanted(status)) {
                return status;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.expect("the status never came")
}

#[actix::test]
async fn a_wrong_url_is_told_and_mends_itself() {
    let world = World::new();
    world.commit("f", "base");
    let later = world.dir.path().join("later");
    let config = GitPollerConfig {
        repourl: later.to_str().unwrap().into(),
        poll_at_launch: true,
        poll_interval: Duration::from_secs(600),
        ..world.config(named(&["main"]))
    };
    let sources = Sources::default();
    let wiring = world.wiring().await;
    sources.start(&world.supervisor, ChangeSourceConfig::GitPoller(config), &wiring);
    let failed = status(&sources, |status| status.last_error.is_some()).await;
    let error = failed.last_error.unwrap();
    assert!(error.contains("does not appear to be a git repository"), "{error}");
    // Twice the interval after the first failure.
    let pause = failed.next_poll.unwrap_or_default() - failed.last_poll.unwrap_or_default();
    assert!((1199..=1201).contains(&pause), "{pause}");

    std::fs::rename(world.repo(), &later).unwrap();
    assert!(sources.poll_now("poller"));
    assert!(!sources.poll_now("nobody"));
    status(&sources, |status| status.last_poll.is_some() && status.last_error.is_none()).await;
    sources.stop(&world.supervisor, "poller").await;
    assert_eq!(sources.snapshot(), []);
}

#[actix::test]
async fn a_broken_clone_is_made_anew() {
    let world = World::new();
    world.commit("f", "base");
    let config = world.config(named(&["main"]));
    world.poll(&config).await.unwrap();
    let sources = Sources::default();
    let wiring = world.wiring().await;
    world.commit("g", "new");
    break_clone(&world.dir.path().join("work"));
    let mut listener = world.announcer.listen();
    sources.start(&world.supervisor, ChangeSourceConfig::GitPoller(config), &wiring);
    let mut polls = 0;
    let heard = loop {
        sources.poll_now("poller");
        polls += 1;
        assert!(polls < 1_000_000, "never recovered");
        tokio::select! {
            biased;
            heard = listener.recv() => break heard,
            () = tokio::task::yield_now() => {}
        }
    };
    assert!(matches!(&*heard.unwrap(), Event::ChangeAdded(change) if change.comments == "new"));
    sources.stop(&world.supervisor, "poller").await;
}

/// Leaves a repository whose refs cannot be locked, as a power failure may.
fn break_clone(clone: &Path) {
    let refs = clone.join("refs/buildbot");
    for entry in std::fs::read_dir(&refs).unwrap() {
        let path = entry.unwrap().path();
        std::fs::write(path.with_extension("lock"), b"").unwrap();
    }
}

#[actix::test]
async fn a_source_that_another_master_polls_rests() {
    let world = World::new();
    world.commit("f", "base");
    let claim = world.db.write(|conn| {
        let other = masters::register(conn, "there", 0)?;
        let id = changesources::find_or_create(conn, "poller")?;
        changesources::claim(conn, id, other)
    });
    assert!(claim.await.unwrap());
    let sources = Sources::default();
    let config = GitPollerConfig { poll_at_launch: true, ..world.config(named(&["main"])) };
    sources.start(&world.supervisor, ChangeSourceConfig::GitPoller(config), &world.wiring().await);
    let resting = status(&sources, |status| status.last_error.is_some()).await;
    assert_eq!(resting.last_error.as_deref(), Some("another master polls this source"));
    sources.stop(&world.supervisor, "poller").await;
}
