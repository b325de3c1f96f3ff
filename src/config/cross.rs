//! What only shows when the sections are compared: duplicate and unknown names, shared
//! directories, missing parts.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::checked::{Listen, SchedulerConfig, SchedulerOptions};
use super::circle::{Leads, circle};
use super::fields::closest;
use super::master::Draft;
use super::problems::Problems;
use super::raw::Raw;
use super::{cross_clients, cross_hasslers, cross_locks, cross_triggers, cross_waits};
use crate::steps::Condition;

/// Adds the problems between the sections of `draft`, which was read from `raw`.
pub fn check(raw: &Raw, draft: &Draft, problems: &mut Problems) {
    let mut cross = Cross { raw, draft, problems };
    cross.missing_parts();
    cross.duplicate_names();
    cross.unknown_workers();
    cross.unknown_builders();
    cross.unknown_projects();
    cross.idle_builders();
    cross.upstream_schedulers();
    cross.shared_directories();
    cross.unknown_codebases();
    cross.shared_ports();
    cross_clients::check(raw, draft, problems);
    cross_triggers::check(raw, draft, problems);
    cross_locks::check(raw, draft, problems);
    cross_waits::check(raw, draft, problems);
    cross_hasslers::check(raw, draft, problems);
}

struct Cross<'a> {
    raw: &'a Raw,
    draft: &'a Draft,
    problems: &'a mut Problems,
}

