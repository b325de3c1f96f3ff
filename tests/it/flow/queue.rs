//! Which requests are built where, and which are not.

use buildbot::actors::control::ControlError;
use buildbot::actors::scheduler::ForceRequest;
use buildbot::db::listing::{self, RequestRow, Scope};
use buildbot::db::{buildrequests, builds};
use buildbot::events::Event;
use buildbot::model::{BuildRequestId, Results};
use serde_json::{Map, json};

use super::commit::first_poll;
use super::{config, force, hanging, shell};
use crate::world::{Place, Repository, TestMaster, run};

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
        // Each says which one took it.
        let newest = requests[2].0;
        let rows = master.read(move |conn| {
            listing::all::<RequestRow>(conn, &Scope::is("ours.collapsed_into", newest))
        });
        let took: Vec<i64> = rows.await.iter().map(|row| row.buildrequestid).collect();
        assert_eq!(took, [requests[0].0, requests[1].0]);
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
        master.waits_because(second, "busy with as many builds as allowed: w1 (one #1)").await;
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

/// Options of the builder `runtests`.
fn with_options(repository: &Repository, steps: &str, options: &str) -> String {
    config(repository, steps)
        .replace("workernames = [\"w1\"]", &format!("workernames = [\"w1\"]\n{options}"))
}

#[test]
fn a_rule_says_what_collapses() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let rule = "collapseRequests = 'new.priority <= old.priority'";
        let mut master = place.master(&with_options(&repository, &shell("true"), rule)).await;
        let force_with = async |priority: i64| {
            let values = Map::from_iter([("priority".to_owned(), json!(priority))]);
            let request = ForceRequest { values, ..ForceRequest::default() };
            let submitted = master.handles.control.force("force", request).await;
            submitted.expect("a forced build").requests[0].1
        };
        let first = force_with(1).await;
        let second = force_with(5).await;
        let third = force_with(5).await;
        let gone = master
            .fact("a collapsed request", |event| match event {
                Event::RequestCompleted { request, results: Results::Skipped, .. } => {
                    Some(*request)
                }
                _ => None,
            })
            .await;
        assert_eq!(gone, second);
        assert_eq!(master.reason(first).await, "not connected: w1");
        assert_eq!(master.reason(third).await, "not connected: w1");
        master.stop().await;
    });
}

#[test]
fn a_chosen_worker_is_waited_for() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let options = "canStartBuild = 'enforceChosenWorker'\ncollapseRequests = false";
        let text = with_options(&repository, &shell("true"), options)
            .replace("workernames = [\"w1\"]", "workernames = [\"w1\", \"w2\"]")
            .replace(
                "[[change_source]]",
                "[[workers]]\nname = \"w2\"\npassword = \"pass\"\n[[change_source]]",
            )
            .replace(
                "name = \"force\"",
                "name = \"force\"\nproperties = [{ type = 'StringParameter', name = 'workername' }]",
            );
        let mut master = place.master(&text).await;
        let worker = place.worker(&master, "w1").await;
        let choose = async |name: &str| {
            let values = Map::from_iter([("workername".to_owned(), json!(name))]);
            let request = ForceRequest { values, ..ForceRequest::default() };
            let submitted = master.handles.control.force("force", request).await;
            submitted.expect("a forced build").requests[0].1
        };
        let waits = choose("w2").await;
        let runs = choose("w1").await;
        let (build, _) = master.build_finished().await;
        assert_eq!(master.build(build).await.request, runs, "nobody waits behind it");
        let expected = "waits for the worker that it asks for: not connected: w2";
        master.waits_because(waits, expected).await;
        let other = place.worker(&master, "w2").await;
        let (build, _) = master.build_finished().await;
        assert_eq!(master.build(build).await.request, waits);
        worker.stop().await;
        other.stop().await;
        master.stop().await;
    });
}

#[test]
fn a_later_priority_counts() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let options = "collapseRequests = false";
        let mut master = place.master(&with_options(&repository, &shell("true"), options)).await;
        let mut requests = Vec::new();
        for _ in 0..3 {
            requests.push(force(&master).await.requests[0].1);
        }
        master.handles.control.set_priority(requests[2], 5).await.expect("a priority");
        let worker = place.worker(&master, "w1").await;
        let mut order = Vec::new();
        for _ in 0..3 {
            let (build, _) = master.build_finished().await;
            order.push(master.build(build).await.request);
        }
        assert_eq!(order, [requests[2], requests[0], requests[1]]);
        let missing = master.handles.control.set_priority(BuildRequestId(99), 5).await;
        assert!(matches!(missing, Err(ControlError::NotFound(_))), "{missing:?}");
        worker.stop().await;
        master.stop().await;
    });
}

