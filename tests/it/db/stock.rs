//! The real thing: stock Buildbot 4.3 opens a database of ours, shows our build, builds on top of
//! it, and hands the file back.
//!
//! Runs when `STOCK_BUILDBOT` names the directory that holds stock's `buildbot` program.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use buildbot::db::{
    Db, buildrequests, builds, buildsets, changes, compress, logs, masters, properties, steps,
    test_results,
};
use buildbot::model::*;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{NOW, basics, buildset, file};

/// How long stock may take for anything; it starts in about three seconds.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(100);

const TAC: &str = "
import os
from twisted.application import service
from twisted.python.log import FileLogObserver, ILogObserver
from twisted.python.logfile import LogFile
from buildbot.master import BuildMaster
basedir = os.path.abspath(os.path.dirname(__file__))
application = service.Application('buildmaster')
log = LogFile.fromFullPath(os.path.join(basedir, 'twistd.log'))
application.setComponent(ILogObserver, FileLogObserver(log).emit)
BuildMaster(basedir, 'master.cfg').setServiceParent(application)
";

const CONFIG: &str = "
from buildbot.plugins import schedulers, steps, util, worker
c = BuildmasterConfig = {
    'workers': [worker.LocalWorker('w1')],
    'protocols': {'null': {}},
    'builders': [util.BuilderConfig(name='runtests', workernames=['w1'],
        factory=util.BuildFactory([steps.ShellCommand(command=['true'])]))],
    'schedulers': [schedulers.ForceScheduler(name='force', builderNames=['runtests'])],
    'www': {'port': 'tcp:PORT:interface=127.0.0.1'},
    'db': {'db_url': 'sqlite:///state.sqlite'},
    'buildbotNetUsageData': None,
}
";

struct Stock {
    child: Child,
    dir: PathBuf,
    base: String,
    http: reqwest::Client,
}

impl Stock {
    /// Starts stock's master in `dir` and waits until it serves.
    async fn start(program: &Path, dir: &Path) -> Stock {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        std::fs::write(dir.join("buildbot.tac"), TAC).unwrap();
        let config = CONFIG.replace("PORT", &port.to_string());
        std::fs::write(dir.join("master.cfg"), config).unwrap();
        let child = Command::new(program)
            .args(["start", "--nodaemon"])
            .arg(dir)
            .current_dir(dir)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let base = format!("http://127.0.0.1:{port}/api/v2/");
        let mut stock =
            Stock { child, dir: dir.to_owned(), base, http: crate::world::http().build().unwrap() };
        let deadline = Instant::now() + PATIENCE;
        while stock.try_get("masters").await.is_none() {
            stock.check(deadline, "serve");
            tokio::time::sleep(PAUSE).await;
        }
        stock
    }

    fn check(&mut self, deadline: Instant, aim: &str) {
        let ended = self.child.try_wait().unwrap();
        assert!(
            ended.is_none() && Instant::now() < deadline,
            "stock did not {aim} ({ended:?}):\n{}",
            std::fs::read_to_string(self.dir.join("twistd.log")).unwrap_or_default()
        );
    }

    async fn try_get(&self, path: &str) -> Option<Value> {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await.ok()?;
        answer.error_for_status().ok()?.json().await.ok()
    }

    /// The list that the answer carries beside `meta`.
    async fn list(&self, path: &str) -> Vec<Value> {
        let answer = self.try_get(path).await.unwrap_or_else(|| panic!("no answer for {path}"));
        let (_, list) = answer.as_object().unwrap().iter().find(|(key, _)| *key != "meta").unwrap();
        list.as_array().unwrap().clone()
    }

    async fn one(&self, path: &str) -> Value {
        let list = self.list(path).await;
        assert_eq!(list.len(), 1, "{path}: {list:?}");
        list[0].clone()
    }

    /// Forces a build and waits until the builder's build `number` is finished.
    async fn force(&mut self, number: i64) -> Value {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "force", "params": {
            "builderid": 1, "reason": "on top", "owner": "tester"}});
        let url = format!("{}forceschedulers/force", self.base);
        self.http.post(url).json(&call).send().await.unwrap().error_for_status().unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let build = self.list(&format!("builders/1/builds?number={number}")).await.pop();
            if let Some(build) = build.filter(|build| build["complete"] == true) {
                return build;
            }
            self.check(deadline, "finish the forced build");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn stop(mut self) {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::SIGTERM).unwrap();
        tokio::time::timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
    }
}

/// Ids of what [`write_a_build`] wrote.
#[derive(Clone, Copy)]
struct Written {
    change: ChangeId,
    build: BuildId,
    step: StepId,
    logs: [LogId; 3],
}

const STDIO: [&str; 4] = ["hstarting", "oünïcode 日本 😀", "e\u{1b}[31mred\u{1b}[0m", "o"];

