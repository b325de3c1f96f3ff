//! What each class of scheduler does: from changes, times, other buildsets or somebody's wish to
//! buildsets.
//!
//! A [`Scheduler`] is a plan without a state of its own: everything it must remember is in the
//! database, and each of its verbs runs inside one transaction. [`rounds`] does what all have in
//! common around these verbs (whose scheduler is it, is it switched on), one actor for all classes
//! (`actors/scheduler`) calls them. A new class is a file and a line in [`registry`].

pub mod registry;
mod options;
pub mod rounds;
pub mod order;
mod incoming;
mod interest;
mod last_seen;
mod submit;
mod timed;
pub mod basic;
pub mod dependent;
pub mod periodic;
pub mod nightly;
pub mod triggerable;
pub mod nightly_triggerable;
pub mod force;
pub mod try_jobs;
#[cfg(test)]
pub mod tests;

pub use order::{ForceRequest, Order, Refused, Trigger, TryRequest};
pub use try_jobs::TryEntry;

use crate::config::checked::{ForceScheduler, SchedulerOptions};
use crate::db::{Conn, DbError, state};
use crate::events::Event;
use crate::flow::verdict::Verdict;
use crate::model::{
    BuildRequestId, BuilderId, BuildsetId, Change, ObjectId, SchedulerId, Timestamp,
};

/// One configured scheduler's own part; the options that all share lie beside it in
/// [`SchedulerConfig`](crate::config::checked::SchedulerConfig).
pub trait Scheduler: std::fmt::Debug + Send + Sync {
    /// Buildbot's class name.
    fn class(&self) -> &'static str;

    /// Does this fact make it look at the tables again? It looks every minute anyway, when
    /// [`Pass::due_at`] comes, and when it is switched on or off.
    fn wakes(&self, event: &Event) -> bool {
        let _ = event;
        false
    }

    /// Takes up where the last life ended. `fresh`: a stock master has used the database in
    /// between, so that positions only we keep say nothing any more.
    ///
    /// # Errors
    /// When the database refuses; it is tried again with the next pass.
    fn enter(&self, desk: &mut Desk<'_>, fresh: bool) -> Result<(), DbError> {
        let _ = (desk, fresh);
        Ok(())
    }

    /// Looks at the tables and submits what is due. Looking twice changes nothing.
    ///
    /// # Errors
    /// When the database refuses; nothing was done then.
    fn pass(&self, desk: &mut Desk<'_>) -> Result<Pass, DbError> {
        let _ = desk;
        Ok(Pass::default())
    }

    /// Stands in for [`pass`](Self::pass) while the operator has switched it off.
    ///
    /// # Errors
    /// When the database refuses.
    fn skip(&self, desk: &mut Desk<'_>) -> Result<(), DbError> {
        let _ = desk;
        Ok(())
    }

    /// Does what somebody asks for; `None` when nothing is submitted now (it may be later). As in
    /// stock this does not depend on the operator's switch.
    ///
    /// # Errors
    /// Why it is refused. What refuses has written nothing before.
    fn order(&self, desk: &mut Desk<'_>, order: Order) -> Result<Option<Submitted>, Refused> {
        Err(order.not_for(desk.options))
    }

    /// What it makes of a change, for people; `None` when it does not look at changes.
    fn verdict(&self, options: &SchedulerOptions, change: &Change) -> Option<Verdict> {
        let _ = (options, change);
        None
    }

    /// The scheduler whose buildsets it waits for.
    fn upstream(&self) -> Option<&str> {
        None
    }

    /// May a Trigger step name it?
    fn is_triggerable(&self) -> bool {
        false
    }

    /// Where try jobs come in.
    fn tries(&self) -> Option<&TryEntry> {
        None
    }

    /// The form behind its button.
    fn form(&self) -> Option<&ForceScheduler> {
        None
    }
}

/// What a scheduler has before it within one transaction.
pub struct Desk<'c> {
    pub conn: &'c mut Conn,
    pub options: &'c SchedulerOptions,
    pub id: SchedulerId,
    pub now: Timestamp,
}

impl Desk<'_> {
    /// What an object of this scheduler's name and of the class `class` remembers.
    fn object(&mut self, class: &str) -> Result<ObjectId, DbError> {
        state::object(self.conn, &self.options.name, class)
    }
}

/// What a pass did and what comes next.
#[derive(Debug, Default, PartialEq)]
pub struct Pass {
    pub submitted: Vec<Submitted>,
    /// There is more to look at: another pass must follow at once.
    pub more: bool,
    /// When the next buildset is due.
    pub due_at: Option<Timestamp>,
    /// Changes that wait for it.
    pub pending: usize,
    /// Why nothing can happen at the moment, for people.
    pub idle_because: Option<String>,
}

/// A new buildset and its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    pub buildset: BuildsetId,
    pub requests: Vec<(BuilderId, BuildRequestId)>,
}
