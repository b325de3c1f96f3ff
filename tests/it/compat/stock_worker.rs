//! An unmodified `buildbot-worker` 4.3 works for our master, over both protocols.

use std::path::Path;
use std::process::{Command, Stdio};

use buildbot::actors::scheduler::ForceRequest;
use buildbot::config::checked::WorkerProtocol;
use buildbot::model::Results;

use super::stock;
use crate::flow::{config, shell};
use crate::world::{Place, Repository, TestMaster, run};

/// The worker's process; ended when the test ends.
struct Process(tokio::process::Child);

fn create(program: &Path, place: &Place, protocol: WorkerProtocol, port: u16) {
    let dir = place.path("workers").join("w1");
    let output = Command::new(program)
        .args(["create-worker", &format!("--protocol={}", protocol.key())])
        .arg(&dir)
        .args([&format!("127.0.0.1:{port}"), "w1", "pass"])
        .output()
        .expect("stock's create-worker runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "create-worker: {errors}");
}

async fn start(
    program: &Path,
    place: &Place,
    master: &TestMaster,
    protocol: WorkerProtocol,
) -> Process {
    create(program, place, protocol, master.port(protocol));
    let child = tokio::process::Command::new(program)
        .args(["start", "--nodaemon"])
        .arg(place.path("workers").join("w1"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("stock's worker starts");
    master.worker_is_online("w1").await;
    Process(child)
}

fn steps(repository: &Repository) -> String {
    let url = repository.url();
    format!(
        "[[builders.steps]]\ntype = \"Git\"\nrepourl = \"{url}\"\nmode = \"full\"\n\
         method = \"fresh\"\n{}{}",
        shell("echo out; echo err >&2; echo ünïcode"),
        shell("exit 7"),
    )
}

#[test]
fn over_perspective_broker_it_checks_out_and_runs_commands() {
    checks_out_and_runs_commands(WorkerProtocol::PerspectiveBroker);
}

#[test]
fn over_message_pack_it_checks_out_and_runs_commands() {
    checks_out_and_runs_commands(WorkerProtocol::MessagePack);
}

fn checks_out_and_runs_commands(protocol: WorkerProtocol) {
    let Some(program) = stock("buildbot-worker") else { return };
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        repository.commit("a", "a", "a");
        let mut master = place.master(&config(&repository, &steps(&repository))).await;
        let mut worker = start(&program, &place, &master, protocol).await;
        let request = ForceRequest::default();
        master.handles.control.force("force", request).await.expect("a forced build");
        let (build, results) = master.build_finished().await;
        let logs = master.all_logs(build).await;
        assert_eq!(results, Results::Failure, "{logs}");
        for line in ["oout\n", "eerr\n", "oünïcode\n", "hprogram finished with exit code 7\n"] {
            assert!(logs.contains(line), "{line:?} is not in\n{logs}");
        }
        let outcomes: Vec<Results> =
            master.outcomes(build).await.into_iter().map(|(_, results)| results).collect();
        assert_eq!(outcomes, [Results::Success, Results::Success, Results::Failure]);
        worker.0.kill().await.expect("the worker ends");
        master.worker_is_offline("w1").await;
        master.stop().await;
    });
}

#[test]
fn over_perspective_broker_it_is_interrupted() {
    is_interrupted(WorkerProtocol::PerspectiveBroker);
}

#[test]
fn over_message_pack_it_is_interrupted() {
    is_interrupted(WorkerProtocol::MessagePack);
}

fn is_interrupted(protocol: WorkerProtocol) {
    let Some(program) = stock("buildbot-worker") else { return };
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let text = config(&repository, &shell("echo begun; sleep 600"));
        let mut master = place.master(&text).await;
        let worker = start(&program, &place, &master, protocol).await;
        let request = ForceRequest::default();
        master.handles.control.force("force", request).await.expect("a forced build");
        let build = master.build_started().await;
        master.log_says(build, "obegun").await;
        master.handles.control.stop_build(build, "enough").await.expect("a stopped build");
        assert_eq!(master.build_finished().await, (build, Results::Cancelled));
        assert!(master.all_logs(build).await.contains("process killed by signal 9"));
        drop(worker);
        master.stop().await;
    });
}
