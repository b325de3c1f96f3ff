//! Against a real stock master. Needs `STOCK_BUILDBOT`, the directory of its programs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use buildbot_worker::{Config, Protocol};
use tokio::process::Command as AsyncCommand;

use crate::support::soon;

const MASTER_CFG: &str = r#"
from buildbot.plugins import schedulers, steps, util, worker
c = BuildmasterConfig = {}
c['buildbotNetUsageData'] = None
c['workers'] = [worker.Worker('w', 'pw')]
c['protocols'] = {'PROTOCOL': {'port': 'PORT' if 'PROTOCOL' != 'pb' else 'tcp:PORT:interface=127.0.0.1'}}
c['title'] = 't'
c['buildbotURL'] = 'http://localhost/'
c['db'] = {'db_url': 'sqlite:///state.sqlite'}
f = util.BuildFactory()
f.addStep(steps.MakeDirectory(dir='build/sub', name='make'))
f.addStep(steps.ShellCommand(command=['sh', '-c', 'echo out-$GREETING; echo err >&2; echo logged > x.log'],
    env={'GREETING': 'hello'}, logfiles={'x': 'x.log'}, name='first'))
f.addStep(steps.ShellCommand(command='exit 3', flunkOnFailure=False, name='second'))
f.addStep(steps.FileExists(file='build/x.log', name='exists'))
f.addStep(steps.FileUpload(workersrc='x.log', masterdest='up/x.log', keepstamp=True, name='upload'))
for compress in (None, 'gz', 'bz2'):
    f.addStep(steps.DirectoryUpload(workersrc='.', masterdest='up/%s' % compress, compress=compress,
        name='directory-%s' % compress))
f.addStep(steps.FileDownload(mastersrc='master.cfg', workerdest='down.cfg', mode=0o640, name='download'))
f.addStep(steps.CopyDirectory(src='build', dest='copy', name='copy'))
f.addStep(steps.RemoveDirectory(dir='copy', name='remove'))
f.addStep(steps.ShellCommand(command=['sh', '-c', 'seq 20000'], name='long'))
c['builders'] = [util.BuilderConfig(name='b', workernames=['w'], factory=f)]
c['schedulers'] = [schedulers.Triggerable(name='t', builderNames=['b']),
    schedulers.AnyBranchScheduler(name='s', builderNames=['b'], treeStableTimer=0)]
c['change_source'] = []
"#;

/// A change for the scheduler, and the verdict when the build is over.
const PROBE: &str = r#"
from twisted.internet import defer
from buildbot.data import resultspec
from buildbot import util as butil
import json

from buildbot.util.service import BuildbotService
class Probe(BuildbotService):
    name = 'probe'
    @defer.inlineCallbacks
    def startService(self):
        yield super().startService()
        yield self.master.mq.startConsuming(self.attached, ('workers', None, 'connected'))
        yield self.master.mq.startConsuming(self.finished, ('builds', None, 'finished'))
    def attached(self, key, msg):
        return self.master.data.updates.addChange(files=['f'], comments='c', author='a', revision='1')
    @defer.inlineCallbacks
    def finished(self, key, msg):
        out = {'results': msg['results'], 'steps': {}}
        for step in (yield self.master.data.get(('builds', msg['buildid'], 'steps'))):
            logs = {}
            for log in (yield self.master.data.get(('steps', step['stepid'], 'logs'))):
                chunk = yield self.master.data.get(('logs', log['logid'], 'contents'))
                logs[log['slug']] = chunk['content']
            out['steps'][step['name']] = {'results': step['results'], 'logs': logs}
        import os
        with open('verdict.tmp', 'w') as f:
            json.dump(out, f)
        os.rename('verdict.tmp', 'verdict.json')
c['services'] = [Probe()]
"#;

/// A program of the stock release, if there is one here.
pub fn stock(program: &str) -> Option<PathBuf> {
    let dir = std::env::var_os("STOCK_BUILDBOT");
    if dir.is_none() {
        println!("skipped: STOCK_BUILDBOT does not name the directory of a stock buildbot");
    }
    dir.map(|dir| Path::new(&dir).join(program))
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

#[tokio::test]
async fn a_build_of_a_stock_master_over_messagepack() {
    a_build_over(Protocol::Msgpack).await;
}

#[tokio::test]
async fn a_build_of_a_stock_master_over_perspective_broker() {
    a_build_over(Protocol::Pb).await;
}

async fn a_build_over(protocol: Protocol) {
    let Some(buildbot) = stock("buildbot") else { return };
    let dir = tempfile::tempdir().expect("temporary directory");
    let master = dir.path().join("m");
    let created = Command::new(&buildbot).arg("create-master").arg(&master).output().expect("ran");
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    let port = free_port();
    let config = MASTER_CFG.replace("PORT", &port.to_string()).replace("PROTOCOL", protocol.name());
    let config = config + PROBE;
    std::fs::write(master.join("master.cfg"), config).expect("written");
    let mut process = AsyncCommand::new(&buildbot)
        .args(["start", "--nodaemon"])
        .arg(&master)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("started");
    let basedir = dir.path().join("w");
    std::fs::create_dir_all(basedir.join("info")).expect("info");
    let mut config = Config::new(basedir, "127.0.0.1", port, "w", "pw");
    config.protocol = protocol;
    config.first_delay = Duration::from_millis(50);
    config.max_delay = Duration::from_millis(200);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async {
        let _ = stopped.await;
    };
    let worker = tokio::spawn(buildbot_worker::run(config, shutdown));
    let file = master.join("verdict.json");
    let verdict = soon(async {
        loop {
            match std::fs::read_to_string(&file) {
                Ok(text) => return text,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    })
    .await;
    stop.send(()).expect("running");
    soon(worker).await.expect("no panic").expect("a good end");
    process.kill().await.expect("ended");
    check(&verdict);
    for name in ["x.log", "None/x.log", "gz/x.log", "bz2/x.log"] {
        let uploaded = std::fs::read_to_string(master.join("up").join(name));
        assert_eq!(uploaded.expect(name), "logged\n");
    }
}

fn check(verdict: &str) {
    let verdict: serde_json::Value = serde_json::from_str(verdict).expect("json");
    assert_eq!(verdict["results"], 0, "{verdict}");
    let steps = &verdict["steps"];
    let stdio = |step: &str| steps[step]["logs"]["stdio"].as_str().unwrap_or("").to_owned();
    let first = stdio("first");
    assert!(first.contains("\noout-hello\n") && first.contains("\neerr\n"), "{first}");
    assert!(first.contains("hsh -c 'echo out-$GREETING; echo err >&2; echo logged > x.log'\n"));
    assert_eq!(steps["first"]["logs"]["x"], "ologged\n");
    assert!(stdio("second").contains("program finished with exit code 3"), "{verdict}");
    let transfers = ["upload", "directory-None", "directory-gz", "directory-bz2", "download"];
    for step in ["make", "exists", "copy", "remove", "long"].into_iter().chain(transfers) {
        assert_eq!(steps[step]["results"], 0, "{step}: {verdict}");
    }
    let long = stdio("long");
    let numbers = (1..=20000).all(|n| long.contains(&format!("\no{n}\n")));
    assert!(numbers, "every line arrived");
}
