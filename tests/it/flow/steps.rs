//! What steps can be told, and what odd programs do to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use buildbot::config::MasterConfig;
use buildbot::db::listing::{self, Scope, Spec, TestResultSetRow};
use buildbot::db::{compress, logs};
use buildbot::model::{BuildId, LogType, Results};
use buildbot::steps::{Outcome, Step, StepError, Stream, Workbench};

use super::{config, force, shell};
use crate::world::{Place, Repository, TestMaster, run};

/// Runs one build of `steps`, looks at it, and stops everything.
fn built(steps: &str, look: impl AsyncFnOnce(&TestMaster, BuildId, Results)) {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let mut master = place.master(&config(&repository, steps)).await;
        let worker = place.worker(&master, "w1").await;
        force(&master).await;
        let (build, results) = master.build_finished().await;
        look(&master, build, results).await;
        worker.stop().await;
        master.stop().await;
    });
}

/// A named `ShellCommand` with further options.
fn step(name: &str, command: &str, options: &str) -> String {
    format!("{}name = {name:?}\n{options}\n", shell(command))
}

fn named(outcomes: &[(&str, Results)]) -> Vec<(String, Results)> {
    outcomes.iter().map(|(name, results)| ((*name).to_owned(), *results)).collect()
}

#[test]
fn a_halting_failure_leaves_only_what_always_runs() {
    let steps = step("soft", "false", "flunkOnFailure = false")
        + &step("hard", "exit 3", "haltOnFailure = true")
        + &step("never", "true", "")
        + &step("always", "true", "alwaysRun = true");
    built(&steps, async |master, build, results| {
        let expected = named(&[
            ("soft", Results::Failure),
            ("hard", Results::Failure),
            ("always", Results::Success),
        ]);
        assert_eq!((master.outcomes(build).await, results), (expected, Results::Failure));
        assert_eq!(master.build(build).await.state_string, "failed 'exit 3' (failure)");
    });
}

#[test]
fn a_failure_may_only_warn() {
    let steps = step("soft", "false", "flunkOnFailure = false\nwarnOnFailure = true");
    built(&steps, async |_, _, results| assert_eq!(results, Results::Warnings));
}

#[test]
fn properties_of_one_step_decide_about_the_next() {
    let steps = "[[builders.steps]]\ntype = \"SetPropertyFromCommand\"\ncommand = \"echo 42\"\nproperty = \"answer\"\n"
        .to_owned()
        + &step("uses", "test %(prop:answer)s = 42", "descriptionDone = \"asked %(prop:answer)s\"\ndoStepIf = \"answer == '42'\"")
        + &step("skipped", "false", "doStepIf = \"answer == '43'\"")
        + &step("hidden", "true", "hideStepIf = \"results == 'success'\"")
        + "[[builders.steps]]\ntype = \"MasterShellCommand\"\ncommand = \"echo on the master $X; pwd\"\nenv = { X = \"%(prop:answer)s\" }\n";
    built(&steps, async |master, build, results| {
        let outcomes = master.outcomes(build).await;
        assert_eq!(results, Results::Success, "{outcomes:?}\n{}", master.all_logs(build).await);
        assert_eq!(outcomes[2], ("skipped".to_owned(), Results::Skipped));
        let rows = master.steps(build).await;
        let row = |name: &str| rows.iter().find(|row| row.name == name).expect("a step");
        assert!(row("hidden").hidden && !row("uses").hidden);
        assert!(row("uses").state_string.contains("asked 42"), "{}", row("uses").state_string);
        let logs = master.all_logs(build).await;
        assert!(logs.contains("oon the master 42\n"), "{logs}");
    });
}

