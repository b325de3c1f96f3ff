//! What Buildbot says over Perspective Broker.
//!
//! A connection begins with a login: [`PbLogin`] on the master, which then becomes the session of a
//! worker, [`PbMaster`]. The worker's side is [`PbWorker`].
//!
//! | file | what it holds |
//! |---|---|
//! | `proof`, `login` | challenge and response, the login on the master |
//! | `command`, `versions` | commands as dictionaries, for workers of any age |
//! | `update`, `info`, `value` | what workers report |
//! | `master`, `worker` | the sessions of a worker |

mod command;
mod info;
mod login;
mod master;
mod proof;
mod update;
mod value;
mod versions;
mod worker;

pub use login::{LoginEvent, PbLogin};
pub use master::PbMaster;
pub use proof::{Challenge, Proof, respond};
pub use worker::{PbWorker, PbWorkerLogin};

#[cfg(test)]
mod tests;
