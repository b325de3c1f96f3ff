//! `buildbot start`: runs a master in the background, or here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use buildbot_worker::daemon::{self, StartError};

use super::basedir::BaseDir;
use super::serve;

/// Start a master
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    how: How,
    /// Only say what goes wrong
    #[arg(short, long)]
    quiet: bool,
    /// This process is the one in the background
    #[arg(long, hide = true)]
    detached: bool,
    /// The master's directory; by default the current one
    basedir: Option<PathBuf>,
}

/// What `start` and `restart` have in common.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct How {
    /// Stay in the foreground
    #[arg(long)]
    nodaemon: bool,
    /// Seconds to wait until the master is up
    #[arg(
        long = "start_timeout",
        visible_alias = "start-timeout",
        value_name = "SECONDS",
        env = "START_TIMEOUT",
        default_value_t = 60.0
    )]
    start_timeout: f64,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let base = BaseDir::open(options.basedir.as_deref())?;
    if options.detached {
        return Ok(serve::detached(&base));
    }
    start(&base, &options.how, options.quiet)
}

/// Starts the master of a base directory; returns when it is up, or at its end with `--nodaemon`.
pub fn start(base: &BaseDir, how: &How, quiet: bool) -> anyhow::Result<ExitCode> {
    if how.nodaemon {
        return serve::here(base);
    }
    let timeout = Duration::try_from_secs_f64(how.start_timeout)
        .context("--start_timeout must be a number of seconds")?;
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let arguments: [OsString; 4] =
        ["start".into(), "--detached".into(), "--".into(), base.tac_dir.clone().into()];
    match daemon::start_detached(&program, &arguments, &base.path, timeout) {
        Ok(_) if quiet => {}
        Ok(pid) => println!("The buildmaster has started with pid {pid}."),
        Err(StartError::AlreadyRunning { pid, .. }) => bail!(
            "The buildmaster in '{}' is already running with pid {pid}; \
             'buildbot restart' stops it and starts it again.",
            base.path.display()
        ),
        Err(error) => bail!("The buildmaster did not start: {error}"),
    }
    Ok(ExitCode::SUCCESS)
}
