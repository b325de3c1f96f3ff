//! The fields of a force form that choose what to build: one group per codebase.

use indexmap::IndexMap;
use serde_json::Value;

use super::checked::{CodebaseDefaults, FieldKind, ForceField, NestedRole};
use super::fields::Fields;
use super::force_fields::{Slot, empty_table, field, full_name};
use super::force_nested::nested;
use super::problems::Problems;
use super::raw::{Raw, RawValue};

/// Parts of a source stamp and their labels, in stock's order of the form.
const PARTS: [(&str, &str); 4] = [
    ("branch", "Branch:"),
    ("project", "Project:"),
    ("repository", "Repository:"),
    ("revision", "Revision:"),
];

/// Reads `codebases` and adds its fields to `form`. Absent is the one codebase `` with all four
/// fields; their full names are `branch` … there and `NAME_branch` … for a codebase with a name.
pub fn parse(
    fields: &mut Fields<'_>,
    form: &mut Vec<ForceField>,
) -> IndexMap<String, CodebaseDefaults> {
    let raw = fields.take("codebases").filter(|raw| raw.value != RawValue::Null);
    let entries = match raw {
        None => vec![empty_table(fields)],
        Some(Raw { value: RawValue::List(items), place }) => {
            if items.is_empty() {
                let message = "must not be empty; leave it out, or write \
                               codebases = [{ codebase = \"\", hide = true }]";
                fields.problem_at("codebases", &place, message);
            }
            items
        }
        Some(raw) => {
            let message = format!("must be a list of names or tables, not {}", raw.kind());
            fields.problem_at("codebases", &raw.place, message);
            Vec::new()
        }
    };
    let (path, problems) = fields.nested("codebases");
    let mut codebases = IndexMap::new();
    for (index, raw) in entries.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let name = codebase(raw, &path, form, problems);
        if codebases.insert(name.clone(), CodebaseDefaults::default()).is_some() {
            problems.add(&raw.place, &path, format!("the codebase '{name}' is given twice"));
        }
    }
    codebases
}

/// One `CodebaseParameter`: a name, or a table.
fn codebase(raw: &Raw, path: &str, form: &mut Vec<ForceField>, problems: &mut Problems) -> String {
    let table = Raw { value: RawValue::Table(IndexMap::new()), place: raw.place.clone() };
    let (raw, given) = match raw.as_text() {
        Some(name) => (&table, Some(name.to_owned())),
        None => (raw, None),
    };
    let mut fields = Fields::of(raw, path, problems);
    fields.class(Some("CodebaseParameter"), &["CodebaseParameter"], &[]);
    let codebase = given.unwrap_or_else(|| fields.or_default("codebase"));
    let name = fields.optional("name").filter(|name: &String| !name.is_empty());
    let name = name.unwrap_or_else(|| codebase.clone());
    let label = match codebase.as_str() {
        "" => String::new(),
        codebase => format!("Codebase: {codebase}"),
    };
    let label = fields.or("label", label);
    let tablabel = fields.or("tablabel", label.clone());
    let hide = fields.or_default("hide");
    let (inner, patched) = parts(&mut fields, &name, hide);
    let role = NestedRole::Codebase(codebase.clone());
    let nested = nested(&mut fields, role, inner, patched.then_some(1));
    form.push(ForceField {
        full_name: name.clone(),
        name,
        label,
        tablabel,
        hide,
        kind: FieldKind::Nested(nested),
        default: Value::from(""),
        tooltip: fields.or_default("tooltip"),
        ..ForceField::default()
    });
    fields.finish();
    codebase
}

/// The fields of a codebase, and whether a patch is among them.
fn parts(fields: &mut Fields<'_>, parent: &str, hide: bool) -> (Vec<ForceField>, bool) {
    let mut inner: Vec<ForceField> =
        PARTS.iter().filter_map(|(part, label)| one(fields, parent, part, label)).collect();
    let patch = fields.take("patch").filter(|raw| raw.value != RawValue::Null);
    if let Some(raw) = &patch {
        let slot = Slot {
            name: Some("patch"),
            only: true,
            parent,
            class: Some("PatchParameter"),
            ..Slot::property()
        };
        let (path, problems) = fields.nested("patch");
        inner.extend(field(raw, &path, &slot, problems));
    }
    for field in &mut inner {
        field.hide |= hide;
    }
    (inner, patch.is_some())
}

fn one(
    fields: &mut Fields<'_>,
    parent: &str,
    part: &'static str,
    label: &'static str,
) -> Option<ForceField> {
    let raw = fields.take(part);
    let slot = Slot {
        name: Some(part),
        only: true,
        parent,
        class: Some("StringParameter"),
        label: raw.is_none().then_some(label),
        ..Slot::property()
    };
    let raw = raw.unwrap_or_else(|| empty_table(fields));
    match &raw.value {
        // `false` stands for Python's None: no such field.
        RawValue::Bool(false) | RawValue::Null => None,
        RawValue::Text(text) => Some(fixed(parent, part, text)),
        RawValue::Table(_) => {
            let (path, problems) = fields.nested(part);
            field(&raw, &path, &slot, problems)
        }
        _ => {
            let message =
                format!("must be a string, a table with a 'type', or false, not {}", raw.kind());
            fields.problem_at(part, &raw.place, message);
            None
        }
    }
}

fn fixed(parent: &str, part: &str, value: &str) -> ForceField {
    ForceField {
        name: part.to_owned(),
        full_name: full_name(parent, part),
        label: part.to_owned(),
        tablabel: part.to_owned(),
        kind: FieldKind::Fixed,
        default: Value::from(value),
        hide: true,
        ..ForceField::default()
    }
}