impl Cross<'_> {
    fn add(&mut self, path: &str, message: String) {
        self.problems.add(self.raw.place_at(path), path, message);
    }

    fn missing_parts(&mut self) {
        if self.draft.workers.is_empty() {
            self.add("workers", "no workers are configured; add [[workers]]".into());
        }
        if self.draft.builders.is_empty() {
            self.add("builders", "no builders are configured; add [[builders]]".into());
        }
        let protocols = self.raw.get("protocols");
        let tried = ["msgpack_experimental_v7", "pb"]
            .iter()
            .any(|protocol| protocols.is_some_and(|table| table.get(protocol).is_some()));
        let remote = self.draft.workers.iter().any(|(_, worker)| worker.local.is_none());
        if remote && !tried {
            self.add(
                "protocols",
                "workers are configured, but nothing for them to connect to; add \
                 protocols = { pb = { port = 9989 } }"
                    .into(),
            );
        }
    }

    fn duplicate_names(&mut self) {
        let draft = self.draft;
        self.duplicates("worker", draft.workers.iter().map(|(path, w)| (path, w.name.as_str())));
        self.duplicates(
            "change source",
            draft.change_sources.iter().map(|(path, source)| (path, source.name())),
        );
        let schedulers = draft.schedulers.iter();
        self.duplicates(
            "scheduler",
            schedulers.filter_map(|(path, s)| Some((path, s.as_ref()?.options.name.as_str()))),
        );
        self.duplicates("lock", draft.locks.iter().map(|(path, l)| (path, l.name.as_str())));
        self.duplicates("project", draft.projects.iter().map(|(path, p)| (path, p.name.as_str())));
        let services = draft.services.services.iter().map(|(path, s)| (path, s.name.as_str()));
        let reporters = draft.services.reporters.iter().map(|(path, r)| (path, r.name.as_str()));
        self.duplicates("service", services.chain(reporters));
        self.duplicates("builder", draft.builders.iter().map(|(path, b)| (path, b.name.as_str())));
    }

    fn duplicates<'n>(&mut self, what: &str, names: impl Iterator<Item = (&'n String, &'n str)>) {
        let mut seen: HashMap<&str, &str> = HashMap::new();
        for (path, name) in names.filter(|(_, name)| !name.is_empty()) {
            if let Some(first) = seen.get(name) {
                let first = self.raw.place_at(&format!("{first}.name"));
                let message = format!("a {what} named '{name}' stands in {first} already");
                self.add(&format!("{path}.name"), message);
            } else {
                seen.insert(name, path);
            }
        }
    }

    fn unknown_workers(&mut self) {
        let known: Vec<&str> = self.draft.workers.iter().map(|(_, w)| w.name.as_str()).collect();
        for (path, builder) in &self.draft.builders {
            for (index, name) in builder.workernames.iter().enumerate() {
                if !known.contains(&name.as_str()) {
                    self.add(
                        &item_path(self.raw, path, "workernames", index),
                        unknown("worker", name, &known),
                    );
                }
            }
        }
    }

    fn unknown_builders(&mut self) {
        let known: Vec<&str> = self.draft.builders.iter().map(|(_, b)| b.name.as_str()).collect();
        for (path, scheduler) in &self.draft.schedulers {
            for (index, name) in scheduler.iter().flat_map(|s| &s.options.builder_names).enumerate()
            {
                if !known.contains(&name.as_str()) && !SchedulerOptions::is_substituted(name) {
                    self.add(
                        &item_path(self.raw, path, "builderNames", index),
                        unknown("builder", name, &known),
                    );
                }
            }
        }
    }

    /// Of builders; and builders that services name.
    fn unknown_projects(&mut self) {
        let known: Vec<&str> = self.draft.projects.iter().map(|(_, p)| p.name.as_str()).collect();
        for (path, builder) in &self.draft.builders {
            if let Some(name) = builder.project.as_deref().filter(|name| !known.contains(name)) {
                self.add(&format!("{path}.project"), unknown("project", name, &known));
            }
        }
        let known: Vec<&str> = self.draft.builders.iter().map(|(_, b)| b.name.as_str()).collect();
        for (path, service) in &self.draft.services.services {
            for name in service.plan.builders() {
                if !known.contains(&name) {
                    self.add(&format!("{path}.filters"), unknown("builder", name, &known));
                }
            }
        }
        for (path, reporter) in &self.draft.services.reporters {
            for name in reporter.builders().into_iter().filter(|name| !known.contains(name)) {
                self.add(&format!("{path}.generators"), unknown("builder", name, &known));
            }
        }
    }

    /// Builders that no scheduler names: stock's error. Silent while a scheduler is unreadable,
    /// or finds its builders only later.
    fn idle_builders(&mut self) {
        let Some(schedulers) =
            self.draft.schedulers.iter().map(|(_, s)| s.as_ref()).collect::<Option<Vec<_>>>()
        else {
            return;
        };
        let driven: HashSet<&str> =
            schedulers.iter().flat_map(|s| &s.options.builder_names).map(String::as_str).collect();
        if driven.iter().any(|name| SchedulerOptions::is_substituted(name)) {
            return;
        }
        for (path, builder) in &self.draft.builders {
            if !builder.name.is_empty() && !driven.contains(builder.name.as_str()) {
                let message =
                    format!("no scheduler names the builder '{}' in builderNames", builder.name);
                self.add(path, message);
            }
        }
    }

    /// A Dependent needs a scheduler to wait for, and no circle of them ever begins. Silent while a
    /// scheduler is unreadable.
    fn upstream_schedulers(&mut self) {
        let schedulers = self.draft.schedulers.iter();
        let schedulers = schedulers.map(|(path, s)| Some((path, s.as_ref()?)));
        let Some(schedulers) = schedulers.collect::<Option<Vec<_>>>() else { return };
        let known: Vec<&str> = schedulers.iter().map(|(_, s)| s.options.name.as_str()).collect();
        let upstream_of: Leads<'_> = schedulers
            .iter()
            .filter_map(|(_, s)| Some((s.options.name.as_str(), vec![s.plan.upstream()?])))
            .collect();
        for (path, scheduler) in &schedulers {
            let Some(upstream) = scheduler.plan.upstream().filter(|name| !name.is_empty()) else {
                continue;
            };
            let path = format!("{path}.upstream");
            if !known.contains(&upstream) {
                self.add(&path, unknown("scheduler", upstream, &known));
            } else if let Some(circle) = circle(&scheduler.options.name, &upstream_of) {
                self.add(&path, format!("waits for itself: {}", circle.join(" waits for ")));
            }
        }
    }

    /// Two builders in one directory of one worker would overwrite each other.
    fn shared_directories(&mut self) {
        let mut seen: HashMap<(&str, &str), &str> = HashMap::new();
        for (path, builder) in &self.draft.builders {
            let directory = builder.workerbuilddir.as_str();
            let clash = builder
                .workernames
                .iter()
                .find_map(|worker| Some((worker, *seen.get(&(worker.as_str(), directory))?)));
            if let Some((worker, other)) = clash.filter(|(_, other)| *other != builder.name) {
                let message = format!(
                    "shares the directory '{directory}' on the worker '{worker}' with the \
                     builder '{other}'; give it another workerbuilddir"
                );
                self.add(path, message);
            }
            for worker in &builder.workernames {
                seen.entry((worker, directory)).or_insert(&builder.name);
            }
        }
    }

    /// A source step whose codebase no scheduler of its builder ever gives to a build.
    fn unknown_codebases(&mut self) {
        let Some(schedulers) =
            self.draft.schedulers.iter().map(|(_, s)| s.as_ref()).collect::<Option<Vec<_>>>()
        else {
            return;
        };
        for (path, builder) in &self.draft.builders {
            let driving =
                schedulers.iter().filter(|s| s.options.builder_names.contains(&builder.name));
            let driving: Vec<_> = driving.collect();
            if driving.is_empty() || !driving.iter().all(|s| gives_its_codebases_only(s)) {
                continue;
            }
            let given = driving.iter().flat_map(|s| s.options.codebases.keys()).map(String::as_str);
            let given: Vec<&str> = given.collect::<BTreeSet<_>>().into_iter().collect();
            for step in builder.steps.iter() {
                let Some(source) = step.step.checks_out().filter(|s| s.needs_stamp) else {
                    continue;
                };
                let conditional = step.options.do_step_if != Condition::Always(true);
                if !conditional && !given.contains(&source.codebase) {
                    let message = missing_codebase(&step.name, source.codebase, &given);
                    self.add(path, message);
                }
            }
        }
    }

    fn shared_ports(&mut self) {
        let mut seen: Vec<&Listen> = Vec::new();
        let workers = self.draft.protocols.iter();
        let workers = workers
            .map(|worker| (format!("protocols.{}.port", worker.protocol.key()), &worker.listen));
        let clients = cross_clients::own_ports(self.draft);
        let www = self.draft.www.iter().map(|www| ("www.port".to_owned(), &www.listen));
        for (path, listen) in workers.chain(clients).chain(www) {
            if seen.iter().any(|other| clash(other, listen)) {
                self.add(&path, format!("port {} is used twice", listen.port));
            }
            seen.push(listen);
        }
    }
}

