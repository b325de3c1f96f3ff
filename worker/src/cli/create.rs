//! `create-worker`: a directory with `buildbot.tac` and `info/`.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::config::PROTOCOL;
use crate::tac::quote;

/// Options of `create-worker`.
#[derive(Debug, Clone, Args)]
pub struct CreateOptions {
    /// Re-use an existing directory (an existing buildbot.tac is kept, a new one is written as
    /// buildbot.tac.new).
    #[arg(short, long)]
    pub force: bool,
    /// Create a relocatable buildbot.tac.
    #[arg(short, long)]
    pub relocatable: bool,
    /// Do not rotate twistd.log.
    #[arg(short, long)]
    pub no_logrotate: bool,
    /// Seconds between two pings of the master; 0 sends none.
    #[arg(short, long, default_value_t = 600)]
    pub keepalive: u32,
    /// Permission bits that new files do not get, for example 0o22.
    #[arg(long, value_parser = umask)]
    pub umask: Option<u32>,
    /// The longest time between two attempts to connect, in seconds.
    #[arg(long, default_value_t = 300)]
    pub maxdelay: u32,
    /// Failed attempts in a row after which the worker ends.
    #[arg(long)]
    pub maxretries: Option<u32>,
    /// Number of processors to tell the master.
    #[arg(long)]
    pub numcpus: Option<u32>,
    /// Bytes after which twistd.log is rotated.
    #[arg(short = 's', long, default_value_t = 10_000_000)]
    pub log_size: u64,
    /// Old log files to keep; None keeps all.
    #[arg(short = 'l', long, default_value = "10", value_parser = log_count)]
    pub log_count: LogCount,
    /// How a graceful shutdown is asked for; has no effect over this protocol.
    #[arg(short, long, value_parser = ["signal", "file"])]
    pub allow_shutdown: Option<String>,
    /// Protocol towards the master; the port is that of the master's listener for it.
    #[arg(long, default_value = PROTOCOL, value_parser = protocol)]
    pub protocol: String,
    /// Delete directories that the master does not want when it attaches.
    #[arg(long)]
    pub delete_leftover_dirs: bool,
    /// Print nothing.
    #[arg(short, long)]
    pub quiet: bool,
    /// The new directory.
    pub basedir: PathBuf,
    /// `HOST[:PORT]` of the master; the port defaults to 9989.
    #[arg(value_parser = master)]
    pub master: Master,
    /// The worker's name.
    #[arg(value_parser = name)]
    pub name: String,
    /// Its password.
    pub passwd: String,
}

/// How many old logs to keep; `None` all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogCount(pub Option<u32>);

/// Where the master listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Master {
    pub host: String,
    pub port: u16,
}

/// Creates the directory. Existing info files are never changed.
pub(super) fn create(options: &CreateOptions) -> anyhow::Result<()> {
    let dir = std::path::absolute(&options.basedir)?;
    let say = |text: String| {
        if !options.quiet {
            println!("{text}");
        }
    };
    make_dir(&dir, options.force)?;
    write_tac(&dir, &tac(options, &dir), &say)?;
    let info = dir.join("info");
    fs::create_dir_all(&info).with_context(|| format!("cannot create '{}'", info.display()))?;
    for (name, text) in [
        ("admin", "Your Name Here <admin@youraddress.invalid>\n"),
        ("host", "Please put a description of this build host here\n"),
    ] {
        let path = info.join(name);
        if !path.exists() {
            say(format!("Creating info/{name}, you need to edit it appropriately."));
            fs::write(&path, text).with_context(|| format!("cannot write '{}'", path.display()))?;
        }
    }
    say(format!("worker configured in {}", dir.display()));
    Ok(())
}

