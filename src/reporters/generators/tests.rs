//! What generators make of facts, compared with what stock's do.

use std::sync::Arc;

use serde_json::{Value, json};

use super::registry::{self, Defaults};
use super::{Case, Generator};
use crate::config::fields::Fields;
use crate::config::problems::Problems;
use crate::config::raw::Raw;
use crate::db::facts::FactKind;
use crate::db::listing::{BuildCase, BuildsetCase};
use crate::model::{BuildId, BuildRequestId, BuildsetId, Results, WorkerId};
use crate::reporters::formatters::Formatter;
use crate::reporters::{Kind, Report, samples};

const DEFAULTS: Defaults = Defaults {
    build: || Formatter::standard(Kind::Plain),
    worker: || Formatter::missing_worker(Kind::Plain),
};

fn generator(written: Value) -> Box<dyn Generator> {
    let raw = Raw::from_json(json!({ "generators": [written] }));
    let mut problems = Problems::new();
    let mut fields = Fields::of(&raw, "r", &mut problems);
    let generators = registry::read(&mut fields, DEFAULTS, Vec::new);
    fields.finish();
    assert_eq!(problems.to_string(), "");
    generators.into_iter().next().unwrap()
}

fn problems(written: Value) -> String {
    let raw = Raw::from_json(json!({ "generators": [written] }));
    let mut problems = Problems::new();
    let _ = registry::read(&mut Fields::of(&raw, "r", &mut problems), DEFAULTS, Vec::new);
    problems.to_string()
}

fn finished(case: BuildCase) -> Case {
    Case::BuildFinished(Arc::new(case))
}

fn started() -> Case {
    Case::BuildStarted(Arc::new(samples::started()))
}

fn requested(case: BuildCase) -> Case {
    Case::Requested(vec![Arc::new(case)])
}

fn with(results: Results) -> BuildCase {
    let mut case = samples::failed();
    case.results = Some(results);
    case.entity["results"] = json!(results.code());
    case
}

/// A buildset of these builds that ended as a failure.
fn buildset(builds: Vec<BuildCase>) -> Case {
    let entity = json!({ "bsid": 4, "results": 2, "sourcestamps": [] });
    let results = Some(Results::Failure);
    Case::BuildsetCompleted(Arc::new(BuildsetCase { entity, results, builds }))
}

fn reports(generator: &dyn Generator, case: &Case) -> Vec<Report> {
    generator.generate(case, &samples::site()).unwrap()
}

/// The bodies as text, `-` for none.
fn told(written: Value, case: &Case) -> Vec<String> {
    let reports = reports(&*generator(written), case);
    let body = |report: &Report| report.body.as_ref().map_or("-".to_owned(), |b| b.to_text());
    reports.iter().map(body).collect()
}

#[test]
fn each_generator_wants_its_facts() {
    let facts = [
        FactKind::BuildsetSubmitted(BuildsetId(1)),
        FactKind::RequestCancelled(BuildRequestId(1)),
        FactKind::BuildStarted(BuildId(1)),
        FactKind::BuildFinished(BuildId(1)),
        FactKind::BuildsetCompleted(BuildsetId(1)),
        FactKind::WorkerMissing(WorkerId(1)),
        FactKind::WorkerReturned(WorkerId(1)),
    ];
    let table = [
        (json!({ "type": "BuildStatusGenerator" }), "___f___"),
        (json!({ "type": "BuildStatusGenerator", "report_new": true }), "__sf___"),
        (json!({ "type": "BuildStartEndStatusGenerator" }), "__sf___"),
        (json!({ "type": "BuildRequestGenerator" }), "qc_____"),
        (json!({ "type": "BuildSetStatusGenerator" }), "____b__"),
        (json!({ "type": "BuildSetCombinedStatusGenerator", "message_formatter": {} }), "____b__"),
        (json!({ "type": "WorkerMissingGenerator" }), "_____mr"),
        (json!({ "type": "WorkerMissingGenerator", "report_returned": false }), "_____m_"),
    ];
    for (written, expected) in table {
        let generator = generator(written.clone());
        let wants = facts.iter().zip("qcsfbmr".chars());
        let wants: String =
            wants.map(|(fact, sign)| if generator.wants(*fact) { sign } else { '_' }).collect();
        assert_eq!(wants, expected, "{written}");
    }
}

