//! A commit is found, built, and its outcome told.

use std::fs;
use std::path::Path;

use super::{Site, eventually};

const TEST_STEPS: &str = r#"
[[builders.steps]]
type = "Git"
repourl = "REPO"
branch = "main"
mode = "incremental"
[[builders.steps]]
type = "ShellCommand"
name = "lint"
command = ["sh", "lint.sh"]
warnOnFailure = true
flunkOnFailure = false
haltOnFailure = false
[[builders.steps]]
type = "ShellCommand"
name = "test"
command = ["sh", "test.sh"]
"#;

#[tokio::test]
async fn green_red_and_orange() {
    let mut site = Site::new(TEST_STEPS);
    site.start_master().await;
    site.start_worker("w1", "sesame").await;
    site.until_connected("w1").await;
    first_poll(&site).await;

    write(&site, "lint.sh", "true\n");
    let revision = site.repo.commit("test.sh", "echo all is well; cat README\n", "works");
    let build = site.finished(1).await;
    assert_eq!(build["results"], 0, "{build}");
    let stdio = site.stdio(&build, "test").await;
    assert!(stdio.contains("all is well\n") && stdio.contains("nothing yet\n"), "{stdio}");
    let properties = site.get(&format!("builds/{}/properties", build["buildid"])).await;
    assert_eq!(properties["properties"][0]["got_revision"][0], revision.as_str(), "{properties}");

    site.repo.commit("test.sh", "echo broken >&2; exit 3\n", "breaks");
    let build = site.finished(2).await;
    assert_eq!(build["results"], 2, "{build}");
    assert!(site.stdio(&build, "test").await.contains("broken"));

    write(&site, "test.sh", "true\n");
    site.repo.commit("lint.sh", "exit 1\n", "warns");
    assert_eq!(site.finished(3).await["results"], 1);

    let changes = site.get("changes?order=changeid").await;
    let comments: Vec<&str> = changes["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .filter_map(|change| change["comments"].as_str())
        .collect();
    assert_eq!(comments, ["works", "breaks", "warns"]);
}

#[tokio::test]
async fn a_restart_neither_repeats_nor_skips_commits() {
    let mut site = Site::new(TEST_STEPS);
    site.start_master().await;
    site.start_worker("w1", "sesame").await;
    first_poll(&site).await;
    write(&site, "lint.sh", "true\n");
    site.repo.commit("test.sh", "true\n", "one");
    site.finished(1).await;
    assert!(site.master().end("TERM").success());
    site.repo.commit("a", "2", "two");
    site.repo.commit("a", "3", "three");
    site.start_master().await;
    eventually("the third change", || async {
        let changes = site.get("changes?order=changeid").await;
        let comments: Vec<_> =
            changes["changes"].as_array()?.iter().map(|c| c["comments"].clone()).collect();
        assert!(comments.len() <= 3, "{comments:?}");
        (comments == ["one", "two", "three"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_and_an_unreachable_repository_are_told_and_survived() {
    let mut site = Site::new("[[builders.steps]]\ntype = \"ShellCommand\"\ncommand = [\"true\"]\n");
    let file = site.master_dir().join("master.toml");
    let text = fs::read_to_string(&file).expect("a file");
    let repo = site.repo.url();
    fs::write(&file, text.replace(&repo, "/no/such/repository")).expect("a file");
    site.start_master().await;
    site.start_worker("w1", "plugh").await;
    eventually("both complaints", || async {
        let log = site.log();
        (log.contains("login failed") && log.contains("/no/such/repository")).then_some(())
    })
    .await;
    assert!(!site.log().contains("plugh"), "the password is in the log");
    site.get("masters").await;
}

/// A file for the next commit.
fn write(site: &Site, name: &str, text: &str) {
    fs::write(Path::new(&site.repo.url()).join(name), text).expect("a file");
}

/// A poller that sees a repository for the first time takes its commits as known; only what comes
/// afterwards is built.
async fn first_poll(site: &Site) {
    eventually("the first poll", || async { site.log().contains("first look at").then_some(()) })
        .await;
}