fn make_dir(dir: &Path, force: bool) -> anyhow::Result<()> {
    let used = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if used && !force {
        bail!("directory '{}' is not empty; use --force to re-use it", dir.display());
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot create '{}'", dir.display()))
}

/// The file holds the password: nobody else may read it, from the first byte on.
fn write_tac(dir: &Path, text: &str, say: &impl Fn(String)) -> anyhow::Result<()> {
    let mut path = dir.join("buildbot.tac");
    if let Ok(old) = fs::read_to_string(&path) {
        if old == text {
            say("buildbot.tac already exists and is correct".to_owned());
            return Ok(());
        }
        path = dir.join("buildbot.tac.new");
        say("not touching existing buildbot.tac; creating buildbot.tac.new instead".to_owned());
    }
    let write = || {
        let mut file =
            File::options().create(true).write(true).truncate(true).mode(0o600).open(&path)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())
    };
    write().with_context(|| format!("cannot write '{}'", path.display()))
}

fn tac(options: &CreateOptions, dir: &Path) -> String {
    let none_or = |value: Option<u32>| value.map_or("None".to_owned(), |n| n.to_string());
    let basedir = if options.relocatable { ".".into() } else { dir.to_string_lossy() };
    let logging = match options.no_logrotate {
        true => String::new(),
        false => LOG_SETUP.to_owned(),
    };
    let settings = [
        ("buildmaster_host", quote(&options.master.host)),
        ("port", options.master.port.to_string()),
        ("connection_string", "None".to_owned()),
        ("workername", quote(&options.name)),
        ("passwd", quote(&options.passwd)),
        ("keepalive", options.keepalive.to_string()),
        ("umask", options.umask.map_or("None".to_owned(), |mask| format!("0o{mask:o}"))),
        ("maxdelay", options.maxdelay.to_string()),
        ("numcpus", none_or(options.numcpus)),
        ("allow_shutdown", options.allow_shutdown.as_deref().map_or("None".to_owned(), quote)),
        ("maxretries", none_or(options.maxretries)),
        ("use_tls", "0".to_owned()),
        ("delete_leftover_dirs", u8::from(options.delete_leftover_dirs).to_string()),
        ("proxy_connection_string", "None".to_owned()),
        ("protocol", quote(&options.protocol)),
    ];
    let settings: String =
        settings.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
    let size = if options.no_logrotate { 0 } else { options.log_size };
    let count = none_or(options.log_count.0);
    format!(
        "# The settings of a Buildbot worker: plain Python, started by stock buildbot-worker as well.\n\
         import os\n\nfrom buildbot_worker.bot import Worker\n\
         from twisted.application import service\n\n\
         basedir = {}\nrotateLength = {size}\nmaxRotatedFiles = {count}\n\n\
         if basedir == '.':\n    basedir = os.path.abspath(os.path.dirname(__file__))\n\n\
         # A worker directory is recognised by this line.\n\
         application = service.Application('buildbot-worker')\n{logging}\n{settings}\n{START}",
        quote(&basedir)
    )
}

const LOG_SETUP: &str = "
from twisted.python.log import FileLogObserver, ILogObserver
from twisted.python.logfile import LogFile

logfile = LogFile.fromFullPath(
    os.path.join(basedir, 'twistd.log'),
    rotateLength=rotateLength,
    maxRotatedFiles=maxRotatedFiles,
)
application.setComponent(ILogObserver, FileLogObserver(logfile).emit)
";

const START: &str = "worker = Worker(
    buildmaster_host,
    port,
    workername,
    passwd,
    basedir,
    keepalive,
    umask=umask,
    maxdelay=maxdelay,
    numcpus=numcpus,
    allow_shutdown=allow_shutdown,
    maxRetries=maxretries,
    protocol=protocol,
    useTls=use_tls,
    delete_leftover_dirs=delete_leftover_dirs,
    connection_string=connection_string,
    proxy_connection_string=proxy_connection_string,
)
worker.setServiceParent(application)
";

fn protocol(text: &str) -> Result<String, String> {
    match text {
        PROTOCOL => Ok(text.to_owned()),
        "pb" => Err(format!(
            "this worker does not speak Perspective Broker; use --protocol={PROTOCOL} and the port \
             of the master's c['protocols']['{PROTOCOL}']"
        )),
        _ => Err(format!("unknown protocol; use {PROTOCOL}")),
    }
}

fn umask(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0o") {
        Some(digits) => u32::from_str_radix(digits, 8),
        None if text.starts_with('0') => u32::from_str_radix(text, 8),
        None => text.parse(),
    };
    parsed.ok().filter(|mask| *mask <= 0o777).ok_or_else(|| "not a umask such as 0o22".to_owned())
}

