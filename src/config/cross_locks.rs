//! Locks compared with those who use them: unknown names, more units than there are, a lock that a
//! build would wait for while it holds it, and circles of builders that wait for each other.

use std::collections::HashSet;

use super::checked::{BuilderConfig, LockConfig};
use super::cross::unknown;
use super::cross_waits;
use super::master::Draft;
use super::problems::Problems;
use super::raw::Raw;
use crate::flow::locks::{Edge, entries, order};
use crate::model::{LockAccess, LockMode};

/// Adds the problems of `locks` and of all lists that name them.
pub fn check(raw: &Raw, draft: &Draft, problems: &mut Problems) {
    let mut check = Check { raw, draft, problems, told: HashSet::new() };
    check.unknown_workers();
    for (path, worker) in &draft.workers {
        check.uses(&raw_uses(raw, path), &[worker.name.as_str()]);
    }
    for (path, builder) in &draft.builders {
        check.builder(path, builder);
    }
    check.circles();
}

/// The configured locks in the order in which all claims look at them; as configured while there
/// is a circle.
pub fn in_order(draft: &Draft) -> Vec<LockConfig> {
    let edges = edges(draft);
    let names: Vec<&str> = draft.locks.iter().map(|(_, lock)| lock.name.as_str()).collect();
    let order = order(&names, &edges).unwrap_or(names);
    let find = |name: &&str| draft.locks.iter().find(|(_, lock)| lock.name == **name);
    order.iter().filter_map(find).map(|(_, lock)| lock.clone()).collect()
}

/// What is held by a builder's builds while their steps wait for more. No two are the same.
fn edges(draft: &Draft) -> Vec<Edge<'_>> {
    let mut edges: Vec<Edge<'_>> = Vec::new();
    let mut seen: HashSet<(&str, &str)> = HashSet::new();
    for (_, builder) in &draft.builders {
        let wanted: Vec<&LockAccess> =
            builder.steps.iter().flat_map(|step| &step.options.locks).collect();
        if wanted.is_empty() {
            continue;
        }
        for held in builder.locks.iter().chain(worker_locks(draft, builder)) {
            for wanted in &wanted {
                let (held, wanted) = (held.name.as_str(), wanted.name.as_str());
                // A lock that is both is told of elsewhere.
                if held != wanted && seen.insert((held, wanted)) {
                    edges.push(Edge { held, wanted, builder: &builder.name });
                }
            }
        }
    }
    for edge in cross_waits::edges(draft) {
        // The same lock is told of elsewhere.
        if edge.held != edge.wanted && seen.insert((edge.held, edge.wanted)) {
            edges.push(edge);
        }
    }
    edges
}

fn worker_locks<'d>(
    draft: &'d Draft,
    builder: &'d BuilderConfig,
) -> impl Iterator<Item = &'d LockAccess> {
    let workers = draft.workers.iter().map(|(_, worker)| worker);
    let mine = workers.filter(|worker| builder.workernames.contains(&worker.name));
    mine.flat_map(|worker| &worker.locks)
}

/// The readable entries of the list `locks` in the table at `path`, each with its own path.
fn raw_uses(raw: &Raw, path: &str) -> Vec<(String, LockAccess)> {
    let list = format!("{path}.locks");
    if !raw.has(&list) {
        return Vec::new();
    }
    // What is wrong with the list itself was told by its reader.
    entries(Some(raw.at(&list)), &list, &mut Problems::new())
}

struct Check<'a> {
    raw: &'a Raw,
    draft: &'a Draft,
    problems: &'a mut Problems,
    /// Steps of a factory are looked at once for each of its builders.
    told: HashSet<(String, String)>,
}

impl<'a> Check<'a> {
    fn add(&mut self, path: &str, message: String) {
        if self.told.insert((path.to_owned(), message.clone())) {
            self.problems.add(self.raw.place_at(path), path, message);
        }
    }

