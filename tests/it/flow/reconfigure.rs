//! Another configuration for a running master.

use std::time::Duration;

use buildbot::actors::scheduler::ForceRequest;
use buildbot::db::schedulers;
use buildbot::model::{BuildId, Results};

use super::{config, force, hanging, let_go, shell};
use crate::world::{Place, Repository, TestMaster, TestWorker, run, soon};

struct Site {
    place: Place,
    repository: Repository,
    master: TestMaster,
    worker: TestWorker,
}

impl Site {
    async fn new(steps: impl Fn(&Place) -> String) -> Site {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let master = place.master(&config(&repository, &steps(&place))).await;
        let worker = place.worker(&master, "w1").await;
        Site { place, repository, master, worker }
    }

    /// A build that waits for [`let_go`].
    async fn begin(&mut self) -> BuildId {
        force(&self.master).await;
        let build = self.master.build_started().await;
        self.master.log_says(build, "obegun").await;
        build
    }

    async fn stop(self) {
        self.worker.stop().await;
        self.master.stop().await;
    }
}

/// Every scheduler by name, and whether a master runs it.
async fn owners(master: &TestMaster) -> Vec<(String, bool)> {
    let rows = master.read(schedulers::list).await;
    let mut owners: Vec<(String, bool)> =
        rows.into_iter().map(|row| (row.name, row.master.is_some())).collect();
    owners.sort();
    owners
}

#[test]
fn a_good_file_changes_what_differs() {
    run(async {
        let mut site = Site::new(hanging).await;
        let running = site.begin().await;
        let new = config(&site.repository, &shell("echo changed"))
            .replace("[\"runtests\"]", "[\"runtests\", \"extra\"]")
            .replace(
                "type = \"SingleBranchScheduler\"\nname = \"all\"",
                "type = \"SingleBranchScheduler\"\nname = \"other\"",
            )
            + "[[builders]]\nname = \"extra\"\nworkernames = [\"w2\"]\n"
            + &shell("echo extra")
            + "[[workers]]\nname = \"w2\"\npassword = \"pass\"\n";
        let told = site.place.reconfigure(&site.master, &new).await.expect("a good file");
        assert_eq!(
            told,
            "workers: 1 new; builders: 1 new, 1 changed; schedulers: 1 new, 1 changed, 1 removed"
        );
        // New ones claim their row by themselves.
        let expected = [("all", false), ("force", true), ("other", true)];
        let expected = expected.map(|(name, owned)| (name.to_owned(), owned));
        soon("the owners of the schedulers", async {
            while owners(&site.master).await != expected {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;

        let second = site.place.worker(&site.master, "w2").await;
        let request = ForceRequest { builders: vec!["extra".into()], ..ForceRequest::default() };
        site.master.handles.control.force("force", request).await.expect("a forced build");
        let (extra, results) = site.master.build_finished().await;
        assert_eq!(results, Results::Success);
        assert!(site.master.all_logs(extra).await.contains("oextra\n"));

        let_go(&site.place);
        assert_eq!(site.master.build_finished().await, (running, Results::Success));
        let request = ForceRequest { builders: vec!["runtests".into()], ..ForceRequest::default() };
        site.master.handles.control.force("force", request).await.expect("a forced build");
        let (changed, _) = site.master.build_finished().await;
        assert!(site.master.all_logs(changed).await.contains("ochanged\n"));
        second.stop().await;
        site.stop().await;
    });
}

#[test]
fn a_bad_file_changes_nothing_and_all_is_told() {
    run(async {
        let mut site = Site::new(|_| shell("true")).await;
        let before = site.master.config();
        let bad = config(&site.repository, &shell("true"))
            .replace("pollInterval = 3600", "pollInterval = -1")
            .replace("builderNames = [\"runtests\"]", "builderNames = [\"nobody\"]")
            .replace("password = \"pass\"", "passwort = \"pass\"");
        let problems = site.place.reconfigure(&site.master, &bad).await.expect_err("problems");
        let told = problems.to_string();
        for place in ["pollInterval", "'nobody'", "'passwort'; did you mean 'password'"] {
            assert!(told.contains(place), "{place} is not in\n{told}");
        }
        assert!(std::sync::Arc::ptr_eq(&before, &site.master.config()));
        force(&site.master).await;
        assert_eq!(site.master.build_finished().await.1, Results::Success);
        site.stop().await;
    });
}

#[test]
fn a_port_in_use_refuses_the_whole_file() {
    run(async {
        let site = Site::new(|_| shell("true")).await;
        let before = site.master.config();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let text = config(&site.repository, &shell("echo changed"));
        let text = format!("{text}\n[www]\nport = \"tcp:{port}:interface=127.0.0.1\"\n");
        let problems = site.place.reconfigure(&site.master, &text).await.expect_err("a problem");
        assert!(problems.to_string().contains(&port.to_string()), "{problems}");
        assert!(std::sync::Arc::ptr_eq(&before, &site.master.config()));
        site.stop().await;
    });
}

#[test]
fn the_build_of_a_removed_builder_goes_on() {
    run(async {
        let mut site = Site::new(hanging).await;
        let running = site.begin().await;
        let waiting = force(&site.master).await.requests[0].1;
        let new = config(&site.repository, &shell("true")).replace("\"runtests\"", "\"heir\"");
        site.place.reconfigure(&site.master, &new).await.expect("a good file");
        let expected = "no running master has this builder in its configuration";
        site.master.waits_because(waiting, expected).await;
        let_go(&site.place);
        assert_eq!(site.master.build_finished().await, (running, Results::Success));

        // The builder comes back, and its request is built.
        let old = config(&site.repository, &shell("true"));
        site.place.reconfigure(&site.master, &old).await.expect("a good file");
        let (build, results) = site.master.build_finished().await;
        assert_eq!(results, Results::Success);
        assert_eq!(site.master.build(build).await.request, waiting);
        site.stop().await;
    });
}
