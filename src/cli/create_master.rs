//! `buildbot create-master`: makes a base directory with everything but the configuration.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::basedir;
use super::tac::{self, Tac};
use crate::config::sample;
use crate::db::{self, Db};

/// The database of a new master, as in stock.
const DB_URL: &str = "sqlite:///state.sqlite";

/// Create and populate a directory for a new master
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Re-use an existing directory; its files are never overwritten
    #[arg(short, long)]
    force: bool,
    /// Let buildbot.tac take the directory it lies in as the base directory
    #[arg(short, long)]
    relocatable: bool,
    /// Only say what goes wrong
    #[arg(short, long)]
    quiet: bool,
    /// Never rotate twistd.log
    #[arg(short, long)]
    no_logrotate: bool,
    /// Name of the configuration file; may lie outside of the base directory
    #[arg(short, long, value_name = "FILE", default_value = tac::CONFIG_FILE)]
    config: String,
    /// Size in bytes at which twistd.log is rotated
    #[arg(short = 's', long, value_name = "BYTES", default_value_t = tac::LOG_SIZE)]
    log_size: u64,
    /// How many rotated logs are kept; None keeps all
    #[arg(short = 'l', long, value_name = "COUNT", default_value = "10", value_parser = log_count)]
    log_count: LogCount,
    /// Where the master keeps its state
    #[arg(long, value_name = "URL", default_value = DB_URL, hide_default_value = true)]
    db: String,
    /// The directory; by default the current one
    basedir: Option<PathBuf>,
}

/// `--log-count`: `None` keeps all.
#[derive(Debug, Clone, Copy)]
struct LogCount(Option<u32>);

fn log_count(text: &str) -> Result<LogCount, String> {
    match text {
        "None" => Ok(LogCount(None)),
        _ => text.parse().map(|n| LogCount(Some(n))).map_err(|_| "must be a number or None".into()),
    }
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let dir = basedir::absolute(options.basedir.as_deref())?;
    let say = |text: String| {
        if !options.quiet {
            println!("{text}");
        }
    };
    // A wrong URL must not leave half a directory behind.
    let database = db::sqlite_path(&options.db, &dir.to_string_lossy())?;
    if dir.is_dir() {
        say("updating existing installation".into());
    } else {
        say(format!("mkdir {}", dir.display()));
        fs::create_dir(&dir)
            .with_context(|| format!("cannot make the directory '{}'", dir.display()))?;
    }
    say(place(&dir.join(tac::FILE), &tac_of(options, &dir).render(), 0o644)?);
    let sample = sample::SAMPLE.replace(DB_URL, &options.db);
    say(place(&dir.join("master.toml.sample"), &sample, 0o600)?);
    say(format!("creating database ({})", masked(&options.db)));
    drop(Db::open(&database)?);
    say(format!("buildmaster configured in {}", dir.display()));
    Ok(ExitCode::SUCCESS)
}

fn tac_of(options: &Options, dir: &Path) -> Tac {
    Tac {
        basedir: if options.relocatable { ".".into() } else { dir.display().to_string() },
        configfile: options.config.clone(),
        log_size: (!options.no_logrotate).then_some(options.log_size),
        log_count: options.log_count.0,
        umask: None,
    }
}

/// Writes a new file; one that a person has changed stays, and the new text goes beside it.
fn place(file: &Path, text: &str, mode: u32) -> anyhow::Result<String> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match fs::read(file) {
        Ok(old) if old == text.as_bytes() => {
            return Ok(format!("{name} already exists and is correct"));
        }
        Ok(_) => {
            let beside = file.with_file_name(format!("{name}.new"));
            write(&beside, text, mode)?;
            return Ok(format!("not touching existing {name}\ncreating {name}.new instead"));
        }
        Err(_) => write(file, text, mode)?,
    }
    Ok(format!("creating {}", file.display()))
}

fn write(file: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    // Where there is an old file, its mode would stay.
    let _ = fs::remove_file(file);
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(file)
        .and_then(|mut open| open.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write '{}'", file.display()))
}

/// A database URL without its password.
fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    match rest.split_once('@').and_then(|(login, host)| Some((login.split_once(':')?.0, host))) {
        Some((user, host)) => format!("{scheme}://{user}:***@{host}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_changed_file_stays_and_the_new_one_goes_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("buildbot.tac");
        assert!(place(&file, "new", 0o600).unwrap().starts_with("creating "));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            place(&file, "new", 0o600).unwrap(),
            "buildbot.tac already exists and is correct"
        );
        assert!(!dir.path().join("buildbot.tac.new").exists());
        fs::write(&file, "changed").unwrap();
        place(&file, "new", 0o600).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"changed");
        assert_eq!(fs::read(dir.path().join("buildbot.tac.new")).unwrap(), b"new");
    }

    #[test]
    fn passwords_are_masked() {
        assert_eq!(masked("mysql://me:secret@host/bb"), "mysql://me:***@host/bb");
        assert_eq!(masked("sqlite:///state.sqlite"), "sqlite:///state.sqlite");
    }
}
