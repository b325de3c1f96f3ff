//! The `buildbot` program: arguments, logging, run, exit code; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    buildbot::cli::run(std::env::args_os())
}
