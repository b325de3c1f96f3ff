//! The wire between Buildbot's master and worker, as values and bytes.
//!
//! A pure codec: no socket, no file, no clock. Both programs use it, so a rule of the wire is written
//! down once.
//!
//! | module | what it holds |
//! |---|---|
//! | [`command`] | what a master can ask a worker to run, paths as the step gave them |
//! | [`update`] | what a worker reports while a command runs |
//! | [`info`] | what a worker says about itself |
//! | [`order`], [`report`] | what a master asks of a worker, and a worker of a master |
//! | [`session`] | a connection as a state machine: bytes in, events out, orders and reports to bytes |
//! | [`msgpack`] | all of it as the maps of `msgpack_experimental_v7` |
//! | [`banana`] | the token layer of Perspective Broker: expressions |
//! | [`jelly`] | its value layer: Python's values |
//! | [`broker`] | its calls, answers and counted references |
//! | [`pb`] | login and sessions of workers and clients over it |
//! | [`basic_auth`] | the header a MessagePack worker logs in with |
//!
//! Every request is answered exactly once, also one that could not be understood.

pub mod basic_auth;
pub mod command;
pub mod update;
pub mod info;
pub mod order;
pub mod report;
pub mod session;
pub mod msgpack;
pub mod banana;
pub mod jelly;
pub mod broker;
pub mod pb;
