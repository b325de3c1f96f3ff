//! Change sources: what each class does to find out what is new.
//!
//! [`registry`] lists the classes; a class is one file (or folder) that reads its own options and
//! implements [`Source`]. Who calls a source, how often, and what happens after a failure is the
//! same for all of them and stands in `actors/change_source/`.

mod gerrit;
mod git;
mod github;
mod hg;
mod payload;
mod plan;
mod process;
pub mod registry;
mod svn;
mod web;

use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::model::NewChange;

pub use plan::{PollTimes, Rhythm, SourcePlan};

/// One configured change source.
#[async_trait]
pub trait Source: Debug + Send + Sync {
    /// Looks once and reports what is new; what was reported before an error is kept.
    ///
    /// A source of [`Rhythm::Always`] stays, and reports whatever it hears, until it loses its
    /// connection. The future may be dropped at any time.
    async fn look(&self, desk: &dyn Desk) -> Result<Found, Trouble>;

    /// Throws away a working copy that may be broken, after several failures in it
    /// ([`Trouble::Copy`]) in a row; false when there is none, or none of our own making.
    async fn renew(&self, _desk: &dyn Desk) -> bool {
        false
    }
}

/// What a source sees of the master.
#[async_trait]
pub trait Desk: Send + Sync {
    /// Relative working directories are below it.
    fn basedir(&self) -> &Path;

    /// What the source remembers under `key`.
    async fn recall(&self, key: &str) -> Result<Option<Value>, Trouble>;

    /// Stores changes, oldest first, and what the source remembers from now on: both or neither.
    async fn report(
        &self,
        changes: Vec<NewChange>,
        remember: Vec<(String, Value)>,
    ) -> Result<(), Trouble>;

    /// A source that stays is connected, and heard something or knows that nothing happened.
    fn well(&self) {}
}

/// Does what takes long on a thread of its own: the one we are on serves others, too.
async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Trouble> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Trouble::Remote(format!("the answer could not be read: {error}")))
}

/// What a look brought, for the log and the pages.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Found {
    /// How many changes were reported.
    pub changes: usize,
    /// What went well enough to go on, and still has to be told; empty when all is well.
    pub notes: Vec<String>,
}

/// Why a look failed. The messages hold no passwords.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The other side, or the program that talks to it.
    #[error("{0}")]
    Remote(String),
    /// The other side asks to be left alone for so long.
    #[error("{message}")]
    Busy { message: String, pause: Duration },
    /// Something in the working copy, which may be broken.
    #[error("{0}")]
    Copy(String),
    #[error("cannot use the directory {path}: {reason}; make it writable or set 'workdir'")]
    Workdir { path: String, reason: String },
    /// The trouble is our own: the intake or the database.
    #[error("nothing could be stored: {0}")]
    Store(String),
    #[error("another master polls this source")]
    Elsewhere,
}