    fn lock(&self, name: &str) -> Option<&'a LockConfig> {
        self.draft.locks.iter().map(|(_, lock)| lock).find(|lock| lock.name == name)
    }

    fn builder(&mut self, path: &str, builder: &BuilderConfig) {
        let workers: Vec<&str> = builder.workernames.iter().map(String::as_str).collect();
        let own = raw_uses(self.raw, path);
        self.uses(&own, &workers);
        for worker in worker_locks(self.draft, builder) {
            if let Some((path, access)) = own.iter().find(|(_, own)| own.name == worker.name) {
                let lock = &access.name;
                let message =
                    format!("the lock '{lock}' is taken for a worker of the builder already");
                self.add(path, message);
            }
        }
        for path in self.steps(path) {
            let uses = raw_uses(self.raw, &path);
            self.uses(&uses, &workers);
            for (path, access) in &uses {
                self.taken_twice(path, &access.name, builder);
            }
        }
    }

    /// Paths of a builder's steps: its own, or those of its factory.
    fn steps(&self, builder: &str) -> Vec<String> {
        let own = format!("{builder}.steps");
        let list = match self.raw.at(&format!("{builder}.factory")).as_text() {
            Some(factory) if !self.raw.has(&own) => format!("factories.{factory}.steps"),
            _ => own,
        };
        if !self.raw.has(&list) {
            return Vec::new();
        }
        let steps = self.raw.at(&list).items().len();
        (0..steps).map(|index| format!("{list}[{index}]")).collect()
    }

    /// A step would wait for its own build.
    fn taken_twice(&mut self, path: &str, lock: &str, builder: &BuilderConfig) {
        let mut held = builder.locks.iter().chain(worker_locks(self.draft, builder));
        if held.any(|held| held.name == lock) {
            let message = format!(
                "the lock '{lock}' is held by every build of the builder '{}' already, so the step \
                 would wait for its own build; take it in one of the two places",
                builder.name
            );
            self.add(path, message);
        }
    }

    /// Every used lock exists and is large enough on these workers.
    fn uses(&mut self, uses: &[(String, LockAccess)], workers: &[&str]) {
        for (path, access) in uses {
            let Some(lock) = self.lock(&access.name) else {
                let known: Vec<&str> =
                    self.draft.locks.iter().map(|(_, lock)| lock.name.as_str()).collect();
                self.add(path, unknown("lock", &access.name, &known));
                continue;
            };
            let LockMode::Counting(count) = access.mode else { continue };
            let small = workers.iter().map(|worker| lock.limit(Some(worker))).min();
            let limit = small.unwrap_or(lock.max_count);
            if count > limit {
                let message = format!(
                    "wants {count} units of the lock '{}', of which there are {limit}",
                    lock.name
                );
                self.add(path, message);
            }
        }
    }

    /// `maxCountForWorker` names workers.
    fn unknown_workers(&mut self) {
        let draft = self.draft;
        let known: Vec<&str> = draft.workers.iter().map(|(_, w)| w.name.as_str()).collect();
        for (path, lock) in &draft.locks {
            let strangers = lock.max_count_for_worker.keys();
            for name in strangers.filter(|name| !known.contains(&name.as_str())) {
                let message = unknown("worker", name, &known);
                self.add(&format!("{path}.maxCountForWorker"), message);
            }
        }
    }

    fn circles(&mut self) {
        let edges = edges(self.draft);
        let names: Vec<&str> =
            self.draft.locks.iter().map(|(_, lock)| lock.name.as_str()).collect();
        let Err(circle) = order(&names, &edges) else { return };
        let Some(last) = circle.last() else { return };
        let path = self.draft.builders.iter().find(|(_, builder)| builder.name == last.builder);
        let path = path.map_or_else(|| "builders".to_owned(), |(path, _)| path.clone());
        let parts: Vec<String> = circle
            .iter()
            .map(|edge| {
                let Edge { held, wanted, builder } = edge;
                format!("builds of '{builder}' hold '{held}' while a step waits for '{wanted}'")
            })
            .collect();
        let message = format!(
            "the locks can block each other for ever: {}; take the locks of one of these builders \
             all together, in the builder's 'locks' or in the step's",
            parts.join(", ")
        );
        self.add(&path, message);
    }
}
