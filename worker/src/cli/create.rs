//! `create-worker`: a directory with `buildbot.tac` and `info/`.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail};

use super::options::CreateOptions;
use crate::config::Protocol;
use crate::info::{SAMPLE_ADMIN, SAMPLE_HOST};
use crate::tac::quote;

/// Creates the directory, or adds what an existing one lacks. Nothing that exists is changed.
pub(super) fn create(options: &CreateOptions) -> anyhow::Result<()> {
    let dir = std::path::absolute(&options.basedir)?;
    if options.protocol == Protocol::Msgpack && options.name.contains(':') {
        bail!("a worker name must not contain a colon over {}", options.protocol.name());
    }
    fill(options, &dir).with_context(|| format!("failed to configure worker in {}", dir.display()))
}

fn fill(options: &CreateOptions, dir: &Path) -> anyhow::Result<()> {
    let say = |text: String| {
        if !options.quiet {
            println!("{text}");
        }
    };
    match dir.exists() {
        true => say("updating existing installation".to_owned()),
        false => make_dir(dir, &say)?,
    }
    write_tac(dir, &tac(options, dir), &say)?;
    let info = dir.join("info");
    if !info.exists() {
        make_dir(&info, &say)?;
    }
    let mut created = false;
    for (name, text) in [("admin", SAMPLE_ADMIN), ("host", SAMPLE_HOST)] {
        let path = info.join(name);
        if !path.exists() {
            say(format!("Creating info/{name}, you need to edit it appropriately."));
            fs::write(&path, text)
                .with_context(|| format!("could not write {}", path.display()))?;
            created = true;
        }
    }
    if !info.join("access_uri").exists() {
        say("Not creating info/access_uri - add it if you wish".to_owned());
    }
    if created {
        say(format!("Please edit the files in {} appropriately.", info.display()));
    }
    say(format!("worker configured in {}", dir.display()));
    Ok(())
}

fn make_dir(dir: &Path, say: &impl Fn(String)) -> anyhow::Result<()> {
    say(format!("mkdir {}", dir.display()));
    fs::create_dir(dir).with_context(|| format!("error creating directory {}", dir.display()))
}

/// The file holds the password: nobody else may read it, from the first byte on.
fn write_tac(dir: &Path, text: &str, say: &impl Fn(String)) -> anyhow::Result<()> {
    let mut path = dir.join("buildbot.tac");
    if path.exists() {
        let old = fs::read(&path).with_context(|| format!("error reading {}", path.display()))?;
        if old == text.as_bytes() {
            say("buildbot.tac already exists and is correct".to_owned());
            return Ok(());
        }
        path = dir.join("buildbot.tac.new");
        say("not touching existing buildbot.tac\ncreating buildbot.tac.new instead".to_owned());
    }
    let write = || {
        let mut file =
            File::options().create(true).write(true).truncate(true).mode(0o600).open(&path)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())
    };
    write().with_context(|| format!("could not write {}", path.display()))
}

