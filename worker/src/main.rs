//! The `buildbot-worker` program.

fn main() {}
