//! The IRC bot: one supervised actor per configured bot announces builds, answers questions, takes
//! commands, knows who is there, and tells people things in private for the rest of the master.
//!
//! What is decided is in [`flow::irc`](crate::flow::irc), what is configured in
//! [`reporters::irc`](crate::reporters::irc), the connection in its `client`.

mod bot;
mod bots;
mod commands;
mod deeds;
mod front;
mod handle;
mod hear;
mod herald;
mod lookup;
mod post;
mod queries;
mod rooms;
mod session;
mod shared;
#[cfg(test)]
mod fixture;

pub use bot::start;
pub use bots::{IrcBots, Mailer};
pub use commands::{Ask, COMMANDS, Command, Complaint};
pub use front::IrcFront;
pub use handle::{Delivery, How, IrcHandle, Whereabouts};
pub use shared::BotStatus;
