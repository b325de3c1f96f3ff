//! One binary for all tests that cross a border.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails, with the line")]

mod world;
mod supervision;
mod flow;
mod day;
mod wire;
mod programs;
mod compat;
mod db;
mod api;
mod irc;
mod lookup;
mod problems;
mod mail;
mod push;
mod tidy;
