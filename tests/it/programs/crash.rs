//! The master goes away in the middle of a build.

use std::fs;

use serde_json::json;

use super::{Site, eventually};

/// Waits for a file on its first run, which the test makes only after the crash.
const SLOW: &str = r#"
[[builders.steps]]
type = "ShellCommand"
name = "slow"
command = "echo begun; while [ ! -e ../../../go ]; do sleep 0.05; done"
"#;

#[tokio::test]
async fn killed_in_the_middle_of_a_build() {
    built_again_after("KILL").await;
}

#[tokio::test]
async fn stopped_in_the_middle_of_a_build() {
    built_again_after("TERM").await;
}

/// The build is closed as RETRY (5), its request is built again, and nothing else is left open.
async fn built_again_after(signal: &str) {
    let mut site = Site::new(SLOW);
    site.start_master().await;
    site.start_worker("w1", "sesame").await;
    site.until_connected("w1").await;
    let submitted = site
        .call("forceschedulers/force", "force", json!({ "builderid": "1", "reason": "crash" }))
        .await;
    site.begun(1).await;

    site.master().end(signal);
    fs::write(site.dir().join("go"), "").expect("a file");
    site.start_master().await;

    let again = site.finished(2).await;
    assert_eq!(again["results"], 0, "{again}");
    let first = site.finished(1).await;
    assert_eq!(first["results"], 5, "{first}");
    assert_eq!(first["buildrequestid"], again["buildrequestid"]);
    // The closer follows the build.
    let path = format!("buildsets/{}", submitted[0]);
    let buildset = eventually("a complete buildset", || async {
        let buildset = site.get(&path).await["buildsets"][0].clone();
        (buildset["complete"] == true).then_some(buildset)
    })
    .await;
    assert_eq!(buildset["results"], 0, "{buildset}");
    let open = site.get("builds?complete=false").await;
    assert_eq!(open["builds"], json!([]), "{open}");
}
