//! One connection as a state machine without I/O, over whichever transport.
//!
//! Whoever owns the socket gives what arrives to `receive` and then takes events with `next` until
//! there is none. Everything that returns bytes returns one packet to send: a message for MessagePack
//! (one binary WebSocket frame), some bytes of the stream for Perspective Broker. Empty packets need
//! not be sent.
//!
//! Nothing is decoded before `next` asks for it, so a caller that waits with each event lets the
//! peer wait.

use crate::order::{Order, Reply};
use crate::report::{Answer, Report};

/// Why a connection cannot go on: the peer broke the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub String);

/// What happened on the master's side.
#[derive(Debug, Clone, PartialEq)]
pub enum MasterEvent {
    /// The answer to the order that was sent with this ticket.
    Answered { ticket: u64, result: Result<Reply, String> },
    /// The worker asks something and waits for [`MasterSession::answer`] with this id.
    Reported { id: u64, report: Report },
    /// The session itself has something to send: an answer to what it did not understand, or
    /// housekeeping of the transport.
    Send(Vec<u8>),
}

/// The master's side of a connection whose worker has logged in.
pub trait MasterSession: Send {
    /// Tells the worker that it is logged in. The first packet of a session.
    fn admit(&mut self) -> Vec<u8>;
    /// The packet of an order. `ticket` comes back with the answer; the caller keeps it unique.
    ///
    /// # Errors
    /// A text for people when the order cannot be told to this worker, which then is not asked.
    fn order(&mut self, ticket: u64, order: Order) -> Result<Vec<u8>, String>;
    /// The packet that answers a report.
    fn answer(&mut self, id: u64, result: Result<Answer, String>) -> Vec<u8>;
    /// Takes what arrived: one message, or a piece of the stream.
    fn receive(&mut self, bytes: &[u8]);
    /// The next event, if what arrived so far holds a whole one.
    ///
    /// # Errors
    /// The connection is to be closed.
    fn next(&mut self) -> Result<Option<MasterEvent>, Violation>;
}

/// What happened on the worker's side.
#[allow(clippy::large_enum_variant)] // handled one at a time
#[derive(Debug, Clone, PartialEq)]
pub enum WorkerEvent {
    /// The master asks something and waits for [`WorkerSession::answer`] with this id.
    Ordered { id: u64, order: Order },
    /// The answer to the report that was sent with this ticket.
    Answered { ticket: u64, result: Result<Answer, String> },
    /// The master has accepted name and password.
    LoggedIn,
    /// The master has refused the login, with its reason; the connection is to be closed.
    Rejected { why: Rejection },
    /// The session itself has something to send.
    Send(Vec<u8>),
}

/// Why a login failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("the master does not accept this worker name and password")]
    WrongPassword,
    /// The master's own words, such as `rejecting duplicate worker`.
    #[error("the master refused the login: {0}")]
    Other(String),
}

/// The worker's side of a connection.
pub trait WorkerSession: Send {
    /// The packet of a report. `ticket` comes back with the answer; the caller keeps it unique.
    ///
    /// # Errors
    /// A text for people when this transport cannot tell it.
    fn report(&mut self, ticket: u64, report: Report) -> Result<Vec<u8>, String>;
    /// The packet that answers an order.
    fn answer(&mut self, id: u64, result: Result<Reply, String>) -> Vec<u8>;
    /// Takes what arrived: one message, or a piece of the stream.
    fn receive(&mut self, bytes: &[u8]);
    /// The next event, if what arrived so far holds a whole one.
    ///
    /// # Errors
    /// The connection is to be closed.
    fn next(&mut self) -> Result<Option<WorkerEvent>, Violation>;
}
