//! How try jobs come in: as files in a job directory, or from clients of `buildbot try`; and what
//! those clients see of the builds.
//!
//! | file | what it holds |
//! |---|---|
//! | `jobdir`, `maildir` | the directory of a Try_Jobdir |
//! | `client` | what the login of a Try_Userpass gives |
//! | `buildset`, `request`, `build` | the objects that `buildbot try --wait` follows |
//!
//! None of these objects is told anything: each listens to the facts, and looks into the tables
//! whenever it may have missed one.

mod build;
mod buildset;
mod client;
mod jobdir;
mod maildir;
mod request;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::broker::Args;
use protocol::jelly::{Failure, Value};
use tokio::sync::broadcast::error::RecvError;

use super::announcer::{Announcer, Listener};
use super::scheduler::SchedulerHandle;
use super::supervise::Supervisor;
use super::worker::{Logins, Registration};
use crate::db::{Db, DbError};
use crate::events::Event;
use crate::model::MasterId;
use crate::schedulers::TryEntry;

/// What try jobs need of the master.
#[derive(Clone)]
pub struct Wiring {
    pub sight: Sight,
    pub logins: Logins,
    /// Job directories are below it.
    pub basedir: PathBuf,
    pub master: MasterId,
}

/// Where the objects of clients look.
#[derive(Clone)]
pub struct Sight {
    pub db: Db,
    pub announcer: Announcer,
}

/// The entries of all try schedulers, by the scheduler's name.
#[derive(Default)]
pub struct Tries(HashMap<String, Entry>);

enum Entry {
    /// Clients may log in as long as these live.
    Clients {
        _open: Vec<Registration>,
    },
    Jobdir,
}

impl Tries {
    /// Lets jobs come in, if `scheduler` is one for them.
    pub fn open(&mut self, supervisor: &Supervisor, wiring: &Wiring, scheduler: SchedulerHandle) {
        let config = scheduler.config().clone();
        let entry = match config.plan.tries() {
            None => return,
            Some(TryEntry::Clients(logins)) => {
                let perspective = client::TryPerspective::new(wiring.sight.clone(), scheduler);
                let perspective = Arc::new(perspective);
                let open = logins.userpass.iter().map(|(name, password)| {
                    let perspective = perspective.clone();
                    wiring.logins.register(Some(&logins.port), name, password, perspective)
                });
                Entry::Clients { _open: open.collect() }
            }
            Some(TryEntry::Jobdir(dir)) => {
                jobdir::start(supervisor, wiring, &absolute(&wiring.basedir, dir), scheduler);
                Entry::Jobdir
            }
        };
        self.0.insert(config.options.name.clone(), entry);
    }

    /// Lets no more jobs come in; a job is done or is there for the next time.
    pub async fn close(&mut self, supervisor: &Supervisor, name: &str) {
        if let Some(Entry::Jobdir) = self.0.remove(name) {
            supervisor.stop(&jobdir::child_name(name)).await;
        }
    }
}

fn absolute(basedir: &Path, dir: &Path) -> PathBuf {
    basedir.join(dir)
}

/// The client's object that is to be called back: the first argument.
fn subscriber(mut args: Args) -> Result<i64, Failure> {
    match args.take(0, "subscriber") {
        Some(Value::Remote(object)) => Ok(object),
        _ => Err(protocol::broker::type_error("the subscriber is an object of the client's")),
    }
}

fn unreadable(error: &DbError) -> Failure {
    trouble(format!("the database cannot be read: {error}"))
}

/// Nothing is wrong with the call.
fn trouble(text: String) -> Failure {
    Failure::new("builtins.RuntimeError", &[], text)
}

/// The next fact; `None` when some were missed.
///
/// # Errors
/// The master is going down.
async fn next_fact(listener: &mut Listener) -> Result<Option<Arc<Event>>, DbError> {
    match listener.recv().await {
        Ok(event) => Ok(Some(event)),
        Err(RecvError::Lagged(_)) => Ok(None),
        Err(RecvError::Closed) => Err(DbError::Closed),
    }
}
