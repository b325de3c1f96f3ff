//! Mercurial against real repositories, and its options.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::model::{Patch, PatchId, Results};
use crate::steps::fake::{FakeBench, parsed, plan, stamp};

/// A directory of repositories, and one where builds happen.
struct World {
    _temporary: tempfile::TempDir,
    origins: PathBuf,
    builder: PathBuf,
}

fn hg(directory: &Path, arguments: &[&str]) -> String {
    let output = std::process::Command::new("hg")
        .args(arguments)
        .current_dir(directory)
        .env("HGPLAIN", "1")
        .env("HGRCPATH", "")
        .env("HGUSER", "T <t@example.org>")
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn commit(repository: &Path, file: &str, text: &str) -> String {
    std::fs::write(repository.join(file), text).unwrap();
    hg(repository, &["commit", "-A", "-q", "-m", text]);
    hg(repository, &["parents", "--template", "{node}"])
}

impl World {
    /// With the repository `trunk` and one commit in it.
    fn new() -> World {
        let temporary = tempfile::tempdir().unwrap();
        let origins = temporary.path().join("origins");
        let builder = temporary.path().join("builder");
        std::fs::create_dir_all(origins.join("trunk")).unwrap();
        std::fs::create_dir(&builder).unwrap();
        hg(&origins.join("trunk"), &["init"]);
        let world = World { _temporary: temporary, origins, builder };
        commit(&world.trunk(), "file", "one\n");
        world
    }

    fn trunk(&self) -> PathBuf {
        self.origins.join("trunk")
    }

    async fn build(&self, options: Value, branch: &str, revision: Option<&str>) -> Built {
        let mut bench = FakeBench::local(&self.builder);
        bench.sources = vec![stamp("", Some(branch).filter(|b| !b.is_empty()), revision)];
        self.build_on(bench, options).await
    }

    async fn build_on(&self, mut bench: FakeBench, options: Value) -> Built {
        let url = self.trunk().display().to_string();
        let mut step = json!({"type": "Mercurial", "repourl": url, "branchType": "inrepo"});
        for (key, value) in options.as_object().unwrap() {
            step[key] = value.clone();
        }
        let (outcome, text) = bench.run(&plan(step)).await;
        Built { results: outcome.results, text, bench }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.builder.join("build").join(name)
    }

    fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path(name)).ok()
    }
}

struct Built {
    results: Results,
    text: String,
    bench: FakeBench,
}

impl Built {
    fn succeeded(self) -> Built {
        let log = self.bench.log_text("stdio");
        assert_eq!(self.results, Results::Success, "{}\n{log}", self.text);
        self
    }

    fn revision(&self) -> &str {
        self.bench.properties.get_str("got_revision").unwrap()
    }

    fn cloned(&self) -> bool {
        format!("{:?}", self.bench.commands).contains("\"clone\"")
    }
}

fn full(method: &str) -> Value {
    json!({"mode": "full", "method": method})
}

#[tokio::test]
async fn every_mode_follows_the_repository() {
    // Mode; does an untracked file stay, does an ignored one?
    let cases = [
        (json!({}), true, true),
        (json!({"mode": "full"}), false, false),
        (full("fresh"), false, false),
        (full("clean"), false, true),
        (full("clobber"), false, false),
    ];
    for (options, untracked, ignored) in cases {
        let world = World::new();
        let first = commit(&world.trunk(), ".hgignore", "syntax: glob\n*.o\n");
        let built = world.build(options.clone(), "", None).await.succeeded();
        assert_eq!((built.text.as_str(), built.revision()), ("update", first.as_str()));
        for name in ["untracked", "a.o", "file"] {
            std::fs::write(world.path(name), "left").unwrap();
        }
        let two = commit(&world.trunk(), "file", "two\n");
        let built = world.build(options.clone(), "", None).await.succeeded();
        assert_eq!(built.revision(), two, "{options}");
        assert_eq!(world.file("file").as_deref(), Some("two\n"), "{options}");
        let left = (world.file("untracked").is_some(), world.file("a.o").is_some());
        assert_eq!(left, (untracked, ignored), "{options}");
    }
    let world = World::new();
    let first = hg(&world.trunk(), &["parents", "--template", "{node}"]);
    commit(&world.trunk(), "file", "two\n");
    for options in [json!({}), json!({}), full("clobber")] {
        let built = world.build(options, "", Some(&first)).await.succeeded();
        assert_eq!(built.revision(), first);
    }
}

#[tokio::test]
async fn named_branches_are_changed_by_a_new_clone() {
    let world = World::new();
    let main = commit(&world.trunk(), "file", "main\n");
    hg(&world.trunk(), &["branch", "-q", "stable"]);
    let stable = commit(&world.trunk(), "file", "stable\n");
    let gently = || json!({"clobberOnBranchChange": false});
    // Branch; is there a new clone, when the option is on, and when it is off?
    let steps = [("", &main, true, true), ("stable", &stable, true, false)];
    let again = [("stable", &stable, false, false), ("", &main, true, false)];
    for (branch, revision, clobbers, first) in steps.into_iter().chain(again) {
        let built = world.build(json!({}), branch, None).await.succeeded();
        assert_eq!((built.revision(), built.cloned()), (revision.as_str(), clobbers), "{branch}");
        let mut options = gently();
        options["workdir"] = "gentle".into();
        let built = world.build(options, branch, None).await.succeeded();
        assert_eq!((built.revision(), built.cloned()), (revision.as_str(), first), "{branch}");
    }
    let default = json!({"defaultBranch": "stable"});
    assert_eq!(world.build(default, "", None).await.succeeded().revision(), stable);
}

