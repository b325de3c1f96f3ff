//! `GerritChangeSource` and `GerritEventLogPoller`: what happens on a Gerrit server.

mod event;
mod event_log;
mod ledger;
mod options;
mod stream;

pub use event_log::parse as event_log;
pub use stream::parse as stream;
