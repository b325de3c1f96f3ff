//! `buildbot stop`: ends a running master in an orderly way and waits until it is gone.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use buildbot_worker::daemon::{self, StopError, Stopped};
use nix::sys::signal::Signal;

use super::basedir::BaseDir;
use super::blocking;

/// How long an orderly stop may take. Stock gives up after ten seconds and leaves it to the user to
/// look again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longer than any build: a clean stop waits for builds without a limit, as in stock.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Stop a running master
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    how: How,
    /// Do not wait until the master is gone
    #[arg(long)]
    no_wait: bool,
    /// The master's directory; by default the current one
    basedir: Option<PathBuf>,
}

/// What `stop` and `restart` have in common.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct How {
    /// Let running builds finish first, however long that takes
    #[arg(short, long)]
    pub clean: bool,
    /// Only say what goes wrong
    #[arg(short, long)]
    pub quiet: bool,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let base = BaseDir::open(options.basedir.as_deref())?;
    stop(&base.path, &options.how, !options.no_wait)
}

/// Stops the master of a base directory. One that does not run is a success.
pub fn stop(basedir: &Path, how: &How, wait: bool) -> anyhow::Result<ExitCode> {
    let signal = if how.clean { Signal::SIGUSR1 } else { Signal::SIGTERM };
    let patience = match (wait, how.clean) {
        (false, _) => Duration::ZERO,
        (true, true) => FOR_EVER,
        (true, false) => PATIENCE,
    };
    let stopped = blocking(daemon::stop(basedir, signal, patience))?;
    let (text, good) = match stopped {
        Ok(Stopped::NotRunning) => ("buildmaster not running".to_owned(), true),
        Ok(Stopped::Ended(pid)) => (format!("buildbot process {pid} is dead"), true),
        Err(StopError::StillRunning { signal, .. }) if !wait => {
            (format!("sent {signal} to process"), true)
        }
        Err(StopError::StillRunning { .. }) => ("never saw process go away".to_owned(), false),
        Err(error) => return Err(error).context("cannot stop the buildmaster"),
    };
    if !how.quiet {
        println!("{text}");
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
