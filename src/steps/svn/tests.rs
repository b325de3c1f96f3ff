//! SVN against real repositories, and its options.

use std::path::{Path, PathBuf};

use protocol::command::{Arg, Command, CommandLine};
use serde_json::{Value, json};

use crate::model::{Change, Patch, PatchId, Results};
use crate::steps::Finished;
use crate::steps::fake::{FakeBench, ended, parsed, plan, stamp};

/// A repository, a working copy to commit from, and a directory where builds happen.
struct World {
    _temporary: tempfile::TempDir,
    url: String,
    author: PathBuf,
    builder: PathBuf,
}

fn run(directory: &Path, program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

impl World {
    /// With a file in `trunk` as revision 1.
    fn new() -> World {
        let temporary = tempfile::tempdir().unwrap();
        let (author, builder) = (temporary.path().join("author"), temporary.path().join("builder"));
        std::fs::create_dir(&builder).unwrap();
        run(temporary.path(), "svnadmin", &["create", "a repository"]);
        let url = format!("file://{}/a%20repository", temporary.path().display());
        run(temporary.path(), "svn", &["checkout", "-q", &url, "author"]);
        std::fs::create_dir(author.join("trunk")).unwrap();
        let world = World { _temporary: temporary, url, author, builder };
        world.commit("trunk/file", "one\n");
        world
    }

    fn commit(&self, file: &str, text: &str) -> String {
        std::fs::write(self.author.join(file), text).unwrap();
        run(&self.author, "svn", &["add", "-q", "--force", "."]);
        run(&self.author, "svn", &["commit", "-q", "-m", text]);
        run(&self.author, "svn", &["update", "-q"]);
        let info = run(&self.author, "svn", &["info", "--show-item", "revision"]);
        info.trim().to_owned()
    }

    async fn build(&self, options: Value, revision: Option<&str>) -> Built {
        let mut bench = FakeBench::local(&self.builder);
        bench.sources = vec![stamp("", None, revision)];
        self.build_on(bench, options).await
    }

    async fn build_on(&self, mut bench: FakeBench, options: Value) -> Built {
        let mut step = json!({"type": "SVN", "repourl": format!("{}/trunk", self.url)});
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
}

fn full(method: &str) -> Value {
    json!({"mode": "full", "method": method})
}

#[tokio::test]
async fn every_mode_follows_the_repository() {
    // Mode; does an unversioned file stay, an ignored one, a kept one, a change of a file?
    let cases = [
        (json!({}), true, true, true, true),
        (json!({"mode": "full"}), false, false, true, false),
        (full("fresh"), false, false, true, false),
        (full("clean"), false, true, true, false),
        (full("clobber"), false, false, false, false),
        (full("copy"), false, false, false, false),
        (full("export"), false, false, false, false),
    ];
    for (mut options, unversioned, ignored, kept, edit) in cases {
        let world = World::new();
        run(&world.author, "svn", &["propset", "-q", "svn:ignore", "*.o", "trunk"]);
        world.commit("trunk/edited", "as it was\n");
        options["keep_on_purge"] = json!(["kept"]);
        let built = world.build(options.clone(), None).await.succeeded();
        assert_eq!((built.text.as_str(), built.revision()), ("update", "2"), "{options}");
        assert!(built.bench.log_text("stdio").contains("Got SVN revision 2\n"));
        for name in ["unversioned", "ignored.o", "kept", "edited"] {
            std::fs::write(world.path(name), "left").unwrap();
        }
        let two = world.commit("trunk/file", "two\n");
        let built = world.build(options.clone(), None).await.succeeded();
        assert_eq!(built.revision(), two, "{options}");
        assert_eq!(world.file("file").as_deref(), Some("two\n"), "{options}");
        let left = |name: &str| world.file(name).as_deref() == Some("left");
        let seen = (left("unversioned"), left("ignored.o"), left("kept"), left("edited"));
        assert_eq!(seen, (unversioned, ignored, kept, edit), "{options}");
        assert_eq!(world.path(".svn").exists(), options["method"] != "export");
    }
}

#[tokio::test]
async fn revisions_come_from_the_stamp_or_the_changes() {
    let world = World::new();
    world.commit("trunk/file", "two\n");
    world.commit("trunk/file", "three\n");
    for options in [json!({}), full("clobber"), full("fresh"), full("export")] {
        let built = world.build(options.clone(), Some("2")).await.succeeded();
        assert_eq!(
            (built.revision(), world.file("file")),
            ("2", Some("two\n".into())),
            "{options}"
        );
        let built = world.build(options.clone(), None).await.succeeded();
        assert_eq!(built.revision(), "3", "{options}");
    }
    let mut bench = FakeBench::local(&world.builder);
    bench.changes = ["2", "1"].map(change).into();
    let built = world.build_on(bench, json!({})).await.succeeded();
    assert_eq!(built.revision(), "2");
    assert_eq!(built.bench.properties.get_str("revision"), Some("2"));
    // The working copy is at 4, and its directory has changed in 3.
    run(&world.author, "svn", &["mkdir", "-q", "-m", "x", &format!("{}/other", world.url)]);
    let built = world.build(json!({}), None).await.succeeded();
    assert_eq!(built.revision(), "4");
    let built = world.build(json!({"preferLastChangedRev": true}), None).await.succeeded();
    assert_eq!(built.revision(), "3");
}

fn change(revision: &str) -> Change {
    Change {
        id: crate::model::ChangeId(1),
        author: String::new(),
        committer: None,
        comments: String::new(),
        files: Vec::new(),
        branch: None,
        revision: Some(revision.to_owned()),
        revlink: None,
        when_timestamp: 0,
        category: None,
        repository: String::new(),
        project: String::new(),
        codebase: String::new(),
        properties: crate::model::Properties::new(),
        sourcestamp: stamp("", None, None),
        parent: None,
    }
}

#[tokio::test]
async fn broken_and_foreign_directories_are_replaced() {
    let world = World::new();
    std::fs::create_dir(world.builder.join("build")).unwrap();
    std::fs::write(world.path("foreign"), "").unwrap();
    world.build(json!({}), None).await.succeeded();
    assert_eq!(world.file("foreign"), None);
    // Another address.
    std::fs::create_dir(world.author.join("branch")).unwrap();
    world.commit("branch/other", "x\n");
    let branch = format!("{}/branch/", world.url);
    world.build(json!({"repourl": branch}), None).await.succeeded();
    assert!(world.file("other").is_some() && world.file("file").is_none());
    // The same one again, in another way.
    std::fs::write(world.path("left"), "").unwrap();
    world.build(json!({"repourl": format!("{}/./branch", world.url)}), None).await.succeeded();
    assert!(world.file("left").is_some());
    std::fs::write(world.path(".svn/wc.db"), "broken").unwrap();
    world.build(json!({"repourl": branch}), None).await.succeeded();
    assert_eq!(world.file("left"), None);
}

/// A patch as `diff` makes it.
fn patch(subdir: &str, body: &str) -> Patch {
    Patch {
        id: PatchId(1),
        level: 0,
        body: body.as_bytes().to_vec(),
        author: String::new(),
        comment: String::new(),
        subdir: subdir.to_owned(),
    }
}

#[tokio::test]
async fn a_patch_is_applied_and_taken_back() {
    let world = World::new();
    std::fs::create_dir(world.author.join("trunk/sub")).unwrap();
    world.commit("trunk/sub/file", "one\n");
    let body = "--- file\n+++ file\n@@ -1 +1 @@\n-one\n+patched\n\
                --- /dev/null\n+++ new\n@@ -0,0 +1 @@\n+new\n";
    for (subdir, options) in [("", json!({})), ("sub", full("clean")), ("sub", full("copy"))] {
        let mut bench = FakeBench::local(&world.builder);
        bench.sources[0].patch = Some(patch(subdir, body));
        let built = world.build_on(bench, options.clone()).await.succeeded();
        assert!(built.bench.log_text("patch").contains("+patched"));
        let file = Path::new(subdir).join("file").display().to_string();
        let new = Path::new(subdir).join("new").display().to_string();
        assert_eq!(world.file(&file).as_deref(), Some("patched\n"), "{subdir} {options}");
        assert!(world.path(".buildbot-patched").is_file() && world.file(&new).is_some());
        assert!(!world.path(subdir).join(".buildbot-diff").exists());
        world.build(options, None).await.succeeded();
        assert_eq!(world.file(&file).as_deref(), Some("one\n"), "{subdir}");
        assert!(world.file(&new).is_none() && !world.path(".buildbot-patched").exists());
    }
    let mut bench = FakeBench::local(&world.builder);
    bench.sources[0].patch = Some(patch("", &body.replace("-one", "-two")));
    let built = world.build_on(bench, json!({})).await;
    assert_eq!(built.text, "update: Hunk #1 FAILED at 1. (failure)");
    assert!(!world.path(".buildbot-diff").exists());
    let mut bench = FakeBench::local(&world.builder);
    bench.sources[0].patch = Some(patch("../..", body));
    let built = world.build_on(bench, json!({})).await;
    assert!(built.text.contains("lies outside the work tree"), "{}", built.text);
}

#[tokio::test]
async fn failures_say_what_svn_said() {
    let world = World::new();
    let gone = format!("file://{}/gone", world.builder.display());
    let options = json!({"repourl": gone, "retry": [0, 2]});
    let built = world.build(options, None).await;
    assert_eq!(built.results, Results::Failure);
    assert!(built.text.contains("E180001: Unable to open"), "{}", built.text);
    let checkouts = format!("{:?}", built.bench.commands).matches("\"checkout\"").count();
    assert_eq!(checkouts, 3);
    let built = world.build(json!({}), Some("99")).await;
    assert!(built.text.contains("No such revision 99"), "{}", built.text);
    let built = world.build(json!({}), Some("--config-dir=x")).await;
    assert!(built.text.contains("must not begin with a hyphen"), "{}", built.text);
    let bench = FakeBench::local(&world.builder);
    bench.interrupt.send_replace(Some("enough".into()));
    let built = world.build_on(bench, json!({})).await;
    assert_eq!((built.results, built.bench.commands.len()), (Results::Cancelled, 1));
}

/// What the log shows of the programs that were run; other commands by their name.
fn shown(commands: &[Command]) -> Vec<String> {
    let word = |arg: &Arg| match arg {
        Arg::Plain(text) | Arg::Obfuscated { shown: text, .. } => text.clone(),
    };
    let line = |command: &Command| match command {
        Command::Shell(shell) => match &shell.command {
            CommandLine::Args(args) => args.iter().map(word).collect::<Vec<_>>().join(" "),
            CommandLine::Text(text) => text.clone(),
        },
        other => other.name().to_owned(),
    };
    commands.iter().map(line).collect()
}

/// The command lines are those of stock's own tests and manual.
#[tokio::test]
async fn commands_are_those_of_stock() {
    let info = "<info><entry revision=\"5\"><url>http://h/r</url></entry></info>";
    let well = || ended(0, "");
    let there = |stdout: &str| vec![well(), ended(1, ""), well(), ended(0, stdout)];
    let login = "--non-interactive --no-auth-cache --username me --password XXXXXX \
                 --depth infinity --random";
    let checkout = |begun: &[&str], rest: Vec<String>| {
        let begun = begun.iter().map(|line| (*line).to_owned());
        begun.chain(rest).collect::<Vec<String>>()
    };
    let cases: Vec<(Value, Vec<Finished>, Vec<String>)> = vec![
        (
            json!({}),
            there(info),
            checkout(
                &["svn --version", "stat", "stat"],
                vec![
                    format!("svn info --xml {login}"),
                    format!("svn update --revision 5 {login}"),
                    "svn info --xml".to_owned(),
                ],
            ),
        ),
        (
            full("clobber"),
            vec![well(), ended(1, "")],
            checkout(
                &["svn --version", "stat", "rmdir"],
                vec![
                    format!("svn checkout http://h/r . --revision 5 {login}"),
                    "svn info --xml".to_owned(),
                ],
            ),
        ),
        (
            full("export"),
            [vec![well(), ended(1, ""), well()], vec![well(), ended(0, info)]].concat(),
            checkout(
                &["svn --version", "stat", "rmdir", "stat"],
                vec![
                    format!("svn info --xml {login}"),
                    format!("svn update --revision 5 {login}"),
                    "svn export --revision 5 --username me --password XXXXXX --random source build"
                        .to_owned(),
                    "svn info --xml".to_owned(),
                ],
            ),
        ),
    ];
    for (mut options, mut answers, expected) in cases {
        let fill = expected.len() - 1 - answers.len();
        answers.extend(std::iter::repeat_with(well).take(fill));
        answers.push(ended(0, info));
        let mut bench = FakeBench::scripted(answers);
        bench.sources = vec![stamp("", None, Some("5"))];
        bench.secrets = vec![("pw".into(), "s3cret".into())];
        let base = json!({
            "type": "SVN", "repourl": "http://h/r", "username": "me",
            "password": "%(secret:pw)s", "depth": "infinity", "extra_args": ["--random"],
        });
        for (key, value) in base.as_object().unwrap() {
            options[key] = value.clone();
        }
        let plan = plan(options.clone());
        assert!(!format!("{plan:?}").contains("pw"), "{plan:?}");
        let (outcome, _) = bench.run(&plan).await;
        assert_eq!(shown(&bench.commands), expected, "{options}");
        assert_eq!(outcome.results, Results::Success);
        assert!(!bench.log_text("stdio").contains("s3cret"));
    }
}

#[tokio::test]
async fn a_codebase_has_its_own_names() {
    let world = World::new();
    let mut bench = FakeBench::local(&world.builder);
    bench.sources = vec![stamp("app", None, None)];
    let options = json!({"codebase": "app", "mode": "full", "method": "export"});
    let built = world.build_on(bench, options).await.succeeded();
    assert_eq!(built.text, "update app");
    assert_eq!(built.bench.properties.get("got_revision"), Some(&json!({"app": "1"})));
    assert!(world.builder.join("source/app/.svn").exists());
    assert_eq!(plan(json!({"type": "SVN", "repourl": "r", "codebase": "app"})).name, "svn-app");
}

#[test]
fn mistakes_in_options_are_told() {
    let cases = [
        (json!({"type": "SVN"}), "needs a value for 'repourl'"),
        (json!({"mode": "half"}), "'mode' must be incremental or full, not 'half'"),
        (
            json!({"mode": "full", "method": "wash"}),
            "'method' must be fresh, clobber, clean, copy or export, not 'wash'",
        ),
        (json!({"depth": "deep"}), "must be one of empty"),
        (json!({"passwd": "x"}), "did you mean 'password'"),
    ];
    for (mut options, part) in cases {
        if options.get("type").is_none() {
            options["type"] = "SVN".into();
            options["repourl"] = "r".into();
        }
        let (_, problems) = parsed(options.clone());
        assert!(problems.contains(part), "{options}: {problems}");
    }
}

#[tokio::test]
async fn a_change_of_another_system_is_told() {
    let mut bench = FakeBench::scripted([]);
    bench.changes = vec![change("deadbeef")];
    let step = plan(json!({"type": "SVN", "repourl": "r"}));
    let error = step.step.run(&mut bench).await.unwrap_err().to_string();
    assert_eq!(error, "'deadbeef' is no revision of Subversion");
}
