//! Everybody who watches.

pub mod problem;
pub mod targets;
pub mod irc;
pub mod web;
