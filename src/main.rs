//! The `buildbot` program: arguments, logging, run, exit code; nothing else.

fn main() {}
