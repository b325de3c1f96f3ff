//! The properties a build begins with, in stock's order of precedence: later ones win.

use indexmap::IndexSet;
use serde_json::{Value, json};

use crate::model::{Build, Change, Properties, SourceStamp};

/// Where a new build's properties come from.
pub struct Origins<'a> {
    /// `c['properties']` of the master.
    pub global: &'a Properties,
    pub changes: &'a [Change],
    pub buildset: &'a Properties,
    pub builder_name: &'a str,
    /// Name and id of the builder's project.
    pub project: Option<(&'a str, i64)>,
    /// The builder's `properties` and `defaultProperties`.
    pub builder: &'a Properties,
    pub builder_defaults: &'a Properties,
    pub worker_name: &'a str,
    /// The worker's `properties` and `defaultProperties`.
    pub worker: &'a Properties,
    pub worker_defaults: &'a Properties,
    /// Absolute base directory of the worker.
    pub worker_basedir: &'a str,
    /// The builder's directory below it.
    pub workerbuilddir: &'a str,
    pub build: &'a Build,
    pub sources: &'a [SourceStamp],
}

/// Where the properties come from that are known of a build which waits for a worker.
pub struct Early<'a> {
    pub global: &'a Properties,
    pub changes: &'a [Change],
    pub buildset: &'a Properties,
    pub builder_name: &'a str,
    pub builder_id: i64,
    /// The builder's `properties` and `defaultProperties`.
    pub builder: &'a Properties,
    pub builder_defaults: &'a Properties,
    pub sources: &'a [SourceStamp],
}

/// The properties of a build that has not begun.
pub fn early(origins: &Early<'_>) -> Properties {
    let mut properties = Properties::new();
    properties.extend(origins.global);
    for change in origins.changes {
        properties.extend(&change.properties);
    }
    properties.extend(origins.buildset);
    properties.set("buildername", origins.builder_name, "Builder");
    properties.set("builderid", origins.builder_id, "Builder");
    properties.extend(origins.builder);
    add_missing(&mut properties, origins.builder_defaults);
    add_sources(&mut properties, origins.sources);
    properties
}

/// Puts a build's first properties together.
pub fn initial(origins: &Origins<'_>) -> Properties {
    let mut properties = Properties::new();
    properties.extend(origins.global);
    for change in origins.changes {
        properties.extend(&change.properties);
    }
    properties.extend(origins.buildset);
    properties.set("buildername", origins.builder_name, "Builder");
    properties.set("builderid", origins.build.builder.0, "Builder");
    if let Some((name, id)) = origins.project {
        properties.set("projectname", name, "Builder");
        properties.set("projectid", id, "Builder");
    }
    properties.extend(origins.builder);
    properties.set("workername", origins.worker_name, "Worker");
    properties.extend(origins.worker);
    add_missing(&mut properties, origins.worker_defaults);
    add_missing(&mut properties, origins.builder_defaults);
    properties.set("buildnumber", origins.build.number, "Build");
    add_sources(&mut properties, origins.sources);
    properties.set("owners", owners(origins), "Build");
    properties.set("basedir", origins.worker_basedir, "Worker");
    properties.set("builddir", builddir(origins), "Worker");
    properties
}

fn add_missing(properties: &mut Properties, defaults: &Properties) {
    for (name, default) in defaults.iter() {
        if !properties.contains(name) {
            properties.set(name, default.value.clone(), &default.source);
        }
    }
}

/// A single source stamp's attributes become properties of their own.
fn add_sources(properties: &mut Properties, sources: &[SourceStamp]) {
    let [source] = sources else { return };
    let attributes: [(&str, Value); 5] = [
        ("branch", json!(source.branch)),
        ("revision", json!(source.revision)),
        ("repository", json!(source.repository)),
        ("codebase", json!(source.codebase)),
        ("project", json!(source.project)),
    ];
    for (name, value) in attributes {
        properties.set(name, value, "Build");
    }
}

/// The blame list: authors of the changes in order, then those of patches and who forced the build.
fn owners(origins: &Origins<'_>) -> Vec<String> {
    let authors = origins.changes.iter().map(|change| change.author.clone());
    let forced_by = origins.buildset.get_str("owner").map(str::to_owned);
    let patches = origins.sources.iter().filter_map(|source| source.patch.as_ref());
    let patched_by = patches.map(|patch| patch.author.clone()).filter(|author| !author.is_empty());
    authors.chain(patched_by).chain(forced_by).collect::<IndexSet<String>>().into_iter().collect()
}

fn builddir(origins: &Origins<'_>) -> String {
    let separator = if origins.worker_basedir.contains('\\') { '\\' } else { '/' };
    format!("{}{separator}{}", origins.worker_basedir, origins.workerbuilddir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BuildId, BuildRequestId, BuilderId, MasterId};

    fn one(name: &'static str, value: &str, source: &'static str) -> Properties {
        [(name, Value::from(value), source)].into_iter().collect()
    }

    #[test]
    fn later_origins_win_and_defaults_only_fill() {
        let build = Build {
            id: BuildId(7),
            number: 3,
            builder: BuilderId(2),
            request: BuildRequestId(1),
            worker: None,
            master: MasterId(1),
            started_at: 0,
            complete_at: None,
            locks_duration_s: 0,
            state_string: String::new(),
            results: None,
        };
        let properties = initial(&Origins {
            global: &one("a", "global", "master.toml"),
            changes: &[],
            buildset: &[("a", json!("set"), "Scheduler"), ("owner", json!("ann"), "Force")]
                .into_iter()
                .collect(),
            builder_name: "b",
            project: Some(("p", 4)),
            builder: &one("c", "builder", "Builder"),
            builder_defaults: &one("a", "default", "Builder"),
            worker_name: "w",
            worker: &one("c", "worker", "Worker"),
            worker_defaults: &one("d", "default", "Worker"),
            worker_basedir: "/w",
            workerbuilddir: "b",
            build: &build,
            sources: &[],
        });
        let text = |name| properties.get_str(name).unwrap_or("?").to_owned();
        assert_eq!(text("a"), "set");
        assert_eq!(text("c"), "worker");
        assert_eq!(text("d"), "default");
        assert_eq!(text("projectname"), "p");
        assert_eq!(text("builddir"), "/w/b");
        assert_eq!(properties.get("buildnumber"), Some(&json!(3)));
        assert_eq!(properties.get("owners"), Some(&json!(["ann"])));
        assert!(!properties.contains("branch"), "no source stamp, no branch");
    }
}
