//! `buildbot restart`: `stop` and `start`; a master that does not run is started.

use std::path::PathBuf;
use std::process::ExitCode;

use super::basedir::BaseDir;
use super::{start, stop};

/// Restart a master
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    how: stop::How,
    #[command(flatten)]
    start: start::How,
    /// The master's directory; by default the current one
    basedir: Option<PathBuf>,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let base = BaseDir::open(options.basedir.as_deref())?;
    let stopped = stop::stop(&base.path, &options.how, true)?;
    if stopped != ExitCode::SUCCESS {
        return Ok(stopped);
    }
    if !options.how.quiet {
        println!("now restarting buildbot process..");
    }
    start::start(&base, &options.start, options.how.quiet)
}
