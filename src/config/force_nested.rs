//! Groups of fields of a force form.

use super::checked::{ForceField, Nested, NestedRole};
use super::fields::Fields;
use super::force_fields::{Slot, empty_table, field};
use super::raw::RawValue;

/// More columns than the pages of stock can show.
const COLUMNS: usize = 4;
/// Visible fields from which on there are two columns.
const MANY: usize = 4;

/// `NestedParameter`: the fields are written in it.
pub fn group(fields: &mut Fields<'_>, full_name: &str) -> Nested {
    let slot = Slot { parent: full_name, ..Slot::property() };
    let mut inner = Vec::new();
    let given = fields.entries("fields");
    if given.is_empty() {
        fields.problem("needs 'fields', a list of parameters");
    }
    for (path, raw) in given {
        let (_, problems) = fields.nested("fields");
        inner.extend(field(&raw, &path, &slot, problems));
    }
    nested(fields, NestedRole::Group, inner, None)
}

/// `PatchParameter`: what a patch needs; each field can be written otherwise.
pub fn patch(fields: &mut Fields<'_>, full_name: &str) -> Nested {
    let parts = [
        ("body", "FileParameter", None),
        ("level", "IntParameter", Some(1.into())),
        ("author", "StringParameter", None),
        ("comment", "StringParameter", None),
        ("subdir", "StringParameter", Some(".".into())),
    ];
    let mut inner = Vec::new();
    for (part, class, default) in parts {
        let slot = Slot {
            name: Some(part),
            only: true,
            parent: full_name,
            class: Some(class),
            default,
            ..Slot::property()
        };
        let raw = fields.take(part).filter(|raw| raw.value != RawValue::Null);
        let raw = raw.unwrap_or_else(|| empty_table(fields));
        let (path, problems) = fields.nested(part);
        inner.extend(field(&raw, &path, &slot, problems));
    }
    nested(fields, NestedRole::Group, inner, Some(1))
}

/// `AnyPropertyParameter`: name and value of a property.
pub fn any_property(fields: &mut Fields<'_>, full_name: &str) -> Nested {
    let mut inner = Vec::new();
    for (part, label) in [("name", "Name:"), ("value", "Value:")] {
        let slot = Slot {
            name: Some(part),
            parent: full_name,
            class: Some("StringParameter"),
            label: Some(label),
            ..Slot::property()
        };
        let raw = empty_table(fields);
        let (path, problems) = fields.nested(part);
        inner.extend(field(&raw, &path, &slot, problems));
    }
    nested(fields, NestedRole::AnyProperty, inner, None)
}

/// The group around `inner`; `columns` unless it says otherwise.
pub fn nested(
    fields: &mut Fields<'_>,
    role: NestedRole,
    inner: Vec<ForceField>,
    columns: Option<usize>,
) -> Nested {
    let layout = fields.optional_checked("layout", |layout: &String| {
        let known = ["vertical", "simple", "tabs"].contains(&layout.as_str());
        (!known).then(|| format!("is '{layout}' and must be one of vertical, simple, tabs"))
    });
    let own = fields.optional_checked("columns", |columns: &usize| {
        let good = (1..=COLUMNS).contains(columns);
        (!good).then(|| format!("must be 1 to {COLUMNS}, and is {columns}"))
    });
    let visible = inner.iter().filter(|field| !field.hide).count();
    let usual = if visible >= MANY { 2 } else { 1 };
    Nested {
        role,
        layout: layout.unwrap_or_else(|| "vertical".to_owned()),
        columns: own.or(columns).unwrap_or(usual),
        fields: inner,
    }
}
