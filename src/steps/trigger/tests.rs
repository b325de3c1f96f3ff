//! Whom Trigger asks, for what, and what comes of it.

use serde_json::{Value, json};

use crate::flow::sources::PartialStamp;
use crate::model::{BuildRequestId, Results};
use crate::steps::fake::{FakeBench, child, parsed, plan, stamp};
use crate::steps::{StepError, StepPlan};

fn trigger(options: Value) -> StepPlan {
    let mut step = json!({"type": "Trigger"});
    for (key, value) in options.as_object().unwrap() {
        step[key] = value.clone();
    }
    plan(step)
}

fn revisions(stamps: &[PartialStamp]) -> Vec<(&str, Option<&str>)> {
    let revision = |stamp: &PartialStamp| stamp.revision.clone().flatten();
    let text = |stamp| revision(stamp).map(|text| &*text.leak());
    stamps.iter().map(|stamp| (stamp.codebase.as_str(), text(stamp))).collect()
}

#[tokio::test]
async fn without_waiting_it_succeeds_at_once() {
    let step = trigger(json!({
        "schedulerNames": ["compile", "%(prop:other)s"],
        "set_properties": {"arch": "%(prop:arch)s", "reason": "because"},
        "copy_properties": ["version", "absent"],
    }));
    let mut bench = FakeBench::scripted([]);
    bench.properties.set("other", "docs", "t");
    bench.properties.set("arch", "arm", "t");
    bench.properties.set("version", json!([1, 2]), "t");
    let (outcome, text) = bench.run(&step).await;
    assert_eq!((outcome.results, text.as_str()), (Results::Success, "triggered compile, docs"));
    let asked: Vec<&str> = bench.orders.iter().map(|order| order.scheduler.as_str()).collect();
    assert_eq!(asked, ["compile", "docs"]);
    let order = &bench.orders[0];
    assert_eq!(order.properties.get("arch"), Some(&json!("arm")));
    assert_eq!(order.properties.get("version"), Some(&json!([1, 2])));
    assert_eq!(order.properties.get("absent"), Some(&Value::Null));
    assert_eq!(order.properties.property("arch").unwrap().source, "Trigger");
    assert!(!order.waited_for);
    assert_eq!(order.parent_relationship.as_deref(), Some("Triggered from"));
    let pages = [("compile #1", "/request/1"), ("docs #2", "/request/2")];
    assert_eq!(bench.urls, pages.map(|(name, url)| (name.to_owned(), url.to_owned())));
}

#[tokio::test]
async fn the_worst_important_result_counts() {
    let (success, failure) = (Some(Results::Success), Some(Results::Failure));
    for (unimportant, expected) in [(json!([]), Results::Failure), (json!(["b"]), Results::Success)]
    {
        let step = trigger(json!({
            "schedulerNames": ["a", "b"], "waitForFinish": true,
            "unimportantSchedulerNames": unimportant,
        }));
        let mut bench = FakeBench::scripted([]);
        bench.children.push_back(vec![child(1, "a", success), child(2, "b", None)]);
        bench.children.push_back(vec![child(1, "a", success), child(2, "b", failure)]);
        let (outcome, _) = bench.run(&step).await;
        assert_eq!(outcome.results, expected);
        assert_eq!(outcome.summary, "triggered a, b, 1 success, 1 failure");
        assert!(bench.summaries.contains(&"triggered a, b, 1 success".to_owned()));
        assert!(bench.orders.iter().all(|order| order.waited_for));
        assert!(bench.urls.contains(&("failure: b #12".into(), "/build/2".into())));
    }
}

#[tokio::test]
async fn a_stopped_parent_stops_its_children() {
    let step = trigger(json!({"schedulerNames": ["a", "b"], "waitForFinish": true}));
    let mut bench = FakeBench::scripted([]);
    bench.children.push_back(vec![child(1, "a", Some(Results::Success)), child(2, "b", None)]);
    let (outcome, text) = bench.run(&step).await;
    assert_eq!((outcome.results, text.as_str()), (Results::Cancelled, "interrupted (cancelled)"));
    assert_eq!(bench.cancelled, [BuildRequestId(1), BuildRequestId(2)]);
}

#[tokio::test]
async fn one_scheduler_that_refuses_takes_the_others_back() {
    let step = trigger(json!({"schedulerNames": ["a", "missing"]}));
    let mut bench = FakeBench::scripted([]);
    let refused = step.step.run(&mut bench).await;
    assert!(matches!(refused, Err(StepError::Failed(text)) if text.contains("missing")));
    assert_eq!(bench.cancelled, [BuildRequestId(1)]);
}

#[tokio::test]
async fn source_stamps_come_from_where_the_options_say() {
    let given = json!([{"codebase": "lib", "branch": "%(prop:branch)s", "revision": "7"}]);
    let cases = [
        (json!({}), vec![("", Some("found")), ("lib", Some("old"))]),
        (json!({"updateSourceStamp": false}), vec![("", Some("old")), ("lib", Some("old"))]),
        (json!({"alwaysUseLatest": true}), vec![]),
        (json!({"alwaysUseLatest": false}), vec![("", Some("found")), ("lib", Some("old"))]),
        (json!({"sourceStamps": given}), vec![("lib", Some("7"))]),
        (json!({"sourceStamp": {"codebase": "x"}}), vec![("x", None)]),
    ];
    for (mut options, expected) in cases {
        options["schedulerNames"] = json!(["a"]);
        let mut bench = FakeBench::scripted([]);
        bench.sources = ["lib", ""].map(|name| stamp(name, Some("main"), Some("old"))).into();
        bench.properties.set("got_revision", json!({"": "found"}), "git");
        bench.properties.set("branch", "stable", "t");
        bench.run(&trigger(options.clone())).await;
        assert_eq!(revisions(&bench.orders[0].stamps), expected, "{options}");
    }
}

#[test]
fn options_that_exclude_each_other_are_told() {
    for (options, expected) in [
        (json!({}), "schedulerNames"),
        (json!({"schedulerNames": []}), "at least one scheduler"),
        (
            json!({"schedulerNames": ["a"], "alwaysUseLatest": true, "updateSourceStamp": true}),
            "excludes",
        ),
        (
            json!({"schedulerNames": ["a"], "sourceStamps": [{}], "updateSourceStamp": true}),
            "excludes",
        ),
        (json!({"schedulerNames": ["a"], "unimportantSchedulerNames": ["b"]}), "'b' is not among"),
    ] {
        let mut step = options.clone();
        step["type"] = json!("Trigger");
        let (_, problems) = parsed(step);
        assert!(problems.contains(expected), "{options}: {problems}");
    }
}
