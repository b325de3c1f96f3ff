//! Workers: where they log in, the connection of each, and the board that shows them all.
//!
//! ```text
//! listener ──socket──► handshake ──login──► roster ──starts──► connection ◄──► worker
//!                                             │ attach
//!                                             ▼
//!                                           board ──► distributor, pages
//! ```

mod attach;
mod board;
mod connection;
mod delivery;
mod handshake;
mod info;
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
pub use link::{ANSWER, CommandEvent, LinkError, Running, TransferPart, WorkerLink};
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
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            keepalive: Duration::from_secs(30),
            handshake: Duration::from_secs(10),
            duplicate: Duration::from_secs(10),
            attach: Duration::from_secs(120),
        }
    }
}
