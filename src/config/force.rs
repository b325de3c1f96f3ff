//! `ForceScheduler` and the form behind its button.

use super::checked::{FieldKind, ForceField, ForceScheduler, SchedulerOptions};
use super::fields::Fields;
use super::force_codebases;
use super::force_fields::{Slot, empty_table, field};
use super::raw::RawValue;

/// Stock's sentence.
const REASON_STRING: &str = "A build was forced by '%(owner)s': %(reason)s";

/// Reads the own keys of a ForceScheduler; its codebases and the properties of its form are not
/// those of other schedulers.
pub fn parse(fields: &mut Fields<'_>, options: &mut SchedulerOptions) -> ForceScheduler {
    let mut form = about_the_request(fields);
    options.codebases = force_codebases::parse(fields, &mut form);
    for (path, raw) in fields.entries("properties") {
        let (_, problems) = fields.nested("properties");
        form.extend(field(&raw, &path, &Slot::property(), problems));
    }
    check_names(fields, &form);
    ForceScheduler {
        label: fields.optional("label").unwrap_or_else(|| options.name.clone()),
        button_name: fields.optional("buttonName").unwrap_or_else(|| options.name.clone()),
        fields: form,
        reason_string: fields.or("reasonString", REASON_STRING.to_owned()),
    }
}

/// `username`, `reason` and `priority`, with stock's defaults.
fn about_the_request(fields: &mut Fields<'_>) -> Vec<ForceField> {
    let username = Slot {
        fixed_name: Some("username"),
        class: Some("UserNameParameter"),
        label: Some("Your name:"),
        ..Slot::property()
    };
    let reason = Slot {
        fixed_name: Some("reason"),
        class: Some("StringParameter"),
        default: Some("force build"),
        size: 20,
        ..Slot::property()
    };
    let priority =
        Slot { fixed_name: Some("priority"), class: Some("IntParameter"), ..Slot::property() };
    [("username", username), ("reason", reason), ("priority", priority)]
        .into_iter()
        .filter_map(|(key, slot)| {
            let raw = fields.take(key).filter(|raw| raw.value != RawValue::Null);
            let raw = raw.unwrap_or_else(|| empty_table(fields));
            let (path, problems) = fields.nested(key);
            let field = field(&raw, &path, &slot, problems)?;
            if key == "priority" && field.kind != FieldKind::Int && field.kind != FieldKind::Fixed {
                problems.add(&raw.place, &path, "must be an IntParameter");
            }
            Some(field)
        })
        .collect()
}

/// Two fields of one name would overwrite each other.
fn check_names(fields: &mut Fields<'_>, form: &[ForceField]) {
    for (index, field) in form.iter().enumerate() {
        if !field.name.is_empty() && form[..index].iter().any(|other| other.name == field.name) {
            fields.problem(format!("two fields are named '{}'; rename one", field.name));
        }
    }
}
