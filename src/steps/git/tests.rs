//! Git against real repositories, and its options.

mod access;
mod review;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::model::{Patch, PatchId, Results};
use crate::steps::fake::{FakeBench, parsed, plan, stamp};

/// A repository to clone from, and a directory where builds happen.
struct World {
    _temporary: tempfile::TempDir,
    origin: PathBuf,
    builder: PathBuf,
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = std::process::Command::new("git")
        .args(["-c", "user.name=T", "-c", "user.email=t@example.org"])
        .args(["-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn commit(repository: &Path, file: &str, text: &str) -> String {
    std::fs::write(repository.join(file), text).unwrap();
    git(repository, &["add", "-A"]);
    git(repository, &["commit", "-q", "-m", text]);
    git(repository, &["rev-parse", "HEAD"])
}

impl World {
    /// With one commit on `main`.
    fn new() -> World {
        let temporary = tempfile::tempdir().unwrap();
        let origin = temporary.path().join("origin");
        let builder = temporary.path().join("builder");
        std::fs::create_dir_all(&origin).unwrap();
        std::fs::create_dir_all(&builder).unwrap();
        git(&origin, &["init", "-q"]);
        commit(&origin, "file", "one");
        World { _temporary: temporary, origin, builder }
    }

    fn url(&self) -> String {
        format!("file://{}", self.origin.display())
    }

    /// Runs the step with these options for the given branch and revision.
    async fn build(&self, options: Value, branch: &str, revision: Option<&str>) -> Built {
        let mut bench = FakeBench::local(&self.builder);
        bench.sources = vec![stamp("", Some(branch).filter(|b| !b.is_empty()), revision)];
        self.build_on(bench, options).await
    }

    async fn build_on(&self, mut bench: FakeBench, options: Value) -> Built {
        let mut step = json!({
            "type": "Git",
            "repourl": self.url(),
            "config": {"protocol.file.allow": "always"},
        });
        for (key, value) in options.as_object().unwrap() {
            step[key] = value.clone();
        }
        let (outcome, text) = bench.run(&plan(step)).await;
        Built { results: outcome.results, text, bench }
    }

    fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.builder.join("build").join(name)).ok()
    }

    fn leave(&self, name: &str) {
        std::fs::write(self.builder.join("build").join(name), "left").unwrap();
    }
}

struct Built {
    results: Results,
    text: String,
    bench: FakeBench,
}

impl Built {
    fn succeeded(self) -> Built {
        assert_eq!(
            self.results,
            Results::Success,
            "{}\n{}",
            self.text,
            self.bench.log_text("stdio")
        );
        self
    }

    fn revision(&self) -> &str {
        self.bench.properties.get_str("got_revision").unwrap()
    }
}

#[tokio::test]
async fn every_mode_follows_the_branch() {
    let full = |method: &str| json!({"mode": "full", "method": method});
    // Mode; does an untracked file stay, does an ignored one?
    let cases = [
        (json!({"mode": "incremental"}), true, true),
        (full("clobber"), false, false),
        (full("fresh"), false, false),
        (full("clean"), false, true),
        (full("copy"), false, false),
    ];
    for (options, untracked, ignored) in cases {
        let world = World::new();
        commit(&world.origin, ".gitignore", "*.o\n");
        let built = world.build(options.clone(), "main", None).await.succeeded();
        assert_eq!(built.text, "update");
        assert_eq!(world.file("file").as_deref(), Some("one"), "{options}");
        world.leave("untracked");
        world.leave("a.o");
        std::fs::write(world.builder.join("build/file"), "spoiled").unwrap();
        let two = commit(&world.origin, "file", "two");
        let built = world.build(options.clone(), "main", None).await.succeeded();
        assert_eq!(built.revision(), two, "{options}");
        assert_eq!(world.file("file").as_deref(), Some("two"), "{options}");
        assert_eq!(world.file("untracked").is_some(), untracked, "{options}");
        assert_eq!(world.file("a.o").is_some(), ignored, "{options}");
    }
}

#[tokio::test]
async fn revisions_and_branches() {
    let world = World::new();
    let one = git(&world.origin, &["rev-parse", "HEAD"]);
    let two = commit(&world.origin, "file", "two");
    git(&world.origin, &["checkout", "-q", "-b", "side", &one]);
    let side = commit(&world.origin, "file", "side");
    git(&world.origin, &["checkout", "-q", "main"]);

    let incremental = || json!({});
    assert_eq!(world.build(incremental(), "main", Some(&one)).await.succeeded().revision(), one);
    assert_eq!(world.build(incremental(), "main", None).await.succeeded().revision(), two);
    assert_eq!(world.build(incremental(), "side", None).await.succeeded().revision(), side);
    assert_eq!(world.build(incremental(), "main", Some(&two)).await.succeeded().revision(), two);
    assert_eq!(git(&world.builder.join("build"), &["branch", "--show-current"]), "main");
    let head = world.build(incremental(), "", None).await.succeeded();
    assert_eq!(head.revision(), two, "no branch is the repository's default");
    let latest = json!({"alwaysUseLatest": true, "branch": "side"});
    assert_eq!(world.build(latest, "main", Some(&one)).await.succeeded().revision(), side);
    let reference = json!({"mode": "full", "method": "clobber"});
    let built = world.build(reference, "refs/heads/side", None).await.succeeded();
    assert_eq!(built.revision(), side);
}