#[test]
fn silence_ends_a_command() {
    let steps = step("quiet", "echo begun; sleep 60", "timeout = 1");
    built(&steps, async |master, build, results| {
        let logs = master.all_logs(build).await;
        assert_eq!(results, Results::Failure, "{logs}");
        assert!(logs.contains("command timed out: 1 seconds without output"), "{logs}");
        let text = master.steps(build).await.pop().expect("a step").state_string;
        assert!(text.ends_with("(failure) (timed out)"), "{text}");
    });
}

#[test]
fn any_output_is_stored_in_chunks_of_text() {
    let program = "printf 'a\\377\\000b\\nend\\r\\n'; head -c 2000 /dev/urandom; echo; \
                   head -c 200000 /dev/zero | tr '\\0' x; echo; echo last";
    built(&shell(program), async |master, build, results| {
        assert_eq!(results, Results::Success);
        let chunks = master
            .read(move |conn| {
                let mut chunks = Vec::new();
                for (_, log) in logs::of_build(conn, build)? {
                    chunks.extend(logs::chunks_after(conn, log.id, 0, 1000)?);
                }
                Ok(chunks)
            })
            .await;
        let mut text = String::new();
        for chunk in chunks {
            let plain = compress::decode(chunk.compressed, &chunk.content).expect("a chunk");
            assert!(plain.len() <= 64 * 1024, "a chunk of {} bytes", plain.len());
            let plain = String::from_utf8(plain).expect("text");
            let lines = plain.split('\n').count() as i64;
            assert_eq!(lines, chunk.last_line - chunk.first_line + 1);
            text.push_str(&plain);
            text.push('\n');
        }
        assert!(text.contains("oa\u{fffd}"), "the odd byte is marked");
        assert_eq!(text.matches('x').count() / 200_000, 1, "all of the long line is there");
        assert!(text.contains("\nolast\n"), "what follows is a line of its own");
    });
}

#[test]
fn followed_files_and_the_environment() {
    let program = "echo $GREETING; echo inside > out.txt; echo $GREETING >> out.txt";
    let options =
        "env = { GREETING = \"hello %(prop:buildername)s\" }\nlogfiles = { out = \"out.txt\" }";
    built(&step("writes", program, options), async |master, build, results| {
        assert_eq!(results, Results::Success);
        let all = master.all_logs(build).await;
        let found = master
            .read(move |conn| {
                let logs = logs::of_build(conn, build)?;
                let (_, log) = logs.into_iter().find(|(_, log)| log.name == "out").expect("a log");
                logs::lines(conn, log.id, 0, 10)
            })
            .await;
        assert_eq!(found.text, "oinside\nohello runtests\n", "{all}");
        assert!(all.contains("\nohello runtests\n"), "{all}");
    });
}

/// Panics in its first run.
#[derive(Debug, Default)]
struct Fragile {
    broken: AtomicBool,
}

#[async_trait(?Send)]
impl Step for Fragile {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        bench.log("stdio", LogType::Stdio, Stream::Stdout, "before the fall\n").await?;
        if !self.broken.swap(true, Ordering::Relaxed) {
            panic!("a fault of this step");
        }
        Ok(Outcome::plain(Results::Success))
    }
}

/// Puts a step of a test in the place of the configured ones.
fn replace_steps(config: &mut MasterConfig, step: Arc<dyn Step>) {
    let mut builder = (*config.builders[0]).clone();
    let mut plan = builder.steps[0].clone();
    plan.step = step;
    builder.steps = Arc::new(vec![plan]);
    config.builders[0] = Arc::new(builder);
}

#[test]
fn a_step_that_fails_tells_which_properties_are_not_set() {
    let steps = step("well", "true '%(prop:nothing)s'", "")
        + &step("ill", "false '%(prop:colour)s %(prop:size:-1)s %(prop:buildername)s'", "");
    built(&steps, async |master, build, results| {
        assert_eq!(results, Results::Failure);
        let told = master.read(move |conn| {
            let all = logs::of_build(conn, build)?;
            let mut told = all.into_iter().filter(|(_, log)| log.name == "unset properties");
            let log = told.next().expect("a log").1;
            assert!(told.next().is_none(), "of the step that failed only");
            Ok(logs::lines(conn, log.id, 0, 10)?.text)
        });
        assert_eq!(told.await, "not set, and empty therefore: %(prop:colour)s\n");
    });
}

