//! Which requests are built where, and which are not.

use buildbot::actors::control::ControlError;
use buildbot::actors::scheduler::ForceRequest;
use buildbot::db::buildrequests;
use buildbot::events::Event;
use buildbot::model::{BuildRequestId, Results};
use serde_json::{Map, json};

use super::{config, force, shell};
use crate::world::{Place, Repository, TestMaster, eventually, run};

async fn reason(master: &TestMaster, request: BuildRequestId, expected: &str) {
    let distributor = master.handles.distributor.clone();
    eventually(expected, || {
        distributor.reasons().get(&request).is_some_and(|reason| reason == expected)
    })
    .await;
}

async fn force_one(master: &TestMaster, builder: &str) -> BuildRequestId {
    let request = ForceRequest { builders: vec![builder.into()], ..ForceRequest::default() };
    let submitted = master.handles.control.force("force", request).await;
    submitted.expect("a forced build").requests[0].1
}

/// A configuration with the builders `one` and `two` on one worker.
fn two_builders(repository: &Repository, steps: [String; 2], max_builds: &str) -> String {
    let [one, two] = steps;
    config(repository, &one)
        .replace("[\"runtests\"]", "[\"one\", \"two\"]")
        .replace("\"runtests\"", "\"one\"")
        .replace("password = \"pass\"", &format!("password = \"pass\"\n{max_builds}"))
        + &format!("[[builders]]\nname = \"two\"\nworkernames = [\"w1\"]\n{two}")
}

#[test]
fn older_requests_collapse_into_the_newest() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let mut master = place.master(&config(&repository, &shell("true"))).await;
        let mut requests = Vec::new();
        for _ in 0..3 {
            requests.push(force(&master).await.requests[0].1);
        }
        for _ in 0..2 {
            let skipped = master
                .fact("a collapsed request", |event| match event {
                    Event::RequestCompleted { request, results: Results::Skipped, .. } => {
                        Some(*request)
                    }
                    _ => None,
                })
                .await;
            assert!(requests[..2].contains(&skipped));
        }
        let worker = place.worker(&master, "w1").await;
        let (build, _) = master.build_finished().await;
        assert_eq!(master.build(build).await.request, requests[2]);
        let left = master.read(|conn| buildrequests::pending(conn, 10)).await;
        assert!(left.is_empty(), "{left:?}");
        worker.stop().await;
        master.stop().await;
    });
}

#[test]
fn builders_share_a_worker() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let signs = place.path("signs");
        // Each waits for the other one.
        let meet = |mine: &str, other: &str| {
            let signs = signs.display();
            shell(&format!(
                "touch {signs}/{mine}; while ! test -e {signs}/{other}; do sleep 0.02; done"
            ))
        };
        let text = two_builders(&repository, [meet("a", "b"), meet("b", "a")], "");
        let mut master = place.master(&text).await;
        let worker = place.worker(&master, "w1").await;
        force(&master).await;
        for _ in 0..2 {
            assert_eq!(master.build_finished().await.1, Results::Success);
        }
        worker.stop().await;
        master.stop().await;
    });
}

#[test]
fn max_builds_is_the_limit_of_a_worker() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let go = place.path("signs").join("go");
        let wait = shell(&format!("while ! test -e {}; do sleep 0.02; done", go.display()));
        let text = two_builders(&repository, [wait.clone(), wait], "max_builds = 1");
        let mut master = place.master(&text).await;
        let worker = place.worker(&master, "w1").await;
        force_one(&master, "one").await;
        let first = master.build_started().await;
        let second = force_one(&master, "two").await;
        reason(&master, second, "busy with as many builds as allowed: w1").await;
        std::fs::write(&go, "").expect("a written file");
        assert_eq!(master.build_finished().await.0, first);
        let (build, _) = master.build_finished().await;
        assert_eq!(master.build(build).await.request, second);
        worker.stop().await;
        master.stop().await;
    });
}

#[test]
fn a_form_with_a_wrong_value_submits_nothing() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let master = place.master(&config(&repository, &shell("true"))).await;
        let values = Map::from_iter([("priority".to_owned(), json!("much"))]);
        let request = ForceRequest { values, ..ForceRequest::default() };
        let refused = master.handles.control.force("force", request).await;
        let Err(ControlError::Invalid(fields)) = refused else { panic!("{refused:?}") };
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["priority"]);
        let nobody = ForceRequest { builders: vec!["nobody".into()], ..ForceRequest::default() };
        let refused = master.handles.control.force("force", nobody).await;
        assert!(matches!(refused, Err(ControlError::NotFound(_))), "{refused:?}");
        let refused = master.handles.control.force("all", ForceRequest::default()).await;
        assert!(matches!(refused, Err(ControlError::NotFound(_))), "{refused:?}");
        let left = master.read(|conn| buildrequests::pending(conn, 10)).await;
        assert!(left.is_empty(), "{left:?}");
        master.stop().await;
    });
}

#[test]
fn a_failed_build_can_be_rebuilt() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let sign = place.path("signs").join("mended");
        let text = config(&repository, &shell(&format!("test -e {}", sign.display())));
        let mut master = place.master(&text).await;
        let worker = place.worker(&master, "w1").await;
        force(&master).await;
        let (failed, results) = master.build_finished().await;
        assert_eq!(results, Results::Failure);
        std::fs::write(&sign, "").expect("a written file");
        master.handles.control.rebuild(failed, "ann").await.expect("a rebuild");
        assert_eq!(master.build_finished().await.1, Results::Success);
        worker.stop().await;
        master.stop().await;
    });
}