fn tac(options: &CreateOptions, dir: &Path) -> String {
    let basedir = if options.relocatable { ".".into() } else { dir.to_string_lossy() };
    let logging = if options.no_logrotate { "" } else { LOG_SETUP };
    let flag = |flag: bool| u8::from(flag).to_string();
    let none_or = |text: Option<&str>| text.map_or("None".to_owned(), quote);
    let (host, port) = match &options.connection_string {
        None => (quote(&options.master.host), options.master.port.to_string()),
        Some(_) => ("None".to_owned(), "None".to_owned()),
    };
    let settings = [
        ("buildmaster_host", host),
        ("port", port),
        ("connection_string", none_or(options.connection_string.as_deref())),
        ("workername", quote(&options.name)),
        ("passwd", quote(&options.passwd)),
        ("keepalive", options.keepalive.to_string()),
        ("umask", options.umask.to_string()),
        ("maxdelay", options.maxdelay.to_string()),
        ("numcpus", options.numcpus.to_string()),
        ("allow_shutdown", none_or(options.allow_shutdown.map(|how| how.name()))),
        ("maxretries", options.maxretries.to_string()),
        ("use_tls", flag(options.use_tls)),
        ("delete_leftover_dirs", flag(options.delete_leftover_dirs)),
        ("proxy_connection_string", none_or(options.proxy_connection_string.as_deref())),
        ("protocol", quote(options.protocol.name())),
    ];
    let settings: String =
        settings.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
    let (size, count) = (options.log_size, &options.log_count);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AllowShutdown, Config};
    use clap::Parser;
    use std::time::Duration;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: CreateOptions,
    }

    fn options(args: &[&str], dir: &Path) -> CreateOptions {
        let dir = dir.to_str().expect("text");
        let args = ["create-worker", "--quiet"].iter().chain(args).copied();
        let args = args.chain([dir, "[::1]:1234", "w", "it's \\ secret"]);
        Line::try_parse_from(args).expect("sound options").options
    }

    #[test]
    fn what_is_created_is_read_back() {
        let parent = tempfile::tempdir().expect("temporary directory");
        let dir = parent.path().join("w");
        let args = [
            "--relocatable",
            "--keepalive=30",
            "--umask=0o27",
            "--maxdelay=60",
            "--maxretries=3",
            "--numcpus=5",
            "--log-size=1000",
            "--log-count=None",
            "--allow-shutdown=file",
            "--protocol=msgpack_experimental_v7",
            "--delete-leftover-dirs",
            "--use-tls",
            "--proxy-connection-string=tcp:proxy:3128",
        ];
        create(&options(&args, &dir)).expect("created");
        let mode = fs::metadata(dir.join("buildbot.tac")).expect("tac").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (config, process) = Config::load(&dir).expect("loaded");
        assert_eq!(config.master.authority(), "[::1]:1234");
        assert!(config.master.tls.is_some());
        assert_eq!(config.proxy.as_ref().map(|proxy| proxy.authority()), Some("proxy:3128".into()));
        assert_eq!((config.name.as_str(), config.password.as_str()), ("w", "it's \\ secret"));
        assert_eq!((config.max_retries, config.numcpus), (Some(3), Some(5)));
        assert_eq!(config.keepalive, Duration::from_secs(30));
        assert_eq!(config.max_delay, Duration::from_secs(60));
        assert_eq!(config.allow_shutdown, Some(AllowShutdown::File));
        assert_eq!(config.protocol, Protocol::Msgpack);
        assert!(config.delete_leftover_dirs);
        assert_eq!(config.basedir, dir);
        assert_eq!(
            (process.umask, process.log_size, process.log_count),
            (Some(0o27), Some(1000), None)
        );
        assert!(!format!("{config:?}").contains("secret"));
    }

    #[test]
    fn the_defaults_are_those_of_stock() {
        let parent = tempfile::tempdir().expect("temporary directory");
        let dir = parent.path().join("w");
        create(&options(&[], &dir)).expect("created");
        let (config, process) = Config::load(&dir).expect("loaded");
        assert_eq!((config.protocol, config.allow_shutdown), (Protocol::Pb, None));
        assert_eq!((config.max_retries, config.numcpus), (None, None));
        assert_eq!(
            (process.umask, process.log_size, process.log_count),
            (None, Some(10_000_000), Some(10))
        );
    }

    #[test]
    fn without_rotation_the_log_only_grows() {
        let parent = tempfile::tempdir().expect("temporary directory");
        let dir = parent.path().join("w");
        let args = ["--no-logrotate", "--connection-string=tls:m:1:trustRoots=ca"];
        create(&options(&args, &dir)).expect("created");
        let (config, process) = Config::load(&dir).expect("loaded");
        assert_eq!(process.log_size, None);
        assert_eq!(config.master.authority(), "m:1");
        assert_eq!(config.master.tls.and_then(|tls| tls.roots), Some(dir.join("ca")));
    }

    #[test]
    fn an_existing_directory_is_kept() {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::create_dir(dir.path().join("info")).expect("info");
        fs::write(dir.path().join("info/admin"), "me\n").expect("admin");
        fs::write(dir.path().join("buildbot.tac"), "mine\n").expect("tac");
        create(&options(&[], dir.path())).expect("updated");
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).expect("text");
        assert_eq!((read("info/admin"), read("buildbot.tac")), ("me\n".into(), "mine\n".into()));
        assert!(read("buildbot.tac.new").contains("Application('buildbot-worker')"));
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let missing = Path::new("/nonexistent/below/w");
        let error = create(&options(&[], missing)).expect_err("no parent");
        let error = format!("{error:#}");
        assert!(error.contains("failed to configure worker in /nonexistent/below/w"), "{error}");
        assert!(error.contains("error creating directory"), "{error}");
    }
}
