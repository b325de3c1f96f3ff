//! Where finished chunks go: the database, behind a seam that tests stall and let fail.

use std::sync::Arc;

use async_trait::async_trait;

use crate::db::logs::Chunk;
use crate::db::{Conn, Db, DbError, compress, logs};
use crate::model::{Log, LogId, LogLines};

/// One thing to store, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub log: LogId,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A chunk that stays: compressed.
    Final(Arc<LogLines>),
    /// A chunk that a final one replaces later: raw.
    Partial(Arc<LogLines>),
    /// The log is complete with so many lines.
    Finish(i64),
}

impl What {
    /// The lines that are lost when this fails.
    pub(super) fn chunk(&self) -> Option<&Arc<LogLines>> {
        match self {
            What::Final(lines) => Some(lines),
            What::Partial(_) | What::Finish(_) => None,
        }
    }
}

impl Job {
    /// Bytes of text.
    pub(super) fn size(&self) -> usize {
        match &self.what {
            What::Final(lines) | What::Partial(lines) => lines.text.len(),
            What::Finish(_) => 0,
        }
    }
}

/// Keeps logs.
#[async_trait]
pub(super) trait LogStore: Send + Sync {
    /// Stores all of `jobs` or none; the answer comes when they are durable.
    async fn store(&self, jobs: Arc<Vec<Job>>, compression: String) -> Result<(), DbError>;

    /// A log as the table knows it.
    async fn load(&self, log: LogId) -> Result<Log, DbError>;
}

#[async_trait]
impl LogStore for Db {
    async fn store(&self, jobs: Arc<Vec<Job>>, compression: String) -> Result<(), DbError> {
        let encoding = tokio::task::spawn_blocking(move || encode(&jobs, &compression));
        let encoded = encoding.await.map_err(|error| DbError::Panicked(error.to_string()))?;
        self.write(move |conn| encoded.into_iter().try_for_each(|row| row.write(conn))).await
    }

    async fn load(&self, log: LogId) -> Result<Log, DbError> {
        self.read(move |conn| logs::get(conn, log)).await
    }
}

/// A job ready to be written.
enum Row {
    Chunk { log: LogId, chunk: Chunk },
    Finish { log: LogId, num_lines: i64 },
}

impl Row {
    fn write(self, conn: &mut Conn) -> Result<(), DbError> {
        match self {
            Row::Chunk { log, chunk } => {
                let num_lines = chunk.last_line + 1;
                logs::store_chunk(conn, log, chunk, num_lines)
            }
            Row::Finish { log, num_lines } => logs::finish(conn, log, num_lines),
        }
    }
}

fn encode(jobs: &[Job], compression: &str) -> Vec<Row> {
    let row = |job: &Job| match &job.what {
        What::Final(lines) => Row::Chunk { log: job.log, chunk: chunk(lines, compression) },
        What::Partial(lines) => Row::Chunk { log: job.log, chunk: chunk(lines, "raw") },
        What::Finish(num_lines) => Row::Finish { log: job.log, num_lines: *num_lines },
    };
    jobs.iter().map(row).collect()
}

fn chunk(lines: &LogLines, compression: &str) -> Chunk {
    let text = lines.text.strip_suffix('\n').unwrap_or(&lines.text);
    let (content, compressed) = compress::encode(compression, text.as_bytes());
    let last_line = lines.first_line + lines.count - 1;
    Chunk { first_line: lines.first_line, last_line, content, compressed }
}
