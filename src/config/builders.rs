//! `builders` and `factories`: what is built, on which workers, by which steps.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use super::checked::BuilderConfig;
use super::fields::{Fields, FromRaw, closest};
use super::problems::Problems;
use super::raw::{Raw, RawValue};
use super::values::{distinct, json_kind, non_empty, properties, safe_directory, wrong_format};
use crate::flow::interpolate::Renderable;
use crate::steps::{StepPlan, registry};

/// A named step list of `[factories.NAME]`.
struct Factory {
    steps: Arc<Vec<StepPlan>>,
    written: Value,
}

/// Reads `factories` and `builders`.
pub fn parse(fields: &mut Fields<'_>) -> Vec<(String, BuilderConfig)> {
    let factories = factories(fields);
    let entries = fields.entries("builders");
    let (_, problems) = fields.nested("builders");
    entries
        .into_iter()
        .map(|(path, raw)| {
            let builder = builder(&raw, &path, &factories, problems);
            (path, builder)
        })
        .collect()
}

fn factories(fields: &mut Fields<'_>) -> IndexMap<String, Factory> {
    let Some(raw) = fields.take("factories") else { return IndexMap::new() };
    let RawValue::Table(table) = &raw.value else {
        let message = format!("must be a table of named step lists, not {}", raw.kind());
        fields.problem_at("factories", &raw.place, message);
        return IndexMap::new();
    };
    let (path, problems) = fields.nested("factories");
    table
        .iter()
        .map(|(name, raw)| {
            let mut fields = Fields::of(raw, format!("{path}.{name}"), problems);
            if raw.get("steps").is_none() {
                fields.problem("needs 'steps'");
            }
            let steps = Arc::new(steps(&mut fields));
            fields.finish();
            (name.clone(), Factory { steps, written: raw.to_json() })
        })
        .collect()
}

fn builder(
    raw: &Raw,
    path: &str,
    factories: &IndexMap<String, Factory>,
    problems: &mut Problems,
) -> BuilderConfig {
    let mut fields = Fields::of(raw, path, problems);
    let name: String = fields.required_checked("name", wrong_name);
    let builddir =
        fields.optional_checked("builddir", non_empty).unwrap_or_else(|| safe_directory(&name));
    let (steps, factory) = plan(&mut fields, raw, factories);
    let builder = BuilderConfig {
        workernames: workernames(&mut fields),
        workerbuilddir: fields.optional_checked("workerbuilddir", non_empty).unwrap_or(builddir),
        tags: fields.optional_checked("tags", repeated).unwrap_or_default(),
        project: fields.optional_checked("project", non_empty),
        description: fields.optional("description"),
        description_format: fields.optional_checked("description_format", wrong_format),
        env: env(&mut fields),
        properties: properties(&mut fields, "properties", "Builder"),
        default_properties: properties(&mut fields, "defaultProperties", "Builder"),
        collapse_requests: fields.optional("collapseRequests"),
        locks: crate::flow::locks::read(&mut fields),
        next_build: fields.or_default("nextBuild"),
        next_worker: fields.optional("nextWorker"),
        can_start: fields.or_default("canStartBuild"),
        do_build_if: fields.optional("do_build_if"),
        max_retries: fields.optional("maxRetries"),
        steps,
        written: Value::Array(vec![raw.to_json(), factory]),
        name,
    };
    fields.finish();
    builder
}

#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
fn wrong_name(name: &String) -> Option<String> {
    if name.starts_with('_') {
        return Some(format!("the builder name '{name}' must not begin with an underscore"));
    }
    non_empty(name)
}

#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
fn repeated(tags: &Vec<String>) -> Option<String> {
    let twice = tags.iter().enumerate().find(|(index, tag)| tags[..*index].contains(tag));
    twice.map(|(_, tag)| format!("the tag '{tag}' is given twice"))
}

