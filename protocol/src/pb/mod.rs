//! What Buildbot says over Perspective Broker.
//!
//! A connection begins with a login: [`PbLogin`] on the master, which then becomes the session of a
//! worker, [`PbMaster`], or of a client that sends changes, tries or user commands, [`PbServer`]. The
//! other sides are [`PbWorker`] and [`PbClient`].
//!
//! | file | what it holds |
//! |---|---|
//! | `proof` | challenge and response |
//! | `login`, `ask` | the login, on the master and on the other side |
//! | `command`, `versions` | commands as dictionaries, for workers of any age |
//! | `update`, `info`, `value` | what workers report |
//! | `master`, `worker` | the sessions of a worker |
//! | `server`, `client` | the sessions of other clients |
//! | `change`, `try_job`, `user_command` | what they send |

mod ask;
mod change;
mod client;
mod command;
mod info;
mod login;
mod master;
mod proof;
mod server;
mod try_job;
mod update;
mod user_command;
mod value;
mod versions;
mod worker;

pub use change::Change;
pub use client::{ClientEvent, PbClient};
pub use login::{LoginEvent, PbLogin};
pub use master::PbMaster;
pub use proof::{Challenge, Proof, respond};
pub use server::{Callee, PbServer, ServerEvent};
pub use try_job::{TryJob, TryPatch};
pub use user_command::{UserCommand, UserInfo, UserOp};
pub use worker::{PbWorker, PbWorkerLogin};

#[cfg(test)]
mod tests;
