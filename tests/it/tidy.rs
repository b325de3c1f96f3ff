//! Keeps the rules of the house that the compiler cannot: who may import whom, a module doc on
//! every file, a head card on every actor.

use std::fs;
use std::path::{Path, PathBuf};

/// What one top-level module may use.
struct Rule {
    module: &'static str,
    /// Modules of ours; `a::b` allows only that part of `a`. Its own module is always allowed.
    ours: &'static [&'static str],
    /// Crates that must not appear.
    never: &'static [&'static str],
}

/// The import table of the design. `cli` and `main` hold everything together and may use all.
const RULES: &[Rule] = &[
    Rule { module: "model", ours: &[], never: &["actix", "actix_web", "diesel", "tokio"] },
    // Reading its own options, and checked values, is as pure as the rest of it.
    Rule {
        module: "flow",
        ours: &["model", "config::raw", "config::fields", "config::problems", "config::checked"],
        never: &["actix", "actix_web", "diesel", "tokio"],
    },
    Rule { module: "events", ours: &["model"], never: &["actix", "actix_web", "diesel"] },
    Rule { module: "http", ours: &[], never: &["actix", "actix_web", "diesel"] },
    Rule { module: "process_group", ours: &[], never: &["actix", "actix_web", "diesel"] },
    Rule { module: "db", ours: &["model"], never: &["actix", "actix_web"] },
    Rule {
        module: "steps",
        ours: &["model", "flow", "config::raw", "config::fields", "config::problems"],
        never: &["actix", "actix_web", "diesel"],
    },
    Rule {
        module: "schedulers",
        ours: &[
            "model",
            "flow",
            "db",
            "events",
            "config::raw",
            "config::fields",
            "config::problems",
            "config::checked",
            "config::values",
            "config::force",
        ],
        never: &["actix", "actix_web", "diesel"],
    },
    Rule {
        module: "change_sources",
        ours: &[
            "model",
            "http",
            "process_group",
            "flow",
            "config::raw",
            "config::fields",
            "config::problems",
            "config::values",
        ],
        never: &["actix", "actix_web", "diesel"],
    },
    Rule {
        module: "reporters",
        ours: &[
            "model",
            "flow",
            "db",
            "http",
            "process_group",
            "config::raw",
            "config::fields",
            "config::problems",
            "config::values",
            "config::checked",
        ],
        never: &["actix", "actix_web", "diesel"],
    },
    Rule {
        module: "config",
        ours: &["model", "flow", "steps", "schedulers", "change_sources", "reporters"],
        never: &["actix", "actix_web", "diesel"],
    },
    Rule {
        module: "actors",
        ours: &["model", "flow", "steps", "schedulers", "change_sources", "db", "events", "config"],
        never: &["actix_web", "handlebars", "diesel"],
    },
    Rule {
        module: "status",
        ours: &["model", "flow", "db", "events", "config", "reporters", "actors"],
        never: &["diesel"],
    },
    // Plays a configuration with everything but the actors.
    Rule {
        module: "simulate",
        ours: &["model", "flow", "steps", "schedulers", "db", "config"],
        never: &["actix", "actix_web", "diesel"],
    },
    Rule { module: "cli", ours: ALL, never: &["diesel"] },
    Rule { module: "main", ours: ALL, never: &["diesel"] },
    Rule { module: "lib", ours: ALL, never: &["diesel"] },
];

const ALL: &[&str] = &[
    "model",
    "flow",
    "events",
    "http",
    "process_group",
    "db",
    "reporters",
    "steps",
    "schedulers",
    "change_sources",
    "config",
    "actors",
    "status",
    "simulate",
    "cli",
];

/// The wire codec does no I/O.
const PROTOCOL_NEVER: &[&str] = &[
    "actix",
    "actix_web",
    "diesel",
    "tokio",
    "std::net",
    "std::fs",
    "std::process",
    "std::thread",
];

/// The worker is small: no database, no web, no templates.
const WORKER_NEVER: &[&str] = &["actix", "actix_web", "diesel", "handlebars", "buildbot"];

