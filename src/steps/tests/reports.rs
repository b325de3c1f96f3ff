//! JUnitResults and TAPResults.

use std::path::Path;

use super::*;

fn place(files: &[(&str, &str)]) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("build")).unwrap();
    for (name, text) in files {
        std::fs::write(place.path().join("build").join(name), text).unwrap();
    }
    place
}

async fn read(place: &Path, options: Value) -> (Results, String, FakeBench) {
    let mut step = json!({"type": "JUnitResults"});
    for (key, value) in options.as_object().unwrap() {
        step[key] = value.clone();
    }
    let mut bench = FakeBench::local(place);
    let (outcome, line) = bench.run(&plan(step)).await;
    (outcome.results, line, bench)
}

const GOOD: &str = "<testsuite><testcase name='a' time='1'/><testcase name='b'><failure \
                    message='no'/></testcase><testcase name='c'><skipped message='later'/>\
                    </testcase></testsuite>";

#[tokio::test]
async fn every_outcome_goes_into_its_set() {
    let place =
        place(&[("one.xml", GOOD), ("two.xml", "<testsuite><testcase name='d'/></testsuite>")]);
    let (results, line, bench) = read(place.path(), json!({"files": "*.xml"})).await;
    assert_eq!(results, Results::Failure);
    assert_eq!(line, "4 tests 2 passed 1 failed 1 skipped (failure)");
    let seen: Vec<_> = bench
        .test_sets
        .iter()
        .map(|(set, results)| {
            let results = results.iter();
            let pair = |result: &crate::model::TestResult| {
                (result.name.clone().unwrap(), result.value.clone())
            };
            (set.category.as_str(), set.value_unit.as_str(), results.map(pair).collect::<Vec<_>>())
        })
        .collect();
    let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    };
    let expected = [
        ("pass_fail", "boolean", own(&[("a", "1"), ("b", "0"), ("d", "1")])),
        ("fail_only", "message", own(&[("b", "no")])),
        ("skip_only", "message", own(&[("c", "later")])),
    ];
    assert_eq!(seen, expected);
    assert_eq!(bench.test_sets[0].0.description.as_deref(), Some("junit"));
    assert_eq!(bench.test_sets[0].1[0].duration_ns, Some(1_000_000_000));
}

#[tokio::test]
async fn what_cannot_be_read_fails_the_step_and_is_told() {
    let large = "x".repeat(5000);
    let place = place(&[("good.xml", GOOD), ("broken.xml", "<testsuite><"), ("large.xml", &large)]);
    let cases = [
        (
            json!({"files": "*.none"}),
            Results::Failure,
            "no tests (failure)",
            "no file matches *.none",
        ),
        (
            json!({"files": "*.none", "failureOnNoTests": false}),
            Results::Success,
            "no tests",
            "no file",
        ),
        (
            json!({"files": "br*.xml"}),
            Results::Failure,
            "no tests 1 unreadable (failure)",
            "broken.xml is not XML at byte",
        ),
        (
            json!({"files": "large.xml", "maxsize": 100}),
            Results::Failure,
            "no tests 1 unreadable (failure)",
            "",
        ),
        (
            json!({"files": ["g*.xml", "broken.xml"], "descriptionDone": "read"}),
            Results::Failure,
            "read (failure)",
            "good.xml: 3 tests",
        ),
    ];
    for (options, results, line, said) in cases {
        let (seen, text, bench) = read(place.path(), options.clone()).await;
        assert_eq!((seen, text.as_str()), (results, line), "{options}");
        assert!(bench.log_text("stdio").contains(said), "{options}: {:?}", bench.logs);
    }
}

#[tokio::test]
async fn many_tests_come_in_batches_and_are_counted_beyond_the_limit() {
    let count = 100_700;
    let lines: String = (1..=count).map(|number| format!("ok {number} - t{number}\n")).collect();
    let place = place(&[("t.tap", &format!("1..{count}\n{lines}"))]);
    let mut bench = FakeBench::local(place.path());
    let step = plan(json!({"type": "TAPResults", "files": "t.tap"}));
    let (outcome, line) = bench.run(&step).await;
    assert_eq!(outcome.results, Results::Success);
    assert_eq!(line, format!("{count} tests {count} passed"));
    assert_eq!(bench.test_sets[0].1.len(), 100_000);
    assert!(bench.log_text("stdio").contains("only the first 100000 tests are stored"));
}

#[tokio::test]
async fn a_stopped_step_is_cancelled() {
    let place = place(&[("one.xml", GOOD)]);
    let mut bench = FakeBench::local(place.path());
    bench.interrupt.send_replace(Some("enough".into()));
    let (outcome, _) = bench.run(&plan(json!({"type": "JUnitResults", "files": "*.xml"}))).await;
    assert_eq!(outcome.results, Results::Cancelled);
    assert_eq!(bench.log_text("interrupt"), "enough");
}
