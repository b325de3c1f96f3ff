//! The commands as a user or a script runs them: messages, exit codes, files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use super::{Site, buildbot, eventually};
use crate::compat::stock;

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn run(arguments: &[&str], dir: &Path) -> Output {
    buildbot(arguments, dir)
}

#[test]
fn create_master_twice_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let first = run(&["create-master", "-r", "m"], dir.path());
    assert!(first.status.success(), "{}", err(&first));
    let master = dir.path().join("m");
    let mode = fs::metadata(master.join("master.toml.sample")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(master.join("state.sqlite").exists());
    let tac = fs::read(master.join("buildbot.tac")).unwrap();

    let again = run(&["create-master", "-r", "-c", "other.toml", "m"], dir.path());
    assert!(again.status.success(), "{}", err(&again));
    assert_eq!(fs::read(master.join("buildbot.tac")).unwrap(), tac);
    let beside = fs::read_to_string(master.join("buildbot.tac.new")).unwrap();
    assert!(beside.contains("configfile = 'other.toml'"), "{beside}");
}

#[test]
fn the_sample_is_a_good_configuration() {
    let dir = tempfile::tempdir().unwrap();
    assert!(run(&["create-master", "-q", "-r", "m"], dir.path()).status.success());
    let master = dir.path().join("m");
    fs::copy(master.join("master.toml.sample"), master.join("master.toml")).unwrap();
    for arguments in [&["checkconfig", "m"][..], &["checkconfig", "m/master.toml"]] {
        let checked = run(arguments, dir.path());
        assert!(checked.status.success(), "{}", err(&checked));
        assert_eq!(out(&checked), "Config file is good!\n");
    }
    assert!(run(&["checkconfig"], &master).status.success());
}

#[test]
fn checkconfig_tells_every_problem_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let text = "titel = \"x\"\n[[builders]]\nname = \"b\"\nworkernames = [\"nobody\"]\n\
                [[builders]]\nname = \"b\"\n";
    fs::write(dir.path().join("bad.toml"), text).unwrap();
    let checked = run(&["checkconfig", "bad.toml"], dir.path());
    assert_eq!(checked.status.code(), Some(1));
    let said = err(&checked);
    assert!(said.starts_with("Configuration Errors:\n"), "{said}");
    for part in ["bad.toml:1:", "did you mean 'title'", "bad.toml:4:", "nobody", "bad.toml:6:"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    let quiet = run(&["checkconfig", "-q", "bad.toml"], dir.path());
    assert_eq!((quiet.status.code(), out(&quiet), err(&quiet)), (Some(1), "".into(), "".into()));
}

#[test]
fn commands_on_a_stopped_master() {
    let dir = tempfile::tempdir().unwrap();
    assert!(run(&["create-master", "-q", "-r", "m"], dir.path()).status.success());
    let stop = run(&["stop", "m"], dir.path());
    assert_eq!((stop.status.code(), out(&stop).as_str()), (Some(0), "buildmaster not running\n"));
    let reconfig = run(&["reconfig", "m"], dir.path());
    assert_eq!(reconfig.status.code(), Some(1));
    assert!(err(&reconfig).contains("not running"));
    let start = run(&["start", "m"], dir.path());
    assert_eq!(start.status.code(), Some(1));
    assert!(err(&start).contains("master.toml"), "{}", err(&start));
}

#[test]
fn a_directory_that_is_no_masters_is_refused_by_all() {
    let dir = tempfile::tempdir().unwrap();
    for command in ["start", "stop", "restart", "reconfig"] {
        let done = run(&[command, "."], dir.path());
        assert_eq!(done.status.code(), Some(1), "{command}");
        assert!(err(&done).contains("invalid buildmaster directory"), "{}", err(&done));
    }
}

const ONE_STEP: &str = "[[builders.steps]]\ntype = \"ShellCommand\"\ncommand = [\"true\"]\n";

#[test]
fn the_life_of_a_daemon() {
    let site = Site::new(ONE_STEP);
    let master = site.master_dir();
    let pid = || fs::read_to_string(master.join("twistd.pid")).unwrap_or_default();
    let _end = StopAtEnd(&master);

    // From an empty environment, as cron starts it.
    let program = env!("CARGO_BIN_EXE_buildbot");
    let start = Command::new(program).args(["start"]).arg(&master).env_clear().output().unwrap();
    assert!(start.status.success(), "{}{}", err(&start), site.log());
    let first = pid();
    assert!(Path::new(&format!("/proc/{}", first.trim())).exists(), "{first}");
    assert!(site.log().contains("BuildMaster is running"), "{}", site.log());

    let again = run(&["start"], &master);
    assert_eq!(again.status.code(), Some(1));
    assert!(err(&again).contains(&format!("already running with pid {}", first.trim())));
    assert_eq!(pid(), first);

    let restart = run(&["restart"], &master);
    assert!(restart.status.success(), "{}", err(&restart));
    assert_ne!(pid(), first);

    let stop = run(&["stop"], &master);
    assert!(stop.status.success(), "{}", err(&stop));
    assert!(out(&stop).contains("is dead"));
    assert!(!master.join("twistd.pid").exists());

    // A stopped one is started.
    assert!(run(&["restart", "-q"], &master).status.success());
}

