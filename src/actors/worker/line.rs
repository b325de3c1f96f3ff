//! The way back to a client: what serves one of its calls can give it objects, call it, and keep
//! something going for it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use protocol::jelly::{Failure, Value};
use tokio::sync::{mpsc, oneshot};

use super::logins::Perspective;

/// Wishes that may wait for the connection.
const WISHES: usize = 64;

/// The connection of one client. Clones share it.
#[derive(Clone)]
pub struct Line(mpsc::Sender<Wish>);

/// What the connection is to do.
pub(super) enum Wish {
    Show { object: Arc<dyn Perspective>, number: oneshot::Sender<Result<i64, String>> },
    Call { call: Callback, answer: oneshot::Sender<Result<Value, Failure>> },
    Keep(BoxFuture<'static, ()>),
}

/// A call on an object of the client's.
pub(super) struct Callback {
    pub object: i64,
    pub method: String,
    pub args: Vec<Value>,
}

impl Line {
    pub(super) fn new() -> (Line, mpsc::Receiver<Wish>) {
        let (sender, wishes) = mpsc::channel(WISHES);
        (Line(sender), wishes)
    }

    /// `object` as a value for the client, which may call it from then on. To be sent exactly once;
    /// the same object is known to the client again when it is shown again.
    ///
    /// # Errors
    /// For the client: it has too many objects already.
    pub async fn show(&self, object: Arc<dyn Perspective>) -> Result<Value, Failure> {
        let (number, shown) = oneshot::channel();
        let asked = self.0.send(Wish::Show { object, number }).await;
        match asked.map(|()| shown) {
            Ok(shown) => match shown.await {
                Ok(number) => number.map(Value::Remote).map_err(|text| trouble(&text)),
                Err(_) => Err(gone()),
            },
            Err(_) => Err(gone()),
        }
    }

    /// Calls an object that the client has given.
    ///
    /// # Errors
    /// What the client answers, or that it is gone.
    pub async fn call(
        &self,
        object: i64,
        method: &str,
        args: Vec<Value>,
    ) -> Result<Value, Failure> {
        let (answer, answered) = oneshot::channel();
        let call = Callback { object, method: method.to_owned(), args };
        if self.0.send(Wish::Call { call, answer }).await.is_err() {
            return Err(gone());
        }
        answered.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Does `work` beside the client's calls; it ends with the connection. As long as it lasts the
    /// client need not say anything.
    pub async fn keep(&self, work: impl Future<Output = ()> + Send + 'static) {
        // A client that is gone needs nothing.
        let _ = self.0.send(Wish::Keep(Box::pin(work))).await;
    }
}

/// Nothing is wrong with the call.
pub(super) fn trouble(text: &str) -> Failure {
    Failure::new("builtins.RuntimeError", &[], text)
}

fn gone() -> Failure {
    Failure::new("twisted.spread.pb.PBConnectionLost", &[], "the client has gone")
}
