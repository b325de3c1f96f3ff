//! A worker inside the master: no port, no password, no second program.

use buildbot::model::Results;

use super::{config, force, shell};
use crate::world::{Place, Repository, run};

fn local(repository: &Repository, steps: &str) -> String {
    let remote = "name = \"w1\"\npassword = \"pass\"";
    let local = "type = \"LocalWorker\"\nname = \"w1\"";
    let config = config(repository, steps);
    assert!(config.contains(remote));
    config.replace(remote, local)
}

#[test]
fn a_local_worker_builds_below_the_masters_directory() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        repository.commit("a", "a", "a");
        let url = repository.url();
        let git = format!("[[builders.steps]]\ntype = \"Git\"\nrepourl = \"{url}\"\n");
        let config = local(&repository, &format!("{git}{}", shell("pwd; ls")));
        let mut master = place.master(&config).await;
        master.worker_is_online("w1").await;
        force(&master).await;
        let (build, results) = master.build_finished().await;
        let logs = master.all_logs(build).await;
        assert_eq!(results, Results::Success, "{logs}");
        let dir = place.path("master").join("workers/w1/runtests/build");
        assert!(logs.contains(&format!("o{}\noa\n", dir.display())), "{logs}");
        master.stop().await;
    });
}

#[test]
fn a_local_worker_comes_back_and_goes_with_the_configuration() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let with = local(&repository, &shell("echo hello"));
        let mut master = place.master(&with).await;
        master.worker_is_online("w1").await;
        let tree = master.handles.tree.clone();
        assert!(tree.restart("roster/local worker w1"), "it is part of the tree");
        master.worker_is_offline("w1").await;
        master.worker_is_online("w1").await;
        force(&master).await;
        assert_eq!(master.build_finished().await.1, Results::Success);
        let moved = with.replace("\"LocalWorker\"\n", "\"LocalWorker\"\nworkdir = \"elsewhere\"\n");
        place.reconfigure(&master, &moved).await.expect("a good configuration");
        let dir = place.path("master").join("workers/elsewhere/runtests");
        crate::world::eventually("the new directory", || dir.is_dir()).await;
        let remote = config(&repository, &shell("echo hello"));
        place.reconfigure(&master, &remote).await.expect("a good configuration");
        master.worker_is_offline("w1").await;
        master.stop().await;
    });
}