fn log_count(text: &str) -> Result<LogCount, String> {
    match text {
        "None" => Ok(LogCount(None)),
        _ => text.parse().map(|n| LogCount(Some(n))).map_err(|_| "not a number or None".to_owned()),
    }
}

fn name(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains(':') {
        true => Err("a worker name must not be empty or contain a colon".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// `host`, `host:port`, `[v6]:port` or a bare IPv6 address.
fn master(text: &str) -> Result<Master, String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, _)) if host.contains(':') && !host.ends_with(']') => (text, None),
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port =
        port.map_or(Ok(9989), str::parse).map_err(|_| "the port is not a number up to 65535")?;
    match host.is_empty() {
        true => Err("the host is missing".to_owned()),
        false => Ok(Master { host: host.to_owned(), port }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::time::Duration;

    fn options(dir: &Path) -> CreateOptions {
        CreateOptions {
            force: false,
            relocatable: true,
            no_logrotate: false,
            keepalive: 30,
            umask: Some(0o27),
            maxdelay: 60,
            maxretries: Some(3),
            numcpus: Some(5),
            log_size: 1000,
            log_count: LogCount(None),
            allow_shutdown: None,
            protocol: PROTOCOL.to_owned(),
            delete_leftover_dirs: true,
            quiet: true,
            basedir: dir.to_owned(),
            master: Master { host: "::1".into(), port: 1234 },
            name: "w".into(),
            passwd: "it's \\ secret".into(),
        }
    }

    #[test]
    fn what_is_created_is_read_back() {
        let parent = tempfile::tempdir().expect("temporary directory");
        let dir = parent.path().join("w");
        create(&options(&dir)).expect("created");
        let mode = fs::metadata(dir.join("buildbot.tac")).expect("tac").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (config, process) = Config::load(&dir).expect("loaded");
        assert_eq!((config.host.as_str(), config.port), ("::1", 1234));
        assert_eq!((config.name.as_str(), config.password.as_str()), ("w", "it's \\ secret"));
        assert_eq!((config.max_retries, config.numcpus), (Some(3), Some(5)));
        assert_eq!(config.keepalive, Duration::from_secs(30));
        assert_eq!(config.max_delay, Duration::from_secs(60));
        assert!(config.delete_leftover_dirs);
        assert_eq!(config.basedir, dir);
        assert_eq!(
            (process.umask, process.log_size, process.log_count),
            (Some(0o27), Some(1000), None)
        );
        assert!(!format!("{config:?}").contains("secret"));
    }

    #[test]
    fn an_existing_directory_is_kept() {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::create_dir(dir.path().join("info")).expect("info");
        fs::write(dir.path().join("info/admin"), "me\n").expect("admin");
        fs::write(dir.path().join("buildbot.tac"), "mine\n").expect("tac");
        let mut options = options(dir.path());
        assert!(create(&options).is_err(), "not empty");
        options.force = true;
        create(&options).expect("forced");
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).expect("text");
        assert_eq!((read("info/admin"), read("buildbot.tac")), ("me\n".into(), "mine\n".into()));
        assert!(read("buildbot.tac.new").contains("Application('buildbot-worker')"));
    }

    #[test]
    fn master_addresses() {
        let parsed = |text: &str| master(text).map(|master| (master.host, master.port));
        assert_eq!(parsed("h"), Ok(("h".into(), 9989)));
        assert_eq!(parsed("h:1"), Ok(("h".into(), 1)));
        assert_eq!(parsed("[::1]:7"), Ok(("::1".into(), 7)));
        assert_eq!(parsed("::1"), Ok(("::1".into(), 9989)));
        assert_eq!(parsed("[::1]"), Ok(("::1".into(), 9989)));
        assert!(parsed("h:x").is_err() && parsed(":5").is_err() && parsed("h:99999").is_err());
    }

    #[test]
    fn other_protocols_are_refused_with_the_mend() {
        assert!(protocol("pb").is_err_and(|text| text.contains(PROTOCOL)));
        assert!(protocol(PROTOCOL).is_ok());
    }
}
