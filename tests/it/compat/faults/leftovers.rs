//! Directories of builders that are no more.

use super::Farm;
use crate::compat::peer::Kind;
use crate::world::{eventually, run};

#[test]
fn leftover_directories_are_deleted_when_the_worker_says_so() {
    run(async {
        let steps = "[[builders.steps]]\ntype = \"ShellCommand\"\ncommand = \"true\"\n";
        let create = ["--delete-leftover-dirs"];
        let Some(mut farm) = Farm::new(&Kind::ALL, steps, "", &create).await else { return };
        for peer in &farm.peers {
            let old = peer.dir.join("old/deep");
            std::fs::create_dir_all(&old).expect("a directory");
            std::fs::write(old.join("file"), "old").expect("a file");
            std::fs::write(peer.dir.join("kept"), "a file").expect("a file");
        }
        farm.start().await;
        for peer in &farm.peers {
            let dir = &peer.dir;
            eventually(&format!("{} to go", dir.join("old").display()), || {
                !dir.join("old").exists()
            })
            .await;
            for kept in ["info/admin", "kept", peer.kind.name()] {
                assert!(dir.join(kept).exists(), "{kept} in {}", dir.display());
            }
        }
        farm.stop().await;
    });
}
