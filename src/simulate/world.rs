//! A database like that of a new master with this configuration; gone with the simulation.

use std::collections::HashMap;
use std::path::Path;

use tempfile::TempDir;

use crate::config::MasterConfig;
use crate::config::checked::{BuilderConfig, SchedulerConfig};
use crate::db::builders::BuilderSetup;
use crate::db::{Conn, Db, DbError, builders, changes, masters};
use crate::model::{BuilderId, Change, MasterId, NewChange, Timestamp, now};
use crate::schedulers::{Order, Pass, Refused, Submitted, rounds};

/// Where the simulation happens.
pub(super) struct World<'c> {
    directory: TempDir,
    pub db: Db,
    pub config: &'c MasterConfig,
    pub master: MasterId,
    /// When the changes come.
    pub start: Timestamp,
    builders: HashMap<BuilderId, usize>,
}

impl<'c> World<'c> {
    pub async fn new(config: &'c MasterConfig) -> Result<World<'c>, DbError> {
        let open = |error: std::io::Error| DbError::Open {
            database: "temporary directory".to_owned(),
            reason: error.to_string(),
        };
        let directory = tempfile::tempdir().map_err(open)?;
        let db = Db::open(&directory.path().join("state.sqlite").to_string_lossy())?;
        let (start, setups) =
            (now(), config.builders.iter().map(|one| setup(one)).collect::<Vec<_>>());
        let (master, ids) = db
            .write(move |conn| {
                let master = masters::register(conn, "simulation", start)?;
                Ok((master, builders::configure(conn, master, &setups, start)?))
            })
            .await?;
        let place = |name: &str| config.builders.iter().position(|one| one.name == name);
        let builders = ids.into_iter().filter_map(|(name, id)| Some((id, place(&name)?))).collect();
        Ok(World { directory, db, config, master, start, builders })
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn builder(&self, id: BuilderId) -> Option<&'c BuilderConfig> {
        self.builders.get(&id).map(|place| self.config.builders[*place].as_ref())
    }

    pub fn scheduler(&self, name: &str) -> Option<&'c SchedulerConfig> {
        self.config.schedulers.iter().find(|one| one.options.name == name)
    }

    /// All schedulers begin to listen.
    pub async fn enter(&self) -> Result<(), DbError> {
        let (schedulers, master, start) = (self.config.schedulers.clone(), self.master, self.start);
        let enter = move |conn: &mut Conn| {
            schedulers
                .iter()
                .try_for_each(|one| rounds::enter(conn, one, master, false, start).map(|_| ()))
        };
        self.db.write(enter).await
    }

    pub async fn add(&self, new: Vec<NewChange>) -> Result<Vec<Change>, DbError> {
        let start = self.start;
        let add = move |conn: &mut Conn| {
            new.iter().map(|change| changes::add(conn, change, start)).collect()
        };
        self.db.write(add).await
    }

    pub async fn pass(&self, one: &SchedulerConfig, now: Timestamp) -> Result<Pass, DbError> {
        let (one, master) = (one.clone(), self.master);
        self.db.write(move |conn| rounds::pass(conn, &one, master, now)).await
    }

    pub async fn order(
        &self,
        one: &SchedulerConfig,
        order: Order,
        now: Timestamp,
    ) -> Result<Result<Option<Submitted>, Refused>, DbError> {
        let one = one.clone();
        self.db.write(move |conn| rounds::order(conn, &one, order, now)).await
    }
}

fn setup(builder: &BuilderConfig) -> BuilderSetup {
    BuilderSetup {
        name: builder.name.clone(),
        description: builder.description.clone(),
        tags: builder.tags.clone(),
        workernames: builder.workernames.clone(),
        ..BuilderSetup::default()
    }
}