/// Do builds of such a scheduler have source stamps of its own codebases only?
fn gives_its_codebases_only(scheduler: &SchedulerConfig) -> bool {
    const CLASSES: [&str; 5] =
        ["SingleBranchScheduler", "AnyBranchScheduler", "ForceScheduler", "Periodic", "Nightly"];
    CLASSES.contains(&scheduler.plan.class())
}

fn missing_codebase(step: &str, codebase: &str, given: &[&str]) -> String {
    let mend = match given {
        [""] => "name the codebases in the scheduler's 'codebases'".to_owned(),
        given => {
            let given: Vec<String> = given.iter().map(|name| format!("'{name}'")).collect();
            format!("they give {}; mend the step's 'codebase'", given.join(", "))
        }
    };
    format!(
        "the step '{step}' wants the codebase '{codebase}', which no scheduler of the builder \
         gives; {mend}"
    )
}

fn clash(a: &Listen, b: &Listen) -> bool {
    let overlap = a.interface == b.interface || a.interface.is_none() || b.interface.is_none();
    a.port != 0 && a.port == b.port && overlap
}

/// The path of one name in a list that may also be written as a single string.
fn item_path(raw: &Raw, path: &str, key: &str, index: usize) -> String {
    let list = format!("{path}.{key}");
    let item = format!("{list}[{index}]");
    if raw.has(&item) { item } else { list }
}

/// `unknown lock 'dbb'; did you mean 'db'?`
pub(super) fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    match closest(name, known) {
        Some(near) => format!("unknown {what} '{name}'; did you mean '{near}'?"),
        None if known.is_empty() => format!("unknown {what} '{name}'; none is configured"),
        None => format!("unknown {what} '{name}'; known are: {}", known.join(", ")),
    }
}
