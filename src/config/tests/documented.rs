//! `docs/configuration.md` names every key.
//!
//! The keys are not listed anywhere: a file with an alien key in every table makes the readers
//! tell what they know.

use std::collections::BTreeMap;

use super::check;
use crate::change_sources::registry::REGISTRY as SOURCES;
use crate::steps::registry;

const MANUAL: &str = include_str!("../../../docs/configuration.md");
const ALIEN: &str = "zzqx";

/// Key path of a table and the section of the manual that must name its keys.
const SECTIONS: &[(&str, &str)] = &[
    ("", "## The master"),
    ("db", "### `db`"),
    ("protocols", "### `protocols`"),
    ("protocols.pb", "### `protocols`"),
    ("protocols.msgpack_experimental_v7", "### `protocols`"),
    ("www", "### `www`"),
    ("workers[0]", "## Workers"),
    ("workers[1]", "## Workers"),
    ("change_source[0]", "### PBChangeSource"),
    ("codebaseGenerator[0]", "### `change_filter`"),
    ("revlink[0]", "### `codebaseGenerator` and `revlink`"),
    ("schedulers[0]", "## Schedulers"),
    ("schedulers[0].change_filter", "### `change_filter`"),
    ("schedulers[0].fileIsImportant", "### `fileIsImportant`"),
    ("schedulers[0].codebases.a", "## Schedulers"),
    ("schedulers[1]", "## Schedulers"),
    ("schedulers[2]", "## Schedulers"),
    ("schedulers[2].codebases[0]", "### Codebases in a form"),
    ("schedulers[2].properties[0]", "### Form fields"),
    ("schedulers[2].properties[1]", "### Form fields"),
    ("schedulers[2].properties[2]", "### Form fields"),
    ("schedulers[2].properties[3]", "### Form fields"),
    ("schedulers[2].properties[4]", "### Form fields"),
    ("schedulers[2].properties[5]", "### Form fields"),
    ("user_managers[0]", "## User managers"),
    ("schedulers[2].properties[6]", "### Form fields"),
    ("schedulers[2].properties[7]", "### Form fields"),
    ("schedulers[2].properties[8]", "### Form fields"),
    ("schedulers[2].properties[9]", "### Form fields"),
    ("schedulers[2].properties[10]", "### Form fields"),
    ("schedulers[2].properties[11]", "### Form fields"),
    ("schedulers[2].properties[12]", "### Form fields"),
    ("schedulers[2].properties[13]", "### Form fields"),
    ("schedulers[3]", "## Schedulers"),
    ("schedulers[4]", "## Schedulers"),
    ("schedulers[5]", "## Schedulers"),
    ("schedulers[6]", "## Schedulers"),
    ("schedulers[7]", "## Schedulers"),
    ("schedulers[8]", "## Schedulers"),
    ("schedulers[9]", "## Schedulers"),
    ("builders[0]", "## Builders"),
    ("builders[0].locks[0]", "### Locks"),
    ("locks[0]", "### Locks"),
    ("factories.a", "### Factories"),
    ("projects[0]", "### Projects"),
    ("validation", "### `validation`"),
    ("services[0]", "### OldBuildCanceller"),
    ("services[0].filters[0]", "### OldBuildCanceller"),
    ("services[0].filters[0].filter", "### Source stamp filters"),
    ("services[1]", "### FailingBuildsetCanceller"),
    ("services[1].filters[0]", "### FailingBuildsetCanceller"),
    ("services[2]", "### MailNotifier"),
    ("services[3]", "### IRC"),
];

fn alien_file() -> String {
    let mut text = String::from(
        "zzqx = 1\ndb = { zzqx = 1 }\nwww = { zzqx = 1 }\nworkers = [{ zzqx = 1 }, { type = 'LocalWorker', zzqx = 1 }]\n\
         protocols = { zzqx = 1, pb = { zzqx = 1 }, msgpack_experimental_v7 = { zzqx = 1 } }\n\
         codebaseGenerator = [{ zzqx = 1 }]\nrevlink = [{ zzqx = 1 }]\n\
         factories = { a = { zzqx = 1 } }\n\
         projects = [{ zzqx = 1 }]\nvalidation = { zzqx = 1 }\n\
         services = [{ type = 'OldBuildCanceller', zzqx = 1, filters = [{ zzqx = 1, \
         filter = { zzqx = 1 } }] }, { type = 'FailingBuildsetCanceller', zzqx = 1, \
         filters = [{ zzqx = 1 }] }, { type = 'MailNotifier', zzqx = 1 }, \
         { type = 'IRC', zzqx = 1 }]\n\
         [[schedulers]]\ntype = 'SingleBranchScheduler'\nzzqx = 1\ncodebases.a.zzqx = 1\n\
         change_filter.zzqx = 1\nfileIsImportant.zzqx = 1\n\
         [[schedulers]]\ntype = 'AnyBranchScheduler'\nzzqx = 1\n\
         [[schedulers]]\ntype = 'ForceScheduler'\nzzqx = 1\ncodebases = [{ zzqx = 1 }]\n\
         properties = [\n",
    );
    let mut rest = String::new();
    for class in [
        "Dependent",
        "Periodic",
        "Nightly",
        "Triggerable",
        "NightlyTriggerable",
        "Try_Userpass",
        "Try_Jobdir",
    ] {
        rest += &format!("[[schedulers]]\ntype = '{class}'\nzzqx = 1\n");
    }
    rest += "[[user_managers]]\nzzqx = 1\n";
    for class in [
        "String",
        "Text",
        "Int",
        "ChoiceString",
        "UserName",
        "Fixed",
        "Boolean",
        "File",
        "InheritBuild",
        "WorkerChoice",
        "Nested",
        "Patch",
        "AnyProperty",
    ] {
        text += &format!("{{ type = '{class}Parameter', zzqx = 1 }},\n");
    }
    text += "{ type = 'ParameterGroup', zzqx = 1 }]\n";
    text += &rest;
    text += "[[locks]]\ntype = 'MasterLock'\nzzqx = 1\n\
             [[builders]]\nzzqx = 1\nlocks = [{ name = 'x', zzqx = 1 }]\n";
    text += "[[change_source]]\ntype = 'PBChangeSource'\nzzqx = 1\n";
    for source in SOURCES {
        text += &format!("[[change_source]]\ntype = '{}'\nzzqx = 1\n", source.class);
    }
    for step in registry::all() {
        text += &format!("[[builders.steps]]\ntype = '{}'\nzzqx = 1\n", step.class);
    }
    text
}

