//! Locks that builds hold while they wait for builds that they have triggered.

use std::collections::HashSet;

use super::checked::{BuilderConfig, LockConfig};
use super::master::Draft;
use super::problems::Problems;
use super::raw::Raw;
use crate::flow::locks::Edge;
use crate::model::{LockAccess, LockKind, LockMode};
use crate::steps::StepPlan;

/// A Trigger step that may wait for its builds.
struct Wait<'d> {
    builder: &'d BuilderConfig,
    step: &'d StepPlan,
    /// Builders that it waits for, also over steps of theirs that wait.
    awaited: Vec<&'d BuilderConfig>,
}

/// Adds a problem for every lock of which a build holds so much that a build it waits for can never
/// have its part. Copies of workers are left out, as those builds may run elsewhere.
pub fn check(raw: &Raw, draft: &Draft, problems: &mut Problems) {
    let mut told: HashSet<(&str, &str, &str)> = HashSet::new();
    for wait in waits(draft) {
        let Some((path, _)) = draft.builders.iter().find(|(_, one)| one.name == wait.builder.name)
        else {
            continue;
        };
        for (held, wanted, awaited) in
            pairs(&wait).filter(|(held, wanted, _)| held.name == wanted.name)
        {
            let lock = draft.locks.iter().map(|(_, lock)| lock).find(|lock| lock.name == held.name);
            if lock.is_none_or(|lock| fit(lock, held.mode, wanted.mode))
                || !told.insert((&wait.builder.name, &awaited.name, &held.name))
            {
                continue;
            }
            let message = format!(
                "builds hold the lock '{}' while they wait for triggered builds of '{}', which need \
                 it too and would never begin; let one of the two do without it, or set \
                 waitForFinish = false",
                held.name, awaited.name
            );
            problems.add(raw.place_at(path), path, message);
        }
    }
}

/// What is held by builds that wait while those whom they wait for want more.
pub fn edges(draft: &Draft) -> Vec<Edge<'_>> {
    let mut edges = Vec::new();
    for wait in waits(draft) {
        let builder = wait.builder.name.as_str();
        edges.extend(pairs(&wait).map(|(held, wanted, _)| Edge {
            held: &held.name,
            wanted: &wanted.name,
            builder,
        }));
    }
    edges
}

/// Each lock that a waiting build holds, with each that an awaited one wants.
fn pairs<'w, 'd>(
    wait: &'w Wait<'d>,
) -> impl Iterator<Item = (&'d LockAccess, &'d LockAccess, &'d BuilderConfig)> + 'w {
    let held = wait.builder.locks.iter().chain(&wait.step.options.locks);
    held.flat_map(move |held| {
        wait.awaited.iter().flat_map(move |awaited| {
            let steps = awaited.steps.iter().flat_map(|step| &step.options.locks);
            awaited.locks.iter().chain(steps).map(move |wanted| (held, wanted, *awaited))
        })
    })
}

/// Can both be held at once?
fn fit(lock: &LockConfig, held: LockMode, wanted: LockMode) -> bool {
    match (lock.kind, held, wanted) {
        (LockKind::Worker, ..) => true,
        (LockKind::Master, LockMode::Counting(held), LockMode::Counting(wanted)) => {
            held + wanted <= lock.max_count
        }
        (LockKind::Master, ..) => false,
    }
}

fn waits(draft: &Draft) -> Vec<Wait<'_>> {
    let builders = draft.builders.iter().map(|(_, builder)| builder);
    let of_builder = |builder| {
        waiting_steps(builder).map(move |step| {
            let mut awaited = Vec::new();
            gather(draft, step, &mut awaited);
            Wait { builder, step, awaited }
        })
    };
    builders.flat_map(of_builder).collect()
}

fn waiting_steps(builder: &BuilderConfig) -> impl Iterator<Item = &StepPlan> {
    builder.steps.iter().filter(|step| step.step.triggers().is_some_and(|asks| asks.waits))
}

/// The builders that `step` waits for, each once.
fn gather<'d>(draft: &'d Draft, step: &StepPlan, awaited: &mut Vec<&'d BuilderConfig>) {
    let names = step.step.triggers().map(|asks| asks.schedulers).unwrap_or_default();
    let schedulers = draft.schedulers.iter().filter_map(|(_, one)| one.as_ref());
    let asked = schedulers.filter(|one| names.contains(&one.options.name));
    for name in asked.flat_map(|one| &one.options.builder_names) {
        let builder = draft.builders.iter().map(|(_, one)| one).find(|one| one.name == *name);
        let Some(builder) = builder.filter(|one| awaited.iter().all(|seen| seen.name != one.name))
        else {
            continue;
        };
        awaited.push(builder);
        for step in waiting_steps(builder) {
            gather(draft, step, awaited);
        }
    }
}
