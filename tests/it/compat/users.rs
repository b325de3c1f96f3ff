//! `buildbot user`: the calls of stock's client and ours, to stock's master and ours.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use buildbot::db::{Db, changes};
use buildbot::model::NewChange;

use super::stock;
use crate::programs::{Site, free_port};

const OURS: &str = env!("CARGO_BIN_EXE_buildbot");

const CONFIG: &str = r#"
buildbotURL = "http://localhost:WWW/"
[protocols]
pb = { port = "tcp:PORT:interface=127.0.0.1" }
[www]
port = "tcp:WWW:interface=127.0.0.1"
[[workers]]
name = "w1"
password = "sesame"
[[user_managers]]
username = "uadmin"
passwd = "upw"
port = "tcp:USERS:interface=127.0.0.1"
[[schedulers]]
type = "ForceScheduler"
name = "force"
builderNames = ["b"]
[[builders]]
name = "b"
workernames = ["w1"]
steps = [{ type = "ShellCommand", command = "true" }]
"#;

/// The same in stock's words.
const STOCK_CONFIG: &str = r#"
from buildbot.plugins import schedulers, steps, util, worker
from buildbot.process.users.manual import CommandlineUserManager
c = BuildmasterConfig = {
    "buildbotNetUsageData": None,
    "buildbotURL": "http://localhost:WWW/",
    "db": {"db_url": "sqlite:///state.sqlite"},
    "protocols": {"pb": {"port": "tcp:PORT:interface=127.0.0.1"}},
    "www": {"port": "tcp:WWW:interface=127.0.0.1"},
    "workers": [worker.Worker("w1", "sesame")],
    "user_managers": [CommandlineUserManager(username="uadmin", passwd="upw", port="tcp:USERS:interface=127.0.0.1")],
    "schedulers": [schedulers.ForceScheduler(name="force", builderNames=["b"])],
    "builders": [util.BuilderConfig(name="b", workernames=["w1"], factory=util.BuildFactory(
        [steps.ShellCommand(command=["true"])]))],
}
"#;

/// Stock's own client dies before it has said anything, as its program hands it text where bytes
/// are expected. This hands it bytes.
const STOCK_CLIENT: &str = r#"
import json, sys
from twisted.internet import reactor
from buildbot.clients.usersclient import UsersClient
def send():
    port, arguments = int(sys.argv[1]), json.loads(sys.argv[2])
    sending = UsersClient("127.0.0.1", b"uadmin", b"upw", port).send(*arguments)
    sending.addBoth(lambda told: print(told, end=""))
    sending.addBoth(lambda _: reactor.stop())
reactor.callWhenRunning(send)
reactor.run()
"#;

#[tokio::test]
async fn our_master_serves_users_to_stocks_client_and_ours() {
    let Some(stock) = stock("python") else { return };
    let mut site = Site::new("");
    let users = free_port();
    site.configure(&CONFIG.replace("USERS", &users.to_string()));
    site.start_master().await;
    let ours = serves(&site, users, &stock);

    let mut site = Site::new("");
    let users = free_port();
    std::fs::remove_file(site.master_dir().join("state.sqlite")).expect("our database");
    start_stock(&mut site, users).await;
    assert_eq!(serves(&site, users, &stock), ours);
}

/// Makes a directory of ours one of stock's, and starts stock's master in it.
async fn start_stock(site: &mut Site, users: u16) {
    let dir = site.master_dir();
    let config = STOCK_CONFIG
        .replace("WWW", &site.www.to_string())
        .replace("PORT", &site.port.to_string())
        .replace("USERS", &users.to_string());
    std::fs::write(dir.join("master.cfg"), config).expect("a file");
    std::fs::remove_file(dir.join("buildbot.tac")).expect("a file of ours");
    let program = stock("buildbot").expect("stock's programs");
    let created = Command::new(&program).args(["create-master", "-q", "-r"]).arg(&dir).status();
    assert!(created.expect("stock runs").success());
    site.start_instead(Command::new(&program).args(["start", "--nodaemon"]).arg(&dir)).await;
}

