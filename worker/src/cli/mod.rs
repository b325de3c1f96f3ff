//! The command line of `buildbot-worker`, with the option names of the stock one and the verbs of the
//! buildslave that came before it. The program may also be called by that name.

mod control;
mod create;
mod options;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

pub use options::CreateOptions;

/// Runs the builds of a Buildbot master.
#[derive(Debug, Parser)]
#[command(name = "buildbot-worker", version, about)]
struct Cli {
    /// Print more.
    #[arg(long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Create and populate a directory for a new worker.
    #[command(alias = "create-slave")]
    CreateWorker(Box<CreateOptions>),
    /// Look whether a directory of an older release can be used. Nothing needs to be changed for it.
    #[command(alias = "upgrade-slave", hide = true)]
    UpgradeWorker(UpgradeOptions),
    /// Start a worker.
    Start(StartOptions),
    /// Stop a worker.
    Stop(StopOptions),
    /// Restart a worker.
    Restart(StartOptions),
    /// The background process of `start`.
    #[command(hide = true)]
    Daemon { basedir: PathBuf },
}

#[derive(Debug, Args)]
struct StartOptions {
    /// Stay in the foreground and log to the terminal.
    #[arg(long)]
    nodaemon: bool,
    /// Print nothing but errors.
    #[arg(short, long)]
    quiet: bool,
    /// The worker's directory.
    #[arg(default_value = ".")]
    basedir: PathBuf,
}

#[derive(Debug, Args)]
struct UpgradeOptions {
    /// Print nothing but errors.
    #[arg(short, long)]
    quiet: bool,
    /// The worker's directory.
    #[arg(default_value = ".")]
    basedir: PathBuf,
}

#[derive(Debug, Args)]
struct StopOptions {
    /// Print nothing but errors.
    #[arg(short, long)]
    quiet: bool,
    /// The worker's directory.
    #[arg(default_value = ".")]
    basedir: PathBuf,
}

/// Runs the command of this process's arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            // A wrong command line is exit status 1, as in stock.
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    let level = if cli.verbose { "debug" } else { "info" };
    let result = match cli.command {
        Subcommands::CreateWorker(options) => create::create(&options),
        Subcommands::UpgradeWorker(options) => control::upgrade(&options.basedir, options.quiet),
        Subcommands::Start(options) => control::start(&options, level),
        Subcommands::Stop(options) => control::stop(&options.basedir, options.quiet),
        Subcommands::Restart(options) => control::stop(&options.basedir, options.quiet)
            .and_then(|()| control::start(&options, level)),
        Subcommands::Daemon { basedir } => control::daemon(&basedir, level),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
