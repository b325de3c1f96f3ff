//! The table of step classes and the reader of one step's table.
//!
//! A new step is one file with its `TYPES` and one line in `steps/mod.rs`.

use std::sync::Arc;

use super::Step;
use super::plan::{Condition, StepOptions, StepPlan};
use crate::config::fields::{Fields, closest};
use crate::config::problems::Problems;
use crate::config::raw::{Raw, RawValue};
use crate::flow::expression::Expression;
use crate::flow::interpolate::Renderable;
use crate::model::Results;

/// A step class.
pub struct StepType {
    /// What stands in `type`.
    pub class: &'static str,
    /// The step's name when none is configured.
    pub name: &'static str,
    /// The class's own values of the options all steps share.
    pub defaults: fn() -> StepOptions,
    /// Reads the class's own keys; may still change name and options.
    pub parse: fn(&mut Fields<'_>, &mut Draft) -> Arc<dyn Step>,
}

/// Name and shared options while a step is being read.
pub struct Draft {
    pub name: String,
    pub options: StepOptions,
}

/// Every step class, in the order of `FILES` in `mod.rs`.
pub fn all() -> impl Iterator<Item = &'static StepType> {
    super::FILES.iter().copied().flatten()
}

/// Longest name that the `steps.name` column takes.
const NAME_LENGTH: usize = 50;

/// Reads one step: a table with `type`, the options all steps share, and the class's own.
/// `None` when the class is not known; other mistakes are reported and read as defaults.
pub fn parse(raw: &Raw, path: &str, problems: &mut Problems) -> Option<StepPlan> {
    let mut fields = Fields::of(raw, path, problems);
    if !matches!(raw.value, RawValue::Table(_)) {
        return None;
    }
    let place = raw.place.clone();
    let class: String = fields.required("type");
    let Some(step_type) = all().find(|step_type| step_type.class == class) else {
        if !class.is_empty() {
            fields.problem_at("type", &place, unknown(&class));
        }
        return None;
    };
    let mut draft = Draft { name: step_type.name.to_owned(), options: (step_type.defaults)() };
    common(&mut fields, &mut draft);
    let step = (step_type.parse)(&mut fields, &mut draft);
    fields.finish();
    Some(StepPlan { name: draft.name, class: step_type.class, options: draft.options, step })
}

fn unknown(class: &str) -> String {
    let known: Vec<&str> = all().map(|step_type| step_type.class).collect();
    match closest(class, &known) {
        Some(near) => format!("unknown step '{class}'; did you mean '{near}'?"),
        None => format!("unknown step '{class}'; known are: {}", known.join(", ")),
    }
}

fn common(fields: &mut Fields<'_>, draft: &mut Draft) {
    if let Some(name) = fields.optional::<String>("name") {
        // How long a substituted one becomes is not known yet; it is cut.
        let literal = match Renderable::parse(&name.as_str().into()) {
            Ok(rendered) => rendered.as_literal().is_some(),
            Err(error) => {
                fields.problem(format!("'name': {error}"));
                true
            }
        };
        if name.is_empty() || literal && name.chars().count() > NAME_LENGTH {
            fields.problem(format!("'name' must have 1 to {NAME_LENGTH} characters"));
        } else {
            draft.name = name;
        }
    }
    let options = &mut draft.options;
    for (key, flag) in [
        ("haltOnFailure", &mut options.halt_on_failure),
        ("flunkOnFailure", &mut options.flunk_on_failure),
        ("flunkOnWarnings", &mut options.flunk_on_warnings),
        ("warnOnFailure", &mut options.warn_on_failure),
        ("warnOnWarnings", &mut options.warn_on_warnings),
        ("alwaysRun", &mut options.always_run),
    ] {
        *flag = fields.or(key, *flag);
    }
    if let Some(policy) = summary_policy(fields) {
        options.update_build_summary = Some(policy);
    }
    condition(fields, "doStepIf", &mut options.do_step_if);
    condition(fields, "hideStepIf", &mut options.hide_step_if);
    for (key, text) in [
        ("description", &mut options.description),
        ("descriptionDone", &mut options.description_done),
        ("descriptionSuffix", &mut options.description_suffix),
    ] {
        let place = fields.place().clone();
        if let Some(words) = fields.optional::<Vec<String>>(key) {
            let words = words.join(" ");
            if let Err(error) = Renderable::parse(&words.as_str().into()) {
                fields.problem_at(key, &place, error.to_string());
            }
            *text = Some(words).filter(|text| !text.is_empty());
        }
    }
    options.locks = crate::flow::locks::read(fields);
}

/// `updateBuildSummaryPolicy`: every result, none, or a list of them by name or number.
fn summary_policy(fields: &mut Fields<'_>) -> Option<Vec<Results>> {
    let raw = fields.take("updateBuildSummaryPolicy")?;
    let listed = |items: &[Raw]| items.iter().map(|item| results(&item.value)).collect();
    let policy = match &raw.value {
        RawValue::Null => return None,
        RawValue::Bool(true) => Some(Results::ALL.to_vec()),
        RawValue::Bool(false) => Some(Vec::new()),
        RawValue::List(items) => listed(items),
        _ => None,
    };
    if policy.is_none() {
        let message = "must be true, false or a list of results, such as [\"FAILURE\"]";
        fields.problem_at("updateBuildSummaryPolicy", &raw.place, message);
    }
    policy
}

/// A result by its name or number.
pub(super) fn results(value: &RawValue) -> Option<Results> {
    match value {
        RawValue::Int(code) => Results::from_code(*code),
        RawValue::Text(name) => {
            Results::ALL.into_iter().find(|results| results.name() == name.to_lowercase())
        }
        _ => None,
    }
}

/// `true`, `false` or the text of an expression.
fn condition(fields: &mut Fields<'_>, key: &'static str, condition: &mut Condition) {
    let Some(raw) = fields.take(key) else { return };
    match &raw.value {
        RawValue::Bool(value) => *condition = Condition::Always(*value),
        RawValue::Text(source) => match Expression::parse(source) {
            Ok(_) => *condition = Condition::Expression(source.clone()),
            Err(message) => fields.problem_at(key, &raw.place, message),
        },
        _ => {
            let message = format!("must be true, false or an expression, not {}", raw.kind());
            fields.problem_at(key, &raw.place, message);
        }
    }
}
