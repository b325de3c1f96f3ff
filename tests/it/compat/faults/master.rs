//! The master is killed and started again.

use crate::compat::pairs::{Pairs, WorkerKind};
use crate::compat::peer::{Kind, Maker};
use crate::compat::stock;

#[tokio::test]
async fn workers_come_back_to_a_master_that_was_killed() {
    if stock("buildbot-worker").is_none() {
        return;
    }
    let workers = Kind::ALL.map(WorkerKind::Program);
    let signs = tempfile::tempdir().expect("a directory");
    let steps = super::HANGING.replace("@SIGNS@", signs.path().to_str().expect("UTF-8"));
    let steps = steps.replace("[[builders.steps]]", "[[factories.set.steps]]");
    let mut pairs = Pairs::start(Maker::Ours, &workers, &steps).await;
    pairs.force().await;
    for worker in workers {
        pairs.says(worker, 1, "\nbegun\n").await;
    }
    pairs.site.master().end("KILL");
    pairs.start_master().await;
    std::fs::write(signs.path().join("go"), "").expect("a file");
    for worker in workers {
        let first = pairs.built(worker, 1).await;
        assert_eq!(first["results"], 5, "{first}");
        let second = pairs.built(worker, 2).await;
        assert_eq!(second["results"], 0, "{second}");
        assert_eq!(first["buildrequestid"], second["buildrequestid"], "the same request");
    }
    assert!(pairs.site.master().end("TERM").success());
}
