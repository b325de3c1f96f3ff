//! Directories that other releases made: their `buildbot.tac` is read and just works.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use buildbot_worker::config::{AllowShutdown, ProcessSettings};
use buildbot_worker::{Config, Protocol};

use crate::stock::stock;

fn load(text: &str) -> Result<(Config, ProcessSettings), String> {
    let dir = tempfile::tempdir().expect("temporary directory");
    std::fs::write(dir.path().join("buildbot.tac"), text).expect("written");
    Config::load(dir.path()).map_err(|error| error.to_string())
}

/// The layout of every buildslave from 0.7 to 0.8, settings replaced.
const SLAVE: &str = r#"
import os
from IMPORT import BuildSlave
from twisted.application import service

basedir = r'/srv/slave'
rotateLength = 1000000
maxRotatedFiles = None

if basedir == '.':
    import os.path
    basedir = os.path.abspath(os.path.dirname(__file__))

application = service.Application('buildslave')

try:
  from twisted.python.logfile import LogFile
  from twisted.python.log import ILogObserver, FileLogObserver
  logfile = LogFile.fromFullPath(os.path.join(basedir, "twistd.log"), rotateLength=rotateLength,
                                 maxRotatedFiles=maxRotatedFiles)
  application.setComponent(ILogObserver, FileLogObserver(logfile).emit)
except ImportError:
  # an old Twisted
  pass

buildmaster_host = 'master.example'
port = 9989
slavename = 'bot1'
passwd = 'it\'s # secret'
keepalive = 300
usepty = 1
umask = 022
maxdelay = 120
allow_shutdown = 'file'

CALL
s.setServiceParent(application)
"#;

#[test]
fn an_old_buildslave() {
    let calls = [
        "s = BuildSlave(buildmaster_host, port, slavename, passwd, basedir,\n               keepalive, usepty, umask=umask, maxdelay=maxdelay,\n               allow_shutdown=allow_shutdown)",
        "s = BuildSlave(buildmaster_host, port, slavename, passwd, basedir, keepalive, usepty,\n               None, umask, maxdelay, None, None, allow_shutdown)",
    ];
    for (module, call) in ["buildslave.bot", "buildbot.slave.bot"].into_iter().zip(calls) {
        let text = SLAVE.replace("IMPORT", module).replace("CALL", call);
        let (config, process) = load(&text).expect("readable");
        assert_eq!(config.protocol, Protocol::Pb);
        assert_eq!(config.master.authority(), "master.example:9989");
        assert_eq!((config.name.as_str(), config.password.as_str()), ("bot1", "it's # secret"));
        assert_eq!(config.basedir, PathBuf::from("/srv/slave"));
        assert_eq!(config.keepalive, Duration::from_secs(300));
        assert_eq!(config.max_delay, Duration::from_secs(120));
        assert_eq!(config.allow_shutdown, Some(AllowShutdown::File));
        assert_eq!(
            (process.umask, process.log_size, process.log_count),
            (Some(0o22), Some(1_000_000), None)
        );
    }
}

/// The layout of buildbot-worker 0.9 to 3.x.
const WORKER: &str = r#"
import os
from buildbot_worker.bot import Worker
from twisted.application import service
basedir = '.'
rotateLength = 10000000
maxRotatedFiles = 10
if basedir == '.':
    import os.path
    basedir = os.path.abspath(os.path.dirname(__file__))
application = service.Application('buildbot-worker')
buildmaster_host = 'localhost'
port = 9989
workername = 'w'
passwd = 'p'
keepalive = 600
umask = None
maxdelay = 300
numcpus = None
allow_shutdown = None
maxretries = 10
s = Worker(buildmaster_host, port, workername, passwd, basedir,
           keepalive, umask=umask, maxdelay=maxdelay,
           numcpus=numcpus, allow_shutdown=allow_shutdown, maxRetries=maxretries)
s.setServiceParent(application)
"#;

#[test]
fn an_older_worker() {
    let dir = tempfile::tempdir().expect("temporary directory");
    std::fs::write(dir.path().join("buildbot.tac"), WORKER).expect("written");
    let (config, process) = Config::load(dir.path()).expect("readable");
    assert_eq!(config.basedir, dir.path());
    assert_eq!((config.protocol, config.max_retries), (Protocol::Pb, Some(10)));
    assert_eq!(process.log_size, None, "a file that sets up no log file does not rotate it");
}