#[tokio::test]
async fn a_force_pushed_branch_is_followed() {
    let world = World::new();
    commit(&world.origin, "file", "lost");
    world.build(json!({}), "main", None).await.succeeded();
    git(&world.origin, &["reset", "-q", "--hard", "HEAD~1"]);
    let new = commit(&world.origin, "file", "rewritten");
    assert_eq!(world.build(json!({}), "main", None).await.succeeded().revision(), new);
    assert_eq!(world.file("file").as_deref(), Some("rewritten"));
}

#[tokio::test]
async fn broken_and_foreign_directories_are_replaced() {
    let world = World::new();
    let build = world.builder.join("build");
    std::fs::create_dir(&build).unwrap();
    world.leave("foreign");
    world.build(json!({}), "main", None).await.succeeded();
    assert_eq!(world.file("foreign"), None);
    // A checkout that lost its HEAD, below a directory that is a repository itself.
    git(&world.builder, &["init", "-q"]);
    std::fs::remove_file(build.join(".git/HEAD")).unwrap();
    world.build(json!({}), "main", None).await.succeeded();
    assert_eq!(git(&build, &["rev-parse", "--git-dir"]), ".git");
}

#[tokio::test]
async fn submodules_are_brought_along() {
    let world = World::new();
    let inner = world.origin.with_file_name("inner");
    std::fs::create_dir(&inner).unwrap();
    git(&inner, &["init", "-q"]);
    commit(&inner, "part", "first");
    git(&world.origin, &["submodule", "--quiet", "add", inner.to_str().unwrap(), "sub"]);
    git(&world.origin, &["commit", "-q", "-m", "sub"]);
    for options in [json!({}), json!({"mode": "full"}), json!({"mode": "full", "method": "clean"})]
    {
        let mut options = options;
        options["submodules"] = true.into();
        world.build(options.clone(), "main", None).await.succeeded();
        assert_eq!(world.file("sub/part").as_deref(), Some("first"), "{options}");
    }
    commit(&inner, "part", "second");
    git(&world.origin.join("sub"), &["pull", "-q"]);
    git(&world.origin, &["commit", "-q", "-a", "-m", "newer sub"]);
    world.leave("sub/untracked");
    let options = json!({"mode": "full", "method": "fresh", "submodules": true});
    world.build(options, "main", None).await.succeeded();
    assert_eq!(world.file("sub/part").as_deref(), Some("second"));
    assert_eq!(world.file("sub/untracked"), None);
}

