//! Passes of schedulers over a real database; the clock is set by hand.

mod basic;
mod try_jobs;
mod dependent;
mod timed;
mod triggerable;

use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Order, Pass, Refused, Submitted, registry, rounds};
use crate::config::checked::SchedulerConfig;
use crate::config::problems::{Place, Problems};
use crate::config::raw::{Raw, RawValue};
use crate::db::builds::NewBuild;
use crate::db::{Db, builders, builds, buildsets, changes, masters, schedulers};
use crate::model::{BuildId, Buildset, ChangeId, MasterId, NewChange, Properties};

/// When the tests happen.
pub const NOW: i64 = 1_700_000_000;

/// A database with a master and the builders `quick` and `full`.
pub struct World {
    _dir: TempDir,
    pub db: Db,
    pub master: MasterId,
}

impl World {
    pub async fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path().join("state.sqlite").to_str().unwrap()).unwrap();
        let prepare = db.write(|conn| {
            let master = masters::register(conn, "here", NOW)?;
            for name in ["quick", "full"] {
                builders::find_or_create(conn, name)?;
            }
            Ok(master)
        });
        let master = prepare.await.unwrap();
        World { _dir: dir, db, master }
    }

    /// A new change of the codebase ``.
    pub async fn change(&self, branch: &str, file: &str, at: i64) -> ChangeId {
        self.change_in("", branch, file, at).await
    }

    pub async fn change_in(&self, codebase: &str, branch: &str, file: &str, at: i64) -> ChangeId {
        let change = NewChange {
            author: "Ann".into(),
            branch: Some(branch.into()),
            revision: Some(format!("{branch}-{file}-{at}")),
            files: vec![file.into()],
            repository: "repo".into(),
            codebase: codebase.into(),
            properties: [("from", json!(file), "Change")].into_iter().collect(),
            ..NewChange::default()
        };
        self.db.write(move |conn| changes::add(conn, &change, at)).await.unwrap().id
    }

    pub async fn enter(&self, config: &Arc<SchedulerConfig>, fresh: bool) {
        self.enter_at(config, fresh, NOW).await;
    }

    pub async fn enter_at(&self, config: &Arc<SchedulerConfig>, fresh: bool, now: i64) {
        let (config, master) = (config.clone(), self.master);
        let entered = self.db.write(move |conn| rounds::enter(conn, &config, master, fresh, now));
        assert!(entered.await.unwrap());
    }

    pub async fn pass(&self, config: &Arc<SchedulerConfig>, now: i64) -> Pass {
        self.pass_of(self.master, config, now).await
    }

    pub async fn pass_of(&self, master: MasterId, config: &Arc<SchedulerConfig>, now: i64) -> Pass {
        let config = config.clone();
        self.db.write(move |conn| rounds::pass(conn, &config, master, now)).await.unwrap()
    }

    pub async fn order(
        &self,
        config: &Arc<SchedulerConfig>,
        order: Order,
        now: i64,
    ) -> Result<Option<Submitted>, Refused> {
        let config = config.clone();
        self.db.write(move |conn| rounds::order(conn, &config, order, now)).await.unwrap()
    }

    pub async fn buildset(&self, submitted: &Submitted) -> (Buildset, Properties) {
        let id = submitted.buildset;
        let read = self
            .db
            .read(move |conn| Ok((buildsets::get(conn, id)?, buildsets::properties(conn, id)?)));
        read.await.unwrap()
    }

    /// A build of the first request of the buildset.
    pub async fn build_of(&self, set: &Submitted) -> BuildId {
        let (builder, request) = set.requests[0];
        let state = "created".to_owned();
        let new = NewBuild { builder, request, worker: None, master: self.master, state };
        self.db.write(move |conn| builds::start(conn, new, NOW)).await.unwrap().id
    }

    pub async fn switch(&self, name: &'static str, on: bool) {
        let switch = self.db.write(move |conn| {
            let id = schedulers::find_or_create(conn, name)?;
            schedulers::set_enabled(conn, id, on)
        });
        switch.await.unwrap();
    }
}

/// The scheduler written like this, for the builders `full` and `quick` unless it says otherwise.
pub fn scheduler(mut written: Value) -> Arc<SchedulerConfig> {
    let table = written.as_object_mut().unwrap();
    table.entry("builderNames").or_insert(json!(["full", "quick"]));
    let mut problems = Problems::new();
    let config = registry::parse(&raw(&written), "schedulers[0]", &mut problems);
    assert!(problems.is_empty(), "{problems}");
    Arc::new(config.unwrap())
}

/// What is wrong with a scheduler written like this.
pub fn problem_of(written: &Value) -> String {
    let mut problems = Problems::new();
    registry::parse(&raw(written), "schedulers[0]", &mut problems);
    problems.to_string()
}

fn raw(value: &Value) -> Raw {
    let value = match value {
        Value::Null => RawValue::Null,
        Value::Bool(on) => RawValue::Bool(*on),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| RawValue::Float(number.as_f64().unwrap()), RawValue::Int)
        }
        Value::String(text) => RawValue::Text(text.clone()),
        Value::Array(items) => RawValue::List(items.iter().map(raw).collect()),
        Value::Object(table) => {
            RawValue::Table(table.iter().map(|(key, item)| (key.clone(), raw(item))).collect())
        }
    };
    Raw { value, place: Place::default() }
}
