//! `buildbot checkconfig`: reads a configuration and tells everything that is wrong with it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::basedir::{self, BaseDir};
use super::tac;
use crate::config;

/// Test the validity of a configuration file
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Only the exit code tells the outcome
    #[arg(short, long)]
    quiet: bool,
    /// A configuration file, or a master's directory; by default the one that buildbot.tac in the
    /// current directory names
    #[arg(value_name = "CONFIGFILE")]
    file: Option<PathBuf>,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    match check(options.file.as_deref()) {
        Ok(()) => {
            if !options.quiet {
                println!("Config file is good!");
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(_) if options.quiet => Ok(ExitCode::FAILURE),
        Err(error) => Err(error),
    }
}

fn check(named: Option<&Path>) -> anyhow::Result<()> {
    let (file, basedir) = find(named)?;
    config::load(&file, &basedir)
        .map(|_| ())
        .map_err(|problems| anyhow::anyhow!("Configuration Errors:\n{}", indented(&problems)))
}

/// The file and the directory that its relative paths start from.
pub fn find(named: Option<&Path>) -> anyhow::Result<(PathBuf, PathBuf)> {
    let named = basedir::absolute(named)?;
    if !named.is_dir() {
        let basedir = named.parent().unwrap_or(Path::new("/")).to_owned();
        return Ok((basedir::config_file(&named)?, basedir));
    }
    if named.join(tac::FILE).exists() {
        let base = BaseDir::open(Some(&named))?;
        return Ok((base.config_file()?, base.path));
    }
    let file = named.join(tac::CONFIG_FILE);
    let file = if file.exists() { file } else { basedir::config_file(&named.join("master.cfg"))? };
    Ok((file, named))
}

/// One problem per line.
pub fn indented(problems: &config::Problems) -> String {
    problems
        .iter()
        .map(|problem| format!("  {problem}\n"))
        .collect::<String>()
        .trim_end()
        .to_owned()
}