#[tokio::test]
async fn shallow_clones_find_an_older_revision() {
    let world = World::new();
    git(&world.origin, &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let two = commit(&world.origin, "file", "two");
    commit(&world.origin, "file", "three");
    let options = json!({"mode": "full", "method": "clobber", "shallow": true});
    world.build(options.clone(), "main", None).await.succeeded();
    let commits = || git(&world.builder.join("build"), &["rev-list", "--count", "HEAD"]);
    assert_eq!(commits(), "1");
    let built = world.build(options, "main", Some(&two)).await.succeeded();
    assert_eq!(built.revision(), two);
    let updated = json!({"mode": "full", "shallow": 1});
    let newest = commit(&world.origin, "file", "four");
    assert_eq!(world.build(updated, "main", None).await.succeeded().revision(), newest);
    assert_eq!(commits(), "1");
}

#[tokio::test]
async fn failures_say_what_git_said() {
    let world = World::new();
    let gone = format!("file://{}/gone", world.builder.display());
    let built = world.build(json!({"repourl": gone}), "main", None).await;
    assert_eq!(built.results, Results::Failure);
    assert!(built.text.starts_with("update: ") && built.text.contains("gone"), "{}", built.text);
    assert!(built.text.ends_with("(failure)"), "{}", built.text);

    let built = world.build(json!({}), "no-such-branch", None).await;
    assert!(built.text.contains("no-such-branch"), "{}", built.text);
    let built = world.build(json!({}), "main", Some(&"0".repeat(40))).await;
    assert_eq!(built.results, Results::Failure);

    let world = World::new();
    let retried = json!({"repourl": gone, "retry": [0, 2]});
    let built = world.build(retried, "main", None).await;
    let clones = format!("{:?}", built.bench.commands).matches("\"clone\"").count();
    assert_eq!(clones, 3);
}

#[tokio::test]
async fn secrets_of_the_address_stay_hidden() {
    let world = World::new();
    let mut bench = FakeBench::local(&world.builder);
    bench.secrets = vec![("token".into(), "s3cret".into())];
    let url = format!("file://{}/%(secret:token)s", world.builder.display());
    let built = world.build_on(bench, json!({"repourl": url})).await;
    assert_eq!(built.results, Results::Failure);
    assert!(built.text.contains("<token>") && !built.text.contains("s3cret"), "{}", built.text);
    let commands = format!("{:?}", built.bench.commands);
    assert!(commands.contains("Obfuscated"), "{commands}");
}

#[tokio::test]
async fn a_patch_is_applied_and_taken_back() {
    let world = World::new();
    std::fs::write(world.origin.join("file"), "patched").unwrap();
    std::fs::write(world.origin.join("new"), "new\n").unwrap();
    git(&world.origin, &["add", "-A"]);
    let mut body = git(&world.origin, &["diff", "--cached"]);
    body.push('\n');
    git(&world.origin, &["reset", "-q", "--hard"]);
    let mut bench = FakeBench::local(&world.builder);
    bench.sources[0].patch = Some(Patch {
        id: PatchId(1),
        level: 1,
        body: body.into_bytes(),
        author: String::new(),
        comment: String::new(),
        subdir: String::new(),
    });
    let built = world.build_on(bench, json!({})).await.succeeded();
    assert!(built.bench.log_text("patch").contains("+patched"));
    assert_eq!(world.file("file").as_deref(), Some("patched"));
    world.build(json!({}), "main", None).await.succeeded();
    assert_eq!(world.file("file").as_deref(), Some("one"));
    assert_eq!(world.file("new"), None);
}

#[tokio::test]
async fn codebases_have_their_own_properties() {
    let world = World::new();
    let head = git(&world.origin, &["rev-parse", "HEAD"]);
    git(&world.origin, &["tag", "v1"]);
    let mut bench = FakeBench::local(&world.builder);
    bench.sources = vec![stamp("app", Some("main"), None), stamp("lib", None, None)];
    let options = json!({"codebase": "app", "getDescription": {"tags": true, "always": true}});
    let built = world.build_on(bench, options).await.succeeded();
    assert_eq!(built.text, "update app");
    let property = |name: &str| built.bench.properties.get(name).cloned();
    assert_eq!(property("got_revision"), Some(json!({"app": head})));
    assert_eq!(property("commit-description"), Some(json!({"app": "v1"})));
    let bench = FakeBench::local(&world.builder);
    let built = world.build_on(bench, json!({"codebase": "gone"})).await;
    assert_eq!(built.text, "Codebase gone not in build (failure)");
    assert_eq!(plan(json!({"type": "Git", "repourl": "r", "codebase": "app"})).name, "git-app");
}

#[tokio::test]
async fn an_interrupted_checkout_is_cancelled() {
    let world = World::new();
    let bench = FakeBench::local(&world.builder);
    bench.interrupt.send_replace(Some("enough".into()));
    let built = world.build_on(bench, json!({})).await;
    assert_eq!(built.results, Results::Cancelled);
    assert_eq!(built.bench.commands.len(), 1, "nothing follows an interrupt");
}

#[test]
fn scp_addresses_get_the_port() {
    let cases = [
        ("git@example.org:a/b.git", "ssh://git@example.org:2222/a/b.git"),
        ("https://example.org/r", "https://example.org/r"),
        ("/srv/r", "/srv/r"),
        ("C:\\r", "C:\\r"),
    ];
    for (url, expected) in cases {
        assert_eq!(super::with_port(url, 2222), expected);
    }
}

#[test]
fn mistakes_in_options_are_told() {
    let cases = [
        (json!({"type": "Git"}), "needs a value for 'repourl'"),
        (json!({"mode": "half"}), "'mode' must be"),
        (json!({"mode": "full", "method": "wash"}), "'method' must be"),
        (json!({"mode": "full", "method": "fresh", "shallow": true}), "'shallow' goes with"),
        (json!({"shallow": "deep"}), "number of commits"),
        (json!({"retry": 3}), "must be [delay"),
        (json!({"sshHostKey": "x"}), "'sshHostKey' is of no use without 'sshPrivateKey'"),
        (
            json!({"sshPrivateKey": "x", "sshHostKey": "x", "sshKnownHosts": "x"}),
            "give 'sshHostKey' or 'sshKnownHosts', not both",
        ),
        (json!({"auth_credentials": ["me"]}), "must be [name, password]"),
        (json!({"git_credentials": {}}), "needs a value for 'credentials'"),
        (json!({"git_credentials": {"credentials": [{"user": "x"}]}}), "no attribute 'user'"),
        (json!({"git_credentials": {"credentials": "x"}}), "must be a list"),
        (json!({"getDescription": {"nonsense": true}}), "no option 'nonsense'"),
        (json!({"submodule": true}), "did you mean 'submodules'"),
    ];
    for (mut options, part) in cases {
        if options.get("type").is_none() {
            options["type"] = "Git".into();
            options["repourl"] = "r".into();
        }
        let (_, problems) = parsed(options.clone());
        assert!(problems.contains(part), "{options}: {problems}");
    }
}
