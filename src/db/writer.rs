//! The one writer: collects requests and commits many of them in one transaction.
//!
//! Each request runs in a savepoint of its own, so that a failing one undoes only itself. Nobody
//! is answered before the common commit, so an answer means "durable".

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};

use diesel::Connection;
use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use tokio::sync::oneshot;

use super::{Conn, DbError};

/// Requests in one commit at most, so that the first of them does not wait for ever.
const GROUP: usize = 256;

/// Answers one request once it is known whether the group was committed.
type Answer = Box<dyn FnOnce(Result<(), DbError>) + Send>;
/// Runs one request inside the open transaction.
type Job = Box<dyn FnOnce(&mut Conn) -> Answer + Send>;

/// Hands requests to the writer's thread.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: Sender<Job>,
}

impl Writer {
    /// Starts the writer's thread; it ends when the last clone is dropped.
    pub(super) fn start(conn: Conn) -> std::io::Result<Writer> {
        let (jobs, inbox) = channel();
        std::thread::Builder::new().name("db-writer".into()).spawn(move || serve(conn, &inbox))?;
        Ok(Writer { jobs })
    }

    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, DbError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            let outcome = in_savepoint(conn, work);
            Box::new(move |committed| {
                // The asker may have gone; its request is durable all the same.
                let _ = reply.send(committed.and(outcome));
            })
        });
        self.jobs.send(job).map_err(|_| DbError::Closed)?;
        answer.await.map_err(|_| DbError::Closed)?
    }
}

fn serve(mut conn: Conn, inbox: &Receiver<Job>) {
    while let Ok(first) = inbox.recv() {
        let mut group = vec![first];
        group.extend(inbox.try_iter().take(GROUP - 1));
        commit_group(&mut conn, group);
    }
}

fn commit_group(conn: &mut Conn, group: Vec<Job>) {
    let mut answers = Vec::with_capacity(group.len());
    let committed = begin(conn).and_then(|()| {
        answers.extend(group.into_iter().map(|job| job(conn)));
        commit(conn)
    });
    if let Err(error) = &committed {
        tracing::error!(%error, requests = answers.len(), "the database refused a commit");
    }
    for answer in answers {
        answer(committed.clone());
    }
}

/// A writing transaction takes its lock at the start: a deferred one that reads first fails at
/// once when another process wrote in between.
fn begin(conn: &mut Conn) -> Result<(), DbError> {
    match conn {
        Conn::Sqlite(conn) => {
            AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")?
        }
    }
    Ok(())
}

fn commit(conn: &mut Conn) -> Result<(), DbError> {
    match conn {
        Conn::Sqlite(conn) => {
            if let Err(error) = AnsiTransactionManager::commit_transaction(conn) {
                // A full disk leaves the transaction open; clear it for the next group.
                let _ = conn.batch_execute("ROLLBACK");
                return Err(error.into());
            }
        }
    }
    Ok(())
}

fn in_savepoint<T>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<T, DbError>,
) -> Result<T, DbError> {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that opens one")]
        conn.transaction(|conn| work(conn).map_err(Rollback))
    }));
    match outcome {
        Ok(result) => result.map_err(|Rollback(error)| error),
        Err(panic) => Err(DbError::Panicked(super::panic_text(panic.as_ref()))),
    }
}

/// Lets a [`DbError`] roll a savepoint back.
struct Rollback(DbError);

impl From<diesel::result::Error> for Rollback {
    fn from(error: diesel::result::Error) -> Rollback {
        Rollback(error.into())
    }
}
