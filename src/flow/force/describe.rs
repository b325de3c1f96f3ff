//! A force form as `forceschedulers` of the REST interface shows it.

use serde_json::{Value, json};

use super::value::is_multiple;
use crate::config::checked::{FieldKind, ForceField, ForceScheduler, Nested, SchedulerOptions};

/// What a form lets choose from as it is now; a stock master leaves the choices of workers and builds
/// empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offers {
    /// Names of the builders' workers.
    pub workers: Vec<String>,
    /// `builder/number`, the newest first.
    pub builds: Vec<String>,
}

impl Offers {
    /// The builds of these builders; of all when there are none.
    pub fn builds_of(&self, builders: &[String]) -> Vec<String> {
        let of = |build: &&String| {
            let builder = build.rsplit_once('/').map_or("", |(builder, _)| builder);
            builders.is_empty() || builders.iter().any(|name| name == builder)
        };
        self.builds.iter().filter(of).cloned().collect()
    }
}

/// The entity of a scheduler with this form.
pub fn describe(
    scheduler: &SchedulerOptions,
    form: &ForceScheduler,
    offers: &Offers,
    enabled: bool,
) -> Value {
    let about = [&form.username, &form.reason, &form.priority];
    let visible = about.iter().filter(|field| !field.hide).count();
    let mut first = spec(&ForceField::default(), "nested");
    first["default"] = json!("");
    first["layout"] = json!("vertical");
    first["columns"] = json!(if visible >= 4 { 2 } else { 1 });
    first["fields"] = about.iter().map(|inner| field(inner, offers)).collect();
    let others = form.fields.iter().map(|inner| field(inner, offers));
    json!({
        "name": scheduler.name,
        "button_name": form.button_name,
        "label": form.label,
        "builder_names": scheduler.builder_names,
        "enabled": enabled,
        "all_fields": std::iter::once(first).chain(others).collect::<Vec<Value>>(),
    })
}

/// What a field for workers lets choose.
pub fn worker_choices(any: &str, workers: &[String]) -> Vec<String> {
    let mut choices = workers.to_vec();
    choices.sort();
    choices.dedup();
    choices.insert(0, any.to_owned());
    choices
}

fn field(one: &ForceField, offers: &Offers) -> Value {
    let mut told = spec(one, type_name(&one.kind));
    match &one.kind {
        FieldKind::Text { size } | FieldKind::Int { size } => told["size"] = json!(size),
        FieldKind::TextArea { cols, rows, size } => {
            told["size"] = json!(size);
            told["cols"] = json!(cols);
            told["rows"] = json!(rows);
        }
        FieldKind::Username { need_email, size } => {
            told["size"] = json!(size);
            told["need_email"] = json!(need_email);
        }
        FieldKind::Choice { choices, strict, .. } => {
            told["choices"] = json!(choices);
            told["strict"] = json!(strict);
        }
        FieldKind::Inherit { builders } => {
            // Stock's page shows a list without an empty line, so that there must be one.
            let nothing = (!one.required).then(String::new);
            let choices = nothing.into_iter().chain(offers.builds_of(builders));
            told["choices"] = choices.collect();
            told["strict"] = json!(true);
        }
        FieldKind::Worker { any } => {
            told["choices"] = json!(worker_choices(any, &offers.workers));
            told["strict"] = json!(false);
        }
        FieldKind::Nested(Nested { layout, columns, fields, .. }) => {
            told["layout"] = json!(layout);
            told["columns"] = json!(columns);
            told["fields"] = fields.iter().map(|inner| field(inner, offers)).collect();
        }
        FieldKind::Bool | FieldKind::File | FieldKind::Fixed => {}
    }
    told
}

/// What all fields have.
fn spec(field: &ForceField, kind: &str) -> Value {
    let full_name = (!field.full_name.is_empty()).then_some(&field.full_name);
    json!({
        "name": field.name, "fullName": full_name, "label": field.label,
        "tablabel": field.tablabel, "type": kind, "default": field.default,
        "required": field.required, "multiple": is_multiple(field), "regex": null,
        "hide": field.hide, "maxsize": field.maxsize, "autopopulate": field.autopopulate,
        "tooltip": field.tooltip,
    })
}

fn type_name(kind: &FieldKind) -> &'static str {
    match kind {
        FieldKind::Text { .. } => "text",
        FieldKind::TextArea { .. } => "textarea",
        FieldKind::Int { .. } => "int",
        FieldKind::Bool => "bool",
        FieldKind::Choice { .. } | FieldKind::Inherit { .. } | FieldKind::Worker { .. } => "list",
        FieldKind::Username { .. } => "username",
        FieldKind::Fixed => "fixed",
        FieldKind::File => "file",
        FieldKind::Nested(_) => "nested",
    }
}
