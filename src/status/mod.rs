//! Everybody who watches.

pub mod targets;
pub mod web;
