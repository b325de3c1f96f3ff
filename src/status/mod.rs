//! Everybody who watches.

pub mod web;
