//! Who may use what at once: MasterLock and WorkerLock.
//!
//! A build gets the locks of its builder and its worker all together when it is given a worker, so
//! it never waits for them on a worker. A step gets its locks all together before it runs, while
//! its build keeps those of the builder. Three rules make that fair and safe:
//!
//! - **One queue.** Claims are served in the order in which they came. Who waits at a lock keeps
//!   his place in it, so nobody who came later passes him there, and a claim of the whole lock
//!   is not starved by many small ones. Of the locks that a claim wants, it keeps places in those
//!   up to the first that is taken; nothing is held by those who wait.
//! - **One order of all locks** ([`order()`]): a lock that is held by a build stands before every lock
//!   that a step of the build waits for. Such an order exists unless the configuration can
//!   deadlock, which is refused. With it nobody waits in a circle: who waits at the last lock of
//!   the order waits only for those who wait for nothing.
//! - **A last resort.** Builds keep the plan they started with, so after a reconfiguration two
//!   orders may be in use. A wait that would never end is refused ([`LockTable::refuse_deadlock`]).

mod access;
mod describe;
mod order;
mod round;
mod table;
#[cfg(test)]
mod histories;
#[cfg(test)]
mod tests;
mod usage;

pub use access::{entries, read};
pub use describe::{ClaimStatus, LockStatus};
pub use order::{Edge, order};
pub use round::{Candidate, Round};
pub use table::{Claimant, LockId, LockTable, Standing, Ticket};
