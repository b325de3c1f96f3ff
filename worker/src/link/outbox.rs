//! Requests to the master, and the window that keeps them from piling up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::msgpack::{Message, WorkerRequest, encode};
use protocol::report::Answer;
use rmpv::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Requests that may be unanswered at a time, over all commands of a connection. With the stock
/// buffer size this bounds what a slow master costs to about a megabyte.
const WINDOW: usize = 16;

/// The connection is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection to the master is lost")]
pub struct Lost;

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error("the connection to the master is lost")]
    Lost,
    /// The master's own words.
    #[error("the master refused: {0}")]
    Refused(String),
}

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
    unanswered: HashMap<u64, Unanswered>,
}

#[derive(Debug)]
struct Unanswered {
    kind: &'static str,
    /// Its place in the window, which the answer frees.
    _permit: OwnedSemaphorePermit,
    /// Who waits for the answer, if anybody does.
    asker: Option<oneshot::Sender<Result<Answer, String>>>,
}

impl Link {
    /// A link that puts encoded messages into `outgoing`.
    pub fn new(outgoing: mpsc::Sender<Vec<u8>>) -> Link {
        let window = Arc::new(Semaphore::new(WINDOW));
        Link { shared: Arc::new(Shared { window, waiting: Mutex::default() }), outgoing }
    }

    /// Sends a request as soon as there is room for it. The answer is not waited for.
    pub async fn report(&self, op: WorkerRequest) -> Result<(), Lost> {
        self.send(op, None).await
    }

    /// Sends a request as soon as there is room for it and waits for its answer.
    pub async fn ask(&self, op: WorkerRequest) -> Result<Answer, AskError> {
        let (asker, answer) = oneshot::channel();
        self.send(op, Some(asker)).await.map_err(|Lost| AskError::Lost)?;
        match answer.await {
            Ok(result) => result.map_err(AskError::Refused),
            Err(_) => Err(AskError::Lost),
        }
    }

    async fn send(
        &self,
        op: WorkerRequest,
        asker: Option<oneshot::Sender<Result<Answer, String>>>,
    ) -> Result<(), Lost> {
        let window = Arc::clone(&self.shared.window);
        let permit = window.acquire_owned().await.map_err(|_| Lost)?;
        let kind = if matches!(op, WorkerRequest::Complete { .. }) { "complete" } else { "update" };
        let unanswered = Unanswered { kind, _permit: permit, asker };
        let place = self.outgoing.reserve().await.map_err(|_| Lost)?;
        let seq = {
            let mut waiting = self.waiting();
            let seq = waiting.next_seq;
            waiting.next_seq += 1;
            waiting.unanswered.insert(seq, unanswered);
            seq
        };
        place.send(encode(&Message::Request { seq, op }));
        Ok(())
    }

    /// Notes an answer; `false` if nothing was asked under this number.
    pub(super) fn answered(&self, seq: u64, result: &Result<Value, String>) -> bool {
        let Some(unanswered) = self.waiting().unanswered.remove(&seq) else { return false };
        match (unanswered.asker, result) {
            (Some(asker), result) => {
                let _ = asker.send(result.clone().map(answer));
            }
            (None, Err(error)) => {
                tracing::warn!("the master refused a message ({}): {error}", unanswered.kind);
            }
            (None, Ok(_)) => {}
        }
        true
    }

    /// From now on every report and every question fails.
    pub fn close(&self) {
        self.shared.window.close();
        self.waiting().unanswered.clear();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stock master answers a read with nothing at all; that is the end of the file.
fn answer(value: Value) -> Answer {
    match value {
        Value::Binary(data) => Answer::Data(data),
        Value::String(text) => Answer::Data(text.into_bytes()),
        _ => Answer::Done,
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

    #[tokio::test]
    async fn a_question_gets_its_answer() {
        let (outgoing, _messages) = mpsc::channel(100);
        let link = Link::new(outgoing);
        let ask = || Box::pin(link.ask(complete()));
        for (result, expected) in [
            (Ok(Value::Binary(vec![1])), Ok(Answer::Data(vec![1]))),
            (Ok(Value::Nil), Ok(Answer::Done)),
            (Err("no".to_owned()), Err(AskError::Refused("no".into()))),
        ] {
            let mut question = ask();
            assert_eq!((&mut question).now_or_never(), None);
            let seq = link.waiting().next_seq - 1;
            assert!(link.answered(seq, &result));
            assert_eq!(question.await, expected);
        }
        let mut question = ask();
        assert_eq!((&mut question).now_or_never(), None);
        link.close();
        assert_eq!(question.await, Err(AskError::Lost));
    }
}