#[test]
fn builds_are_told_by_mode() {
    let text = |mode: Value| {
        json!({ "type": "BuildStatusGenerator", "mode": mode,
                "message_formatter": { "type": "MessageFormatter", "template": "{{ results }}" } })
    };
    let table = [
        (json!("all"), Results::Failure, true),
        (json!("all"), Results::Cancelled, true),
        (json!("all"), Results::Retry, false),
        (json!("all"), Results::Skipped, false),
        (json!("warnings"), Results::Failure, true),
        (json!("warnings"), Results::Success, false),
        (json!(["passing"]), Results::Failure, false),
        (json!(["problem"]), Results::Failure, true),
        (json!(["change"]), Results::Exception, true),
        // The build before was a success.
        (json!(["change"]), Results::Success, false),
    ];
    for (mode, results, expected) in table {
        let found = told(text(mode.clone()), &finished(with(results)));
        let code = results.code().to_string();
        assert_eq!(found, if expected { vec![code] } else { vec![] }, "{mode} {results:?}");
    }
}

#[test]
fn beginning_and_end_have_words_of_their_own() {
    let plain = json!({ "type": "BuildStartEndStatusGenerator" });
    let own = json!({
        "type": "BuildStartEndStatusGenerator",
        "start_formatter": { "type": "MessageFormatterRenderable",
            "template": "%(prop:workername)s at %(src::revision)s", "subject": "on\n%(prop:branch)s" },
        "end_formatter": { "type": "MessageFormatterEmpty" },
    });
    let typed = json!({
        "type": "BuildStartEndStatusGenerator",
        "end_formatter": { "type": "MessageFormatterRenderable",
            "template": { "at": ["%(prop:branch)s"] } },
    });
    let table = [
        (plain.clone(), started(), "Build started."),
        (plain.clone(), finished(with(Results::Failure)), "Build done."),
        (plain, finished(with(Results::Retry)), "Build done."),
        (own.clone(), started(), "w1 at abc123"),
        (own.clone(), finished(with(Results::Success)), "-"),
        (typed, finished(with(Results::Success)), r#"{"at":["main"]}"#),
    ];
    for (written, case, expected) in table {
        assert_eq!(told(written.clone(), &case), [expected], "{written}");
    }
    let report = reports(&*generator(own), &started()).remove(0);
    assert_eq!((report.subject.as_deref(), report.results), (Some("on main"), None));
}

#[test]
fn requests_are_told_when_they_come_and_when_they_are_cancelled() {
    let plain = json!({ "type": "BuildRequestGenerator" });
    let only = |key: &str, name: &str| json!({ "type": "BuildRequestGenerator", key: [name] });
    let table = [
        (plain.clone(), samples::requested(), true),
        (plain.clone(), samples::cancelled(), true),
        (only("branches", "main"), samples::requested(), true),
        (only("branches", "next"), samples::requested(), false),
        (only("schedulers", "all"), samples::cancelled(), true),
        (only("tags", "x"), samples::cancelled(), false),
    ];
    for (written, case, expected) in table {
        let expected = if expected { vec!["Build pending.".to_owned()] } else { vec![] };
        assert_eq!(told(written.clone(), &requested(case)), expected, "{written}");
    }
    let report = reports(&*generator(plain), &requested(samples::cancelled())).remove(0);
    assert_eq!(report.results, Some(Results::Cancelled));
    assert_eq!((report.subject, report.users, report.logs), (None, vec![], vec![]));
}

#[test]
fn a_buildset_is_one_report_about_the_builds_that_are_wanted() {
    let text =
        |shape: Value| json!({ "type": "BuildSetStatusGenerator", "message_formatter": shape });
    let code = json!({ "template": "{{ results }};", "subject": "{{ buildername }}" });
    let builds = vec![with(Results::Success), with(Results::Retry), with(Results::Failure)];
    assert_eq!(told(text(code.clone()), &buildset(builds.clone())), ["0;2;"]);
    assert_eq!(told(text(code.clone()), &buildset(vec![with(Results::Retry)])), [""; 0]);
    // The subject that no formatter makes is about the set and not about its first build.
    let bare = text(json!({ "type": "MessageFormatterRenderable", "template": "x" }));
    let report = reports(&*generator(bare), &buildset(builds.clone())).remove(0);
    let subject = "Buildbot failure in Pyflakes on whole buildset";
    assert_eq!(report.subject.as_deref(), Some(subject));
    assert_eq!((report.results, report.builds.len()), (Some(Results::Failure), 2));
    let whole = json!({ "type": "BuildSetCombinedStatusGenerator", "message_formatter":
        { "template": "{{ mode|join }} {{ builds|length }} {{ results }}" } });
    assert_eq!(told(whole, &buildset(builds)), ["passing 3 2"]);
}

#[test]
fn a_build_can_be_told_as_json() {
    let function = |more: Value| {
        let mut shape = json!({ "type": "MessageFormatterFunction", "function": "build" });
        shape.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "type": "BuildStatusGenerator", "mode": ["failing"], "message_formatter": shape })
    };
    let body = |written: Value, case: &Case| {
        let body = reports(&*generator(written), case).remove(0).body.unwrap();
        assert_eq!(body.kind, Kind::Json);
        body.value
    };
    let case = finished(with(Results::Failure));
    let build = body(function(json!({})), &case);
    assert_eq!(build["url"], "http://ci.example.org/builders/linux/builds/7");
    assert_eq!(build["properties"]["branch"], json!(["main", "test"]));
    assert_eq!(build.get("prev_build"), None);
    let bare = body(function(json!({ "want_properties": false })), &case);
    assert_eq!(bare.get("properties"), None);
    let whole = body(function(json!({ "function": "context", "template_type": "json" })), &case);
    assert_eq!(whole["build"], build);
    let set = json!({ "type": "BuildSetCombinedStatusGenerator", "message_formatter":
        { "type": "MessageFormatterFunction", "function": "context" } });
    let set = body(set, &buildset(vec![with(Results::Failure)]));
    assert_eq!((&set["buildset"]["bsid"], &set["builds"][0]["number"]), (&json!(4), &json!(7)));
}

#[test]
fn mistakes_are_told() {
    let formatter =
        |shape: Value| json!({ "type": "BuildStatusGenerator", "message_formatter": shape });
    let table = [
        (json!({ "type": "BuildRequestGenerator", "mode": "all" }), "unknown key 'mode'"),
        (json!({ "type": "BuildSetCombinedStatusGenerator" }), "needs a 'message_formatter'"),
        (formatter(json!({ "type": "MessageFormatterRenderable" })), "'template'"),
        (formatter(json!({ "type": "MessageFormatterFunction" })), "'function'"),
        (
            formatter(json!({ "type": "MessageFormatterFunction", "function": "x" })),
            "must be \"build\" or \"context\"",
        ),
        (formatter(json!({ "type": "MessageFormatterFunctionRaw" })), "not supported"),
        (formatter(json!({ "template": "{% if %}" })), "is wrong"),
        (json!({ "type": "BuildStatusGenerator", "subject": "a\nb" }), "must be one line"),
    ];
    for (written, expected) in table {
        let problems = problems(written.clone());
        assert!(problems.contains(expected), "{written}: {problems}");
    }
}
