//! What a good file becomes.

use std::time::Duration;

use super::{EXAMPLE, check};
use crate::change_sources::{PollTimes, Rhythm};
use crate::config::checked::{ChangeSourceConfig, FieldKind, Listen};
use crate::config::sample;
use crate::flow::rules::Collapse;

fn any(port: u16) -> Listen {
    Listen { interface: None, port, tls: None }
}

#[test]
fn the_example_becomes_values() {
    let config = check(EXAMPLE).expect("a good configuration");
    assert_eq!(config.title, "Pyflakes");
    assert_eq!(config.buildbot_url, "http://localhost:8010/");
    assert_eq!(config.db_url, "sqlite:////srv/master/state.sqlite");
    assert_eq!(config.protocols[0].listen, any(9990));
    assert_eq!(config.www.expect("a web server").listen, any(8010));
    let property = config.properties.property("site").expect("a property");
    assert_eq!(
        (property.value.as_str(), property.source.as_str()),
        (Some("example"), "master.toml")
    );
    assert_eq!(config.collapse_requests, Collapse::Compatible);
    assert_eq!(config.logs.compression, "gz");

    let worker = &config.workers[0];
    assert_eq!((worker.password.as_str(), worker.max_builds), ("pass", Some(2)));
    assert_eq!(worker.notify_on_missing, ["admin@example.org"]);
    assert_eq!(worker.missing_timeout, Duration::from_secs(3600));
    assert_eq!(worker.properties.get_str("workername"), Some("example-worker"));

    let builder = &config.builders[0];
    assert_eq!((builder.name.as_str(), builder.workerbuilddir.as_str()), ("runtests", "runtests"));
    assert_eq!(builder.steps[0].class, "ShellCommand");
}

#[test]
fn the_poller_has_stocks_defaults() {
    let config = check(EXAMPLE).expect("a good configuration");
    let ChangeSourceConfig::Looks(poller) = &config.change_sources[0] else { panic!("another") };
    assert_eq!(
        (poller.name.as_str(), poller.class),
        ("https://example.org/hello.git", "GitPoller")
    );
    let every = PollTimes { interval: Duration::from_secs(300), ..PollTimes::STOCK };
    assert_eq!(poller.rhythm, Rhythm::Polls(every));
}

#[test]
fn schedulers_know_their_kind() {
    let config = check(EXAMPLE).expect("a good configuration");
    let all = &config.schedulers[0];
    assert_eq!(all.plan.class(), "SingleBranchScheduler");
    let told = format!("{:?}", all.plan);
    assert!(told.contains("tree_stable_timer: Some(60s)"), "{told}");
    assert!(told.contains("only_important: false"), "{told}");
    assert_eq!(all.options.properties.get_str("scheduler"), Some("all"));
    assert!(all.options.codebases.contains_key(""));
}

#[test]
fn a_force_form_has_stocks_fields() {
    let config = check(EXAMPLE).expect("a good configuration");
    let scheduler = &config.schedulers[1];
    let force = scheduler.plan.form().expect("a ForceScheduler");
    assert_eq!((force.label.as_str(), force.button_name.as_str()), ("force", "force"));
    assert_eq!(force.reason_string, "A build was forced by '%(owner)s': %(reason)s");
    let fields: Vec<(&str, &str)> =
        force.fields.iter().map(|f| (f.name.as_str(), f.label.as_str())).collect();
    assert_eq!(
        fields,
        [
            ("username", "Your name:"),
            ("reason", "reason"),
            ("priority", "priority"),
            ("branch", "Branch:"),
            ("project", "Project:"),
            ("repository", "Repository:"),
            ("revision", "Revision:"),
        ]
    );
    assert_eq!(force.fields[0].kind, FieldKind::Username { need_email: true });
    assert_eq!(force.fields[1].kind, FieldKind::Text { size: 20 });
    assert_eq!(force.fields[1].default, "force build");
    assert_eq!(force.fields[2].default, 0);
}

const FORM: &str = r#"
[[schedulers]]
type = "ForceScheduler"
name = "release"
builderNames = ["runtests"]
label = "Make a release"
buttonName = "Release"
reasonString = "%(owner)s: %(reason)s"
reason = { type = "TextParameter", default = "because", required = true, maxsize = 500 }
username = { label = "You:", need_email = false }
codebases = [
    "lib",
    { codebase = "app", branch = { type = "ChoiceStringParameter", choices = ["main", "next"], default = "main" }, revision = "", repository = false, project = false, hide = true },
]

[[schedulers.properties]]
type = "BooleanParameter"
name = "upload"
default = true

[[schedulers.properties]]
type = "ChoiceStringParameter"
name = "targets"
choices = ["a", "b"]
multiple = true
default = ["a"]

[[schedulers.properties]]
type = "IntParameter"
name = "level"
default = 3

[[schedulers.properties]]
type = "FixedParameter"
name = "kind"
default = { any = ["value"] }

[[schedulers.properties]]
type = "StringParameter"
name = "tag"
regex = "v[0-9.]+$"
tooltip = "such as v1.2"
size = 12
"#;

#[test]
fn a_force_form_of_ones_own() {
    let config = check(&(EXAMPLE.to_owned() + FORM)).expect("a good configuration");
    let scheduler = &config.schedulers[2];
    let force = scheduler.plan.form().expect("a ForceScheduler");
    let field = |name: &str| {
        force.fields.iter().find(|field| field.name == name).unwrap_or_else(|| panic!("no {name}"))
    };
    let names: Vec<&str> = force.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(
        names.join(" "),
        "username reason priority lib_branch lib_project lib_repository lib_revision app_branch \
         app_revision upload targets level kind tag"
    );
    assert_eq!(field("reason").kind, FieldKind::TextArea { cols: 80, rows: 20 });
    assert!(field("reason").required);
    assert_eq!(field("reason").maxsize, Some(500));
    assert_eq!(field("app_branch").default, "main");
    assert!(field("app_branch").hide && field("app_revision").hide && field("kind").hide);
    assert!(!field("lib_branch").hide);
    assert_eq!(field("app_revision").kind, FieldKind::Fixed);
    assert_eq!(field("upload").default, true);
    assert_eq!(field("targets").default, serde_json::json!(["a"]));
    assert_eq!(field("kind").default, serde_json::json!({"any": ["value"]}));
    assert_eq!(field("tag").regex.as_deref(), Some("v[0-9.]+$"));
}

#[test]
fn the_manuals_example_lacks_only_what_is_served_later() {
    let text = include_str!("design.toml");
    let report = check(text).expect_err("pb and services are not served yet");
    insta::assert_snapshot!(report);
    let (served, _) = text.split_once("[[services]]").expect("the last section");
    let served: String = served
        .lines()
        .filter(|line| !line.starts_with("pb ="))
        .fold(String::new(), |text, line| text + line + "\n");
    let config = check(&served).expect("a good configuration");
    let classes: Vec<&str> = config.builders[0].steps.iter().map(|step| step.class).collect();
    assert_eq!(classes, ["Git", "ShellCommand"]);
}

#[test]
fn the_sample_loads() {
    let config = check(sample::SAMPLE).expect("a good configuration");
    assert_eq!(config.builders.len(), 1);
    assert_eq!(config.www.expect("a web server").listen, any(8010));
}

#[test]
fn passwords_stay_secret() {
    let secret = "hunter2";
    let text = EXAMPLE.replace("\"pass\"", &format!("\"{secret}\""));
    let config = check(&text).expect("a good configuration");
    assert_eq!(config.workers[0].password, secret);
    assert!(!format!("{config:#?} {:?}", config.workers[0]).contains(secret));
}
