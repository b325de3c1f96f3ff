//! What people do about problems; pages, the REST interface and IRC all come here.

use crate::actors::announcer::Announcer;
use crate::db::listing::{self, ProblemRow, Scope, Spec};
use crate::db::{Conn, Db, DbError, problems};
use crate::events::Event;
use crate::model::{BuilderId, ProblemId, now};

/// Characters of what somebody says they do.
const TEXT: usize = 300;
/// Hours of silence, at most and unless said otherwise.
const LONGEST: i64 = 365 * 24;
pub const HOURS: i64 = 24;

/// What somebody does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// They look after it: nobody else is asked any more.
    Acknowledge { text: String },
    /// Nobody is told of it for so many hours; 0 ends a silence.
    Silence { hours: i64 },
}

/// Why it was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Wrong {
    #[error("there is no problem {0}")]
    Unknown(ProblemId),
    #[error("problem {0} is closed already")]
    Closed(ProblemId),
    #[error("a silence lasts 0 to {LONGEST} hours")]
    Hours,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Up to `limit` problems that are not closed, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn list(db: &Db, limit: i64) -> Result<Vec<ProblemRow>, DbError> {
    let open = move |conn: &mut Conn| {
        let scope = Scope::condition("rs_problems.state <> 'closed'");
        Ok(listing::list(conn, &scope, &Spec::newest("problemid", limit))?.rows)
    };
    db.read(open).await
}

/// Carries the order out; `by` is whoever gives it. Answers the problem as it is then.
///
/// # Errors
/// When the problem is unknown or closed, or the hours make no sense.
pub async fn carry_out(
    db: &Db,
    announcer: &Announcer,
    problem: ProblemId,
    by: &str,
    order: Order,
) -> Result<ProblemRow, Wrong> {
    if matches!(order, Order::Silence { hours } if !(0..=LONGEST).contains(&hours)) {
        return Err(Wrong::Hours);
    }
    let by = by.to_owned();
    let write = move |conn: &mut Conn| {
        let done = match order {
            Order::Acknowledge { text } => {
                let text: String = text.trim().chars().take(TEXT).collect();
                problems::acknowledge(conn, problem, &by, &text, now())?
            }
            Order::Silence { hours } => {
                let until = (hours > 0).then(|| now() + hours * 3600);
                problems::silence(conn, problem, until)?
            }
        };
        Ok((done, problems::get(conn, problem)?))
    };
    let (done, row) = db.write(write).await?;
    let row = row.ok_or(Wrong::Unknown(problem))?;
    if !done {
        return Err(Wrong::Closed(problem));
    }
    announcer.announce(Event::ProblemChanged { problem, builder: BuilderId(row.builderid) });
    Ok(row)
}
