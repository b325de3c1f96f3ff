//! A database, an intake and a desk, all of them real, and programs to make repositories with.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::actors::announcer::{Announcer, Listener};
use crate::actors::change_source::desk::IntakeDesk;
use crate::actors::change_source::{SourceStatus, Sources, Wiring};
use crate::actors::intake::Intake;
use crate::actors::supervise::Supervisor;
use crate::actors::tree::Tree;
use crate::actors::worker::Logins;
use crate::change_sources::{Found, SourcePlan, Trouble, registry};
use crate::config::checked::ChangeSourceConfig;
use crate::config::fields::Fields;
use crate::config::problems::Problems;
use crate::config::raw::Raw;
use crate::db::{Db, changes, masters, state};
use crate::events::Event;
use crate::model::{Change, ChangeId, Clock};

pub const PATIENCE: Duration = Duration::from_secs(60);

/// A master without anything else.
pub struct World {
    pub dir: TempDir,
    pub db: Db,
    pub announcer: Announcer,
    pub supervisor: Supervisor,
    pub intake: Intake,
}

impl World {
    pub fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path().join("state.sqlite").to_str().unwrap()).unwrap();
        let announcer = Announcer::default();
        let supervisor = Supervisor::new("", Tree::default(), mpsc::unbounded_channel().0);
        let intake = Intake::start(&supervisor, db.clone(), announcer.clone(), Clock::default());
        World { dir, db, announcer, supervisor, intake }
    }

    pub async fn wiring(&self) -> Wiring {
        let master = self.db.write(|conn| masters::register(conn, "here", 0)).await.unwrap();
        Wiring {
            db: self.db.clone(),
            master,
            intake: self.intake.clone(),
            basedir: self.dir.path().to_owned(),
            logins: Logins::default(),
            clock: Clock::default(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Looks once.
    pub async fn look(&self, plan: &SourcePlan) -> Result<Found, Trouble> {
        let wiring = self.wiring().await;
        let desk = IntakeDesk::new(Arc::new(plan.clone()), &wiring, Sources::default());
        plan.source.look(&desk).await
    }

    /// Looks and answers the messages of the new changes with their branches.
    pub async fn reported(&self, plan: &SourcePlan) -> Vec<(String, String)> {
        let before = self.changes().await.last().map_or(0, |change| change.id.0);
        self.look(plan).await.unwrap();
        let new = self.changes().await.into_iter().filter(|change| change.id.0 > before);
        new.map(|change| (change.branch.unwrap_or_default(), change.comments)).collect()
    }

    pub async fn changes(&self) -> Vec<Change> {
        self.db.read(|conn| changes::after(conn, ChangeId(0), 10_000)).await.unwrap()
    }

    /// What an object remembers.
    pub async fn state(&self, name: &str, class: &'static str, key: &'static str) -> Value {
        let name = name.to_owned();
        let read = self.db.write(move |conn| {
            let object = state::object(conn, &name, class)?;
            state::get(conn, object, key)
        });
        read.await.unwrap().unwrap_or(Value::Null)
    }

    /// Starts the source.
    pub async fn start(&self, plan: &SourcePlan) -> Sources {
        let sources = Sources::default();
        let config = ChangeSourceConfig::Looks(plan.clone());
        sources.start(&self.supervisor, config, &self.wiring().await);
        sources
    }
}

/// Reads a source's table, of `base` with the keys of `more` in place of its own.
pub fn plan(class: &str, base: Value, more: Value) -> SourcePlan {
    let mut table = base.as_object().unwrap().clone();
    table.extend(more.as_object().unwrap().clone());
    table.insert("type".into(), json!(class));
    let raw = Raw::from_json(Value::Object(table));
    let mut problems = Problems::new();
    let mut fields = Fields::of(&raw, "", &mut problems);
    fields.take("type");
    let plan = registry::parse(registry::find(class).unwrap(), &raw, fields);
    assert!(problems.is_empty(), "{problems}");
    plan
}

pub fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

/// Waits for the next change that is announced.
pub async fn next_change(listener: &mut Listener) -> ChangeId {
    let heard = async {
        loop {
            if let Event::ChangeAdded(change) = &*listener.recv().await.unwrap() {
                return change.id;
            }
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.expect("no change was announced")
}

/// Waits until a source's status is as wanted.
pub async fn status(sources: &Sources, wanted: impl Fn(&SourceStatus) -> bool) -> SourceStatus {
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

/// Runs a program to its end and answers its output.
pub fn run(dir: &Path, program: &str, args: &[&str], stdin: &[u8]) -> String {
    let mut child = Command::new(program)
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_COMMITTER_NAME", "Bob")
        .env("GIT_COMMITTER_EMAIL", "bob@example.org")
        .env("GIT_COMMITTER_DATE", "1700000000 +0000")
        .env("HGRCPATH", "/dev/null")
        .env("HGENCODING", "utf-8")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program} {args:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
