//! Who wants to hear of a build besides those who answer for it: owners of what was touched, and
//! sheriffs.

use std::collections::BTreeSet;

use super::pattern::Shell;
use crate::config::fields::Fields;

/// The rules of a status target, as `interested` names them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Interested(Vec<Rule>);

/// Who wants to hear of which builds. An empty list of conditions is true.
#[derive(Debug, Clone, Default, PartialEq)]
struct Rule {
    /// One of the changed files must match.
    files: Vec<Shell>,
    builders: Vec<Shell>,
    tags: Vec<String>,
    users: Vec<String>,
}

/// What the rules look at.
#[derive(Debug, Clone, Copy, Default)]
pub struct BuildFacts<'a> {
    /// The builder's name.
    pub builder: &'a str,
    /// The builder's tags.
    pub tags: &'a [String],
    /// Files of the changes that are new in the build.
    pub files: &'a [String],
}

impl Interested {
    /// Reads the list `key` of tables: `{ files = [...], users = [...] }` for who cares for some
    /// paths, `{ sheriff = [...] }` for who hears of everything; both may be limited to builders
    /// by `builders` (shell patterns) and `tags`. Mistakes are reported and left out.
    pub fn parse(fields: &mut Fields<'_>, key: &'static str) -> Interested {
        let entries = fields.entries(key);
        let (_, problems) = fields.nested(key);
        let rules = entries.iter().map(|(path, raw)| {
            let mut fields = Fields::of(raw, path.as_str(), problems);
            let rule = Rule::parse(&mut fields);
            fields.finish();
            rule
        });
        Interested(rules.collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those who want to hear of the build, by the names of the configuration, each once.
    pub fn users(&self, build: BuildFacts<'_>) -> Vec<String> {
        let rules = self.0.iter().filter(|rule| rule.applies(build));
        let users: BTreeSet<&String> = rules.flat_map(|rule| &rule.users).collect();
        users.into_iter().cloned().collect()
    }
}

impl Rule {
    fn parse(fields: &mut Fields<'_>) -> Rule {
        let before = fields.problem_count();
        let rule = Rule {
            files: shells(fields, "files"),
            builders: shells(fields, "builders"),
            tags: fields.or_default("tags"),
            users: [names(fields, "users"), names(fields, "sheriff")].concat(),
        };
        if fields.problem_count() > before {
            return Rule::default();
        }
        if rule.users.is_empty() {
            fields.problem("names nobody; add 'users' or 'sheriff'");
        }
        rule
    }

    fn applies(&self, build: BuildFacts<'_>) -> bool {
        let any = |shells: &[Shell], text: &str| shells.iter().any(|shell| shell.matches(text));
        (self.files.is_empty() || build.files.iter().any(|file| any(&self.files, file)))
            && (self.builders.is_empty() || any(&self.builders, build.builder))
            && (self.tags.is_empty() || self.tags.iter().any(|tag| build.tags.contains(tag)))
    }
}

fn shells(fields: &mut Fields<'_>, key: &'static str) -> Vec<Shell> {
    let patterns: Vec<String> = fields
        .optional_checked(key, |patterns: &Vec<String>| {
            patterns.iter().find_map(|pattern| Shell::new(pattern).err())
        })
        .unwrap_or_default();
    patterns.iter().filter_map(|pattern| Shell::new(pattern).ok()).collect()
}

fn names(fields: &mut Fields<'_>, key: &'static str) -> Vec<String> {
    let names = fields.optional_checked(key, |names: &Vec<String>| {
        names.iter().any(|name| name.trim().is_empty()).then(|| "holds an empty name".to_owned())
    });
    names.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::problems::Problems;
    use crate::config::raw::Raw;

    fn read(rules: Value) -> (Interested, String) {
        let mut problems = Problems::new();
        let raw = Raw::from_json(json!({ "interested": rules }));
        let mut fields = Fields::of(&raw, "services[0]", &mut problems);
        let interested = Interested::parse(&mut fields, "interested");
        fields.finish();
        (interested, problems.to_string())
    }

    #[test]
    fn rules_name_who_wants_to_hear() {
        let rules = json!([
            { "files": ["docs/*"], "users": ["anna", "bob"] },
            { "files": "*.rs", "builders": ["linux-*"], "users": "carl" },
            { "sheriff": ["bob"], "tags": ["release"] },
            { "sheriff": "dora", "builders": "nightly" },
        ]);
        let (interested, problems) = read(rules);
        assert_eq!(problems, "");
        for (builder, tags, files, expected) in [
            ("b", vec![], vec![], ""),
            ("b", vec![], vec!["docs/a/b.md", "x"], "anna bob"),
            ("b", vec!["release"], vec!["docs/a.md"], "anna bob"),
            ("b", vec!["x", "release"], vec![], "bob"),
            ("b", vec![], vec!["src/a.rs"], ""),
            ("linux-1", vec![], vec!["src/a.rs"], "carl"),
            ("nightly", vec![], vec!["src/a.rs"], "dora"),
        ] {
            let tags: Vec<String> = tags.into_iter().map(str::to_owned).collect();
            let files: Vec<String> = files.into_iter().map(str::to_owned).collect();
            let facts = BuildFacts { builder, tags: &tags, files: &files };
            assert_eq!(interested.users(facts).join(" "), expected, "{facts:?}");
        }
        let (sheriff, _) = read(json!({ "sheriff": ["bob"] }));
        assert_eq!(sheriff.users(BuildFacts::default()), ["bob"], "always");
        assert!(read(Value::Null).0.is_empty());
    }

    #[test]
    fn mistakes_are_told() {
        for (rules, expected) in [
            (json!([{ "files": ["docs/*"] }]), "services[0].interested[0]: names nobody"),
            (json!([{ "users": ["a", " "] }]), "interested[0].users: holds an empty name"),
            (json!([{ "files": ["[a"], "users": ["a"] }]), "interested[0].files: '[a' is not"),
            (json!([{ "sherif": ["a"] }]), "did you mean 'sheriff'"),
            (json!("anna"), "must be a list of tables"),
        ] {
            let (_, problems) = read(rules.clone());
            assert!(problems.contains(expected), "{rules}: {problems}");
        }
    }
}
