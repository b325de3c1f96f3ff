//! Source steps against real repositories, with everything around them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use buildbot::model::Results;
use serde_json::json;

use super::{config, force, shell};
use crate::world::{HgRepository, Place, Repository, SvnRepository, run};

#[test]
fn each_codebase_has_its_step_and_its_directory() {
    run(async {
        let place = Place::new();
        let app = Repository::new(place.path("app"));
        let app_revision = app.commit("file", "of app\n", "first");
        let data = SvnRepository::new(place.path("data"));
        data.commit("file", "of data\n");
        let tools = HgRepository::new(place.path("tools"));
        let tools_revision = tools.commit("file", "of tools\n");
        let steps = format!(
            r#"
[[builders.steps]]
type = "Git"
codebase = "app"
repourl = "{}"
[[builders.steps]]
type = "SVN"
codebase = "data"
repourl = "{}"
workdir = "data"
[[builders.steps]]
type = "Mercurial"
codebase = "tools"
branchType = "inrepo"
repourl = "{}"
workdir = "%(src:tools:codebase)s"
{}"#,
            app.url(),
            data.trunk(),
            tools.url(),
            shell(
                "echo '<%(src:app:branch)s|%(src:data:branch:~none)s|%(src:tools:project)s>'; \
                   cat file ../data/file ../tools/file"
            ),
        );
        let text = config(&app, &steps).replace(
            "name = \"force\"\n",
            "name = \"force\"\ncodebases = [{ codebase = \"app\", branch = \"main\" }, \"data\", \
             { codebase = \"tools\", project = \"kit\" }]\n",
        );
        let mut master = place.master(&text).await;
        let worker = place.worker(&master, "w1").await;
        force(&master).await;
        let (build, results) = master.build_finished().await;
        let logs = master.all_logs(build).await;
        assert_eq!(results, Results::Success, "{logs}");
        for line in ["<main|none|kit>", "oof app\n", "oof data\n", "oof tools\n"] {
            assert!(logs.contains(line), "{line}: {logs}");
        }
        let names: Vec<String> =
            master.outcomes(build).await.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["git-app", "svn-data", "hg-tools", "shell"]);
        let properties =
            master.read(move |conn| buildbot::db::properties::of_build(conn, build)).await;
        let expected = json!({"app": app_revision, "data": "2", "tools": tools_revision});
        assert_eq!(properties.get("got_revision"), Some(&expected));
        worker.stop().await;
        master.stop().await;
    });
}

/// A program named `ssh` that tells that it runs, and hangs.
fn hanging_ssh(place: &Place) -> String {
    let bin = place.path("bin");
    let program = "#!/bin/sh\necho hanging >&2\nexec sleep 600\n";
    std::fs::write(bin.join("ssh"), program).expect("a written program");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(bin.join("ssh"), executable).expect("an executable program");
    bin.display().to_string()
}

/// Paths below `directory` whose name or content has `part`.
fn having(directory: &Path, part: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(path) = pending.pop() {
        let named = path.file_name().is_some_and(|name| name.to_string_lossy().contains(part));
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("a directory");
            pending.extend(entries.map(|entry| entry.expect("an entry").path()));
        }
        let content = std::fs::read(&path).unwrap_or_default();
        if named || String::from_utf8_lossy(&content).contains(part) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn a_stopped_checkout_leaves_no_key_behind() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let steps = format!(
            "[[builders.steps]]\ntype = \"Git\"\nrepourl = \"me@example.org:r\"\n\
             sshPrivateKey = \"verysecretkey\"\nenv = {{ PATH = [\"{}\", \"${{PATH}}\"] }}\n",
            hanging_ssh(&place)
        );
        let mut master = place.master(&config(&repository, &steps)).await;
        let worker = place.worker(&master, "w1").await;
        force(&master).await;
        let build = master.build_started().await;
        master.log_says(build, "ehanging").await;
        let workers = place.path("worker-w1");
        let directory = workers.join(".runtests.build.buildbot");
        let key = directory.join("ssh-key");
        let mode = std::fs::metadata(&key).expect("a key").permissions().mode();
        assert_eq!(mode & 0o7777, 0o400);
        master.handles.control.stop_build(build, "enough").await.expect("a stopped build");
        let (build, results) = master.build_finished().await;
        assert_eq!(results, Results::Cancelled);
        let logs = master.all_logs(build).await;
        assert!(logs.contains("core.sshCommand="), "{logs}");
        assert!(!logs.contains("verysecretkey"), "{logs}");
        assert!(!directory.exists());
        assert_eq!(having(&workers, "verysecretkey"), Vec::<String>::new());
        worker.stop().await;
        master.stop().await;
    });
}
