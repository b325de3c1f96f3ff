//! What a reconfiguration has to start, change, stop and keep. Pure: two configurations in, a
//! plan out.

use std::sync::Arc;

use super::checked::{
    BuilderConfig, ChangeSourceConfig, Listen, MasterConfig, SchedulerConfig, WorkerConfig,
    WorkerListen, Www,
};
use crate::flow::services::registry::ServiceConfig;
use crate::reporters::ReporterConfig;

/// The difference between two configurations. Parts are matched by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Diff {
    pub workers: Delta<WorkerConfig>,
    pub change_sources: Delta<ChangeSourceConfig>,
    pub schedulers: Delta<SchedulerConfig>,
    pub builders: Delta<Arc<BuilderConfig>>,
    pub services: Delta<ServiceConfig>,
    pub reporters: Delta<ReporterConfig>,
    /// Where workers and clients connect. Never has changes: another address is another listener.
    pub listeners: Delta<WorkerListen>,
    /// At most one: the web server. A change keeps its address.
    pub www: Delta<Www>,
    /// Titles, URLs, global properties, rules of the queue, locks, log settings, rules for changes, or
    /// user managers differ.
    pub settings_changed: bool,
    /// The database differs, which only a restart of the master can follow.
    pub database_changed: bool,
}

/// What happens to the parts of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Delta<T> {
    /// New ones, with their configuration.
    pub start: Vec<T>,
    /// Those that stay under another configuration, which is given here.
    pub change: Vec<T>,
    /// Names of those that are no longer configured.
    pub stop: Vec<String>,
    /// Names of those that are the same and keep running untouched.
    pub keep: Vec<String>,
}

impl<T> Delta<T> {
    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.start.is_empty() && self.change.is_empty() && self.stop.is_empty()
    }

    /// Names of those that end: what is gone, and what is started anew under another
    /// configuration.
    pub fn ending(&self, name: impl Fn(&T) -> &str) -> Vec<String> {
        let changed = self.change.iter().map(|item| name(item).to_owned());
        self.stop.iter().cloned().chain(changed).collect()
    }

    /// Those that begin: what is new, and what changed.
    pub fn beginning(&self) -> impl Iterator<Item = &T> {
        self.start.iter().chain(&self.change)
    }
}

impl Diff {
    /// Nothing to do at all.
    pub fn is_empty(&self) -> bool {
        self.workers.is_empty()
            && self.change_sources.is_empty()
            && self.schedulers.is_empty()
            && self.builders.is_empty()
            && self.services.is_empty()
            && self.reporters.is_empty()
            && self.listeners.is_empty()
            && self.www.is_empty()
            && !self.settings_changed
            && !self.database_changed
    }
}

/// What leads from `old` to `new`.
pub fn diff(old: &MasterConfig, new: &MasterConfig) -> Diff {
    Diff {
        workers: delta(&old.workers, &new.workers, |worker| worker.name.clone()),
        change_sources: delta(&old.change_sources, &new.change_sources, |source| {
            source.name().to_owned()
        }),
        schedulers: delta(&old.schedulers, &new.schedulers, |scheduler| {
            scheduler.options.name.clone()
        }),
        builders: delta(&old.builders, &new.builders, |builder| builder.name.clone()),
        services: delta(&old.services, &new.services, |service| service.name.clone()),
        reporters: delta(&old.reporters, &new.reporters, |reporter| reporter.name.clone()),
        listeners: delta(&old.listeners(), &new.listeners(), |port| {
            format!("{} {}", port.protocol.key(), address(&port.listen))
        }),
        www: delta(old.www.as_slice(), new.www.as_slice(), |www| address(&www.listen)),
        settings_changed: settings_differ(old, new),
        database_changed: old.db_url != new.db_url,
    }
}

fn settings_differ(old: &MasterConfig, new: &MasterConfig) -> bool {
    old.title != new.title
        || old.title_url != new.title_url
        || old.buildbot_url != new.buildbot_url
        || old.properties != new.properties
        || old.collapse_requests != new.collapse_requests
        || old.prioritize_builders != new.prioritize_builders
        || old.select_next_worker != new.select_next_worker
        || old.max_retries != new.max_retries
        || old.projects != new.projects
        || old.logs != new.logs
        || old.locks != new.locks
        || old.intake != new.intake
        || old.user_managers != new.user_managers
}

fn address(listen: &Listen) -> String {
    format!("{}:{}", listen.interface.as_deref().unwrap_or("*"), listen.port)
}

