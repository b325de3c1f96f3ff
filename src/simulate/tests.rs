//! A small farm, and what changes would lead to there.

use std::path::Path;

use serde_json::json;

use super::report::Report;
use super::simulate;
use crate::config;
use crate::model::NewChange;

const FARM: &str = r#"
protocols.pb.port = 9989

[[workers]]
name = "w"
password = "p"

[[schedulers]]
type = "SingleBranchScheduler"
name = "main"
treeStableTimer = 60
change_filter = { branch = "main" }
fileIsImportant = { exclude = ["*.md"] }
builderNames = ["compile"]

[[schedulers]]
type = "AnyBranchScheduler"
name = "lib only"
codebases = ["lib"]
builderNames = ["compile"]

[[schedulers]]
type = "Triggerable"
name = "packages"
builderNames = ["package"]

[[schedulers]]
type = "ForceScheduler"
name = "force"
builderNames = ["compile", "package"]

[[builders]]
name = "compile"
workernames = ["w"]
properties = { flags = "-O2" }
[[builders.steps]]
type = "ShellCommand"
name = "make"
command = ["make", "CFLAGS=%(prop:flags)s -g", "%(prop:branch)s"]
[[builders.steps]]
type = "ShellCommand"
name = "deploy"
command = "deploy %(secret:key)s"
doStepIf = "branch == 'release'"
[[builders.steps]]
type = "MasterShellCommand"
command = "touch /tmp/%(prop:buildername)s"
[[builders.steps]]
type = "FileUpload"
workersrc = "out.zip"
masterdest = "/srv/%(prop:branch)s.zip"
[[builders.steps]]
type = "Trigger"
schedulerNames = ["packages"]
waitForFinish = true
set_properties = { kind = "deb" }

[[builders]]
name = "package"
workernames = ["w"]
[[builders.steps]]
type = "SetProperty"
property = "name"
value = "%(prop:kind)s-%(src::revision)s"
[[builders.steps]]
type = "ShellCommand"
command = "package %(prop:name)s"
"#;

async fn played(farm: &str, changes: Vec<NewChange>) -> Report {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("master.toml");
    std::fs::write(&file, farm).unwrap();
    let config = config::load(&file, Path::new("/nowhere")).unwrap_or_else(|e| panic!("{e}"));
    simulate(&config, changes).await.unwrap()
}

fn change(branch: &str, file: &str) -> NewChange {
    NewChange {
        author: "Ann <ann@example.org>".into(),
        branch: Some(branch.into()),
        revision: Some("abc".into()),
        files: vec![file.into()],
        repository: "repo".into(),
        ..NewChange::default()
    }
}

#[tokio::test]
async fn a_change_is_followed_to_the_last_triggered_build() {
    let report = played(FARM, vec![change("main", "a.c")]).await;
    let takes: Vec<(&str, bool)> = report.changes[0]
        .schedulers
        .iter()
        .map(|verdict| (verdict.scheduler.as_str(), verdict.takes))
        .collect();
    let expected = [("main", true), ("lib only", false), ("packages", false), ("force", false)];
    assert_eq!(takes, expected);
    assert!(report.changes[0].schedulers[1].why.contains("codebase ''"));
    let [first, second] = report.buildsets.as_slice() else { panic!("{report}") };
    assert_eq!((first.scheduler.as_str(), first.after_s), ("main", 60));
    let compile = &first.builds[0];
    assert_eq!(compile.properties["flags"], json!("-O2"));
    let acts: Vec<&str> =
        compile.steps.iter().flat_map(|step| &step.acts).map(String::as_str).collect();
    assert_eq!(
        acts,
        [
            "make 'CFLAGS=-O2 -g' main  (in build)",
            "in the master: touch /tmp/compile",
            "in the master: takes out.zip of the worker to /srv/main.zip",
            "trigger packages",
        ]
    );
    assert!(!compile.steps[1].runs);
    assert_eq!(second.triggered_by.as_deref(), Some("compile, trigger"));
    assert_eq!(second.builds[0].steps[0].sets["name"], json!("deb-abc"));
    assert_eq!(second.builds[0].steps[1].acts, ["package deb-abc  (in build)"]);
    let text = report.to_string();
    assert!(text.contains("Buildset 2 of packages, 60 s later, triggered by compile"), "{text}");
}

#[tokio::test]
async fn secrets_stay_out_of_it() {
    let farm = FARM.replace("branch = \"main\"", "branch = \"release\"");
    let report = played(&farm, vec![change("release", "a.c")]).await;
    assert_eq!(report.buildsets[0].builds[0].steps[1].acts, ["deploy <key>  (in build)"]);
}

#[tokio::test]
async fn what_nobody_takes_builds_nothing() {
    let report = played(FARM, vec![change("other", "a.c")]).await;
    assert!(report.buildsets.is_empty());
    assert!(report.to_string().contains("Nothing would be built."));
    let unimportant = played(FARM, vec![change("main", "README.md")]).await;
    assert!(unimportant.buildsets.is_empty());
    assert!(unimportant.changes[0].schedulers[0].why.contains("important one"));
}

#[tokio::test]
async fn an_endless_chain_of_triggers_is_cut_off_and_told() {
    let farm = FARM.replace(
        "value = \"%(prop:kind)s-%(src::revision)s\"",
        "value = 1\n[[builders.steps]]\ntype = \"Trigger\"\nschedulerNames = [\"packages\"]\n\
         doStepIf = \"branch\"",
    );
    let report = played(&farm, vec![change("main", "a.c")]).await;
    assert!(report.notes.iter().any(|note| note.contains("does not end")), "{:?}", report.notes);
}

#[tokio::test]
async fn a_build_that_nobody_wants_has_no_steps() {
    let farm = FARM.replace(
        "name = \"package\"\nworkernames",
        "name = \"package\"\ndo_build_if = \"kind == 'rpm'\"\nworkernames",
    );
    let report = played(&farm, vec![change("main", "a.c")]).await;
    let package = &report.buildsets[1].builds[0];
    assert_eq!(package.skipped.as_deref(), Some("do_build_if does not hold"));
    assert!(package.steps.is_empty());
}