#[test]
fn settings_that_only_python_knows_are_named_with_their_line() {
    for (from, to, wanted) in [
        ("passwd = 'p'", "passwd = open('pw').read().strip()", "line 15: passwd is computed there"),
        ("port = 9989", "port = int(os.environ['PORT'])", "line 13: port is computed there"),
        ("maxRetries=maxretries", "**more", "line 24: connection_string is computed there"),
        ("port = 9989", "port = 'x'", "port is missing or not a port number"),
        (
            "allow_shutdown = None",
            "allow_shutdown = 'maybe'",
            "allow_shutdown is 'maybe', but must be",
        ),
        ("umask=umask", "protocol='null'", "protocol is 'null', but must be 'pb' or"),
        ("umask=umask", "connection_string='unix:x'", "connection_string: unknown kind 'unix'"),
        ("workername = 'w'", "workername = None", "name is missing or not a string"),
        ("'buildbot-worker'", "'other'", "is not the file of a worker"),
        ("= Worker(", "= make_worker(", "makes no Worker(…)"),
    ] {
        assert!(WORKER.contains(from), "{from}");
        let error = load(&WORKER.replace(from, to)).expect_err(to);
        assert!(error.contains(wanted), "{to}: {error}");
    }
}

/// Runs the stock `create-worker`.
fn create(program: &Path, dir: &Path, options: &[&str]) {
    let output = Command::new(program)
        .arg("create-worker")
        .args(options)
        .arg(dir)
        .args(["[::1]:1234", "w:1", "it's \\ \u{fc} secret"])
        .output()
        .expect("ran");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn every_option_of_the_stock_create_worker() {
    let Some(program) = stock("buildbot-worker") else { return };
    let parent = tempfile::tempdir().expect("temporary directory");
    let made = |name: &str, options: &[&str]| {
        let dir = parent.path().join(name);
        create(&program, &dir, options);
        Config::load(&dir).unwrap_or_else(|error| panic!("{options:?}: {error}"))
    };
    let (config, process) = made("plain", &[]);
    assert_eq!((config.master.authority().as_str(), config.protocol), ("[::1]:1234", Protocol::Pb));
    assert_eq!((config.name.as_str(), config.password.as_str()), ("w:1", "it's \\ \u{fc} secret"));
    assert_eq!((config.keepalive.as_secs(), config.max_delay.as_secs()), (600, 300));
    assert_eq!((config.numcpus, config.max_retries, config.allow_shutdown), (None, None, None));
    assert!(config.master.tls.is_none() && config.proxy.is_none() && !config.delete_leftover_dirs);
    assert_eq!(config.basedir, parent.path().join("plain"));
    assert_eq!(
        (process.umask, process.log_size, process.log_count),
        (None, Some(10_000_000), Some(10))
    );

    let (config, process) = made(
        "full",
        &[
            "--keepalive=7",
            "--umask=0o27",
            "--maxdelay=8",
            "--maxretries=9",
            "--numcpus=10",
            "--log-size=11",
            "--log-count=None",
            "--allow-shutdown=signal",
            "--use-tls",
            "--protocol=msgpack_experimental_v7",
            "--delete-leftover-dirs",
            "--quiet",
            "--force",
            "--proxy-connection-string=tcp:host=proxy:port=3128",
        ],
    );
    assert_eq!((config.keepalive.as_secs(), config.max_delay.as_secs()), (7, 8));
    assert_eq!((config.max_retries, config.numcpus), (Some(9), Some(10)));
    assert_eq!(config.allow_shutdown, Some(AllowShutdown::Signal));
    assert_eq!(config.protocol, Protocol::Msgpack);
    assert!(config.master.tls.is_some() && config.delete_leftover_dirs);
    assert_eq!(config.proxy.map(|proxy| proxy.authority()), Some("proxy:3128".into()));
    assert_eq!((process.umask, process.log_size, process.log_count), (Some(0o27), Some(11), None));

    let options = ["--connection-string=tls:m:5", "--no-logrotate", "--allow-shutdown=file"];
    let (config, process) = made("string", &options);
    assert_eq!(config.master.authority(), "m:5");
    assert!(config.master.tls.is_some());
    assert_eq!((config.allow_shutdown, process.log_size), (Some(AllowShutdown::File), None));
}

#[test]
fn a_relocatable_directory_of_stock() {
    let Some(program) = stock("buildbot-worker") else { return };
    let dir = tempfile::tempdir().expect("temporary directory");
    // It makes a relocatable directory where it runs.
    let output = Command::new(&program)
        .current_dir(dir.path())
        .args(["create-worker", "--relocatable", ".", "h", "w", "p"])
        .output();
    assert!(output.expect("ran").status.success());
    let (config, _) = Config::load(dir.path()).expect("readable");
    assert_eq!(config.basedir, dir.path());
}
