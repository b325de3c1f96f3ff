//! `buildbot reconfig`: asks a running master to read its configuration again and tells how that
//! went.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use buildbot_worker::daemon;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use super::basedir::BaseDir;
use super::blocking;
use super::outcome::{self, Outcome};

/// Make a running master read its configuration again
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Send the signal and do not wait for the outcome
    #[arg(short, long)]
    quiet: bool,
    /// Seconds to wait for the outcome
    #[arg(
        long = "progress_timeout",
        visible_alias = "progress-timeout",
        value_name = "SECONDS",
        default_value_t = 60.0
    )]
    progress_timeout: f64,
    /// The master's directory; by default the current one
    basedir: Option<PathBuf>,
}

/// How often to look for the outcome.
const LOOK: Duration = Duration::from_millis(20);

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let timeout = Duration::try_from_secs_f64(options.progress_timeout)
        .context("--progress_timeout must be a number of seconds")?;
    let base = BaseDir::open(options.basedir.as_deref())?;
    let Some(pid) = daemon::running(&base.path) else {
        bail!("buildmaster not running; its configuration is read when it is started");
    };
    let asked = outcome::timestamp();
    let process = Pid::from_raw(i32::try_from(pid).context("the pid file is damaged")?);
    kill(process, Signal::SIGHUP).with_context(|| format!("cannot send SIGHUP to {pid}"))?;
    if options.quiet {
        return Ok(ExitCode::SUCCESS);
    }
    println!("sending SIGHUP to process {pid}");
    let log = base.file(daemon::LOG_FILE);
    match blocking(answer(&base, pid, asked, timeout))? {
        Some(Outcome { good: true, text, .. }) => {
            println!("Reconfiguration completed: {text}");
            Ok(ExitCode::SUCCESS)
        }
        Some(Outcome { text, .. }) => bail!(
            "Reconfiguration failed; the master goes on with the configuration it has.\n{text}"
        ),
        None if daemon::running(&base.path) != Some(pid) => {
            bail!("the master ended; see '{}'", log.display())
        }
        None => bail!("Never saw reconfiguration finish; see '{}'", log.display()),
    }
}

/// Waits for the outcome of a reconfiguration that began after `asked`.
async fn answer(base: &BaseDir, pid: u32, asked: u128, timeout: Duration) -> Option<Outcome> {
    let until = Instant::now() + timeout;
    loop {
        // Looked at first, so that the last word of a master that ends is heard.
        let runs = daemon::running(&base.path) == Some(pid);
        let outcome = Outcome::read(&base.path, asked);
        if outcome.is_some() || !runs || Instant::now() >= until {
            return outcome;
        }
        sleep(LOOK).await;
    }
}
