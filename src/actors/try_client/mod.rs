//! What `buildbot try --wait` follows: the buildset of its job, the requests of the buildset, and
//! their builds, as objects that the client calls and that call it back.
//!
//! None of them is told anything: each listens to the facts, and looks into the tables whenever it
//! may have missed one.

mod build;
mod buildset;
mod request;

use protocol::broker::Args;
use protocol::jelly::{Failure, Value};
use tokio::sync::broadcast::error::RecvError;

use super::announcer::{Announcer, Listener};
use crate::db::{Db, DbError};
use crate::events::Event;

pub use buildset::BuildsetView;

/// Where the objects look.
#[derive(Clone)]
pub struct Sight {
    pub db: Db,
    pub announcer: Announcer,
}

/// The client's object that is to be called back: the first argument.
fn subscriber(mut args: Args) -> Result<i64, Failure> {
    match args.take(0, "subscriber") {
        Some(Value::Remote(object)) => Ok(object),
        _ => Err(protocol::broker::type_error("the subscriber is an object of the client's")),
    }
}

fn unreadable(error: &DbError) -> Failure {
    Failure::new("builtins.RuntimeError", &[], format!("the database cannot be read: {error}"))
}

/// The next fact; `None` when some were missed.
///
/// # Errors
/// The master is going down.
async fn next_fact(listener: &mut Listener) -> Result<Option<std::sync::Arc<Event>>, ()> {
    match listener.recv().await {
        Ok(event) => Ok(Some(event)),
        Err(RecvError::Lagged(_)) => Ok(None),
        Err(RecvError::Closed) => Err(()),
    }
}
