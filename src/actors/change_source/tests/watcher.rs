//! The actor around a source: failures, back-off, recovery, several masters.

use std::path::Path;

use serde_json::json;

use super::git::GitWorld;
use super::world::status;
use crate::change_sources::SourcePlan;
use crate::db::{changesources, masters};
use crate::events::Event;

#[actix::test]
async fn a_wrong_url_is_told_and_mends_itself() {
    let world = GitWorld::new();
    world.commit("f", "base");
    let later = world.dir.path().join("later");
    let config = world.poller(json!({
        "repourl": later.to_str().unwrap(), "pollAtLaunch": true, "pollInterval": 600,
    }));
    let sources = world.start(&config).await;
    let failed = status(&sources, |status| status.last_error.is_some()).await;
    let error = failed.last_error.unwrap();
    assert!(error.contains("does not appear to be a git repository"), "{error}");
    // Twice the interval after the first failure.
    let pause = failed.next_poll.unwrap_or_default() - failed.last_poll.unwrap_or_default();
    assert!((1199..=1201).contains(&pause), "{pause}");

    std::fs::rename(world.repo(), &later).unwrap();
    assert!(sources.poll_now("poller"));
    assert!(!sources.poll_now("nobody"));
    status(&sources, |status| status.last_poll.is_some() && status.last_error.is_none()).await;
    sources.stop(&world.supervisor, "poller").await;
    assert_eq!(sources.snapshot(), []);
}

#[actix::test]
async fn a_broken_clone_is_made_anew() {
    let world = GitWorld::new();
    world.commit("f", "base");
    let config = world.poller(json!({ "branches": ["main"] }));
    world.look(&config).await.unwrap();
    world.commit("g", "new");
    break_clone(&world.dir.path().join("work"));
    let mut listener = world.announcer.listen();
    let sources = world.start(&config).await;
    let mut polls = 0;
    let heard = loop {
        sources.poll_now("poller");
        polls += 1;
        assert!(polls < 1_000_000, "never recovered");
        tokio::select! {
            biased;
            heard = listener.recv() => break heard,
            () = tokio::task::yield_now() => {}
        }
    };
    assert!(matches!(&*heard.unwrap(), Event::ChangeAdded(change) if change.comments == "new"));
    sources.stop(&world.supervisor, "poller").await;
}

/// Leaves a repository whose refs cannot be locked, as a power failure may.
fn break_clone(clone: &Path) {
    let refs = clone.join("refs/buildbot");
    for entry in std::fs::read_dir(&refs).unwrap() {
        let path = entry.unwrap().path();
        std::fs::write(path.with_extension("lock"), b"").unwrap();
    }
}

#[actix::test]
async fn a_source_that_another_master_polls_rests() {
    let world = GitWorld::new();
    world.commit("f", "base");
    let claim = world.db.write(|conn| {
        let other = masters::register(conn, "there", 0)?;
        let id = changesources::find_or_create(conn, "poller")?;
        changesources::claim(conn, id, other)
    });
    assert!(claim.await.unwrap());
    let config: SourcePlan = world.poller(json!({ "pollAtLaunch": true }));
    let sources = world.start(&config).await;
    let resting = status(&sources, |status| status.last_error.is_some()).await;
    assert_eq!(resting.last_error.as_deref(), Some("another master polls this source"));
    sources.stop(&world.supervisor, "poller").await;
}
