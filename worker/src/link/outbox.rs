//! Requests to the master, and the window that keeps them from piling up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::report::{Answer, WorkerRequest};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

/// Requests that may be unanswered at a time, over all commands of a connection. With the stock
/// buffer size this bounds what a slow master costs to about a megabyte.
const WINDOW: usize = 16;
/// How long the master may take to answer one request that is waited for: unpacking a large archive
/// takes minutes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1800);

/// The connection is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection to the master is lost")]
pub struct Lost;

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error("the connection to the master is lost")]
    Lost,
    /// The master's own words, or why it could not be asked.
    #[error("the master refused: {0}")]
    Refused(String),
}

/// One request on its way to the connection, which encodes it.
#[derive(Debug)]
pub struct Outgoing {
    /// Comes back with the answer.
    pub ticket: u64,
    pub request: WorkerRequest,
}

/// Where commands send their reports. Cheap to clone; all clones share one window.
#[derive(Debug, Clone)]
pub struct Link {
    shared: Arc<Shared>,
    outgoing: mpsc::Sender<Outgoing>,
}

#[derive(Debug)]
struct Shared {
    window: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next_ticket: u64,
    /// What was asked, and its place in the window, which the answer frees.
    unanswered: HashMap<u64, (Asker, Option<OwnedSemaphorePermit>)>,
}

/// Who wants the answer.
#[derive(Debug)]
enum Asker {
    /// Nobody; a refusal is logged under this name.
    Nobody(&'static str),
    Waits(oneshot::Sender<Result<Answer, String>>),
}

impl Link {
    /// A link that puts its requests into `outgoing`.
    pub fn new(outgoing: mpsc::Sender<Outgoing>) -> Link {
        let window = Arc::new(Semaphore::new(WINDOW));
        Link { shared: Arc::new(Shared { window, waiting: Mutex::default() }), outgoing }
    }

    /// Sends a request as soon as there is room for it. The answer is not waited for.
    pub async fn report(&self, request: WorkerRequest) -> Result<(), Lost> {
        self.send(Asker::Nobody(kind(&request)), request).await
    }

    /// Sends a request as soon as there is room for it, and waits for the answer. Dropping the future
    /// does not take the request back.
    pub async fn ask(&self, request: WorkerRequest) -> Result<Answer, AskError> {
        let (answer, answered) = oneshot::channel();
        self.send(Asker::Waits(answer), request).await.map_err(|Lost| AskError::Lost)?;
        match timeout(ANSWER_TIMEOUT, answered).await {
            Ok(Ok(result)) => result.map_err(AskError::Refused),
            Ok(Err(_)) => Err(AskError::Lost),
            Err(_) => {
                let seconds = ANSWER_TIMEOUT.as_secs();
                Err(AskError::Refused(format!("it did not answer for {seconds} s")))
            }
        }
    }

    async fn send(&self, asker: Asker, request: WorkerRequest) -> Result<(), Lost> {
        let window = Arc::clone(&self.shared.window);
        let permit = window.acquire_owned().await.map_err(|_| Lost)?;
        let place = self.outgoing.reserve().await.map_err(|_| Lost)?;
        let ticket = self.register(asker, Some(permit));
        place.send(Outgoing { ticket, request });
        Ok(())
    }

    /// The ticket of something that the connection itself asks; a refusal is logged as of `kind`.
    pub(super) fn ticket(&self, kind: &'static str) -> u64 {
        self.register(Asker::Nobody(kind), None)
    }

    fn register(&self, asker: Asker, permit: Option<OwnedSemaphorePermit>) -> u64 {
        let mut waiting = self.waiting();
        let ticket = waiting.next_ticket;
        waiting.next_ticket += 1;
        waiting.unanswered.insert(ticket, (asker, permit));
        ticket
    }

    /// Notes an answer; `false` if nothing was asked under this ticket.
    pub(super) fn answered(&self, ticket: u64, result: Result<Answer, String>) -> bool {
        let Some((asker, _permit)) = self.waiting().unanswered.remove(&ticket) else {
            return false;
        };
        match (asker, result) {
            (Asker::Nobody(_), Ok(_)) => {}
            (Asker::Nobody(kind), Err(error)) => {
                tracing::warn!("the master refused a message ({kind}): {error}");
            }
            (Asker::Waits(asker), result) => {
                let _ = asker.send(result);
            }
        }
        true
    }

    /// Whether everything that was sent is answered.
    pub(super) fn is_quiet(&self) -> bool {
        self.waiting().unanswered.is_empty()
    }

    /// From now on every request fails, also those under way.
    pub fn close(&self) {
        self.shared.window.close();
        self.waiting().unanswered.clear();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kind(request: &WorkerRequest) -> &'static str {
    match request {
        WorkerRequest::Update { .. } => "update",
        WorkerRequest::Complete { .. } => "complete",
        _ => "transfer",
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
        let (outgoing, _requests) = mpsc::channel(100);
        let link = Link::new(outgoing);
        for _ in 0..WINDOW {
            link.report(complete()).await.expect("room");
        }
        assert_eq!(link.report(complete()).now_or_never(), None);
        assert!(link.answered(3, Ok(Answer::Done)));
        assert!(!link.answered(3, Ok(Answer::Done)), "an answer counts once");
        assert_eq!(link.report(complete()).now_or_never(), Some(Ok(())));
    }

    #[tokio::test]
    async fn a_closed_link_fails_everybody_who_waits() {
        let (outgoing, _requests) = mpsc::channel(100);
        let link = Link::new(outgoing);
        let asking = tokio::spawn({
            let link = link.clone();
            async move { link.ask(complete()).await }
        });
        tokio::task::yield_now().await;
        for _ in 1..WINDOW {
            link.report(complete()).await.expect("room");
        }
        let waiting = link.report(complete());
        link.close();
        assert_eq!(waiting.await, Err(Lost));
        assert_eq!(asking.await.expect("no panic"), Err(AskError::Lost));
    }

    #[tokio::test]
    async fn whoever_asks_gets_its_own_answer() {
        let (outgoing, mut requests) = mpsc::channel(100);
        let link = Link::new(outgoing);
        let answers = [Ok(Answer::Data(vec![1])), Err("no space left".to_owned())];
        for answer in answers {
            let (asked, ()) = tokio::join!(link.ask(complete()), async {
                let request = requests.recv().await.expect("a request");
                assert!(link.answered(request.ticket, answer.clone()));
            });
            assert_eq!(asked, answer.map_err(AskError::Refused));
        }
    }
}
