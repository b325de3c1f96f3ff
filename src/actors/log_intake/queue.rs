//! What waits for the database, in order, with its size for whoever must wait.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use super::store::{Job, What};
use crate::model::{LogId, LogLines};

/// Bytes of waiting chunks above which an append waits.
pub(super) const HIGH_WATER: usize = 4 << 20;

/// Bytes of one transaction.
const BATCH_BYTES: usize = 1 << 20;

/// Jobs of one transaction.
const BATCH_JOBS: usize = 256;

#[derive(Default)]
pub(super) struct Queue {
    jobs: VecDeque<Job>,
    /// Bytes that wait or are being stored.
    bytes: watch::Sender<usize>,
}

impl Queue {
    pub(super) fn push(&mut self, job: Job) {
        self.bytes.send_modify(|bytes| *bytes += job.size());
        self.jobs.push_back(job);
    }

    /// Takes the next batch; its bytes count until [`Queue::done`].
    pub(super) fn next_batch(&mut self) -> Vec<Job> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(job) = self.jobs.front() {
            if !batch.is_empty() && bytes + job.size() > BATCH_BYTES || batch.len() == BATCH_JOBS {
                break;
            }
            bytes += job.size();
            batch.extend(self.jobs.pop_front());
        }
        batch
    }

    /// The batch is stored or lost.
    pub(super) fn done(&self, batch: &[Job]) {
        let size: usize = batch.iter().map(Job::size).sum();
        self.bytes.send_modify(|bytes| *bytes = bytes.saturating_sub(size));
    }

    /// Whether a partial chunk of `log` waits already.
    pub(super) fn has_partial(&self, log: LogId) -> bool {
        self.jobs.iter().any(|job| job.log == log && matches!(job.what, What::Partial(_)))
    }

    /// Gives the waiting chunks of `log` their new numbers and drops its partial chunks.
    pub(super) fn renumber(&mut self, log: LogId, chunks: &[Arc<LogLines>], num_lines: i64) {
        let mut chunks = chunks.iter();
        let bytes = &self.bytes;
        self.jobs.retain_mut(|job| {
            if job.log != log {
                return true;
            }
            match &mut job.what {
                What::Final(lines) => {
                    let Some(moved) = chunks.next() else { return true };
                    *lines = moved.clone();
                }
                What::Finish(count) => *count = num_lines,
                What::Partial(lines) => {
                    let size = lines.text.len();
                    bytes.send_modify(|bytes| *bytes = bytes.saturating_sub(size));
                    return false;
                }
            }
            true
        });
    }

    /// Resolves when there is room.
    pub(super) fn room(&self) -> impl Future<Output = ()> + use<> {
        let mut bytes = self.bytes.subscribe();
        async move {
            // A closed channel means that the intake is gone.
            let _ = bytes.wait_for(|bytes| *bytes < HIGH_WATER).await;
        }
    }
}
