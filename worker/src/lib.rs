//! Runs the commands of a Buildbot master.
//!
//! As a program (`buildbot-worker`) and as a library: [`run`] works in any tokio runtime, so a master
//! can have a worker in its own process. Speaks Perspective Broker and `msgpack_experimental_v7`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`], [`tac`] | settings, read from a stock `buildbot.tac` |
//! | [`endpoint`] | where to connect, in Twisted's words |
//! | [`link`] | the connection: login, reconnect, requests both ways |
//! | [`commands`] | shell and file commands, output |
//! | [`info`] | what the worker tells about itself |
//! | [`daemon`] | background process, pid file, log file; knows nothing of workers |
//! | [`cli`] | the command line |
//!
//! Only for Unix: process groups, signals and terminals are the core of running builds.

pub mod cli;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod endpoint;
pub mod info;
pub mod link;
pub mod tac;

pub use config::{Config, Protocol};
pub use link::{RunError, StreamEnd, run, run_until, serve_stream};
