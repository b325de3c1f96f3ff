//! Buildbot as a supervised actor system.
//!
//! Modules stand in the order of the flow: plain values, what the user wrote, what happened,
//! decisions, what a build does, the actors that carry it, the tables, and everybody who watches.

pub mod model;
pub mod config;
pub mod events;
pub mod http;
pub mod process_group;
pub mod flow;
pub mod steps;
pub mod change_sources;
pub mod db;
pub mod reporters;
pub mod schedulers;
pub mod simulate;
pub mod actors;
pub mod status;
pub mod cli;
