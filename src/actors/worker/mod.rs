//! Workers: where they log in, the connection of each, and the board that shows them all.
//! Other clients of Perspective Broker come in by the same ports.
//!
//! ```text
//! listener ──socket──► handshake ──login──► roster ──starts──► connection ◄──► worker
//!                          │                  │ attach
//!                        client ──calls──►    │
//!                                             ▼
//!                                           board ──► distributor, pages
//! ```

mod attach;
mod board;
mod client;
mod connection;
mod delivery;
mod handshake;
mod info;
mod line;
mod link;
mod listener;
mod local;
mod logins;
mod ports;
mod roster;
mod roster_actor;
mod strangers;
mod transport;

use std::time::Duration;

pub use board::{Board, BoardEntry};
pub(super) use info::to_json;
pub use line::Line;
pub use link::{ANSWER, CommandEvent, LinkError, Running, TransferPart, WorkerLink};
pub use logins::{Logins, Perspective, Registration};
pub use roster::{BuilderDirs, Roster, RosterConfig, RosterError, RosterSetup};

/// The waits of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Between two pings of the master; a worker that is silent for two of them is lost.
    pub keepalive: Duration,
    /// For the login after the TCP connection. Stock has 5 s for MessagePack and no limit for
    /// Perspective Broker.
    pub handshake: Duration,
    /// For the old connection when a worker of its name logs in again; 10 s as in stock.
    pub duplicate: Duration,
    /// For the whole attach sequence.
    pub attach: Duration,
    /// A client that is no worker, and for whom nothing goes on, is sent away when it asks nothing
    /// for so long: clients say what they have to say and go. Stock has no limit.
    pub client: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            keepalive: Duration::from_secs(30),
            handshake: Duration::from_secs(10),
            duplicate: Duration::from_secs(10),
            attach: Duration::from_secs(120),
            client: Duration::from_secs(60),
        }
    }
}
