//! The flow from a commit to its result, in one process.

mod chains;
pub mod commit;
mod control;
mod deaths;
mod interruptions;
mod local_worker;
mod locks;
mod queue;
mod reconfigure;
mod schedule;
mod sources;
mod steps;
mod triggers;

use buildbot::actors::scheduler::{ForceRequest, Submitted};

use crate::world::{Place, Repository, TestMaster};

/// A configuration with one worker, one builder `runtests`, a poller of `repository` and a force
/// scheduler; `steps` is TOML.
pub fn config(repository: &Repository, steps: &str) -> String {
    let url = repository.url();
    format!(
        r#"
title = "Test"
titleURL = "http://localhost/"
buildbotURL = "http://localhost:8010/"

[[workers]]
name = "w1"
password = "pass"

[[change_source]]
type = "GitPoller"
name = "poller"
repourl = "{url}"
branches = ["main"]
pollInterval = 3600
pollAtLaunch = true

[[schedulers]]
type = "SingleBranchScheduler"
name = "all"
change_filter = {{ branch = "main" }}
builderNames = ["runtests"]

[[schedulers]]
type = "ForceScheduler"
name = "force"
builderNames = ["runtests"]

[[builders]]
name = "runtests"
workernames = ["w1"]

{steps}
"#
    )
}

/// One step that runs a command line.
pub fn shell(command: &str) -> String {
    format!("[[builders.steps]]\ntype = \"ShellCommand\"\ncommand = {command:?}\n")
}

/// Presses the button of the force scheduler.
pub async fn force(master: &TestMaster) -> Submitted {
    let submitted = master.handles.control.force("force", ForceRequest::default()).await;
    submitted.expect("a forced build")
}

/// A step that hangs until [`let_go`].
pub fn hanging(place: &Place) -> String {
    let go = place.path("signs").join("go");
    let go = go.display();
    shell(&format!("echo begun; while ! test -e {go}; do sleep 0.05; done; echo done"))
}

pub fn let_go(place: &Place) {
    std::fs::write(place.path("signs").join("go"), "").expect("a written file");
}
