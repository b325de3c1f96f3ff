//! The line between worker and master is cut.

use buildbot::model::Results;

use super::Farm;
use crate::compat::peer::Kind;
use crate::world::run;

const PRINTING: &str = r#"
[[builders.steps]]
type = "ShellCommand"
command = "i=0; while test -d @SIGNS@ && ! test -e @SIGNS@/go; do i=$((i+1)); echo line $i.; sleep 0.01; done; echo done"
"#;

const UPLOADING: &str = r#"
[[builders.steps]]
type = "ShellCommand"
command = "seq 1000000 > large"
[[builders.steps]]
type = "FileUpload"
workersrc = "large"
masterdest = "up/%(prop:buildername)s/large"
blocksize = 10000
"#;

#[test]
fn a_line_that_is_cut_in_the_middle_of_output() {
    run(async {
        let Some(mut farm) = Farm::started(&Kind::ALL, PRINTING, "").await else { return };
        farm.force().await;
        let builds = farm.all_say("oline 50.\n").await;
        for line in &farm.lines {
            line.cut();
        }
        farm.all_end(Results::Retry).await;
        for build in builds {
            let logs = farm.master.all_logs(build).await;
            let lines = logs.lines().filter_map(|line| line.strip_prefix("oline "));
            for (line, number) in lines.zip(1..) {
                assert_eq!(line, format!("{number}."), "no line is lost, torn or doubled");
            }
        }
        farm.let_go();
        farm.all_end(Results::Success).await;
        farm.stop().await;
    });
}

#[test]
fn a_line_that_is_cut_in_the_middle_of_an_upload() {
    run(async {
        let Some(mut farm) = Farm::started(&Kind::ALL, UPLOADING, "").await else { return };
        for line in &farm.lines {
            line.cut_after(2_000_000);
        }
        farm.force().await;
        farm.all_end(Results::Retry).await;
        farm.all_end(Results::Success).await;
        for peer in &farm.peers {
            let uploaded = farm.place.path("master").join("up").join(peer.kind.name());
            let files: Vec<_> = std::fs::read_dir(&uploaded).expect("a directory").collect();
            assert_eq!(files.len(), 1, "nothing is left of the first attempt: {files:?}");
            let sent = peer.dir.join(peer.kind.name()).join("build/large");
            let [sent, received] = [sent, uploaded.join("large")].map(std::fs::read);
            assert_eq!(sent.expect("a file"), received.expect("a file"));
        }
        farm.stop().await;
    });
}