#[tokio::test]
async fn branches_may_be_repositories() {
    let world = World::new();
    hg(&world.origins, &["clone", "-q", "trunk", "feature"]);
    let trunk = commit(&world.trunk(), "file", "trunk\n");
    let feature = commit(&world.origins.join("feature"), "file", "feature\n");
    let repourl = format!("{}/", world.origins.display());
    let options = json!({"repourl": repourl, "branchType": "dirname", "defaultBranch": "trunk"});
    for (branch, revision, cloned) in
        [("", &trunk, true), ("", &trunk, false), ("feature", &feature, true)]
    {
        let built = world.build(options.clone(), branch, None).await.succeeded();
        assert_eq!((built.revision(), built.cloned()), (revision.as_str(), cloned), "{branch}");
    }
}

#[tokio::test]
async fn a_patch_is_applied_and_taken_back() {
    let world = World::new();
    std::fs::create_dir(world.trunk().join("sub")).unwrap();
    commit(&world.trunk(), "sub/file", "one\n");
    let body = "--- a/file\n+++ b/file\n@@ -1 +1 @@\n-one\n+patched\n\
                --- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+new\n";
    for subdir in ["", "sub"] {
        let mut bench = FakeBench::local(&world.builder);
        bench.sources[0].patch = Some(patch(subdir, body.as_bytes()));
        let built = world.build_on(bench, json!({})).await.succeeded();
        assert!(built.bench.log_text("patch").contains("+patched"));
        let file = Path::new(subdir).join("file").display().to_string();
        let new = Path::new(subdir).join("new").display().to_string();
        assert_eq!(world.file(&file).as_deref(), Some("patched\n"), "{subdir}");
        assert!(world.path(".buildbot-patched").is_file() && world.file(&new).is_some());
        assert!(!world.path(subdir).join(".buildbot-diff").exists());
        world.build(json!({}), "", None).await.succeeded();
        assert_eq!(world.file(&file).as_deref(), Some("one\n"));
        assert!(world.file(&new).is_none() && !world.path(".buildbot-patched").exists());
    }
    // What is no text comes as well.
    let mut bench = FakeBench::local(&world.builder);
    let bytes = b"--- a/file\n+++ b/file\n@@ -1 +1 @@\n-one\n+\xe9\n";
    bench.sources[0].patch = Some(patch("", bytes));
    world.build_on(bench, json!({})).await.succeeded();
    assert_eq!(std::fs::read(world.path("file")).unwrap(), b"\xe9\n");
}

fn patch(subdir: &str, body: &[u8]) -> Patch {
    Patch {
        id: PatchId(1),
        level: 1,
        body: body.to_vec(),
        author: String::new(),
        comment: String::new(),
        subdir: subdir.to_owned(),
    }
}

#[tokio::test]
async fn failures_say_what_hg_said() {
    let world = World::new();
    std::fs::create_dir(world.builder.join("build")).unwrap();
    std::fs::write(world.path("foreign"), "").unwrap();
    world.build(json!({}), "", None).await.succeeded();
    assert_eq!(world.file("foreign"), None);
    let gone = world.builder.join("gone").display().to_string();
    let options = json!({"repourl": gone, "mode": "full", "method": "clobber", "retry": [0, 2]});
    let built = world.build(options, "", None).await;
    assert!(built.text.contains("not found"), "{}", built.text);
    let clones = format!("{:?}", built.bench.commands).matches("\"clone\"").count();
    assert_eq!((built.results, clones), (Results::Failure, 3));
    let built = world.build(json!({}), "nowhere", None).await;
    assert!(built.text.starts_with("update: unknown "), "{}", built.text);
    let built = world.build(json!({}), "--config=alias.pull=!false", None).await;
    assert!(built.text.contains("must not begin with a hyphen"), "{}", built.text);
}

#[test]
fn mistakes_in_options_are_told() {
    let cases = [
        (json!({"type": "Mercurial"}), "needs a value for 'repourl'"),
        (json!({"mode": "full", "method": "copy"}), "'method' must be fresh, clobber or clean"),
        (json!({"branchType": "tag"}), "must be \"dirname\" or \"inrepo\""),
        (json!({"defaultbranch": "x"}), "did you mean 'defaultBranch'"),
    ];
    for (mut options, part) in cases {
        if options.get("type").is_none() {
            options["type"] = "Mercurial".into();
            options["repourl"] = "r".into();
        }
        let (_, problems) = parsed(options.clone());
        assert!(problems.contains(part), "{options}: {problems}");
    }
    let named = json!({"type": "Mercurial", "repourl": "r", "codebase": "app"});
    assert_eq!(plan(named).name, "hg-app");
}
