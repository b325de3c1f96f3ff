//! The wire between Buildbot's master and worker, as values and bytes.
//!
//! A pure codec: no socket, no file, no clock. Both programs use it, so a rule of the wire is written
//! down once. Perspective Broker joins later in the same shape.
//!
//! | module | what it holds |
//! |---|---|
//! | [`command`] | what a master can ask a worker to run, paths as the step gave them |
//! | [`update`] | what a worker reports while a command runs |
//! | [`info`] | what a worker says about itself |
//! | [`msgpack`] | all of it as the maps of `msgpack_experimental_v7` |
//! | [`basic_auth`] | the header a worker logs in with |
//!
//! A master reads `msgpack::decode::<WorkerRequest>(bytes)` and sends `msgpack::encode` of a
//! `Message<MasterRequest>`; a worker does the reverse. Every request is answered exactly once, also
//! one that could not be understood: [`msgpack::Received::Request`] then carries the text to answer.

pub mod basic_auth;
pub mod command;
pub mod update;
pub mod info;
pub mod msgpack;