#[test]
fn modules_import_only_what_the_table_allows() {
    let mut broken = Vec::new();
    for file in sources("src") {
        let text = read(&file);
        let rule = rule_of(&file).unwrap_or_else(|| panic!("{} has no rule", file.display()));
        for found in offences(&text, &module_path(&file), rule) {
            broken.push(format!("{}:{}: {}", file.display(), found.line, found.what));
        }
    }
    for (folder, never) in [("protocol/src", PROTOCOL_NEVER), ("worker/src", WORKER_NEVER)] {
        for file in sources(folder) {
            for found in forbidden(&code_of(&read(&file)), never, folder) {
                broken.push(format!("{}:{}: {}", file.display(), found.line, found.what));
            }
        }
    }
    assert!(broken.is_empty(), "imports against the table:\n{}", broken.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut silent = Vec::new();
    for folder in ["src", "protocol", "worker", "tests", "benches"] {
        for file in sources(folder) {
            if !read(&file).starts_with("//! ") {
                silent.push(file.display().to_string());
            }
        }
    }
    assert!(silent.is_empty(), "files without a module doc:\n{}", silent.join("\n"));
}

#[test]
fn every_actor_has_a_head_card() {
    let mut bare = Vec::new();
    for file in sources("src/actors") {
        let text = read(&file);
        if is_actor(&text) {
            for missing in missing_of_card(&text) {
                bare.push(format!("{}: no `{missing}` in the module doc", file.display()));
            }
        }
    }
    assert!(bare.is_empty(), "actors without a complete head card:\n{}", bare.join("\n"));
}

#[test]
fn pages_only_read_the_database() {
    let mut writers = Vec::new();
    for file in sources("src/status/web") {
        let code = code_of(&read(&file));
        for (number, line) in code.lines().enumerate() {
            if line.contains("db.write(") || line.contains("db().write(") {
                writers.push(format!("{}:{}", file.display(), number + 1));
            }
        }
    }
    assert!(writers.is_empty(), "pages write to the database:\n{}", writers.join("\n"));
}

/// Something that the table does not allow.
struct Offence {
    line: usize,
    what: String,
}

/// Everything in `text`, the file of module `path`, that `rule` does not allow.
fn offences(text: &str, path: &[String], rule: &Rule) -> Vec<Offence> {
    let code = code_of(text);
    let mut found = forbidden(&code, rule.never, rule.module);
    for (line, target) in our_paths(&code, path.len()) {
        let top = target.split("::").next().unwrap_or_default();
        let allowed = top == rule.module
            || !ALL.contains(&top)
            || rule.ours.iter().any(|ours| {
                target == *ours || target.strip_prefix(ours).is_some_and(|r| r.starts_with("::"))
            });
        if !allowed {
            found.push(Offence {
                line,
                what: format!("`{}` may not use `crate::{target}`", rule.module),
            });
        }
    }
    found
}

/// Uses of crates, or of paths in them, that must not appear.
fn forbidden(code: &str, never: &[&str], who: &str) -> Vec<Offence> {
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        for name in never {
            let path = format!("{name}::");
            let bare = format!("use {name};");
            if positions(line, &path).next().is_some() || line.contains(&bare) {
                found.push(Offence {
                    line: number + 1,
                    what: format!("`{who}` may not use `{name}`"),
                });
            }
        }
    }
    found
}

