//! What a template can refer to: stock's names, and a few of ours beginning with `rs_` that the
//! built-in templates use.

use serde_json::{Map, Value, json};

use super::super::Site;
use crate::db::listing::{BuildCase, BuildsetCase};
use crate::flow::links;
use crate::flow::report::{self, Modes};
use crate::model::Results;

/// The context of a message about one build.
pub fn of_build(case: &BuildCase, modes: &Modes, is_buildset: bool, site: &Site) -> Value {
    let build = linked(case, site);
    let stamps = stamps_of(&build["buildset"]);
    let property = |name: &str| build["properties"][name][0].clone();
    let text = |name: &str| match property(name) {
        Value::Null => "(unknown)".to_owned(),
        value => plain(&value),
    };
    let worker = build["properties"]["workername"][0].as_str().unwrap_or("<unknown>").to_owned();
    let state = build["state_string"].as_str().unwrap_or_default();
    let buildername = build["builder"]["name"].clone();
    let mut context = json!({
        "results": case.results.map(Results::code),
        "buildername": buildername,
        "workername": worker,
        "buildset": build["buildset"],
        "is_buildset": is_buildset,
        "projects": report::projects(&stamps, &site.title),
        "previous_results": case.previous.map(Results::code),
        "status_detected": modes.detected(case.results, case.previous),
        "build_url": build["url"],
        "blamelist": case.users,
        "summary": report::summary(case.results, state),
        "sourcestamps": report::sources(&stamps),
        "rs_icon": icon(case.results),
        "rs_name": if is_buildset { project_of(&build) } else { plain(&buildername) },
        "rs_source": source_of(&build),
        "rs_revision": text("got_revision"),
        "rs_reason": text("reason"),
        "rs_steps": steps(&build),
    });
    context["build"] = build;
    with_site(context, modes, site)
}

/// The context of one message about a buildset as a whole.
pub fn of_buildset(case: &BuildsetCase, modes: &Modes, site: &Site) -> Value {
    let stamps = stamps_of(&case.entity);
    let builds: Vec<Value> = case.builds.iter().map(|build| linked(build, site)).collect();
    let context = json!({
        "results": case.results.map(Results::code),
        "buildset": case.entity,
        "builds": builds,
        "is_buildset": true,
        "projects": report::projects(&stamps, &site.title),
        "status_detected": modes.detected(case.results, None),
        "blamelist": [],
        "sourcestamps": report::sources(&stamps),
    });
    with_site(context, modes, site)
}

/// The context of a message about a worker.
pub fn of_worker(worker: &Value, site: &Site) -> Value {
    json!({ "worker": worker, "buildbot_title": site.title, "buildbot_url": site.url })
}

/// The build's entity with the addresses of its page and its logs.
pub fn linked(case: &BuildCase, site: &Site) -> Value {
    let mut build = case.entity.clone();
    let builder = build["builder"]["name"].as_str().unwrap_or_default().to_owned();
    build["url"] = json!(match build["number"].as_i64() {
        Some(number) => links::build(&site.url, &builder, number),
        None => {
            links::request(&site.url, build["buildrequest"]["buildrequestid"].as_i64().unwrap_or(0))
        }
    });
    let steps = build["steps"].as_array_mut().into_iter().flatten();
    for log in steps.filter_map(|step| step["logs"].as_array_mut()).flatten() {
        let id = log["logid"].as_i64().unwrap_or_default();
        log["url"] = json!(links::log(&site.url, id));
        log["url_raw"] = json!(links::raw_log(&site.url, id));
        log["url_raw_inline"] = json!(format!("{}_inline", links::raw_log(&site.url, id)));
    }
    build
}

fn with_site(mut context: Value, modes: &Modes, site: &Site) -> Value {
    context["mode"] = json!(modes.names());
    context["result_names"] = json!(Results::ALL.map(Results::name));
    context["buildbot_title"] = json!(site.title);
    context["buildbot_url"] = json!(site.url);
    context
}

fn stamps_of(buildset: &Value) -> Vec<Value> {
    buildset["sourcestamps"].as_array().cloned().unwrap_or_default()
}

/// As Python's `str` where that is plain: text without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn icon(results: Option<Results>) -> &'static str {
    match results {
        Some(Results::Failure) => "☠",
        Some(Results::Success) => "☺",
        _ => "☝",
    }
}

fn project_of(build: &Value) -> String {
    let project = &build["properties"]["project"];
    if project.is_null() { "whole buildset".to_owned() } else { plain(&project[0]) }
}

/// Branch or revision, for the subject.
fn source_of(build: &Value) -> String {
    let properties = &build["properties"];
    if let Some(branch) = properties["branch"][0].as_str().filter(|branch| !branch.is_empty()) {
        return branch.to_owned();
    }
    let revision = &properties["got_revision"];
    if revision.is_null() { "(unknown revision)".to_owned() } else { plain(&revision[0]) }
}

/// The steps with the name and the colour of their results.
fn steps(build: &Value) -> Vec<Value> {
    let steps = build["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    steps
        .iter()
        .map(|step| {
            let results = step["results"].as_i64().and_then(Results::from_code);
            let mut seen = Map::new();
            for key in ["number", "name", "logs"] {
                seen.insert(key.to_owned(), step[key].clone());
            }
            seen.insert("result".to_owned(), json!(results.map_or("not finished", Results::name)));
            seen.insert("style".to_owned(), json!(results.map_or("", style)));
            Value::Object(seen)
        })
        .collect()
}

/// Colours as in stock's mails.
fn style(results: Results) -> &'static str {
    match results {
        Results::Success => "",
        Results::Exception => "color: #f0f; font-weight: bold;",
        Results::Failure => "color: #f00; font-weight: bold;",
        Results::Warnings => "color: #f80;",
        Results::Retry | Results::Skipped | Results::Cancelled => "color: #4af;",
    }
}
