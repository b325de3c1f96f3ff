//! Buildbot 4.3's database, written by one group-committing writer and read by a small pool.
//!
//! [`Db`] is a cheap handle, not an actor: `db.read(|conn| …)` and `db.write(|conn| …)` run one
//! closure off the arbiters. Query functions live in the file of their noun and take the
//! connection first; composed inside one closure they are one transaction. The schema belongs to
//! stock Buildbot: tables of our own carry the prefix `rs_` and are never needed to read a build.

mod conn;
mod error;
mod writer;
pub mod listing;
mod migrate;
mod url;
mod schema;
mod ids;
mod dialect;
mod hash;
mod json;
mod names;
mod log_reader;

pub mod compress;
pub mod masters;
pub mod builders;
pub mod workers;
pub mod absences;
pub mod schedulers;
pub mod changesources;
pub mod changes;
mod build_changes;
pub mod blame;
pub mod collapsing;
pub mod sourcestamps;
pub mod buildsets;
pub mod buildrequests;
pub mod builds;
pub mod children;
pub mod facts;
pub mod outbox;
pub mod problems;
pub mod problem_people;
pub mod build_data;
pub mod steps;
pub mod logs;
pub mod projects;
pub mod properties;
pub mod queue;
pub mod service_facts;
pub mod test_results;
pub mod state;
pub mod users;
pub mod nicks;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::Semaphore;

pub use conn::Conn;
pub use error::DbError;
pub use log_reader::MAX_TEXT;
pub use url::sqlite_path;

use conn::{READERS, ReaderPool};
use writer::Writer;

/// The master's handle to its database. Clones share one writer and one pool.
#[derive(Clone)]
pub struct Db {
    writer: Writer,
    readers: ReaderPool,
    /// Waiting for a connection happens here, not on a blocking thread.
    permits: Arc<Semaphore>,
}

impl Db {
    /// Opens the database file at `path`, with a new schema when it is new or empty. Blocks: call
    /// it before the actors run.
    ///
    /// # Errors
    /// When the file cannot be opened, is not Buildbot 4.3's database, or its directory is not
    /// writable.
    pub fn open(path: &str) -> Result<Db, DbError> {
        let mut conn = conn::establish(path)?;
        migrate::prepare(&mut conn, path).map_err(|error| conn::explain(path, error))?;
        let writer = Writer::start(conn, path).map_err(|error| DbError::Open {
            database: path.to_owned(),
            reason: error.to_string(),
        })?;
        let readers = conn::reader_pool(path)?;
        Ok(Db { writer, readers, permits: Arc::new(Semaphore::new(READERS as usize)) })
    }

    /// Runs `work` on a reading connection.
    pub async fn read<T, F>(&self, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, DbError> + Send + 'static,
    {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| DbError::Closed)?;
        let pool = self.readers.clone();
        let job = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut conn = pool.get().map_err(|error| DbError::Query(error.to_string()))?;
            catch_unwind(AssertUnwindSafe(|| work(&mut conn)))
                .unwrap_or_else(|panic| Err(DbError::Panicked(panic_text(panic.as_ref()))))
        });
        job.await.map_err(|error| DbError::Panicked(error.to_string()))?
    }

    /// Runs `work` in a transaction of its own; the answer comes after the commit.
    ///
    /// The request is queued at the call, not at the await: requests are carried out in the order
    /// of their calls, and one whose asker has gone is carried out all the same. An error rolls
    /// back what `work` did and nothing else.
    pub fn write<T, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, DbError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, DbError> + Send + 'static,
    {
        self.writer.run(work)
    }

    /// Moves what the write-ahead log holds into the database file itself, so that the file alone
    /// is the whole database. For the end of a clean stop.
    pub async fn checkpoint(&self) -> Result<(), DbError> {
        self.read(conn::checkpoint).await
    }
}

/// The message of a caught panic.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}
