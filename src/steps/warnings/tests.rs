//! Counting warnings, as stock does.

use serde_json::{Value, json};

use crate::model::Results;
use crate::steps::fake::{FakeBench, ended, parsed, plan};
use crate::steps::{Finished, StepPlan};

fn counting(options: Value) -> StepPlan {
    let mut step = json!({"type": "WarningCountingShellCommand", "command": "make"});
    for (key, value) in options.as_object().unwrap() {
        step[key] = value.clone();
    }
    plan(step)
}

const MAKE: &str = "cc -c a.c\n\
    make[1]: Entering directory `/src/lib'\n\
    a.c:7: warning: unused variable\n\
    make[2]: Entering directory 'deep'\n\
    b.c:12: Warning: old style\n\
    make[2]: Leaving directory 'deep'\n\
    c.c:3: error: no\n\
    c.c:4: warning: unused parameter\n\
    make[1]: Leaving directory `/src/lib'\n\
    d.c:12: warning: old style\n";

async fn warnings_of(options: Value, finished: Finished) -> (Results, i64, String) {
    let mut bench = FakeBench::scripted([finished]);
    let (outcome, _) = bench.run(&counting(options)).await;
    let count = bench.properties.get("warnings-count").and_then(Value::as_i64).unwrap();
    let name = format!("warnings ({count})");
    (outcome.results, count, bench.log_text(&name))
}

#[tokio::test]
async fn warnings_are_counted_logged_and_judged() {
    let groups = "(.*?):(\\d+): [Ww]arning: (.*)";
    let extract = "warnExtractFromRegexpGroups";
    let suppressed = |list: Value| json!({"warningPattern": groups, "warningExtractor": extract, "suppressionList": list});
    let cases = [
        (json!({}), 0, Results::Warnings, 4),
        (json!({}), 2, Results::Failure, 4),
        (json!({"maxWarnCount": 3}), 0, Results::Failure, 4),
        (json!({"maxWarnCount": 4}), 0, Results::Warnings, 4),
        (json!({"maxWarnCount": "%(prop:most:-2)s"}), 0, Results::Failure, 4),
        (json!({"warningPattern": false}), 0, Results::Success, 0),
        (json!({"warningPattern": "warning"}), 0, Results::Success, 0),
        (json!({"warningPattern": ".*error"}), 0, Results::Warnings, 1),
        (json!({"suppressionList": [[false, "unused"]]}), 0, Results::Warnings, 2),
        (json!({"suppressionList": [["nothing", "old"]]}), 0, Results::Warnings, 2),
        (suppressed(json!([["/src/lib/.*"]])), 0, Results::Warnings, 1),
        (suppressed(json!([["/src/lib/deep/b.c"]])), 0, Results::Warnings, 3),
        (suppressed(json!([["b.c"]])), 0, Results::Warnings, 4),
        (suppressed(json!([[false, "unused", 5, 10]])), 0, Results::Warnings, 3),
        (suppressed(json!([[false, "unused", 5]])), 0, Results::Warnings, 2),
        (suppressed(json!([[false, false, 1, 99]])), 0, Results::Success, 0),
    ];
    for (options, rc, results, count) in cases {
        let (seen, counted, log) = warnings_of(options.clone(), ended(rc, MAKE)).await;
        assert_eq!((seen, counted), (results, count), "{options}");
        assert_eq!(log.lines().count() as i64, count, "{options}: {log}");
    }
}

#[tokio::test]
async fn counts_of_steps_add_up() {
    let mut bench = FakeBench::scripted([
        ended(0, "a.c:1: warning: x\n"),
        Finished { stderr: "warning: unfinished line".into(), ..ended(0, "warning: y\n") },
    ]);
    bench.run(&counting(json!({}))).await;
    bench.run(&plan(json!({"type": "Compile"}))).await;
    assert_eq!(bench.properties.get("warnings-count"), Some(&json!(3)));
    assert_eq!(bench.log_text("warnings (2)"), "warning: y\nwarning: unfinished line\n");
}

#[tokio::test]
async fn a_suppression_file_is_read_from_the_worker() {
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::create_dir_all(place.path().join("build")).unwrap();
        std::fs::write(place.path().join("build").join(name), text).unwrap();
    };
    write("out", MAKE);
    write(
        "rules",
        "# nobody cares\n\n  .*/a.c : unused \nd.c:old style:10-12\nnonsense\n .*deep.* : style : 12\n",
    );
    write("broken", "fine : fine\n( : x\n");
    let run = async |file: &str| {
        let options = json!({
            "command": ["cat", "out"], "suppressionFile": file,
            "warningPattern": "(.*?):(\\d+): [Ww]arning: (.*)",
            "warningExtractor": "warnExtractFromRegexpGroups",
        });
        let mut bench = FakeBench::local(place.path());
        let outcome = counting(options).step.run(&mut bench).await;
        (outcome, bench)
    };
    let (outcome, bench) = run("rules").await;
    assert_eq!(outcome.unwrap().results, Results::Warnings);
    assert_eq!(bench.log_text("warnings (1)"), "c.c:4: warning: unused parameter\n");
    let (outcome, bench) = run("missing").await;
    assert_eq!(outcome.unwrap().results, Results::Failure);
    assert!(bench.log_text("stdio").contains("missing"), "{:?}", bench.logs);
    let (outcome, _) = run("broken").await;
    let error = outcome.unwrap_err().to_string();
    assert!(error.starts_with("suppressionFile, line 2: '(' is not a regular"), "{error}");
}

#[test]
fn mistakes_are_told() {
    let with = |options: Value| {
        let mut step = json!({"type": "Test"});
        for (key, value) in options.as_object().unwrap() {
            step[key] = value.clone();
        }
        parsed(step).1
    };
    let cases = [
        (json!({"warningPattern": "("}), "is not a regular expression"),
        (json!({"warningPattern": 3}), "must be a regular expression or false"),
        (json!({"directoryEnterPattern": "enter"}), "needs 1 groups"),
        (json!({"warningExtractor": "mine"}), "warnExtractFromRegexpGroups"),
        (json!({"warningExtractor": "warnExtractFromRegexpGroups"}), "needs 3 groups"),
        (json!({"maxWarnCount": "many"}), "must be a whole number"),
        (json!({"suppressionList": "x"}), "must be a list of lists"),
        (json!({"suppressionList": ["x"]}), "must be a list: file, warning"),
        (json!({"suppressionList": [["a", "b", 1, 2, 3]]}), "at most four"),
        (json!({"suppressionList": [["a", "b", "c", 2]]}), "must be whole numbers"),
        (json!({"suppressionList": [["["]]}), "suppressionList[0]"),
    ];
    for (options, expected) in cases {
        let problems = with(options.clone());
        assert!(problems.contains(expected), "{options}: {problems}");
    }
}
