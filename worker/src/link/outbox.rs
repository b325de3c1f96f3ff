//! Requests to the master, and the window that keeps them from piling up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::msgpack::{Message, WorkerRequest, encode};
use rmpv::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Requests that may be unanswered at a time, over all commands of a connection. With the stock
/// buffer size this bounds what a slow master costs to about a megabyte.
const WINDOW: usize = 16;

/// The connection is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection to the master is lost")]
pub struct Lost;

/// Where commands send their reports. Cheap to clone; all clones share one window.
#[derive(Debug, Clone)]
pub struct Link {
    shared: Arc<Shared>,
    outgoing: mpsc::Sender<Vec<u8>>,
}

#[derive(Debug)]
struct Shared {
    window: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next_seq: u64,
    /// What was asked, and its place in the window, which the answer frees.
    unanswered: HashMap<u64, (&'static str, OwnedSemaphorePermit)>,
}

impl Link {
    /// A link that puts encoded messages into `outgoing`.
    pub fn new(outgoing: mpsc::Sender<Vec<u8>>) -> Link {
        let window = Arc::new(Semaphore::new(WINDOW));
        Link { shared: Arc::new(Shared { window, waiting: Mutex::default() }), outgoing }
    }

    /// Sends a request as soon as there is room for it. The answer is not waited for.
    pub async fn report(&self, op: WorkerRequest) -> Result<(), Lost> {
        let window = Arc::clone(&self.shared.window);
        let permit = window.acquire_owned().await.map_err(|_| Lost)?;
        let kind = if matches!(op, WorkerRequest::Complete { .. }) { "complete" } else { "update" };
        let place = self.outgoing.reserve().await.map_err(|_| Lost)?;
        let seq = {
            let mut waiting = self.waiting();
            let seq = waiting.next_seq;
            waiting.next_seq += 1;
            waiting.unanswered.insert(seq, (kind, permit));
            seq
        };
        place.send(encode(&Message::Request { seq, op }));
        Ok(())
    }

    /// Notes an answer; `false` if nothing was asked under this number.
    pub(super) fn answered(&self, seq: u64, result: &Result<Value, String>) -> bool {
        let Some((kind, _permit)) = self.waiting().unanswered.remove(&seq) else { return false };
        if let Err(error) = result {
            tracing::warn!("the master refused a message ({kind}): {error}");
        }
        true
    }

    /// From now on every report fails.
    pub fn close(&self) {
        self.shared.window.close();
        self.waiting().unanswered.clear();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn complete() -> WorkerRequest {
        WorkerRequest::Complete { command_id: "1".into(), failure: None }
    }

    #[tokio::test]
    async fn a_full_window_waits_for_an_answer() {
        let (outgoing, _messages) = mpsc::channel(100);
        let link = Link::new(outgoing);
        for _ in 0..WINDOW {
            link.report(complete()).await.expect("room");
        }
        assert_eq!(link.report(complete()).now_or_never(), None);
        assert!(link.answered(3, &Ok(Value::Nil)));
        assert!(!link.answered(3, &Ok(Value::Nil)), "an answer counts once");
        assert_eq!(link.report(complete()).now_or_never(), Some(Ok(())));
    }

    #[tokio::test]
    async fn a_closed_link_fails_everybody_who_waits() {
        let (outgoing, _messages) = mpsc::channel(100);
        let link = Link::new(outgoing);
        for _ in 0..WINDOW {
            link.report(complete()).await.expect("room");
        }
        let waiting = link.report(complete());
        link.close();
        assert_eq!(waiting.await, Err(Lost));
    }
}
