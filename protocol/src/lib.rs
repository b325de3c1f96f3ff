//! The wire between Buildbot's master and worker, as values and bytes.
//!
//! A pure codec: no socket, no file, no clock. [`command`] is what a master can ask, [`update`] is
//! what a worker reports while it works, [`msgpack`] writes both as the maps of
//! `msgpack_experimental_v7`. Perspective Broker joins them later in the same shape.

pub mod command;
pub mod update;
pub mod info;
pub mod msgpack;
