//! What a good file becomes.

use std::time::Duration;

use super::{EXAMPLE, check};
use crate::change_sources::{PollTimes, Rhythm};
use crate::config::checked::{ChangeSourceConfig, FieldKind, ForceField, ForceScheduler, Listen};
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
    let fields: Vec<(&str, &str)> = leaves(force)
        .into_iter()
        .map(|field| (field.full_name.as_str(), field.label.as_str()))
        .collect();
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
    assert_eq!(force.username.kind, FieldKind::Username { need_email: true, size: 30 });
    assert_eq!(force.reason.kind, FieldKind::Text { size: 20 });
    assert_eq!(force.reason.default, "force build");
    assert_eq!(force.priority.default, 0);
}

/// The fields that hold a value, in the order of the form.
fn leaves(force: &ForceScheduler) -> Vec<&ForceField> {
    fn add<'f>(field: &'f ForceField, found: &mut Vec<&'f ForceField>) {
        match &field.kind {
            FieldKind::Nested(nested) => nested.fields.iter().for_each(|inner| add(inner, found)),
            _ => found.push(field),
        }
    }
    let mut found = vec![&force.username, &force.reason, &force.priority];
    force.fields.iter().for_each(|field| add(field, &mut found));
    found
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
autopopulate = { 1 = { tag = "v1" } }

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

[[schedulers.properties]]
type = "FileParameter"
name = "notes"
maxsize = 100

[[schedulers.properties]]
type = "InheritBuildParameter"
name = "inherited"
compatible_builds = ["runtests"]

[[schedulers.properties]]
type = "WorkerChoiceParameter"

[[schedulers.properties]]
type = "NestedParameter"
name = "deep"
layout = "tabs"
fields = [{ type = "ParameterGroup", name = "er", columns = 2, fields = [{ type = "IntParameter", name = "n" }] }]

[[schedulers.properties]]
type = "PatchParameter"

[[schedulers.properties]]
type = "AnyPropertyParameter"
name = "more"
"#;

#[test]
fn a_force_form_of_ones_own() {
    let config = check(&(EXAMPLE.to_owned() + FORM)).expect("a good configuration");
    let scheduler = &config.schedulers[2];
    let force = scheduler.plan.form().expect("a ForceScheduler");
    let all = leaves(force);
    let field = |name: &str| {
        *all.iter().find(|field| field.full_name == name).unwrap_or_else(|| panic!("no {name}"))
    };
    let names: Vec<&str> = all.iter().map(|field| field.full_name.as_str()).collect();
    assert_eq!(
        names.join(" "),
        "username reason priority lib_branch lib_project lib_repository lib_revision app_branch \
         app_revision upload targets level kind tag notes inherited workername deep_er_n patch_body \
         patch_level patch_author patch_comment patch_subdir more_name more_value"
    );
    assert_eq!(field("reason").kind, FieldKind::TextArea { cols: 80, rows: 20, size: 20 });
    assert_eq!((field("notes").maxsize, field("patch_body").maxsize), (Some(100), Some(10 << 20)));
    assert_eq!(field("inherited").kind, FieldKind::Inherit { builders: vec!["runtests".into()] });
    assert_eq!(field("workername").kind, FieldKind::Worker { any: "-any-".into() });
    assert_eq!(field("patch_subdir").default, ".");
    assert_eq!(field("level").autopopulate, serde_json::json!({"1": {"tag": "v1"}}));
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
fn the_manuals_example_loads() {
    let config = check(include_str!("design.toml")).expect("a good configuration");
    let classes: Vec<&str> = config.builders[0].steps.iter().map(|step| step.class).collect();
    assert_eq!(classes, ["Git", "ShellCommand"]);
    assert_eq!(config.reporters[0].name, "MailNotifier");
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
