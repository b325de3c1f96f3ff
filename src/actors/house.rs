//! Builds the supervision tree in the order of start, and changes it when the configuration does.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use actix::{Arbiter, ArbiterHandle};
use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};

use super::announcer::Announcer;
use super::builder::{self, BuilderHandle};
use super::buildset_closer::BuildsetCloser;
use super::change_source::{self, Sources};
use super::control::{Control, Order};
use super::distributor::Distributor;
use super::handles::{Handles, MasterFacts};
use super::intake::Intake;
use super::locks::Locks;
use super::log_intake::LogIntake;
use super::master::{MasterError, Setup};
use super::running::RunningBuilds;
use super::scheduler::{Schedulers, Wiring};
use super::service;
use super::supervise::{Alarm, ChildSpec, Supervisor};
use super::surroundings::Surroundings;
use super::tree::Tree;
use super::try_jobs::{self, Sight, Tries};
use super::user_manager;
use super::worker::{BuilderDirs, Patience, Registration, Roster, RosterConfig, RosterSetup};
use crate::config::checked::{
    BuilderConfig, ChangeSourceConfig, MasterConfig, ProjectConfig, SchedulerConfig,
};
use crate::config::diff::{Delta, Diff};
use crate::db::builders::BuilderSetup;
use crate::db::projects::ProjectSetup;
use crate::db::{Conn, Db, DbError};
use crate::flow::markdown;
use crate::model::{BuilderId, MasterId};

/// Threads that worker connections are spread over.
const CONNECTION_THREADS: usize = 2;

/// Everybody under the master's roof.
pub struct House {
    supervisor: Supervisor,
    surroundings: Surroundings,
    roster: Roster,
    schedulers: Schedulers,
    wiring: Wiring,
    sources: Sources,
    source_wiring: change_source::Wiring,
    user_managers: Vec<Registration>,
    tries: Tries,
    try_wiring: try_jobs::Wiring,
    /// By name.
    builders: HashMap<String, BuilderHandle>,
    /// What keeps each builder's builds, through changes of the builder and after its removal.
    builds: HashMap<String, Supervisor>,
    /// A stock master has used the database since we did.
    stranger: bool,
}

impl House {
    /// Starts everybody but those who watch.
    ///
    /// # Errors
    /// When the database refuses or a listener cannot be opened; all children are stopped then.
    pub(super) async fn build(
        setup: &Setup,
        facts: MasterFacts,
        stranger: bool,
        config: watch::Receiver<Arc<MasterConfig>>,
        alarms: mpsc::UnboundedSender<Alarm>,
        orders: mpsc::Sender<Order>,
    ) -> Result<(House, Handles), MasterError> {
        let supervisor = Supervisor::new("", Tree::default(), alarms);
        let mut house = Self::found(setup, &supervisor, facts.id, stranger, config.clone());
        let new = config.borrow().clone();
        if let Err(error) = house.move_in(&new).await {
            supervisor.stop_all().await;
            return Err(error);
        }
        let control = Control::new(
            house.surroundings.clone(),
            house.schedulers.clone(),
            house.sources.clone(),
            orders,
        );
        let handles = Handles {
            db: setup.db.clone(),
            announcer: house.surroundings.announcer.clone(),
            log_intake: house.surroundings.log_intake.clone(),
            roster: house.roster.clone(),
            schedulers: house.schedulers.clone(),
            sources: house.sources.clone(),
            distributor: house.surroundings.distributor.clone(),
            locks: house.surroundings.locks.clone(),
            surroundings: house.surroundings.clone(),
            tree: supervisor.tree().clone(),
            control,
            config,
            master: facts,
        };
        Ok((house, handles))
    }

