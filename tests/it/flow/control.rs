//! What people ask for: force, stop, rebuild, cancel.

use buildbot::actors::control::ControlError;
use buildbot::actors::scheduler::ForceRequest;
use buildbot::db::listing::{self, RequestRow, Scope};
use buildbot::db::{Conn, DbError, buildrequests, buildsets, masters};
use buildbot::model::{BuildId, BuildRequestId, Results};
use serde_json::{Map, json};

use super::{config, shell};
use crate::world::{Place, Repository, TestMaster, run};

async fn force(master: &TestMaster) -> buildbot::actors::scheduler::Submitted {
    let values = Map::from_iter([("reason".to_owned(), json!("because"))]);
    let request = ForceRequest { values, owner: "ann".into(), ..ForceRequest::default() };
    master.handles.control.force("force", request).await.expect("a forced build")
}

fn request_row(conn: &mut Conn, id: BuildRequestId) -> Result<RequestRow, DbError> {
    let row = listing::one(conn, &Scope::is("buildrequests.id", id.0))?;
    row.ok_or(DbError::NotFound)
}

fn place_with(command: &str) -> (Place, String) {
    let place = Place::new();
    let repository = Repository::new(place.path("repository"));
    repository.commit("a", "a", "a");
    let text = config(&repository, &shell(command));
    (place, text)
}

#[test]
fn a_forced_build_runs_and_can_be_rebuilt() {
    run(async {
        let (place, text) = place_with("echo %(prop:reason)s");
        let mut master = place.master(&text).await;
        let worker = place.worker(&master, "w1").await;
        let submitted = force(&master).await;
        let (first, results) = master.build_finished().await;
        assert_eq!(results, Results::Success);
        assert!(master.all_logs(first).await.contains("obecause\n"));
        let set = submitted.buildset;
        let reason = master.read(move |conn| Ok(buildsets::get(conn, set)?.reason)).await;
        assert_eq!(reason, "A build was forced by 'ann': because");

        let again = master.handles.control.rebuild(first, "").await.expect("a rebuild");
        let (second, _) = master.build_finished().await;
        assert_eq!(master.build(second).await.number, 2);
        let set = again.buildset;
        let row = master.read(move |conn| buildsets::get(conn, set)).await;
        assert_eq!((row.reason.as_str(), row.rebuilt_build), ("rebuild", Some(first)));
        let missing = master.handles.control.rebuild(BuildId(999), "").await;
        assert!(matches!(missing, Err(ControlError::NotFound(_))), "{missing:?}");
        worker.stop().await;
        master.stop().await;
    });
}

#[test]
fn a_stopped_build_is_cancelled_at_once() {
    run(async {
        let (place, text) = place_with("echo begun; sleep 600");
        let mut master = place.master(&text).await;
        let worker = place.worker(&master, "w1").await;
        force(&master).await;
        let build = master.build_started().await;
        master.log_says(build, "obegun").await;
        master.handles.control.stop_build(build, "enough").await.expect("a stopped build");
        let (finished, results) = master.build_finished().await;
        assert_eq!((finished, results), (build, Results::Cancelled));
        let text = master.build(build).await.state_string;
        assert!(text.starts_with("cancelled (enough)"), "{text}");
        worker.stop().await;
        master.stop().await;
    });
}

#[test]
fn a_pending_request_says_why_and_can_be_cancelled() {
    run(async {
        let (place, text) = place_with("true");
        let master = place.master(&text).await;
        let submitted = force(&master).await;
        let (_, request) = submitted.requests[0];
        assert_eq!(master.reason(request).await, "not connected: w1");
        master.handles.control.cancel_request(request, "no").await.expect("a cancelled request");
        let row = master.read(move |conn| buildrequests::get(conn, request)).await;
        assert_eq!((row.complete, row.results), (true, Some(Results::Cancelled)));
        let told = master.read(move |conn| request_row(conn, request)).await;
        assert_eq!(told.rs_cancel_reason.as_deref(), Some("no"));
        master.stop().await;
    });
}

#[test]
fn a_request_that_another_master_has_taken_says_so() {
    run(async {
        let (place, text) = place_with("true");
        let master = place.master(&text).await;
        let (_, request) = force(&master).await.requests[0];
        let taken = master.handles.db.write(move |conn| {
            let now = buildbot::model::now();
            let other = masters::register(conn, "elsewhere:/srv/bb", now)?;
            buildrequests::claim(conn, other, &[request], now)?;
            Ok(other)
        });
        let other = taken.await.expect("a claim");
        let told = "claimed by another master, elsewhere:/srv/bb, which builds it next";
        assert_eq!(master.reason(request).await, told);
        let given_up = move |conn: &mut Conn| buildrequests::unclaim(conn, other, &[request]);
        master.handles.db.write(given_up).await.expect("it is given up");
        assert_eq!(master.reason(request).await, "not connected: w1");
        master.stop().await;
    });
}
