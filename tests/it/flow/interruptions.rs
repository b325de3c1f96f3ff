//! What must survive: lost workers, restarts, crashes.

use buildbot::actors::scheduler::ForceRequest;
use buildbot::db::buildrequests;
use buildbot::model::Results;

use super::{config, hanging, let_go};
use crate::world::{Place, Repository, TestMaster, run};

async fn force(master: &TestMaster) -> buildbot::model::BuildRequestId {
    let submitted = master.handles.control.force("force", ForceRequest::default()).await;
    submitted.expect("a forced build").requests[0].1
}

#[test]
fn a_lost_worker_sends_the_request_back_to_the_queue() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let mut master = place.master(&config(&repository, &hanging(&place))).await;
        let worker = place.worker(&master, "w1").await;
        let request = force(&master).await;
        let first = master.build_started().await;
        master.log_says(first, "obegun").await;
        worker.vanish();
        let (lost, results) = master.build_finished().await;
        assert_eq!((lost, results), (first, Results::Retry));

        let_go(&place);
        let worker = place.worker(&master, "w1").await;
        let (second, results) = master.build_finished().await;
        assert_eq!(results, Results::Success);
        assert_eq!(master.build(second).await.request, request, "the same request");
        worker.stop().await;
        master.stop().await;
    });
}

#[test]
fn an_orderly_stop_keeps_the_request() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let text = config(&repository, &hanging(&place));
        let mut master = place.master(&text).await;
        let worker = place.worker(&master, "w1").await;
        let request = force(&master).await;
        let first = master.build_started().await;
        master.log_says(first, "obegun").await;
        master.halt().await;
        worker.stop().await;

        let_go(&place);
        let mut master = place.master(&text).await;
        assert_eq!(master.build(first).await.results, Some(Results::Retry));
        let worker = place.worker(&master, "w1").await;
        let (second, results) = master.build_finished().await;
        assert_eq!(results, Results::Success);
        assert_eq!(master.build(second).await.request, request);
        let row = master.read(move |conn| buildrequests::get(conn, request)).await;
        assert_eq!(row.results, Some(Results::Success));
        worker.stop().await;
        master.stop().await;
    });
}