#[test]
fn stocks_commands_stop_our_master() {
    let Some(stock) = stock("buildbot") else { return };
    let site = Site::new(ONE_STEP);
    let master = site.master_dir();
    let _end = StopAtEnd(&master);
    assert!(run(&["start", "-q"], &master).status.success(), "{}", site.log());
    let stop = Command::new(stock).arg("stop").arg(&master).output().unwrap();
    assert!(stop.status.success(), "{}{}", out(&stop), err(&stop));
    assert!(out(&stop).contains("is dead"), "{}", out(&stop));
}

#[test]
fn reconfig_reports_what_became_of_it() {
    let site = Site::new(ONE_STEP);
    let master = site.master_dir();
    let _end = StopAtEnd(&master);
    assert!(run(&["start", "-q"], &master).status.success(), "{}", site.log());

    let good = fs::read_to_string(master.join("master.toml")).unwrap();
    fs::write(master.join("master.toml"), good.replace("\"true\"", "\"false\"")).unwrap();
    let done = run(&["reconfig"], &master);
    assert!(done.status.success(), "{}", err(&done));
    assert!(out(&done).contains("Reconfiguration completed"), "{}", out(&done));

    fs::write(master.join("master.toml"), good.replace("\"w1\"]", "\"nobody\"]")).unwrap();
    let failed = run(&["reconfig"], &master);
    assert_eq!(failed.status.code(), Some(1));
    assert!(err(&failed).contains("nobody"), "{}", err(&failed));
    assert!(site.log().contains("aborted without making any changes"), "{}", site.log());
    assert!(run(&["stop"], &master).status.success());
}

#[test]
fn a_start_that_fails_says_why() {
    let site = Site::new(ONE_STEP);
    let master = site.master_dir();
    let taken = std::net::TcpListener::bind(("127.0.0.1", site.www)).unwrap();
    let start = run(&["start"], &master);
    assert_eq!(start.status.code(), Some(1), "{}", site.log());
    assert!(err(&start).contains(&site.www.to_string()), "{}", err(&start));
    drop(taken);

    // What the first start wrote must not mend the file.
    for rest in ["state.sqlite-wal", "state.sqlite-shm"] {
        let _ = fs::remove_file(master.join(rest));
    }
    fs::write(master.join("state.sqlite"), "this is no database, whatever its name says").unwrap();
    let start = run(&["start"], &master);
    assert_eq!(start.status.code(), Some(1), "{}", site.log());
    assert!(err(&start).contains("state.sqlite"), "{}", err(&start));
    assert!(!master.join("twistd.pid").exists());
}

#[tokio::test]
async fn a_clean_stop_lets_builds_finish() {
    let mut site = Site::new(
        "[[builders.steps]]\ntype = \"ShellCommand\"\n\
         command = \"while [ ! -e ../../../go ]; do sleep 0.05; done\"\n",
    );
    site.start_master().await;
    site.start_worker("w1", "sesame").await;
    site.until_connected("w1").await;
    let forced = serde_json::json!({ "builderid": "1", "reason": "wait" });
    site.call("forceschedulers/force", "force", forced).await;
    site.begun(1).await;
    let master = site.master_dir();
    let mut stop = Command::new(env!("CARGO_BIN_EXE_buildbot"))
        .args(["stop", "-q", "--clean"])
        .arg(&master)
        .spawn()
        .unwrap();
    eventually("the signal's arrival", || async { site.log().contains("SIGUSR1").then_some(()) })
        .await;
    assert!(stop.try_wait().unwrap().is_none(), "stopped with a build running");
    fs::write(site.dir().join("go"), "").unwrap();
    // The master is this process's child: only its parent can let it go.
    assert!(site.master().wait().success());
    assert!(stop.wait().unwrap().success());
    site.start_master().await;
    assert_eq!(site.finished(1).await["results"], 0);
}

/// Ends a daemon that a failing test would leave behind.
struct StopAtEnd<'d>(&'d Path);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        let Ok(pid) = fs::read_to_string(self.0.join("twistd.pid")) else { return };
        let _ = Command::new("kill").args(["-s", "KILL", pid.trim()]).status();
    }
}
