//! The connection type, how one is opened, and the settings each gets.

use std::time::Duration;

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::r2d2::{self, ConnectionManager, CustomizeConnection, Pool};
use diesel::sqlite::SqliteConnection;

use super::DbError;

/// A connection to whichever database the master uses. Each further backend is a variant here
/// (before SQLite, whose `establish` accepts any path) and a branch in the dialect file.
#[derive(diesel::MultiConnection)]
pub enum Conn {
    Sqlite(SqliteConnection),
}

/// Readers: enough to keep pages quick while one of them is slow.
pub(super) const READERS: u32 = 4;

/// How long a connection waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// WAL with FULL loses nothing on power failure; `busy_timeout` comes first, because switching to
/// WAL needs a lock itself.
fn apply_settings(conn: &mut Conn) -> Result<(), diesel::result::Error> {
    match conn {
        Conn::Sqlite(conn) => conn.batch_execute(&format!(
            "PRAGMA busy_timeout={}; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; \
             PRAGMA foreign_keys=ON; PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY;",
            BUSY_TIMEOUT.as_millis()
        )),
    }
}

/// Opens one connection with its settings.
pub(super) fn establish(path: &str) -> Result<Conn, DbError> {
    // Through the backend itself: the enum would hide the reason of a failure.
    let conn = SqliteConnection::establish(path)
        .map_err(|error| DbError::Open { database: path.to_owned(), reason: mend(&error) })?;
    let mut conn = Conn::Sqlite(conn);
    apply_settings(&mut conn).map_err(|error| explain(path, error.into()))?;
    Ok(conn)
}

/// Names the file in an error that came while opening it.
pub(super) fn explain(path: &str, error: DbError) -> DbError {
    match error {
        DbError::Query(text) => DbError::Open { database: path.to_owned(), reason: mend(&text) },
        other => other,
    }
}

/// SQLite's reason and what people can do about it.
fn mend(reason: &impl std::fmt::Display) -> String {
    let reason = reason.to_string();
    let hint = if reason.contains("unable to open") {
        "its directory must exist and the master's user must be able to write there"
    } else if reason.contains("readonly") || reason.contains("read-only") {
        "the master's user must be able to write the file and its directory"
    } else if reason.contains("not a database") || reason.contains("malformed") {
        "the file is damaged or no SQLite database; restore a backup, or name another file in \
         db_url"
    } else if reason.contains("locked") {
        "another program holds it; stop the other master first"
    } else if reason.contains("full") {
        "make room on the disk"
    } else {
        return reason;
    };
    format!("{reason}: {hint}")
}

/// See [`Db::checkpoint`](super::Db::checkpoint).
pub(super) fn checkpoint(conn: &mut Conn) -> Result<(), DbError> {
    match conn {
        Conn::Sqlite(conn) => conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?,
    }
    Ok(())
}

pub(super) type ReaderPool = Pool<ConnectionManager<Conn>>;

#[derive(Debug)]
struct Settings;

impl CustomizeConnection<Conn, r2d2::Error> for Settings {
    fn on_acquire(&self, conn: &mut Conn) -> Result<(), r2d2::Error> {
        apply_settings(conn).map_err(r2d2::Error::QueryError)
    }
}

/// The pool that [`Db::read`](super::Db::read) takes its connections from.
pub(super) fn reader_pool(path: &str) -> Result<ReaderPool, DbError> {
    Pool::builder()
        .max_size(READERS)
        .min_idle(Some(1))
        .connection_timeout(Duration::from_secs(30))
        .connection_customizer(Box::new(Settings))
        .build(ConnectionManager::new(path))
        .map_err(|error| DbError::Open { database: path.to_owned(), reason: error.to_string() })
}