/// A whole build as the master writes one.
async fn write_a_build(db: &Db) -> Written {
    let basics = basics(db).await;
    db.write(move |conn| {
        let set = buildset(&[basics.builder]);
        let stamp = &set.sourcestamps[0];
        let change = changes::add(
            conn,
            &NewChange {
                author: "Ann Äuthor <ann@example.org>".into(),
                comments: "sübject\n\nbody".into(),
                files: vec!["a".into(), "b/ç".into()],
                branch: stamp.branch.clone(),
                revision: stamp.revision.clone(),
                repository: stamp.repository.clone(),
                properties: [("size", json!(3), "Change")].into_iter().collect(),
                src: Some("git".into()),
                ..NewChange::default()
            },
            NOW,
        )?;
        let (_, requests) = buildsets::submit(conn, &set, NOW)?;
        let request = requests[0].1;
        buildrequests::claim(conn, basics.master, &[request], NOW + 1)?;
        let new = builds::NewBuild {
            builder: basics.builder,
            request,
            worker: Some(basics.worker),
            master: basics.master,
            state: "created".into(),
        };
        let build = builds::start(conn, new, NOW + 1)?.id;
        let set = [
            (
                "buildername".to_owned(),
                Property { value: json!("runtests"), source: "Builder".into() },
            ),
            (
                "é".to_owned(),
                Property { value: json!({"k": [1, null, "😀"]}), source: "Build".into() },
            ),
        ];
        properties::set_build(conn, build, &set)?;
        let ready = steps::add(conn, build, 0, "worker_preparation", Some(NOW + 1), "pending")?.id;
        steps::finish(conn, ready, Results::Success, "worker w1 ready", false, NOW + 2)?;
        let step = steps::add(conn, build, 1, "make", Some(NOW + 2), "running")?.id;
        steps::set_urls(
            conn,
            step,
            &[StepUrl { name: "dócs".into(), url: "http://x/?a=1&b".into() }],
        )?;
        let about = TestSet {
            description: Some("ünit".into()),
            category: "pass_fail".into(),
            value_unit: "boolean".into(),
        };
        let tests = test_results::add_set(conn, build, step, &about)?;
        let test = |name: &str, value: &str| TestResult {
            name: Some(name.into()),
            path: Some("src/ä.rs".into()),
            line: Some(3),
            duration_ns: Some(4_000_000_000),
            value: value.into(),
        };
        test_results::add(conn, tests, &[test("one", "1"), test("two", "0")])?;
        test_results::add(conn, tests, &[test("one", "1")])?;
        test_results::complete(conn, tests, Some((2, 1)))?;
        let logs = [
            store_log(conn, step, "stdio", LogType::Stdio, &STDIO, "raw")?,
            store_log(conn, step, "text log", LogType::Text, &["short"; 2000], "gz")?,
            store_log(conn, step, "text log", LogType::Html, &["<b>bold</b>"; 300], "bz2")?,
        ];
        steps::finish(conn, step, Results::Warnings, "'make' (warnings)", false, NOW + 9)?;
        builds::add_locks_duration(conn, build, 2)?;
        builds::finish(conn, build, Results::Warnings, "warnings 'make'", NOW + 9)?;
        buildrequests::complete(conn, &[request], Results::Warnings, NOW + 9)?;
        buildsets::complete_finished(conn, NOW + 9)?;
        masters::set_active(conn, basics.master, false, NOW + 10)?;
        Ok(Written { change: change.id, build, step, logs })
    })
    .await
    .unwrap()
}

fn store_log(
    conn: &mut buildbot::db::Conn,
    step: StepId,
    name: &str,
    log_type: LogType,
    lines: &[&str],
    method: &str,
) -> Result<LogId, buildbot::db::DbError> {
    let log = logs::add(conn, step, name, log_type)?.id;
    let mut first_line = 0;
    for part in lines.chunks(700) {
        let (content, compressed) = compress::encode(method, part.join("\n").as_bytes());
        let last_line = first_line + part.len() as i64 - 1;
        let chunk = logs::Chunk { first_line, last_line, content, compressed };
        first_line = last_line + 1;
        logs::store_chunk(conn, log, chunk, first_line)?;
    }
    logs::finish(conn, log, first_line)?;
    Ok(log)
}

/// Checks that `stock` has every member of `ours`.
fn agrees(stock: &Value, ours: &Value) {
    for (key, value) in ours.as_object().unwrap() {
        assert_eq!(&stock[key], value, "{key} of {stock}");
    }
}

async fn compare_tests(stock: &Stock, step: StepId) {
    let set = stock.one(&format!("steps/{step}/test_result_sets")).await;
    let expected = json!({
        "stepid": step, "builderid": 1, "description": "ünit", "category": "pass_fail",
        "value_unit": "boolean", "tests_passed": 2, "tests_failed": 1, "complete": true,
    });
    agrees(&set, &expected);
    let path = format!("test_result_sets/{}/results", set["test_result_setid"]);
    let results = stock.list(&path).await;
    assert_eq!(results.len(), 3);
    let expected = json!({
        "test_name": "two", "test_code_path": "src/ä.rs", "line": 3,
        "duration_ns": 4_000_000_000_i64, "value": "0",
    });
    agrees(&results[1], &expected);
}

