//! The programs as their users run them: commands, daemons, signals, a kill -9.
//!
//! A [`Site`] is a directory with a repository, a master and workers, each a process of its own.
//! Whatever does not need processes is tested in `flow/`, where everything lives in one.

mod site;
mod wait;
mod commands;
mod commits;
mod crash;
mod outbox;
mod missing;
mod clients;
mod browser;

pub use site::Site;
use wait::eventually;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs `buildbot` to its end.
fn buildbot(arguments: &[&str], directory: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_buildbot"))
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("buildbot runs")
}

/// Where `buildbot-worker` is: beside the master's program.
pub fn worker_program() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_buildbot")).with_file_name("buildbot-worker");
    assert!(program.exists(), "no {}; build the whole workspace", program.display());
    program
}

/// A port of the loopback interface that nobody listens on at the moment. Below the range from
/// which the system gives ports to clients, so that none of them takes it meanwhile.
pub fn free_port() -> u16 {
    std::iter::repeat_with(|| fastrand::u16(10_000..32_000))
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("some port is free")
}
