//! Actors that die while a build runs, and stops in the middle of one.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use buildbot::actors::handles::Handles;
use buildbot::actors::mail::{Child, Mailbox};
use buildbot::actors::master::{Master, MasterError, OrderDesk, Watcher};
use buildbot::actors::supervise::{ChildSpec, Supervisor};
use buildbot::config::checked::MasterConfig;
use buildbot::config::diff::Diff;
use buildbot::db::builds::NewBuild;
use buildbot::db::{Db, buildrequests, builds, masters};
use buildbot::flow::restart::Budget;
use buildbot::model::Results;

use super::{config, force, hanging, let_go, shell};
use crate::programs::free_port;
use crate::world::{Client, Place, Repository, eventually, run, soon};

/// Ends the present life of a child and waits for the next one.
async fn kill(master: &crate::world::TestMaster, path: &str) {
    let tree = master.handles.tree.clone();
    let restarts = || tree.snapshot().iter().find(|row| row.path == path).map(|row| row.restarts);
    let before = restarts().unwrap_or_else(|| panic!("no child {path}"));
    assert!(tree.restart(path));
    eventually(path, || restarts() == Some(before + 1)).await;
}

#[test]
fn a_build_outlives_everybody_who_is_not_part_of_it() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        repository.commit("a", "a", "a");
        let mut master = place.master(&config(&repository, &hanging(&place))).await;
        let worker = place.worker(&master, "w1").await;
        force(&master).await;
        let build = master.build_started().await;
        master.log_says(build, "obegun").await;
        for path in [
            "log intake",
            "buildset closer",
            "distributor",
            "intake",
            "builder runtests",
            "scheduler all",
            "scheduler force",
            "change source poller",
        ] {
            kill(&master, path).await;
        }
        let_go(&place);
        assert_eq!(master.build_finished().await, (build, Results::Success));
        let logs = master.all_logs(build).await;
        assert!(logs.contains("obegun\n") && logs.contains("odone\n"), "{logs}");

        // The next lives do their work.
        let submitted = force(&master).await;
        let (second, results) = master.build_finished().await;
        assert_eq!(results, Results::Success);
        assert_eq!(master.build(second).await.request, submitted.requests[0].1);
        let restarts = master.handles.tree.snapshot().iter().map(|row| row.restarts).sum::<u64>();
        assert_eq!(restarts, 8, "nobody else died");
        worker.stop().await;
        master.stop().await;
    });
}

#[test]
fn a_new_life_of_a_change_source_hears_old_clients_and_new_ones() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let port = free_port();
        let source = format!(
            "[[change_source]]\ntype = \"PBChangeSource\"\nname = \"hooks\"\n\
             port = \"tcp:{port}:interface=127.0.0.1\"\n"
        );
        let master = place.master(&(config(&repository, &shell("true")) + &source)).await;
        let log_in = || Client::log_in(port, "change", "changepw");
        let mut old = log_in().await.expect("a login");
        assert!(old.send_change(&[("who", "me".into())]).await.is_ok());
        kill(&master, "change source hooks").await;
        let mut new = soon("a login at the next life", async {
            loop {
                if let Some(client) = log_in().await {
                    return client;
                }
            }
        })
        .await;
        for client in [&mut old, &mut new] {
            let sent = client.send_change(&[("who", "me".into())]).await;
            assert!(sent.is_ok(), "{sent:?}");
        }
        let sources = master.handles.sources.snapshot();
        let source = sources.iter().find(|source| source.name == "hooks").expect("the source");
        assert_eq!((source.kind, &source.last_error), ("PBChangeSource", &None));
        assert!(!master.handles.control.poll_now("hooks"));
        master.stop().await;
    });
}

#[test]
fn a_new_roster_gets_its_workers_back() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let mut master = place.master(&config(&repository, &hanging(&place))).await;
        let worker = place.worker(&master, "w1").await;
        force(&master).await;
        let build = master.build_started().await;
        master.log_says(build, "obegun").await;
        kill(&master, "roster").await;
        assert_eq!(master.build_finished().await, (build, Results::Retry));
        let_go(&place);
        assert_eq!(master.build_finished().await.1, Results::Success, "the worker came back");
        worker.stop().await;
        master.stop().await;
    });
}