#[test]
fn a_build_that_nobody_wants_is_skipped() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let options = "do_build_if = 'reason != \"force build\"'";
        let mut master = place.master(&with_options(&repository, &shell("true"), options)).await;
        let worker = place.worker(&master, "w1").await;
        force(&master).await;
        let (build, results) = master.build_finished().await;
        assert_eq!(results, Results::Skipped);
        assert_eq!(master.build(build).await.state_string, "build successful");
        assert!(master.steps(build).await.is_empty());
        worker.stop().await;
        master.stop().await;
    });
}

#[test]
fn a_worker_rests_after_an_exception() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let steps = shell("%(secret:none)s");
        let mut master = place.master(&config(&repository, &steps)).await;
        let worker = place.worker(&master, "w1").await;
        force(&master).await;
        assert_eq!(master.build_finished().await.1, Results::Exception);
        let id = master.handles.roster.board().workers["w1"].id;
        let rests = || master.handles.distributor.rests_until(id).is_some();
        assert!(rests());
        let second = force(&master).await.requests[0].1;
        let reason = master.reason(second).await;
        assert!(reason.starts_with("resting after broken builds: w1 (for another "), "{reason}");
        master.handles.distributor.wake(id);
        assert!(!rests());
        let (build, _) = master.build_finished().await;
        assert_eq!(master.build(build).await.request, second);
        worker.stop().await;
        master.stop().await;
    });
}

#[test]
fn a_request_is_given_up_when_its_workers_vanish() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let mut master =
            place.master(&with_options(&repository, &hanging(&place), "maxRetries = 1")).await;
        let request = force(&master).await.requests[0].1;
        for expected in [Results::Retry, Results::Exception] {
            let worker = place.worker(&master, "w1").await;
            let build = master.build_started().await;
            master.log_says(build, "obegun").await;
            worker.vanish();
            let (ended, results) = master.build_finished().await;
            assert_eq!((ended, results), (build, expected));
            master.worker_is_offline("w1").await;
        }
        let builds = master.read(move |conn| builds::recent(conn, 10, 0)).await;
        let line = &builds[0].state_string;
        assert!(line.contains("given up after 2 lost builds: maxRetries"), "{line}");
        let row = master.read(move |conn| buildrequests::get(conn, request)).await;
        assert_eq!((row.complete, row.results), (true, Some(Results::Exception)));
        master.stop().await;
    });
}

#[test]
fn a_newer_commit_cancels_and_a_failure_takes_siblings_along() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        repository.commit("a", "a", "a");
        let services = "[[services]]\ntype = \"OldBuildCanceller\"\nname = \"old\"\n\
            filters = [{ builders = [\"one\"], filter = { branch_re = \"ma\" } }]\n\
            [[services]]\ntype = \"FailingBuildsetCanceller\"\nname = \"failing\"\n\
            filters = [{ builders = [\"one\"], builders_to_cancel = [\"two\"] }]\n";
        let go = place.path("signs").join("go");
        let one = shell(&format!("while ! test -e {}; do sleep 0.02; done; false", go.display()));
        let text = two_builders(&repository, [one, shell("sleep 600")], "") + "\n" + services;
        let mut master = place.master(&text).await;
        first_poll(&master).await;
        repository.commit("b", "b", "b");
        assert!(master.handles.control.poll_now("poller"));
        let worker = place.worker(&master, "w1").await;
        for _ in 0..2 {
            master.build_started().await;
        }
        repository.commit("c", "c", "c");
        assert!(master.handles.control.poll_now("poller"));
        let stopped = master
            .fact("a cancelled build", |event| match event {
                Event::BuildFinished { build, results: Results::Cancelled, .. } => Some(*build),
                _ => None,
            })
            .await;
        let line = master.build(stopped).await.state_string;
        assert!(line.contains("obsoleted by a newer commit"), "{line}");
        std::fs::write(&go, "").expect("a written file");
        let one = master.build(stopped).await.builder;
        let sibling = master
            .fact("a cancelled sibling", |event| match event {
                Event::RequestCompleted { request, builder, results, .. } => {
                    (*results == Results::Cancelled && *builder != one).then_some(*request)
                }
                _ => None,
            })
            .await;
        let row = master.read(move |conn| {
            listing::one::<RequestRow>(conn, &Scope::is("buildrequests.id", sibling.0))
        });
        let reason = row.await.and_then(|row| row.rs_cancel_reason).unwrap_or_default();
        assert!(reason.contains("another build in the same buildset failed"), "{reason}");
        worker.stop().await;
        master.halt().await;
    });
}
