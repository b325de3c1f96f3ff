//! Everybody who watches.

pub mod irc;
pub mod web;