#[test]
fn a_shutdown_ends_builds_before_their_workers_go() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let mut master = place.master(&config(&repository, &hanging(&place))).await;
        let worker = place.worker(&master, "w1").await;
        let request = force(&master).await.requests[0].1;
        let build = master.build_started().await;
        master.log_says(build, "obegun").await;
        let (db, me) = (master.handles.db.clone(), master.handles.master.id);
        let began = Instant::now();
        master.halt().await;
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        let (row, steps, request, running) = db
            .read(move |conn| {
                let steps = buildbot::db::steps::of_build(conn, build)?;
                let request = buildrequests::get(conn, request)?;
                Ok((builds::get(conn, build)?, steps, request, builds::running(conn, me)?))
            })
            .await
            .expect("rows");
        assert_eq!(row.results, Some(Results::Retry));
        assert!(row.state_string.contains("master shutdown"), "{}", row.state_string);
        assert!(steps.iter().all(|step| step.complete_at.is_some()), "{steps:?}");
        assert_eq!((request.complete, request.claim), (false, None));
        assert!(running.is_empty());
        worker.stop().await;
    });
}

#[test]
fn a_crash_is_tidied_up_at_the_next_start() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let text = config(&repository, &hanging(&place));
        let mut master = place.master(&text).await;
        let worker = place.worker(&master, "w1").await;
        let request = force(&master).await.requests[0].1;
        let build = master.build_started().await;
        master.log_says(build, "obegun").await;
        // The tables as a crash leaves them.
        let (from, to) = (place.path("master"), place.path("copy"));
        let copied = std::process::Command::new("cp").arg("-r").args([&from, &to]).status();
        assert!(copied.expect("cp runs").success());
        let_go(&place);
        master.build_finished().await;
        let name = master.handles.master.name.clone();
        worker.stop().await;
        master.stop().await;

        let crashed = to.join("master").join("state.sqlite");
        let db = Db::open(crashed.to_str().expect("a path in UTF-8")).expect("a database");
        let (row, request) = db
            .write(move |conn| {
                masters::register(conn, &name, 5_000_000_000)?;
                Ok((builds::get(conn, build)?, buildrequests::get(conn, request)?))
            })
            .await
            .expect("rows");
        assert_eq!(row.results, Some(Results::Retry));
        assert_eq!((request.complete, request.claim), (false, None));
    });
}

/// Dies whenever it is born.
struct Stillborn;

buildbot::receives!(Stillborn:);

impl actix::Actor for Stillborn {
    type Context = actix::Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        panic!("no life in it");
    }
}

impl Child for Stillborn {}

struct Doomed;

#[async_trait(?Send)]
impl Watcher for Doomed {
    fn start(&self, supervisor: &Supervisor, _: &Handles) {
        let budget = Budget { restarts: 1, within: Duration::from_secs(60) };
        let spec = ChildSpec { budget, ..ChildSpec::essential("web") };
        supervisor.start(spec, &Mailbox::new("web"), || Stillborn);
    }

    async fn reconfigure(&self, _: &Supervisor, _: &Handles, _: &Diff, _: &MasterConfig) {}
}

#[test]
fn a_master_without_an_essential_part_ends_in_order() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let mut setup = place.setup(&config(&repository, &shell("true")));
        setup.status.push(Box::new(Doomed));
        let db = setup.db.clone();
        let master = Master::start(setup, OrderDesk::default()).await.expect("a master");
        let tree = master.handles().tree.clone();
        let ended = soon("the end", master.run()).await;
        let Err(MasterError::Essential(alarm)) = &ended else { panic!("{ended:?}") };
        assert_eq!((alarm.path.as_str(), alarm.error.as_str()), ("web", "no life in it"));
        assert!(tree.snapshot().is_empty(), "everybody has stopped");
        let rows = db.read(masters::list).await.expect("rows");
        assert!(rows.iter().all(|master| !master.active), "{rows:?}");
    });
}

#[test]
fn a_port_in_use_is_named_with_its_key() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = taken.local_addr().expect("an address").port();
        let mut setup = place.setup(&config(&repository, &shell("true")));
        setup.config.protocols[0].listen.port = port;
        let started = Master::start(setup, OrderDesk::default()).await;
        let error = started.err().expect("no second owner of a port").to_string();
        assert!(error.contains(&port.to_string()) && error.contains("protocols.pb"), "{error}");
    });
}

#[test]
fn a_build_that_nobody_runs_goes_back_to_the_queue() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let mut master = place.master(&config(&repository, &shell("true"))).await;
        let (builder, request) = force(&master).await.requests[0];
        let id = master.handles.master.id;
        // As left by a builder that died with the start in its mailbox, a minute ago.
        let claimed = master.handles.db.write(move |conn| {
            let then = buildbot::model::now() - 60;
            let state = "starting".to_owned();
            let new = NewBuild { builder, request, worker: None, master: id, state };
            buildrequests::claim(conn, id, &[request], then)?;
            builds::start(conn, new, then)
        });
        let build = claimed.await.expect("a build row");
        master.handles.distributor.poke();
        assert_eq!(master.build_finished().await, (build.id, Results::Retry));
        let row = master.read(move |conn| buildrequests::get(conn, request)).await;
        assert_eq!((row.claim, row.complete), (None, false));
        master.stop().await;
    });
}