/// Where `name` begins in `line` as a path of its own, not as the end of a longer name.
fn positions<'l>(line: &'l str, name: &'l str) -> impl Iterator<Item = usize> + 'l {
    line.match_indices(name).map(|(at, _)| at).filter(move |at| {
        !line[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

/// Every path into this crate, from its root, with its line: `crate::a::b`, `crate::{a::b, c}`,
/// and `super::…` as far as it climbs to the root from a module `depth` levels below it.
fn our_paths(code: &str, depth: usize) -> Vec<(usize, String)> {
    let climb = "super::".repeat(depth.max(1));
    let mut found = Vec::new();
    for prefix in ["crate::", climb.as_str()] {
        for at in positions_in(code, prefix) {
            let line = code[..at].matches('\n').count() + 1;
            let mut targets = Vec::new();
            expand("", &code[at + prefix.len()..], &mut targets);
            found.extend(targets.into_iter().map(|target| (line, target)));
        }
    }
    found
}

fn positions_in<'c>(code: &'c str, prefix: &'c str) -> impl Iterator<Item = usize> + 'c {
    code.match_indices(prefix).map(|(at, _)| at).filter(move |at| {
        !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

/// Reads one path or group of paths at the start of `text` and gives back what follows it.
fn expand<'t>(prefix: &str, text: &'t str, out: &mut Vec<String>) -> &'t str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = expand(prefix, rest, out).trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            // Not a group of paths after all; what was read so far stands.
            if rest.is_empty() || !rest.starts_with(|c: char| c.is_alphabetic() || c == '_') {
                return rest;
            }
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let path = format!("{prefix}{}", &text[..end]);
    match text[end..].strip_prefix("::") {
        Some(rest) if rest.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '{') => {
            expand(&format!("{path}::"), rest, out)
        }
        _ => {
            out.push(path);
            let rest = &text[end..];
            rest.trim_start().strip_prefix("as ").map_or(rest, |alias| {
                let alias = alias.trim_start();
                let end = alias.find(|c: char| !c.is_alphanumeric() && c != '_');
                &alias[end.unwrap_or(alias.len())..]
            })
        }
    }
}

/// The text with comments and the insides of string literals blanked; lines stay where they are.
fn code_of(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_string(rest) {
            length
        } else if c == '"' {
            string(rest)
        } else if let Some(length) = char_literal(rest) {
            length
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        out.extend(rest[..skip].chars().filter(|c| *c == '\n'));
        out.push(' ');
        rest = &rest[skip..];
    }
    out
}

/// Length of a raw string literal at the start of `text`.
fn raw_string(text: &str) -> Option<usize> {
    let hashes = text.strip_prefix('r')?.chars().take_while(|c| *c == '#').count();
    let inside = text[1 + hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = inside.find(&close).map_or(inside.len(), |end| end + close.len());
    Some(2 + hashes + end)
}

/// Length of a string literal at the start of `text`.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return at + 1,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Length of a character literal at the start of `text`; a lifetime is none.
fn char_literal(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    let length = if first == '\\' { 1 + inside[1..].find('\'')? } else { first.len_utf8() };
    let literal = inside[length..].starts_with('\'') || first == '\\';
    literal.then_some(length + 2)
}

/// Whether the file's code, its tests left out, implements an actor.
fn is_actor(text: &str) -> bool {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code_of(code).contains("impl Actor for") || code_of(code).contains("impl actix::Actor for")
}

/// The parts of the head card that the module doc lacks. The actor behind a handle in another file
/// may refer to the card there.
fn missing_of_card(text: &str) -> Vec<&'static str> {
    let doc: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
    let has =
        |label: &str| doc.iter().flat_map(|line| line.split_whitespace()).any(|word| word == label);
    if doc.iter().any(|line| line.contains("see that file for its head card")) {
        return Vec::new();
    }
    ["In:", "Out:", "Owns:", "Dies:"].into_iter().filter(|label| !has(label)).collect()
}

/// `src/flow/collapse.rs` is `["flow", "collapse"]`, `src/flow/mod.rs` is `["flow"]`.
fn module_path(file: &Path) -> Vec<String> {
    let below = file.strip_prefix(root().join("src")).expect("a file below src");
    let mut path: Vec<String> =
        below.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if path.last().is_some_and(|last| last == "mod") {
        path.pop();
    }
    path
}

fn rule_of(file: &Path) -> Option<&'static Rule> {
    let top = module_path(file).first()?.clone();
    RULES.iter().find(|rule| rule.module == top)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// All Rust files below a folder of the project; none when there is no such folder.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(&root().join(folder), &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            if !path.ends_with("target") {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The guard itself is tested on offences made up here.
mod the_guard {
    use super::*;

    fn complaints(module: &str, text: &str) -> Vec<String> {
        let rule = RULES.iter().find(|rule| rule.module == module).expect("a rule");
        let path = [module.to_owned(), "part".to_owned()];
        offences(text, &path, rule).into_iter().map(|o| format!("{}: {}", o.line, o.what)).collect()
    }

    #[test]
    fn sees_a_plain_use() {
        assert_eq!(
            complaints("flow", "use std::fmt;\nuse crate::db::Db;\n"),
            ["2: `flow` may not use `crate::db::Db`"]
        );
    }

    #[test]
    fn sees_into_groups_and_aliases() {
        let text = "use crate::{model::{Build, Log as L}, status::{web::{a, b}}, actors as x};";
        assert_eq!(
            complaints("flow", text),
            [
                "1: `flow` may not use `crate::status::web::a`",
                "1: `flow` may not use `crate::status::web::b`",
                "1: `flow` may not use `crate::actors`",
            ]
        );
    }

    #[test]
    fn sees_paths_in_expressions() {
        assert_eq!(complaints("model", "fn f() { crate::flow::restart::decide(); }").len(), 1);
    }

    #[test]
    fn sees_paths_that_climb_to_the_root() {
        assert_eq!(
            complaints("db", "use super::super::actors::mail;\nuse super::conn;"),
            ["1: `db` may not use `crate::actors::mail`"]
        );
    }

    #[test]
    fn sees_crates() {
        assert_eq!(
            complaints("actors", "use actix::Actor;\nuse actix_web::App;\nuse diesel;"),
            ["2: `actors` may not use `actix_web`", "3: `actors` may not use `diesel`"]
        );
        assert!(complaints("actors", "let x = my_diesel::y();").is_empty());
    }

    #[test]
    fn allows_parts_of_a_module() {
        assert!(complaints("steps", "use crate::config::{raw::Raw, fields};").is_empty());
        assert_eq!(complaints("steps", "use crate::config::checked::Www;").len(), 1);
        assert_eq!(complaints("steps", "use crate::config::rawest;").len(), 1);
    }

    #[test]
    fn reads_code_only() {
        let text = "// use crate::db::Db;\n/* crate::db::Db */ let s = \"crate::db::Db\";\n\
                    let r = r#\"crate::db \" x\"#; let c = '\"'; fn f<'a>(x: &'a str) {}";
        assert!(complaints("flow", text).is_empty());
        let after = format!("{text}\nuse crate::db::Db;");
        assert_eq!(complaints("flow", &after), ["4: `flow` may not use `crate::db::Db`"]);
    }

    #[test]
    fn asks_actors_for_their_card() {
        let card = "//! The x.\n//!\n//! In: a\n//! Out: b\n//! Owns: c\n";
        assert_eq!(missing_of_card(card), ["Dies:"]);
        assert!(is_actor("impl Actor for X {}"));
        assert!(!is_actor("struct X;\n#[cfg(test)]\nmod tests { impl Actor for X {} }"));
    }

    #[test]
    fn finds_the_files_of_the_project() {
        assert!(sources("src").len() > 20);
        assert!(sources("tests").iter().any(|file| file.ends_with("tests/it/tidy.rs")));
    }
}
