//! The command line: one file per subcommand. Options, messages and exit codes follow stock
//! Buildbot's, so that scripts around it go on working.

mod tac;
mod basedir;
mod create_master;
mod checkconfig;
mod outcome;
mod reconfig;
mod start;
mod serve;
mod front;
mod stop;
mod restart;
mod sendchange;
mod simulate;
mod user;
mod try_job;
mod tryserver;
mod options_file;
mod prompt;
mod client;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A continuous integration master.
#[derive(Debug, Parser)]
#[command(
    name = "buildbot",
    display_name = "Buildbot version:",
    version,
    disable_help_subcommand = true,
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    CreateMaster(create_master::Options),
    Checkconfig(checkconfig::Options),
    Start(start::Options),
    Stop(stop::Options),
    Restart(restart::Options),
    #[command(visible_alias = "sighup")]
    Reconfig(reconfig::Options),
    Sendchange(Box<sendchange::Options>),
    Simulate(Box<simulate::Options>),
    User(Box<user::Options>),
    Try(Box<try_job::Options>),
    Tryserver(tryserver::Options),
}

/// Runs the command that `arguments` (the program's name first) ask for. What it has to say goes
/// to standard output, what went wrong to standard error.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(usage) => {
            // A closed standard output is nobody's problem.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(1));
        }
    };
    let done = match cli.command {
        Command::CreateMaster(options) => create_master::run(&options),
        Command::Checkconfig(options) => checkconfig::run(&options),
        Command::Start(options) => start::run(&options),
        Command::Stop(options) => stop::run(&options),
        Command::Restart(options) => restart::run(&options),
        Command::Reconfig(options) => reconfig::run(&options),
        Command::Sendchange(options) => sendchange::run(*options),
        Command::Simulate(options) => simulate::run(&options),
        Command::User(options) => user::run(*options),
        Command::Try(options) => try_job::run(*options),
        Command::Tryserver(options) => tryserver::run(&options),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

/// Runs a future of a command that has the process to itself.
fn blocking<F: Future>(work: F) -> std::io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(work))
}
