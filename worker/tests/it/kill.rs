//! Killing a program ends everybody whom it has started.

use std::path::Path;

use protocol::command::{Command, CommandLine};

use crate::support::{Attached, Connection, Daemon, Report, gone, is_alive, shell, soon, until};

/// Starts processes that leave the group in every way there is, each writing its id into a file; then
/// runs on.
const RUNAWAYS: &str = "
    setsid sh -c 'echo $$ > session; exec sleep 1000' &
    (setsid sh -c 'echo $$ > orphan; exec sleep 1000' &)
    (setsid sh -c '(sh -c \"echo \\$\\$ > twice; exec sleep 1000\" &)' &)
    env -i PATH=$PATH setsid sh -c 'echo $$ > unmarked; exec sleep 1000' &
    sh -c 'echo $$ > group; exec sleep 1000' &
    wait";

const FILES: [&str; 5] = ["session", "orphan", "twice", "unmarked", "group"];

/// The ids that [`RUNAWAYS`] wrote, once all are there.
async fn pids(dir: &Path, files: &[&str]) -> Vec<String> {
    let read = |file: &&str| std::fs::read_to_string(dir.join(file)).unwrap_or_default();
    let mut all = Vec::new();
    until(|| files.iter().all(|file| read(file).ends_with('\n'))).await;
    all.extend(files.iter().map(|file| read(file).trim().to_owned()));
    all
}

fn assert_told(report: &Report, pids: &[String]) {
    let header = report.header();
    let line = header.lines().find(|line| line.contains("that had left the process group: "));
    let line = line.unwrap_or_else(|| panic!("nothing told: {header}"));
    for pid in pids {
        assert!(line.contains(&format!("{pid} (sleep)")), "{pid}: {line}");
    }
}

#[tokio::test]
async fn an_interrupt_reaches_those_who_left() {
    let mut worker = Attached::new().await;
    let shell = worker.script(RUNAWAYS);
    let id = worker.connection.start(&Command::Shell(shell)).await.expect("accepted");
    let pids = pids(&worker.dir.path().join("build"), &FILES).await;
    worker.connection.interrupt(&id).await;
    let report = worker.connection.finish().await;
    assert_eq!(report.rc(), Some(-1));
    assert!(pids.iter().all(|pid| !is_alive(pid)), "all ended before the command did");
    let header = report.header();
    assert!(header.contains("\nkilled 4 processes that had left the process group: "), "{header}");
    assert_told(&report, &pids[..4]);
}

#[tokio::test]
async fn a_timeout_reaches_those_who_hold_the_output() {
    let mut worker = Attached::new().await;
    let mut shell = worker.script("(setsid sh -c 'echo $$ > orphan; exec sleep 1000' &)");
    shell.limits.timeout = Some(0.3);
    let report = worker.run(shell).await;
    assert_eq!(report.reason(), Some("timeout_without_output"), "output is open: it is not over");
    let pids = pids(&worker.dir.path().join("build"), &["orphan"]).await;
    assert!(!is_alive(&pids[0]));
    assert_told(&report, &pids);
}

#[tokio::test]
async fn a_lost_connection_ends_everybody() {
    let mut worker = Attached::new().await;
    let shell = worker.script(RUNAWAYS);
    worker.connection.start(&Command::Shell(shell)).await.expect("accepted");
    let pids = pids(&worker.dir.path().join("build"), &FILES).await;
    drop(worker.connection);
    for pid in &pids {
        gone(pid).await;
    }
}

#[tokio::test]
async fn a_program_that_ends_by_itself_leaves_its_daemons() {
    let mut worker = Attached::new().await;
    let daemon = "setsid sh -c 'echo $$ > daemon; exec sleep 1000' > /dev/null 2>&1 &";
    let shell = worker.script(&format!("{daemon} while ! test -s daemon; do sleep 0.01; done"));
    let report = worker.run(shell).await;
    assert_eq!(report.rc(), Some(0));
    let pids = pids(&worker.dir.path().join("build"), &["daemon"]).await;
    let alive = is_alive(&pids[0]);
    let pid = nix::unistd::Pid::from_raw(pids[0].parse().expect("a process id"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("alive");
    assert!(alive && !report.header().contains("killed"));
}

#[tokio::test]
async fn the_mark_is_inherited_but_not_shown() {
    let mut worker = Attached::new().await;
    let mut shell = worker.script("echo mark=${BUILDBOT_STEP:+set}; env -u BUILDBOT_STEP");
    shell.limits.log_environ = true;
    let report = worker.run(shell).await;
    assert!(report.stdout().starts_with("mark=set\n"));
    assert!(!report.header().contains("BUILDBOT_STEP="));
}

/// Children of a process, zombies as well.
fn children(parent: u32) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("proc").flatten();
    let stats = entries.filter_map(|e| std::fs::read_to_string(e.path().join("stat")).ok());
    let is_child = |stat: &String| {
        let rest = stat.rsplit(')').next().unwrap_or_default();
        rest.split_whitespace().nth(1) == Some(parent.to_string().as_str())
    };
    stats.filter(is_child).collect()
}

async fn run(connection: &mut Connection, dir: &Path, script: &str) -> Report {
    let command = CommandLine::Text(script.into());
    connection.run(&Command::Shell(shell(&dir.to_string_lossy(), command))).await
}

#[tokio::test]
async fn a_worker_process_adopts_orphans_and_reaps_them() {
    let mut worker = Daemon::new().await;
    let (pid, dir) = (worker.pid(), worker.dir.path().join("build"));
    let script =
        "for i in 1 2 3 4 5; do (setsid true &); done; (setsid sleep 1000 > /dev/null 2>&1 &)";
    let report = run(&mut worker.connection, &dir, script).await;
    assert_eq!(report.rc(), Some(0));
    until(|| children(pid).len() == 1).await;
    let sleeper = children(pid).remove(0);
    let sleeper = sleeper.split(' ').next().expect("a process id");

    // An orphan without any mark, which can only be of this program.
    let nameless = "env -i /bin/sh -c 'echo $$ > nameless; (setsid sleep 1000 &)'; sleep 1000";
    let command = CommandLine::Text(format!("({nameless})"));
    let command = Command::Shell(shell(&dir.to_string_lossy(), command));
    let id = worker.connection.start(&command).await.expect("accepted");
    until(|| children(pid).len() == 3).await;
    worker.connection.interrupt(&id).await;
    let report = worker.connection.finish().await;
    assert!(report.header().contains("killed 1 process that had left the process group: "));
    until(|| children(pid).len() == 1).await;
    assert!(is_alive(sleeper), "another program's");
    for exit in [0, 3, 7] {
        let report = run(&mut worker.connection, &dir, &format!("(sleep 0 &); exit {exit}")).await;
        assert_eq!(report.rc(), Some(exit), "the status of a program is not taken away");
    }
    let pid = nix::unistd::Pid::from_raw(sleeper.parse().expect("a process id"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("alive");
    soon(gone(sleeper)).await;
}
