//! The sample configuration that `create-master` leaves in a new base directory.

/// Text of `master.toml.sample`.
pub const SAMPLE: &str = include_str!("sample.toml");