/// A user of ours with several identities is found by each of them by a stock master.
#[tokio::test]
async fn a_stock_master_finds_our_users() {
    let Some(python) = stock("python") else { return };
    let mut site = Site::new("");
    let path = site.master_dir().join("state.sqlite");
    let db = Db::open(path.to_str().expect("a path")).expect("our database");
    db.write(|conn| {
        for (src, author) in [("git", "Anna <anna@x.org>"), ("hg", "Anna Berg <anna@x.org>")] {
            let src = Some(src.into());
            changes::add(
                conn,
                &NewChange { author: author.into(), src, ..NewChange::default() },
                0,
            )?;
        }
        Ok(())
    })
    .await
    .expect("stored");
    db.checkpoint().await.expect("the file is whole");
    drop(db);
    let users = free_port();
    start_stock(&mut site, users).await;
    for identity in [
        r#""git": "Anna <anna@x.org>""#,
        r#""hg": "Anna Berg <anna@x.org>""#,
        r#""email": "anna@x.org""#,
    ] {
        let add = format!(r#"["add", null, null, null, [{{"identifier": "new", {identity}}}]]"#);
        let told = by_stock(&site, users, &python, &add);
        assert!(told.contains("uid: 1\n"), "{identity}: {told}");
    }
    let get = r#"["get", null, null, ["Anna <anna@x.org>"], null]"#;
    let told = by_stock(&site, users, &python, get);
    for known in ["uid: 1\n", "git: Anna <anna@x.org>\n", "email: anna@x.org\n", "hg: Anna Berg"] {
        assert!(told.contains(known), "{told}");
    }
}

fn by_stock(site: &Site, port: u16, python: &Path, arguments: &str) -> String {
    let output = Command::new(python)
        .args(["-c", STOCK_CLIENT, &port.to_string(), arguments])
        .env("HOME", site.dir())
        .output();
    said(&output.expect("the client runs"))
}

/// What a master answers to both clients.
fn serves(site: &Site, port: u16, python: &Path) -> Vec<String> {
    let by_stock = |arguments: &str| by_stock(site, port, python, arguments);
    let by_ours = |options: &[&str]| {
        let output = ours(site, port, "upw", options);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        said(&output)
    };
    let joe = r#""Joe <joe@example.org>""#;
    let told = vec![
        by_stock(&format!(
            r#"["add", null, null, null, [{{"email": "joe@example.org", "git": {joe}, "identifier": {joe}}}]]"#
        )),
        // Stock's master shows those that it has shown before as they were then.
        by_stock(r#"["get", null, null, ["nobody"], null]"#),
        by_stock(&format!(
            r#"["update", null, null, null, [{{"identifier": {joe}, "svn": "joe"}}]]"#
        )),
        by_stock(&format!(
            r#"["update", "joe", "5af3c8e2deadbeef", null, [{{"identifier": {joe}}}]]"#
        )),
        by_ours(&["--op=get", "--ids=Joe <joe@example.org>,nobody"]),
        by_ours(&["--op=add", "--info=git=Ann <a@x.org>,email=a@x.org"]),
        by_ours(&[
            "--op=update",
            "--info=Ann <a@x.org>:hg=ann",
            "--bb_username=ann",
            "--bb_password=pw",
        ]),
        by_ours(&["--op=get", "--ids=Ann <a@x.org>"]),
        by_ours(&["--op=remove", "--ids=Ann <a@x.org>,nobody"]),
        by_stock(r#"["get", null, null, ["Ann <a@x.org>"], null]"#),
    ];
    assert!(
        told[0].starts_with("user(s) added:\nidentifier: Joe <joe@example.org>\nuid: "),
        "{told:?}"
    );
    assert_eq!(told[1], "user(s) found:\nno match found\n");
    assert!(told[4].contains("bb_username: joe\n"), "{told:?}");
    assert!(told.iter().all(|text| !text.contains("5af3c8e2")), "no password is shown: {told:?}");
    let refused = ours(site, port, "wrong", &["--op=get", "--ids=x"]);
    assert_eq!(refused.status.code(), Some(1));
    told.into_iter().map(|text| text.trim_end().to_owned()).collect()
}

fn ours(site: &Site, port: u16, password: &str, options: &[&str]) -> Output {
    let mut command = Command::new(PathBuf::from(OURS));
    command.args(["user", "-m", &format!("127.0.0.1:{port}"), "-u", "uadmin", "-p", password]);
    command.args(options).current_dir(site.dir()).env("HOME", site.dir());
    command.output().expect("the client runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
