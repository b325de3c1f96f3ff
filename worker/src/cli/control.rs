//! `start`, `stop`, `restart`, `upgrade-worker`, and the process they are about.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use tokio::signal::unix::{SignalKind, signal};

use super::StartOptions;
use crate::config::{AllowShutdown, Config, ProcessSettings};
use crate::daemon::{self, LOG_FILE, PidFile, RotatingFile, Stopped};

/// How long the background process may take to get ready.
const START_DEADLINE: Duration = Duration::from_secs(20);
/// How long a worker may take to kill its commands and end.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

pub(super) fn start(options: &StartOptions, level: &str) -> anyhow::Result<()> {
    let dir = std::path::absolute(&options.basedir)?;
    let (config, process) = load(&dir)?;
    if options.nodaemon {
        return foreground(config, &process, level);
    }
    let program = std::env::current_exe().context("cannot find this program itself")?;
    let mut args = vec!["daemon".into(), dir.clone().into_os_string()];
    if level == "debug" {
        args.push("--verbose".into());
    }
    let pid = daemon::start_detached(&program, &args, &dir, START_DEADLINE)?;
    if !options.quiet {
        println!("The buildbot-worker appears to have (re)started correctly with pid {pid}.");
    }
    Ok(())
}

pub(super) fn stop(basedir: &Path, quiet: bool) -> anyhow::Result<()> {
    let dir = std::path::absolute(basedir)?;
    if !dir.join("buildbot.tac").exists() {
        bail!("invalid worker directory '{}': it has no buildbot.tac", dir.display());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let said = match runtime.block_on(daemon::stop(&dir, Signal::SIGTERM, STOP_DEADLINE))? {
        Stopped::NotRunning => "worker not running".to_owned(),
        Stopped::Ended(pid) => format!("worker process {pid} is dead"),
    };
    if !quiet {
        println!("{said}");
    }
    Ok(())
}

/// Directories of older releases are used as they are, so this only tells whether that works.
pub(super) fn upgrade(basedir: &Path, quiet: bool) -> anyhow::Result<()> {
    let dir = std::path::absolute(basedir)?;
    let (config, _) = load(&dir)?;
    if !quiet {
        println!("nothing to upgrade: '{}' serves as it is ({config:?})", dir.display());
    }
    Ok(())
}

/// The background process: reports to whoever started it, then works.
pub(super) fn daemon(dir: &Path, level: &str) -> anyhow::Result<()> {
    let starting = daemon::detach()?;
    let (prepared, config) = match prepare(dir, level) {
        Ok(prepared) => prepared,
        Err(error) => {
            starting.failed(&format!("{error:#}"));
            return Err(error);
        }
    };
    starting.ready()?;
    let result = work(config);
    drop(prepared);
    result
}

fn prepare(dir: &Path, level: &str) -> anyhow::Result<(PidFile, Config)> {
    let (config, process) = load(dir)?;
    let path = dir.join(LOG_FILE);
    let log = RotatingFile::open(&path, process.log_size, process.log_count)
        .with_context(|| format!("cannot write '{}'", path.display()))?;
    daemon::init_logging(log, level);
    Ok((enter(&config, &process)?, config))
}

fn foreground(config: Config, process: &ProcessSettings, level: &str) -> anyhow::Result<()> {
    daemon::init_logging(std::io::stdout(), level);
    let _claim = enter(&config, process)?;
    work(config)
}

/// Claims the directory and prepares the process.
fn enter(config: &Config, process: &ProcessSettings) -> anyhow::Result<PidFile> {
    let claim = PidFile::claim(&config.basedir)?;
    if let Some(mask) = process.umask {
        umask(Mode::from_bits_truncate(mask));
    }
    let host = nix::unistd::gethostname().unwrap_or_default();
    let host = format!("{}\n", host.to_string_lossy());
    if let Err(error) = std::fs::write(config.basedir.join("twistd.hostname"), host) {
        tracing::warn!("cannot write twistd.hostname: {error}");
    }
    Ok(claim)
}

fn load(dir: &Path) -> anyhow::Result<(Config, ProcessSettings)> {
    Config::load(dir).with_context(|| format!("invalid worker directory '{}'", dir.display()))
}

fn work(config: Config) -> anyhow::Result<()> {
    tracing::info!("starting {config:?}, version {}", crate::info::VERSION);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        if let Err(error) = crate::commands::adopt_orphans() {
            tracing::warn!("cannot adopt orphaned processes of builds: {error}");
        }
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let by_signal = config.allow_shutdown == Some(AllowShutdown::Signal);
        let leave = async move {
            // Unless it is allowed to end it, SIGHUP means nothing: a worker outlives the terminal it
            // was started from.
            while hangup.recv().await.is_some() {
                if by_signal {
                    tracing::info!("Received SIGHUP: this worker is to end gracefully");
                    return;
                }
            }
            std::future::pending().await
        };
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => tracing::info!("Received SIGTERM, shutting down."),
                _ = interrupt.recv() => tracing::info!("Received SIGINT, shutting down."),
            }
        };
        anyhow::Ok(crate::run_until(config, shutdown, leave).await?)
    });
    match &result {
        Ok(()) => tracing::info!("Server Shut Down."),
        Err(error) => tracing::error!("{error:#}"),
    }
    // A blocked file system must not keep a finished worker.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}