async fn compare(stock: &Stock, db: &Db, written: Written) {
    compare_tests(stock, written.step).await;
    let Written { change, build, step, logs: [stdio, text, html] } = written;
    let (row, all, announced) = db
        .read(move |conn| {
            Ok((
                builds::get(conn, build)?,
                steps::of_build(conn, build)?,
                changes::get(conn, change)?,
            ))
        })
        .await
        .unwrap();
    agrees(
        &stock.one(&format!("builds/{build}?property=*")).await,
        &json!({
            "number": row.number, "builderid": row.builder, "buildrequestid": row.request,
            "workerid": row.worker, "started_at": row.started_at, "complete_at": row.complete_at,
            "complete": true, "results": 1, "state_string": "warnings 'make'",
            "locks_duration_s": 2, "properties": {
                "buildername": ["runtests", "Builder"], "é": [{"k": [1, null, "😀"]}, "Build"]},
        }),
    );
    let theirs = stock.list(&format!("builds/{build}/steps")).await;
    assert_eq!(theirs.len(), all.len());
    for (theirs, ours) in theirs.iter().zip(&all) {
        agrees(
            theirs,
            &json!({
                "stepid": ours.id, "number": ours.number, "name": ours.name,
                "state_string": ours.state_string, "results": ours.results,
                "started_at": ours.started_at, "locks_acquired_at": ours.locks_acquired_at,
                "complete_at": ours.complete_at, "urls": ours.urls, "hidden": ours.hidden,
            }),
        );
    }
    let slugs: Vec<Value> = stock
        .list(&format!("steps/{step}/logs"))
        .await
        .iter()
        .map(|log| log["slug"].clone())
        .collect();
    assert_eq!(slugs, ["stdio", "text_log", "text_log_2"]);
    for log in [stdio, text, html] {
        let ours = db.read(move |conn| logs::lines(conn, log, 0, 1 << 20)).await.unwrap();
        let whole = stock.one(&format!("logs/{log}/contents")).await;
        assert_eq!(whole["content"], ours.text, "log {log}");
        let ours = db.read(move |conn| logs::lines(conn, log, 1, 2)).await.unwrap();
        let part = stock.one(&format!("logs/{log}/contents?offset=1&limit=2")).await;
        agrees(&part, &json!({"firstline": ours.first_line, "content": ours.text}));
    }
    agrees(
        &stock.one(&format!("changes/{change}")).await,
        &json!({
            "author": announced.author, "comments": announced.comments, "files": announced.files,
            "revision": "abc", "properties": {"size": [3, "Change"]},
            "when_timestamp": announced.when_timestamp,
        }),
    );
    assert_eq!(stock.one(&format!("builds/{build}/changes")).await["changeid"], json!(change));
    agrees(&stock.one("buildsets/1").await, &json!({"complete": true, "results": 1}));
    agrees(
        &stock.one("buildrequests/1").await,
        &json!({"complete": true, "results": 1, "claimed": true, "priority": 0}),
    );
    let properties = stock.one("buildsets/1/properties").await;
    assert_eq!(properties["naïve"], json!([{"a": [1, null, "😀"]}, "Force Build Form"]));
}

#[tokio::test]
async fn stock_shows_our_build_and_builds_on() {
    let Some(bin) = std::env::var_os("STOCK_BUILDBOT") else {
        println!("skipped: STOCK_BUILDBOT does not name stock Buildbot's bin directory");
        return;
    };
    let dir = TempDir::new().unwrap();
    let written = {
        let db = Db::open(&file(&dir)).unwrap();
        write_a_build(&db).await
    };
    let mut stock = Stock::start(&Path::new(&bin).join("buildbot"), dir.path()).await;
    // Readers beside a running stock master see what it sees.
    let db = Db::open(&file(&dir)).unwrap();
    compare(&stock, &db, written).await;
    let forced = stock.force(2).await;
    assert_eq!(forced["results"], 0, "{forced}");
    stock.stop().await;

    let (ours, theirs, output) = db
        .read(move |conn| {
            let builder = BuilderId(1);
            let theirs = builds::by_number(conn, builder, 2)?;
            let (_, log) = logs::of_build(conn, theirs.id)?.remove(0);
            let output = logs::lines(conn, log.id, 0, 100)?;
            Ok((builds::by_number(conn, builder, 1)?, theirs, output))
        })
        .await
        .unwrap();
    assert_eq!((ours.id, ours.results), (written.build, Some(Results::Warnings)));
    assert_eq!(theirs.results, Some(Results::Success));
    assert!(output.text.starts_with("htrue\n"), "{}", output.text);
    // And back: our master goes on with the next number.
    let basics = basics(&db).await;
    let next = db
        .write(move |conn| {
            let requests = buildsets::submit(conn, &buildset(&[basics.builder]), NOW)?.1;
            let new = builds::NewBuild {
                builder: basics.builder,
                request: requests[0].1,
                worker: None,
                master: basics.master,
                state: "created".into(),
            };
            builds::start(conn, new, NOW)
        })
        .await
        .unwrap();
    assert_eq!((next.builder, next.number), (BuilderId(1), 3));
}
