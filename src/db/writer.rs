//! The one writer: collects requests and commits many of them in one transaction.
//!
//! Each request runs in a savepoint of its own, so that a failing one undoes only itself. Nobody
//! is answered before the common commit, so an answer means "durable".

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};

use diesel::Connection;
use diesel::connection::{AnsiTransactionManager, TransactionManager};
use tokio::sync::oneshot;

use super::{Conn, DbError};

/// Requests in one commit at most, so that the first of them does not wait for ever.
const GROUP: usize = 256;

/// Answers one request once it is known whether the group was committed.
type Answer = Box<dyn FnOnce(Result<(), DbError>) + Send>;
/// Runs one request inside the open transaction, or learns why there is none.
type Job = Box<dyn FnOnce(Result<&mut Conn, DbError>) -> Answer + Send>;

/// Hands requests to the writer's thread.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: Sender<Job>,
}

impl Writer {
    /// Starts the writer's thread; it ends when the last clone is dropped.
    pub(super) fn start(conn: Conn, path: &str) -> std::io::Result<Writer> {
        let (jobs, inbox) = channel();
        let path = path.to_owned();
        std::thread::Builder::new()
            .name("db-writer".into())
            .spawn(move || serve(conn, &path, &inbox))?;
        Ok(Writer { jobs })
    }

    /// Queues `work` at the call, so that requests keep the order of their calls.
    pub(super) fn run<T, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, DbError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, DbError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            let outcome = conn.and_then(|conn| in_savepoint(conn, work));
            Box::new(move |committed| {
                // The asker may have gone; its request is durable all the same.
                let _ = reply.send(committed.and(outcome));
            })
        });
        let queued = self.jobs.send(job).map_err(|_| DbError::Closed);
        async move {
            queued?;
            answer.await.map_err(|_| DbError::Closed)?
        }
    }
}

fn serve(mut conn: Conn, path: &str, inbox: &Receiver<Job>) {
    while let Ok(first) = inbox.recv() {
        let mut group = vec![first];
        group.extend(inbox.try_iter().take(GROUP - 1));
        if !commit_group(&mut conn, group) {
            // Whatever state the connection is in after that: a fresh one is in none.
            match super::conn::establish(path) {
                Ok(fresh) => conn = fresh,
                Err(error) => tracing::error!(%error, "the writer keeps its connection"),
            }
        }
    }
}

/// Runs the requests, commits, answers; false when the commit failed.
fn commit_group(conn: &mut Conn, group: Vec<Job>) -> bool {
    let requests = group.len();
    let (answers, committed): (Vec<Answer>, _) = match begin(conn) {
        Ok(()) => {
            let answers = group.into_iter().map(|job| job(Ok(conn))).collect();
            (answers, commit(conn))
        }
        Err(error) => {
            let answers = group.into_iter().map(|job| job(Err(error.clone()))).collect();
            (answers, Err(error))
        }
    };
    if let Err(error) = &committed {
        tracing::error!(%error, requests, "the database refused a commit");
    }
    for answer in answers {
        answer(committed.clone());
    }
    committed.is_ok()
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

/// A commit that fails is rolled back by Diesel.
fn commit(conn: &mut Conn) -> Result<(), DbError> {
    match conn {
        Conn::Sqlite(conn) => Ok(AnsiTransactionManager::commit_transaction(conn)?),
    }
}

/// The panic is caught inside the savepoint, so that it rolls back like an error.
fn in_savepoint<T>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<T, DbError>,
) -> Result<T, DbError> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that opens one")]
    conn.transaction(|conn| {
        catch_unwind(AssertUnwindSafe(|| work(conn)))
            .unwrap_or_else(|panic| Err(DbError::Panicked(super::panic_text(panic.as_ref()))))
            .map_err(Rollback)
    })
    .map_err(|Rollback(error)| error)
}

/// Lets a [`DbError`] roll a savepoint back.
struct Rollback(DbError);

impl From<diesel::result::Error> for Rollback {
    fn from(error: diesel::result::Error) -> Rollback {
        Rollback(error.into())
    }
}
