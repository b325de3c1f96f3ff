//! Real peers: the programs of stock Buildbot 4.3.

mod encrypted;
mod faults;
mod history;
mod mails;
mod memory;
mod pairs;
mod peer;
mod same;
mod sendchange;
mod stock_worker;
mod tries;
mod users;

use std::path::PathBuf;

/// Where stock's programs are (`STOCK_BUILDBOT`, set by `make test`). Without it the test says
/// that it is skipped, and why.
pub fn stock(program: &str) -> Option<PathBuf> {
    let Some(bin) = std::env::var_os("STOCK_BUILDBOT") else {
        eprintln!("skipped: STOCK_BUILDBOT does not name the directory of stock's {program}");
        return None;
    };
    let path = PathBuf::from(bin).join(program);
    assert!(path.is_file(), "{} is missing; `make setup` installs it", path.display());
    Some(path)
}
