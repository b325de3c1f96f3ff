//! Trigger's options, with stock's names, defaults and exclusions.

use std::sync::Arc;

use super::Trigger;
use super::sources::Sources;
use crate::config::fields::Fields;
use crate::config::raw::RawValue;
use crate::flow::interpolate::Renderable;
use crate::steps::registry::{Draft, StepType};
use crate::steps::{Step, StepOptions};

/// The class of this file.
pub const TYPES: &[StepType] =
    &[StepType { class: "Trigger", name: "trigger", defaults: StepOptions::default, parse }];

/// Reads the step's own keys.
fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    let place = fields.place().clone();
    let schedulers: Renderable = fields.required("schedulerNames");
    if schedulers.items().is_empty() {
        fields.problem_at("schedulerNames", &place, "must name at least one scheduler");
    }
    let unimportant = fields.or_default("unimportantSchedulerNames");
    check_subset(fields, &schedulers, &unimportant);
    let sources = sources(fields);
    Arc::new(Trigger {
        schedulers,
        unimportant,
        wait_for_finish: fields.or("waitForFinish", Renderable::literal(false)),
        sources,
        set_properties: fields.or_default("set_properties"),
        copy_properties: fields.or_default("copy_properties"),
        parent_relationship: fields
            .or("parent_relationship", Renderable::literal("Triggered from")),
        worded: draft.options.description_done.is_some() || draft.options.description.is_some(),
    })
}

/// The text of a name that no substitution can change.
pub(super) fn constant_text(name: &Renderable) -> Option<String> {
    name.literal_text().map(str::to_owned)
}

/// Of constant names every unimportant one must be among the triggered ones.
fn check_subset(fields: &mut Fields<'_>, all: &Renderable, some: &Renderable) {
    let names = |list: &Renderable| -> Option<Vec<String>> {
        list.items().iter().map(constant_text).collect()
    };
    let (Some(all), Some(some)) = (names(all), names(some)) else { return };
    if let Some(odd) = some.iter().find(|name| !all.contains(name)) {
        let place = fields.place().clone();
        let message = format!("'{odd}' is not among 'schedulerNames'");
        fields.problem_at("unimportantSchedulerNames", &place, message);
    }
}

/// At most one of `sourceStamps` (with `sourceStamp`), `updateSourceStamp` and `alwaysUseLatest`.
fn sources(fields: &mut Fields<'_>) -> Sources {
    let mut given = Vec::new();
    for key in ["sourceStamp", "sourceStamps", "updateSourceStamp", "alwaysUseLatest"] {
        let off = RawValue::Bool(false);
        let set = |raw: &crate::config::raw::Raw| {
            raw.value != RawValue::Null && !(key == "alwaysUseLatest" && raw.value == off)
        };
        if let Some(raw) = fields.take(key).filter(set) {
            given.push((key, raw));
        }
    }
    let family = |key: &str| key.starts_with("sourceStamp");
    if let [(first, _), (second, raw), ..] = given.as_slice()
        && !(family(first) && family(second) && given.len() == 2)
    {
        fields.problem_at(second, &raw.place, format!("excludes '{first}'"));
    }
    let mut stamps = Vec::new();
    let mut sources = Sources::OfBuild { update: Renderable::literal(true) };
    for (key, raw) in given {
        let value = match Renderable::parse(&raw.to_json()) {
            Ok(value) => value,
            Err(error) => {
                fields.problem_at(key, &raw.place, error.to_string());
                continue;
            }
        };
        match key {
            "updateSourceStamp" => sources = Sources::OfBuild { update: value },
            "alwaysUseLatest" => sources = Sources::Latest(value),
            _ => stamps.extend(value.items()),
        }
    }
    if stamps.is_empty() { sources } else { Sources::Given(stamps) }
}