/// `false` stands for Python's `None`, which removes a variable.
fn env(fields: &mut Fields<'_>) -> IndexMap<String, Value> {
    let mut env = fields.optional_checked("env", wrong_env).unwrap_or_default();
    for value in env.values_mut().filter(|value| **value == Value::Bool(false)) {
        *value = Value::Null;
    }
    env
}

/// Strings, lists of strings (joined with the worker's path separator), or nothing.
fn wrong_env(env: &IndexMap<String, Value>) -> Option<String> {
    env.iter().find_map(|(name, value)| {
        let text = |value: &Value| value.is_string();
        let fits = match value {
            Value::Array(items) => items.iter().all(text),
            other => text(other) || other.is_null() || *other == Value::Bool(false),
        };
        if !fits {
            let kind = json_kind(value);
            return Some(format!("'{name}' must be a string or a list of strings, not {kind}"));
        }
        Renderable::parse(value).err().map(|error| format!("'{name}': {error}"))
    })
}

/// `workernames` and `workername` together, as in stock.
fn workernames(fields: &mut Fields<'_>) -> Vec<String> {
    let problems_before = fields.problem_count();
    let mut names: Vec<String> = fields.or_default("workernames");
    names.extend(fields.optional::<String>("workername"));
    if names.is_empty() && fields.problem_count() == problems_before {
        fields.problem("needs at least one worker: workernames = [\"…\"]");
    }
    distinct(names)
}

/// The builder's own `steps` or those of its `factory`, and the factory as written.
fn plan(
    fields: &mut Fields<'_>,
    raw: &Raw,
    factories: &IndexMap<String, Factory>,
) -> (Arc<Vec<StepPlan>>, Value) {
    let own = raw.get("steps").map(|_| steps(fields));
    if own.is_none() {
        fields.take("steps"); // makes the key known
    }
    let Some(factory) = fields.take("factory") else {
        if own.is_none() {
            fields.problem("needs 'steps', or a 'factory' that names one of [factories]");
        }
        return (Arc::new(own.unwrap_or_default()), Value::Null);
    };
    if own.is_some() {
        fields.problem_at("factory", &factory.place, "is given beside 'steps'; give one of them");
    }
    let message = match String::from_raw(&factory) {
        Ok(name) => match factories.get(&name) {
            Some(factory) => return (Arc::clone(&factory.steps), factory.written.clone()),
            None => unknown_factory(&name, factories),
        },
        Err(message) => message,
    };
    fields.problem_at("factory", &factory.place, message);
    (Arc::default(), Value::Null)
}

fn unknown_factory(name: &str, factories: &IndexMap<String, Factory>) -> String {
    let known: Vec<&str> = factories.keys().map(String::as_str).collect();
    match closest(name, &known) {
        Some(near) => format!("unknown factory '{name}'; did you mean '{near}'?"),
        None => format!("unknown factory '{name}'; write [factories.{name}]"),
    }
}

fn steps(fields: &mut Fields<'_>) -> Vec<StepPlan> {
    let entries = fields.entries("steps");
    let (_, problems) = fields.nested("steps");
    let mut plans = Vec::with_capacity(entries.len());
    let mut checkouts: Vec<(usize, String)> = Vec::new();
    for (index, (path, raw)) in entries.iter().enumerate() {
        let Some(plan) = registry::parse(raw, path, problems) else { continue };
        if let Some(workdir) = checkout(&plan, raw) {
            match checkouts.iter().find(|(_, other)| other == workdir) {
                Some((first, _)) => {
                    let message = format!(
                        "checks out into '{workdir}' as steps[{first}] does; give it another \
                         workdir"
                    );
                    problems.add(&raw.place, path, message);
                }
                None => checkouts.push((index, workdir.to_owned())),
            }
        }
        plans.push(plan);
    }
    plans
}

/// Where a source step checks out, unless a condition chooses between it and others: two in one
/// directory would throw away each other's work.
fn checkout<'p>(plan: &'p StepPlan, raw: &Raw) -> Option<&'p str> {
    let workdir = plan.step.checks_out()?.workdir?;
    raw.get("doStepIf").is_none().then(|| workdir.trim_end_matches('/'))
}
