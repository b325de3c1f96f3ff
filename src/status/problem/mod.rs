//! Problems: opened when a builder turns from good to bad, followed up until somebody acknowledges
//! or fixes them.
//!
//! The *chronicler* follows the stream of facts and keeps the record, whoever is told. The
//! *hassler* tells people whose time has come: by IRC through [`Reach`], by mail through the
//! outbox of a notifier. What is decided is in [`flow::problem`](crate::flow::problem).

mod actor;
mod appointed;
mod chronicler;
pub mod commands;
mod hassler;
mod irc;
mod reach;
mod telling;

pub use actor::Problems;
pub use reach::{Delivered, Reach};
