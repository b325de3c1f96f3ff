//! The options that schedulers share.

use indexmap::IndexMap;

use super::registry::{SchedulerType, Shared};
use crate::config::checked::{CodebaseDefaults, SchedulerOptions};
use crate::config::fields::Fields;
use crate::config::problems::Problems;
use crate::config::raw::{Raw, RawValue};
use crate::config::values::{distinct, properties};
use crate::flow::interpolate::Renderable;
use crate::flow::priority::Priority;

/// Reads what the class shares with others.
pub(super) fn read(fields: &mut Fields<'_>, of: &SchedulerType) -> SchedulerOptions {
    let mut options = SchedulerOptions {
        name: fields.required_checked("name", of.name),
        builder_names: distinct(fields.required("builderNames")),
        ..SchedulerOptions::default()
    };
    for name in &options.builder_names {
        if let Err(error) = Renderable::parse(&name.as_str().into()) {
            fields.problem(format!("'builderNames': {error}"));
        }
    }
    if of.shared != Shared::Names {
        options.properties = properties(fields, "properties", "Scheduler");
        check_substitutions(fields, &options);
        options.priority = priority(fields);
        options.codebases = codebases(fields);
    }
    if of.shared == Shared::All {
        options.reason = fields.optional("reason");
    }
    // The property that names the scheduler itself.
    options.properties.set("scheduler", options.name.as_str(), "Scheduler");
    options
}

fn check_substitutions(fields: &mut Fields<'_>, options: &SchedulerOptions) {
    let place = fields.place().clone();
    for (name, property) in options.properties.iter() {
        if let Err(error) = Renderable::parse(&property.value) {
            fields.problem_at(&format!("properties.{name}"), &place, error.to_string());
        }
    }
}

/// A number, or an expression where stock takes a callable.
fn priority(fields: &mut Fields<'_>) -> Priority {
    let Some(raw) = fields.take("priority").filter(|raw| raw.value != RawValue::Null) else {
        return Priority::default();
    };
    Priority::parse(&raw).unwrap_or_else(|message| {
        fields.problem_at("priority", &raw.place, message);
        Priority::default()
    })
}

/// A list of names, or a table of defaults per name; absent is the one codebase ``.
fn codebases(fields: &mut Fields<'_>) -> IndexMap<String, CodebaseDefaults> {
    let mut codebases = IndexMap::new();
    let Some(raw) = fields.take("codebases").filter(|raw| raw.value != RawValue::Null) else {
        codebases.insert(String::new(), CodebaseDefaults::default());
        return codebases;
    };
    let (path, problems) = fields.nested("codebases");
    match &raw.value {
        RawValue::List(names) => {
            for (index, name) in names.iter().enumerate() {
                match name.as_text() {
                    Some(name) => {
                        codebases.insert(name.to_owned(), CodebaseDefaults::default());
                    }
                    None => {
                        let message = format!("must be a string, not {}", name.kind());
                        problems.add(&name.place, format!("{path}[{index}]"), message);
                    }
                }
            }
        }
        RawValue::Table(table) => {
            for (name, raw) in table {
                let defaults = codebase_defaults(raw, format!("{path}.{name}"), problems);
                codebases.insert(name.clone(), defaults);
            }
        }
        _ => problems.add(&raw.place, &path, format!("must be a table, not {}", raw.kind())),
    }
    if matches!(&raw.value, RawValue::List(items) if items.is_empty())
        || matches!(&raw.value, RawValue::Table(table) if table.is_empty())
    {
        problems.add(&raw.place, &path, "must name at least one codebase");
    }
    codebases
}

fn codebase_defaults(raw: &Raw, path: String, problems: &mut Problems) -> CodebaseDefaults {
    let mut fields = Fields::of(raw, path, problems);
    let defaults = CodebaseDefaults {
        repository: fields.or_default("repository"),
        branch: fields.optional("branch"),
        revision: fields.optional("revision"),
        project: fields.or_default("project"),
    };
    fields.finish();
    defaults
}