fn delta<T: Clone + PartialEq>(old: &[T], new: &[T], name: impl Fn(&T) -> String) -> Delta<T> {
    let mut delta = Delta { start: vec![], change: vec![], stop: vec![], keep: vec![] };
    for item in new {
        let item_name = name(item);
        match old.iter().find(|other| name(other) == item_name) {
            None => delta.start.push(item.clone()),
            Some(other) if other == item => delta.keep.push(item_name),
            Some(_) => delta.change.push(item.clone()),
        }
    }
    let gone = old.iter().map(&name).filter(|gone| !new.iter().any(|item| name(item) == *gone));
    delta.stop.extend(gone);
    delta
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::tests::{EXAMPLE, parse};

    fn config(text: &str) -> MasterConfig {
        crate::config::check(&parse(text), Path::new("/srv/master")).expect("a good configuration")
    }

    fn after(edits: &[(&str, &str)]) -> Diff {
        let mut text = EXAMPLE.to_owned();
        for (from, to) in edits {
            assert!(text.contains(from), "{from}");
            text = text.replacen(from, to, 1);
        }
        diff(&config(EXAMPLE), &config(&text))
    }

    #[test]
    fn the_same_file_changes_nothing() {
        let diff = after(&[]);
        assert!(diff.is_empty(), "{diff:?}");
        assert_eq!(diff.builders.keep, ["runtests"]);
        assert_eq!(diff.schedulers.keep, ["all", "force"]);
    }

    #[test]
    fn only_what_differs_is_touched() {
        type Part = fn(&Diff) -> usize;
        let cases: [(&str, &str, Part); 7] = [
            ("max_builds = 2", "max_builds = 3", |d| d.workers.change.len()),
            ("password = \"pass\"", "password = \"other\"", |d| d.workers.change.len()),
            ("pollInterval = 300", "pollInterval = 60", |d| d.change_sources.change.len()),
            ("treeStableTimer = 60", "treeStableTimer = 61", |d| d.schedulers.change.len()),
            ("\"test\"]", "\"check\"]", |d| d.builders.change.len()),
            ("title = \"Pyflakes\"", "title = \"Other\"", |d| usize::from(d.settings_changed)),
            ("state.sqlite", "other.sqlite", |d| usize::from(d.database_changed)),
        ];
        for (from, to, changed) in cases {
            let mut diff = after(&[(from, to)]);
            assert_eq!(changed(&diff), 1, "{to}");
            diff.workers.change.clear();
            diff.change_sources.change.clear();
            diff.schedulers.change.clear();
            diff.builders.change.clear();
            (diff.settings_changed, diff.database_changed) = (false, false);
            assert!(diff.is_empty(), "{to}: {diff:?}");
        }
    }

    #[test]
    fn another_name_is_another_part() {
        let diff = after(&[("name = \"all\"", "name = \"every\"")]);
        assert_eq!(diff.schedulers.stop, ["all"]);
        assert_eq!(diff.schedulers.start[0].options.name, "every");
        assert_eq!(diff.schedulers.keep, ["force"]);
    }

    #[test]
    fn listeners_and_web_follow_their_address() {
        let diff = after(&[("port = 9990", "port = 9991"), ("port = 8010", "port = 8011")]);
        assert_eq!(
            (diff.listeners.stop, diff.listeners.start[0].listen.port),
            (vec!["msgpack_experimental_v7 *:9990".into()], 9991)
        );
        assert_eq!((diff.www.stop, diff.www.start.len()), (vec!["*:8010".into()], 1));
        let diff = after(&[("port = 8010", "port = 8010\nallowed_origins = [\"*\"]")]);
        assert_eq!((diff.www.change.len(), diff.www.stop.len()), (1, 0));
        let diff = after(&[("[www]\nport = 8010", "")]);
        assert_eq!(diff.www.stop, ["*:8010"]);
    }

    #[test]
    fn a_changed_factory_changes_its_builders() {
        let shared = "[[factories.f.steps]]\ntype = \"ShellCommand\"\ncommand = \"make\"\n";
        let builders =
            "[[builders]]\nname = \"b\"\nworkernames = \"example-worker\"\nfactory = \"f\"\n";
        let text = EXAMPLE.replace("[\"runtests\"]", "[\"runtests\", \"b\"]") + shared + builders;
        let diff = diff(&config(&text), &config(&text.replace("= \"make\"", "= \"ninja\"")));
        assert_eq!(diff.builders.change[0].name, "b");
        assert_eq!(diff.builders.keep, ["runtests"]);
    }
}
