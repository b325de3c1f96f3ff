//! `ForceScheduler` and the form behind its button.

use std::collections::HashSet;

use serde_json::Value;

use super::checked::{FieldKind, ForceField, ForceScheduler, NestedRole, SchedulerOptions};
use super::fields::Fields;
use super::force_codebases;
use super::force_fields::{Slot, empty_table, field};
use super::raw::RawValue;

/// Stock's sentence.
const REASON_STRING: &str = "A build was forced by '%(owner)s': %(reason)s";

/// Reads the own keys of a ForceScheduler; its codebases and the properties of its form are not
/// those of other schedulers.
pub fn parse(fields: &mut Fields<'_>, options: &mut SchedulerOptions) -> ForceScheduler {
    let (username, reason, priority) = (username(fields), reason(fields), priority(fields));
    let mut form = Vec::new();
    options.codebases = force_codebases::parse(fields, &mut form);
    for (path, raw) in fields.entries("properties") {
        let (_, problems) = fields.nested("properties");
        form.extend(field(&raw, &path, &Slot::property(), problems));
    }
    check_names(fields, [&username, &reason, &priority].into_iter().chain(&form));
    ForceScheduler {
        label: fields.optional("label").unwrap_or_else(|| options.name.clone()),
        button_name: fields.optional("buttonName").unwrap_or_else(|| options.name.clone()),
        username,
        reason,
        priority,
        fields: form,
        reason_string: fields.or("reasonString", REASON_STRING.to_owned()),
    }
}

fn username(fields: &mut Fields<'_>) -> ForceField {
    let slot =
        Slot { name: Some("username"), class: Some("UserNameParameter"), ..Slot::property() };
    about(fields, "username", &slot)
}

fn reason(fields: &mut Fields<'_>) -> ForceField {
    let slot = Slot {
        name: Some("reason"),
        class: Some("StringParameter"),
        default: Some(Value::from("force build")),
        size: 20,
        ..Slot::property()
    };
    about(fields, "reason", &slot)
}

fn priority(fields: &mut Fields<'_>) -> ForceField {
    let slot = Slot { name: Some("priority"), class: Some("IntParameter"), ..Slot::property() };
    let priority = about(fields, "priority", &slot);
    if !matches!(priority.kind, FieldKind::Int { .. } | FieldKind::Fixed) {
        fields.problem("priority: must be an IntParameter");
    }
    priority
}

fn about(fields: &mut Fields<'_>, key: &'static str, slot: &Slot<'_>) -> ForceField {
    let raw = fields.take(key).filter(|raw| raw.value != RawValue::Null);
    let raw = raw.unwrap_or_else(|| empty_table(fields));
    let (path, problems) = fields.nested(key);
    let field = field(&raw, &path, slot, problems).unwrap_or_default();
    if let FieldKind::Nested(_) = field.kind {
        problems.add(&raw.place, path, "must be a single field");
    }
    field
}

/// Two fields of one name would overwrite each other.
fn check_names<'f>(fields: &mut Fields<'_>, form: impl Iterator<Item = &'f ForceField>) {
    let mut names = HashSet::new();
    let mut todo: Vec<&ForceField> = form.collect();
    todo.reverse();
    while let Some(field) = todo.pop() {
        let name = field.full_name.as_str();
        // A codebase names its fields only, as a group without a name does.
        let counts =
            !matches!(&field.kind, FieldKind::Nested(nested) if nested.role != NestedRole::Group);
        if counts && !name.is_empty() && !names.insert(name) {
            fields.problem(format!("two fields are named '{name}'; rename one"));
        }
        if let FieldKind::Nested(nested) = &field.kind {
            todo.extend(nested.fields.iter().rev());
        }
    }
}