    /// Stops everybody: those who watch and those who start builds, then the builds, then what
    /// builds end with: worker connections and logs.
    pub(super) async fn close(&self) {
        self.supervisor.stop_down_to(BuildsetCloser::NAME).await;
        join_all(self.builds.values().map(Supervisor::stop_together)).await;
        self.supervisor.stop_all().await;
    }

    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Starts those whom no configuration can remove.
    fn found(
        setup: &Setup,
        supervisor: &Supervisor,
        master: MasterId,
        stranger: bool,
        config: watch::Receiver<Arc<MasterConfig>>,
    ) -> House {
        let (db, announcer, clock) = (setup.db.clone(), Announcer::default(), setup.clock.clone());
        let log_intake = LogIntake::start(
            supervisor,
            Arbiter::new().handle(),
            db.clone(),
            announcer.clone(),
            config.borrow().logs.clone(),
        );
        let roster = Roster::start(
            supervisor,
            RosterSetup {
                basedir: PathBuf::from(&setup.basedir),
                db: db.clone(),
                announcer: announcer.clone(),
                master,
                clock: clock.clone(),
                patience: Patience::default(),
                homes: connection_threads(),
            },
        );
        let distributor = Distributor::new(clock.clone());
        let locks = Locks::new(distributor.clone(), clock.clone());
        locks.configure(&config.borrow().locks);
        let surroundings = Surroundings {
            closer: BuildsetCloser::start(supervisor, db.clone(), announcer.clone(), clock.clone()),
            db: db.clone(),
            announcer: announcer.clone(),
            log_intake,
            distributor: distributor.clone(),
            running: RunningBuilds::default(),
            schedulers: Schedulers::default(),
            locks,
            config,
            basedir: Arc::new(PathBuf::from(&setup.basedir)),
            master,
            clock: clock.clone(),
        };
        let (around, workers, hands) = (surroundings.clone(), roster.clone(), distributor.clone());
        supervisor.start(ChildSpec::permanent("distributor"), distributor.mailbox(), move || {
            hands.actor(around.clone(), workers.clone())
        });
        let poke = move || distributor.poke();
        let wiring = Wiring::new(db.clone(), announcer.clone(), master, clock.clone(), poke);
        let try_wiring = try_jobs::Wiring {
            sight: Sight { db: db.clone(), announcer: announcer.clone() },
            logins: roster.logins(),
            basedir: setup.basedir.clone(),
            master,
        };
        House {
            supervisor: supervisor.clone(),
            schedulers: surroundings.schedulers.clone(),
            surroundings,
            wiring,
            sources: Sources::default(),
            source_wiring: change_source::Wiring {
                logins: roster.logins(),
                intake: Intake::start(supervisor, db.clone(), announcer, clock.clone()),
                basedir: setup.basedir.clone(),
                db,
                master,
                clock,
            },
            roster,
            user_managers: Vec::new(),
            tries: Tries::default(),
            try_wiring,
            builders: HashMap::new(),
            builds: HashMap::new(),
            stranger,
        }
    }

    /// Starts everything that the first configuration names.
    async fn move_in(&mut self, config: &MasterConfig) -> Result<(), MasterError> {
        self.source_wiring.intake.configure(config.intake.clone());
        let ids = self.store(config).await?;
        self.roster.configure(roster_config(config));
        self.roster.ready().await.map_err(|error| MasterError::Start(error.to_string()))?;
        for builder in &config.builders {
            self.start_builder(builder, &ids);
        }
        self.publish_builders();
        for scheduler in &config.schedulers {
            self.start_scheduler(scheduler, self.stranger);
        }
        for service in &config.services {
            service::start(&self.supervisor, service, &self.surroundings);
        }
        for source in &config.change_sources {
            self.start_source(source);
        }
        self.open_user_managers(config);
        Ok(())
    }

    /// Takes the steps of `diff` to the configuration `new`; answers what changed, for people.
    ///
    /// # Errors
    /// When the database refuses; nothing was changed then.
    pub(super) async fn apply(
        &mut self,
        diff: &Diff,
        new: &MasterConfig,
    ) -> Result<String, DbError> {
        let ids = self.store(new).await?;
        for name in diff.change_sources.ending(|source| source.name()) {
            self.sources.stop(&self.supervisor, &name).await;
        }
        for name in diff.schedulers.ending(|scheduler| scheduler.options.name.as_str()) {
            self.tries.close(&self.supervisor, &name).await;
            self.schedulers.stop(&self.supervisor, &name).await;
        }
        for name in diff.services.ending(|service| service.name.as_str()) {
            self.supervisor.stop(&service::child_name(&name)).await;
        }
        self.release(&diff.schedulers.stop).await?;
        // Before anybody names a new one.
        self.surroundings.locks.configure(&new.locks);
        self.change_builders(diff, &ids).await;
        self.roster.configure(roster_config(new));
        self.surroundings.log_intake.configure(new.logs.clone());
        self.source_wiring.intake.configure(new.intake.clone());
        for scheduler in diff.schedulers.beginning() {
            self.start_scheduler(scheduler, false);
        }
        for service in diff.services.beginning() {
            service::start(&self.supervisor, service, &self.surroundings);
        }
        for source in diff.change_sources.beginning() {
            self.start_source(source);
        }
        self.open_user_managers(new);
        Ok(summary(diff))
    }

    /// Removed schedulers are nobody's.
    async fn release(&self, schedulers: &[String]) -> Result<(), DbError> {
        let (names, master) = (schedulers.to_vec(), self.surroundings.master);
        let release = move |conn: &mut Conn| {
            names.iter().try_for_each(|name| crate::db::schedulers::release(conn, name, master))
        };
        self.surroundings.db.write(release).await
    }

    async fn change_builders(&mut self, diff: &Diff, ids: &HashMap<String, BuilderId>) {
        for name in diff.builders.ending(|builder| builder.name.as_str()) {
            self.supervisor.stop(&builder::child_name(&name)).await;
        }
        for name in &diff.builders.stop {
            // Its builds run on; only the handle goes.
            self.builders.remove(name);
        }
        let builders = &self.builders;
        self.builds.retain(|name, builds| builders.contains_key(name) || !builds.is_empty());
        for builder in diff.builders.beginning() {
            self.start_builder(builder, ids);
        }
        self.publish_builders();
    }

