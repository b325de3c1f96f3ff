//! The actors of status targets: facts in, messages out.
//!
//! A target has two halves. The *reader* follows the stream of facts from the place where it
//! stopped, asks the reporter what to tell, and stores the messages together with its new place in
//! one transaction. The *courier* delivers what is stored, and notes what became of it. Either
//! may die at any time; what a message needs is in the database.

mod actor;
mod cases;
mod courier;
mod house_keeping;
mod gathering;
mod reader;
mod worker_facts;

pub use actor::Targets;

use crate::db::{Db, DbError, outbox};
use crate::model::now;

/// Queues a message that waits or has failed for an attempt at once (within a minute); false when
/// there is none.
///
/// # Errors
/// When the database refuses.
pub async fn try_again(db: &Db, message: i64) -> Result<bool, DbError> {
    db.write(move |conn| outbox::try_again(conn, message, now())).await
}
