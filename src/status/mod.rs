//! Everybody who watches.

pub mod targets;
pub mod irc;
pub mod web;