#[test]
fn a_step_that_panics_ends_its_build_only() {
    run(async {
        let place = Place::new();
        let repository = Repository::new(place.path("repository"));
        let mut setup = place.setup(&config(&repository, &shell("true")));
        replace_steps(&mut setup.config, Arc::new(Fragile::default()));
        let mut master = place.start(setup).await;
        let worker = place.worker(&master, "w1").await;
        force(&master).await;
        let (build, results) = master.build_finished().await;
        assert_eq!(results, Results::Exception);
        let logs = master.all_logs(build).await;
        assert!(logs.contains("a fault of this step"), "{logs}");
        assert!(logs.contains("before the fall"), "what was logged before is kept: {logs}");
        assert_eq!(master.outcomes(build).await[0].1, Results::Exception);
        master.is_tidy().await;

        force(&master).await;
        let (_, results) = master.build_finished().await;
        assert_eq!(results, Results::Success, "builder and worker are as before");
        worker.stop().await;
        master.stop().await;
    });
}

#[test]
fn reports_of_tests_become_rows() {
    let report = "<testsuite><testcase classname='a' name='fine' time='0.5' file='a.c' line='7'/>\
                  <testcase classname='a' name='bad'><failure message='1 is not 2'/></testcase>\
                  <testcase name='off'><skipped/></testcase></testsuite>";
    let steps = step(
        "write",
        &format!("mkdir out; echo \"{report}\" > out/one.xml; echo '<x' > out/two.xml"),
        "",
    ) + &step("write tap", "printf 'ok 1 - a\\nok 2 - b\\n1..2\\n' > t.tap", "")
        + "[[builders.steps]]\ntype = \"JUnitResults\"\nname = \"unit\"\nfiles = \"out/*.xml\"\n\
           flunkOnFailure = false\n[[builders.steps]]\ntype = \"TAPResults\"\nfiles = [\"*.tap\"]\n";
    built(&steps, async |master, build, results| {
        let rows = master.steps(build).await;
        let line = |name: &str| {
            rows.iter().find(|row| row.name == name).expect("a step").state_string.clone()
        };
        let logs = master.all_logs(build).await;
        assert_eq!(results, Results::Success, "{logs}");
        assert_eq!(line("unit"), "3 tests 1 passed 1 failed 1 skipped 1 unreadable (failure)");
        assert_eq!(line("tap"), "2 tests 2 passed");
        assert!(logs.contains("out/one.xml: 3 tests"), "{logs}");
        assert!(logs.contains("out/two.xml is not XML at byte"), "{logs}");
        let (sets, notable) = master
            .read(move |conn| {
                let scope = Scope::is("test_result_sets.buildid", build.0);
                let sets = listing::list::<TestResultSetRow>(conn, &scope, &Spec::default())?;
                Ok((sets.rows, listing::notable_tests(conn, build.0, 10)?))
            })
            .await;
        let seen: Vec<_> = sets
            .iter()
            .map(|set| (set.category.as_str(), set.tests_passed, set.tests_failed, set.complete))
            .collect();
        let expected = [
            ("pass_fail", Some(1), Some(1), true),
            ("fail_only", Some(0), Some(1), true),
            ("skip_only", None, None, true),
            ("pass_fail", Some(2), Some(0), true),
        ];
        assert_eq!(seen, expected);
        let notable: Vec<_> = notable
            .iter()
            .map(|test| (test.category.as_str(), test.test_name.as_deref(), test.value.as_str()))
            .collect();
        let expected = [("fail_only", Some("a.bad"), "1 is not 2"), ("skip_only", Some("off"), "")];
        assert_eq!(notable, expected);
    });
}
