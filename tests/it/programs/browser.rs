//! The waterfall in a real browser: the style and the script are allowed to run, and the page
//! hears of news.

use std::process::Stdio;

use serde_json::json;

use super::{Site, eventually};

const ONE_STEP: &str = "[[builders.steps]]\ntype = \"ShellCommand\"\ncommand = [\"true\"]\n";

/// The first browser found; without one the test says that it is skipped.
fn browser() -> Option<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let known = ["chromium", "chromium-browser", "google-chrome"];
    let found = known
        .into_iter()
        .find(|name| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()));
    if found.is_none() {
        eprintln!("skipped: no Chromium; `make setup` installs it");
    }
    found
}

/// The page as the browser has it after its scripts ran for a while.
async fn page(browser: &str, url: &str) -> Option<String> {
    let profile = tempfile::tempdir().ok()?;
    let output = tokio::process::Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-sync", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--timeout=3000", "--dump-dom", url])
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .ok()?;
    String::from_utf8(output.stdout).ok()
}

#[tokio::test]
async fn the_waterfall_is_live() {
    let Some(browser) = browser() else { return };
    let mut site = Site::new(ONE_STEP);
    site.start_master().await;
    site.start_worker("w1", "sesame").await;
    site.until_connected("w1").await;
    site.call("forceschedulers/force", "force", json!({ "builderid": "1", "reason": "look" }))
        .await;
    site.finished(1).await;
    let url = format!("http://localhost:{}/waterfall", site.www);
    let page = eventually("a live page", || async {
        let page = page(browser, &url).await?;
        page.contains(r#"id="live" role="status">live<"#).then_some(page)
    })
    .await;
    assert!(page.contains("#1"), "{page}");
    assert!(page.contains("success"), "{page}");
}