    fn start_builder(&mut self, config: &Arc<BuilderConfig>, ids: &HashMap<String, BuilderId>) {
        let Some(id) = ids.get(&config.name) else { return };
        let supervisor = &self.supervisor;
        let below = || supervisor.below(&builder::child_name(&config.name));
        let builds = self.builds.entry(config.name.clone()).or_insert_with(below).clone();
        let around = self.surroundings.clone();
        let handle = builder::spawn(&self.supervisor, builds, *id, config.clone(), around);
        self.builders.insert(config.name.clone(), handle);
    }

    fn publish_builders(&self) {
        let handles = self.builders.values().map(|handle| (handle.id, handle.clone()));
        self.surroundings.distributor.set_builders(handles.collect());
    }

    fn start_scheduler(&mut self, scheduler: &SchedulerConfig, fresh: bool) {
        let config = Arc::new(scheduler.clone());
        self.schedulers.start(&self.supervisor, config, &self.wiring, fresh);
        if let Some(handle) = self.schedulers.get(&scheduler.options.name) {
            self.tries.open(&self.supervisor, &self.try_wiring, handle);
        }
    }

    fn start_source(&self, source: &ChangeSourceConfig) {
        self.sources.start(&self.supervisor, source.clone(), &self.source_wiring);
    }

    fn open_user_managers(&mut self, config: &MasterConfig) {
        let (logins, db) = (self.roster.logins(), &self.surroundings.db);
        self.user_managers = user_manager::open(&config.user_managers, &logins, db);
    }

    /// Makes the database know builders and workers of the configuration.
    async fn store(&self, config: &MasterConfig) -> Result<HashMap<String, BuilderId>, DbError> {
        let projects: Vec<ProjectSetup> = config.projects.iter().map(project_setup).collect();
        let mut builders: Vec<(BuilderSetup, Option<String>)> =
            config.builders.iter().map(|builder| builder_setup(builder)).collect();
        let (master, now) = (self.surroundings.master, self.surroundings.clock.now());
        let db: &Db = &self.surroundings.db;
        let rows = db
            .write(move |conn| {
                let ids = crate::db::projects::configure(conn, &projects)?;
                for (builder, project) in &mut builders {
                    builder.project = project.as_ref().and_then(|name| ids.get(name)).copied();
                }
                let setups: Vec<BuilderSetup> = builders.into_iter().map(|(b, _)| b).collect();
                crate::db::builders::configure(conn, master, &setups, now)
            })
            .await?;
        Ok(rows.into_iter().collect())
    }
}

fn project_setup(project: &ProjectConfig) -> ProjectSetup {
    let (text, format) = (&project.description, &project.description_format);
    ProjectSetup {
        name: project.name.clone(),
        slug: project.slug.clone(),
        description: text.clone(),
        description_format: format.clone(),
        description_html: markdown::rendered(text.as_deref(), format.as_deref()),
    }
}

/// The row of a builder, and the name of its project.
fn builder_setup(builder: &BuilderConfig) -> (BuilderSetup, Option<String>) {
    let (text, format) = (&builder.description, &builder.description_format);
    let setup = BuilderSetup {
        name: builder.name.clone(),
        description: text.clone(),
        description_format: format.clone(),
        description_html: markdown::rendered(text.as_deref(), format.as_deref()),
        project: None,
        tags: builder.tags.clone(),
        workernames: builder.workernames.clone(),
    };
    (setup, builder.project.clone())
}

fn connection_threads() -> Vec<ArbiterHandle> {
    (0..CONNECTION_THREADS).map(|_| Arbiter::new().handle()).collect()
}

fn roster_config(config: &MasterConfig) -> RosterConfig {
    let dirs = config.builders.iter().map(|builder| BuilderDirs {
        name: builder.name.clone(),
        workerbuilddir: builder.workerbuilddir.clone(),
        workernames: builder.workernames.clone(),
    });
    RosterConfig {
        workers: config.workers.clone(),
        listeners: config.listeners(),
        client_ports: config.client_ports(),
        builders: dirs.collect(),
    }
}

/// `builders: 1 new, 2 changed; schedulers: 1 removed`
fn summary(diff: &Diff) -> String {
    let parts = [
        count("workers", &diff.workers),
        count("builders", &diff.builders),
        count("schedulers", &diff.schedulers),
        count("change sources", &diff.change_sources),
        count("services", &diff.services),
        count("reporters", &diff.reporters),
        count("listeners", &diff.listeners),
        count("web servers", &diff.www),
        diff.settings_changed.then(|| "settings changed".to_owned()),
        diff.database_changed.then(|| "the database changes with the next restart".to_owned()),
    ];
    let told: Vec<String> = parts.into_iter().flatten().collect();
    if told.is_empty() { "nothing changed".to_owned() } else { told.join("; ") }
}

fn count<T>(what: &str, delta: &Delta<T>) -> Option<String> {
    let counts = [
        (delta.start.len(), "new"),
        (delta.change.len(), "changed"),
        (delta.stop.len(), "removed"),
    ];
    let told: Vec<String> = counts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, verb)| format!("{number} {verb}"))
        .collect();
    (!told.is_empty()).then(|| format!("{what}: {}", told.join(", ")))
}