/// Reporters that send something to other servers, each in a section of its own.
const PUSHES: [(&str, &str); 6] = [
    ("HttpStatusPush", "### HttpStatusPush"),
    ("GitHubStatusPush", "### GitHubStatusPush and GitHubCommentPush"),
    ("GitHubCommentPush", "### GitHubStatusPush and GitHubCommentPush"),
    ("GitLabStatusPush", "### GitLabStatusPush"),
    ("SlackStatusPush", "### SlackStatusPush and MattermostStatusPush"),
    ("MattermostStatusPush", "### SlackStatusPush and MattermostStatusPush"),
];

/// Pushes, and generators with their formatters.
fn alien_pushes() -> String {
    let formatter = "{ zzqx = 1 }";
    let mut text = String::new();
    for (class, _) in PUSHES {
        text += &format!("[[services]]\ntype = '{class}'\nzzqx = 1\n");
    }
    for (class, formatters) in [
        ("BuildStatusGenerator", "message_formatter"),
        ("BuildStartEndStatusGenerator", "start_formatter"),
        ("BuildRequestGenerator", "formatter"),
        ("BuildSetStatusGenerator", "message_formatter"),
        ("BuildSetCombinedStatusGenerator", "message_formatter"),
        ("WorkerMissingGenerator", "message_formatter"),
    ] {
        text += &format!(
            "[[services.generators]]\ntype = '{class}'\nzzqx = 1\n{formatters} = {formatter}\n"
        );
    }
    for class in ["Empty", "Renderable", "Function"] {
        text += &format!(
            "[[services.generators]]\ntype = 'BuildStatusGenerator'\nzzqx = 1\n\
             message_formatter = {{ type = 'MessageFormatter{class}', zzqx = 1 }}\n"
        );
    }
    text
}

#[test]
fn every_key_of_every_push_generator_and_formatter() {
    let known = keys_in(&alien_pushes());
    for (index, (class, heading)) in PUSHES.iter().enumerate() {
        let path = format!("services[{index}]");
        let keys = known.get(&path).unwrap_or_else(|| panic!("{class}: {known:#?}"));
        assert_named(&path, heading, keys);
    }
    let nested = known.iter().filter(|(path, _)| path.contains(".generators["));
    for (path, keys) in nested {
        let heading = if path.ends_with("formatter") { "### Formatters" } else { "### Generators" };
        assert_named(path, heading, keys);
    }
    // `MessageFormatterEmpty` has no keys of its own.
    assert_eq!(known.keys().filter(|path| path.ends_with("formatter")).count(), 9, "{known:#?}");
}

/// What each reader knows, by key path of its table.
fn known_keys() -> BTreeMap<String, Vec<String>> {
    keys_in(&alien_file())
}

fn keys_in(file: &str) -> BTreeMap<String, Vec<String>> {
    let report = check(file).expect_err("aliens everywhere");
    let told = format!("unknown key '{ALIEN}'; known are: ");
    let lists = report.lines().filter_map(|line| {
        let (place, keys) = line.split_once(&told)?;
        let path = place.split(": ").nth(1).unwrap_or_default();
        Some((path.to_owned(), keys.split(", ").map(str::to_owned).collect()))
    });
    lists.collect()
}

/// The text from a heading to the next one of its level or above.
fn section(heading: &str) -> &'static str {
    let start = MANUAL.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let text = &MANUAL[start + 1 + heading.len()..];
    let level = heading.chars().take_while(|c| *c == '#').count();
    let ends = (1..=level).filter_map(|level| text.find(&format!("\n{} ", "#".repeat(level))));
    &text[..ends.min().unwrap_or(text.len())]
}

fn assert_named(path: &str, heading: &str, keys: &[String]) {
    let text = section(heading);
    for key in keys {
        assert!(text.contains(&format!("`{key}`")), "'{heading}' does not name {path} {key}");
    }
}

#[test]
fn every_key_of_every_section() {
    let known = known_keys();
    for (path, heading) in SECTIONS {
        let keys = known.get(*path).unwrap_or_else(|| panic!("{path} was not read: {known:#?}"));
        assert_named(path, heading, keys);
    }
    let steps = known.keys().filter(|path| path.starts_with("builders[0].steps")).count();
    assert_eq!(steps, registry::all().count());
    let others = SECTIONS.len() + steps + SOURCES.len();
    assert_eq!(known.len(), others, "a table is read that SECTIONS does not list");
}

#[test]
fn every_key_of_every_change_source() {
    let known = known_keys();
    for (index, source) in SOURCES.iter().enumerate() {
        let path = format!("change_source[{}]", index + 1);
        section(&format!("### {}", source.class));
        assert_named(&path, "## Change sources", &known[&path]);
    }
}

#[test]
fn every_key_of_every_step() {
    for (path, keys) in known_keys() {
        if path.starts_with("builders[0].steps") {
            assert_named(&path, "## Steps", &keys);
        }
    }
}
