//! Trigger steps and the schedulers they name.

use std::collections::HashMap;

use super::circle::{Leads, circle};
use super::cross::unknown;
use super::master::Draft;
use super::problems::Problems;
use super::raw::Raw;
use crate::steps::Condition;

/// Adds what is wrong with the schedulers that steps of `draft` name, which was read from `raw`: those
/// that do not exist or cannot be triggered, and circles that never end. Silent while a scheduler is
/// unreadable.
pub fn check(raw: &Raw, draft: &Draft, problems: &mut Problems) {
    let Some(schedulers) =
        draft.schedulers.iter().map(|(_, one)| one.as_ref()).collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let known: Vec<&str> = schedulers.iter().map(|one| one.options.name.as_str()).collect();
    // Which builders a builder's builds lead to without any condition.
    let mut leads: Leads<'_> = HashMap::new();
    for (path, builder) in &draft.builders {
        for (index, step) in builder.steps.iter().enumerate() {
            for name in step.step.triggers().into_iter().flat_map(|asks| asks.schedulers) {
                let path = format!("{path}.steps[{index}].schedulerNames");
                match schedulers.iter().find(|one| one.options.name == name) {
                    None => {
                        problems.add(
                            raw.place_at(&path),
                            &path,
                            unknown("scheduler", &name, &known),
                        );
                    }
                    Some(one) if !one.plan.is_triggerable() => {
                        let class = one.plan.class();
                        let message = format!(
                            "'{name}' is a {class}, which cannot be triggered; name a Triggerable"
                        );
                        problems.add(raw.place_at(&path), &path, message);
                    }
                    Some(one) if step.options.do_step_if == Condition::Always(true) => {
                        let builders = one.options.builder_names.iter().map(String::as_str);
                        leads.entry(&builder.name).or_default().extend(builders);
                    }
                    Some(_) => {}
                }
            }
        }
    }
    for (path, builder) in &draft.builders {
        // Told once: for the first of its builders by name.
        let is_first = |way: &Vec<&str>| way.iter().all(|name| builder.name.as_str() <= *name);
        if let Some(circle) = circle(&builder.name, &leads).filter(is_first) {
            let message = format!(
                "triggers itself without end: {}; give one of the Trigger steps a condition \
                 (doStepIf)",
                circle.join(" \u{2192} ")
            );
            problems.add(raw.place_at(path), path, message);
        }
    }
}
