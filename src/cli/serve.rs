//! The life of a master's process: claim the directory, log, load, open, run, end.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use buildbot_worker::daemon::{self, LOG_FILE, PidFile, RotatingFile, Starting};
use nix::sys::stat::{Mode, umask};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::basedir::BaseDir;
use super::checkconfig::indented;
use super::front;
use super::outcome::{self, Outcome};
use crate::actors::control::{Control, Order};
use crate::actors::master::{Master, OrderDesk, Setup, Watcher};
use crate::config::{self, MasterConfig};
use crate::db::{self, Db};
use crate::model::Clock;
use crate::status::irc::{IrcBots, IrcFront};
use crate::status::problem::Problems;
use crate::status::targets::Targets;

/// What is logged unless the environment says otherwise; actix tells of its threads at `info`.
const LOG_FILTER: &str = "info,actix_server=warn";

/// Serves in this process until the end, for `--nodaemon`.
pub fn here(base: &BaseDir) -> anyhow::Result<ExitCode> {
    serve(base, None)?;
    Ok(ExitCode::SUCCESS)
}

/// Serves in this process, which the one with the terminal started and waits for.
pub fn detached(base: &BaseDir) -> ExitCode {
    let served = daemon::detach()
        .context("cannot leave the terminal")
        .and_then(|starting| serve(base, Some(starting)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Everything from the claim of the directory to the end. An error before the master is up is told
/// to whoever waits for it, and in any case to the log.
fn serve(base: &BaseDir, starting: Option<Starting>) -> anyhow::Result<()> {
    let mut starting = starting;
    let served = claimed(base, &mut starting);
    if let Err(error) = &served {
        tracing::error!("{error:#}");
        if let Some(starting) = starting.take() {
            starting.failed(&format!("{error:#}"));
        }
    }
    served
}

fn claimed(base: &BaseDir, starting: &mut Option<Starting>) -> anyhow::Result<()> {
    std::env::set_current_dir(&base.path)
        .with_context(|| format!("cannot enter '{}'", base.path.display()))?;
    if let Some(mask) = base.tac.umask {
        umask(Mode::from_bits_truncate(mask));
    }
    let _claim = PidFile::claim(&base.path)?;
    let log = base.file(LOG_FILE);
    let file = RotatingFile::open(&log, base.tac.log_size, base.tac.log_count)
        .with_context(|| format!("cannot write '{}'", log.display()))?;
    daemon::init_logging(file, LOG_FILTER);
    tracing::info!("Starting BuildMaster, version {}", env!("CARGO_PKG_VERSION"));
    actix::System::new().block_on(run(base, starting))?;
    tracing::info!("BuildMaster is stopped");
    Ok(())
}

async fn run(base: &BaseDir, starting: &mut Option<Starting>) -> anyhow::Result<()> {
    // First of all: a signal during the start must not kill.
    let signals = Signals::listen().context("cannot listen for signals")?;
    let setup = prepare(base).await?;
    let desk = OrderDesk::default();
    let orders = desk.orders.clone();
    let master = Master::start(setup, desk).await?;
    let control = master.handles().control.clone();
    actix::spawn(signals.obey(base.path.clone(), control, orders));
    tracing::info!("BuildMaster is running");
    if let Some(starting) = starting.take() {
        starting.ready().context("cannot report the start")?;
    }
    master.run().await?;
    Ok(())
}

/// Reads the configuration and opens the database, off the arbiter.
async fn prepare(base: &BaseDir) -> anyhow::Result<Setup> {
    let base = base.clone();
    let loading = tokio::task::spawn_blocking(move || load(base));
    let (base, config_file, config, db) = loading.await??;
    let bots = IrcBots::default();
    let front = front::watcher(&config, bots.clone())?;
    let problems = Problems::new(Arc::new(bots.clone()));
    let irc = IrcFront::new(bots);
    let status: Vec<Box<dyn Watcher>> =
        vec![Box::new(Targets), Box::new(irc), Box::new(problems), Box::new(front)];
    Ok(Setup { basedir: base.path, config_file, config, db, clock: Clock::default(), status })
}

fn load(base: BaseDir) -> anyhow::Result<(BaseDir, PathBuf, MasterConfig, Db)> {
    let file = base.config_file()?;
    tracing::info!("loading configuration from {}", file.display());
    let config = config::load(&file, &base.path)
        .map_err(|problems| anyhow::anyhow!("Configuration Errors:\n{}", indented(&problems)))?;
    let path = db::sqlite_path(&config.db_url, &base.path.to_string_lossy())?;
    let db = Db::open(&path)?;
    Ok((base, file, config, db))
}

/// The signals that a master obeys.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reconfigure: Signal,
    clean: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reconfigure: signal(SignalKind::hangup())?,
            clean: signal(SignalKind::user_defined1())?,
        })
    }

    /// Turns signals into orders until the process ends.
    async fn obey(mut self, basedir: PathBuf, control: Control, orders: mpsc::Sender<Order>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => shut_down(&orders, "SIGTERM").await,
                _ = self.interrupt.recv() => shut_down(&orders, "SIGINT").await,
                _ = self.reconfigure.recv() => reconfigure(&basedir, &control).await,
                _ = self.clean.recv() => shut_down_clean(&control),
            }
        }
    }
}

async fn shut_down(orders: &mpsc::Sender<Order>, why: &str) {
    tracing::info!("Received {why}, shutting down");
    // Refused only by a master that is ending already.
    let _ = orders.send(Order::Shutdown).await;
}

fn shut_down_clean(control: &Control) {
    tracing::info!("Received SIGUSR1, shutting down when the running builds have finished");
    control.shut_down_when_idle();
}

/// Reconfigures and leaves the outcome for the command that sent the signal.
async fn reconfigure(basedir: &std::path::Path, control: &Control) {
    let began = outcome::timestamp();
    tracing::info!("beginning configuration update");
    let outcome = match control.reconfigure().await {
        Ok(changed) => {
            tracing::info!("configuration update complete: {changed}");
            Outcome { began, good: true, text: changed }
        }
        Err(problems) => {
            let text = indented(&problems);
            tracing::error!("configuration update aborted without making any changes:\n{text}");
            Outcome { began, good: false, text }
        }
    };
    let basedir = basedir.to_owned();
    let written = tokio::task::spawn_blocking(move || outcome.write(&basedir)).await;
    if let Ok(Err(error)) = written {
        tracing::error!(%error, "cannot leave the outcome of the reconfiguration");
    }
}
