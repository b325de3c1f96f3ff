//! The fields of a force form that choose what to build: one group per codebase.

use indexmap::IndexMap;
use serde_json::Value;

use super::checked::{CodebaseDefaults, FieldKind, ForceField};
use super::fields::Fields;
use super::force_fields::{Slot, empty_table, field};
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
/// fields; they are named `branch` … there and `NAME_branch` … for a codebase with a name.
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
    if let Some(name) = raw.as_text() {
        let table = Raw { value: RawValue::Table(IndexMap::new()), place: raw.place.clone() };
        let mut fields = Fields::of(&table, path, problems);
        parts(&mut fields, name, false, form);
        return name.to_owned();
    }
    let mut fields = Fields::of(raw, path, problems);
    fields.class(Some("CodebaseParameter"), &["CodebaseParameter"], &[]);
    let name: String = fields.or_default("codebase");
    let hide = fields.or_default("hide");
    parts(&mut fields, &name, hide, form);
    fields.unsupported(&["name", "label", "tablabel", "layout", "columns", "patch"]);
    fields.finish();
    name
}

fn parts(fields: &mut Fields<'_>, codebase: &str, hide: bool, form: &mut Vec<ForceField>) {
    let prefix = prefix(codebase);
    for (part, label) in PARTS {
        let slot = Slot {
            fixed_name: Some(part),
            prefix: &prefix,
            class: Some("StringParameter"),
            label: Some(label),
            ..Slot::property()
        };
        let raw = fields.take(part);
        let written = raw.as_ref().map(|raw| &raw.value);
        let found = match (raw.as_ref(), written) {
            // `false` stands for Python's None: no such field.
            (_, Some(RawValue::Bool(false) | RawValue::Null)) => None,
            (_, Some(RawValue::Text(text))) => Some(fixed(&slot, part, text)),
            (Some(raw), Some(RawValue::Table(_))) => {
                let (path, problems) = fields.nested(part);
                field(raw, &path, &slot, problems)
            }
            (Some(raw), _) => {
                let message = format!(
                    "must be a string, a table with a 'type', or false, not {}",
                    raw.kind()
                );
                fields.problem_at(part, &raw.place, message);
                None
            }
            (None, _) => {
                let raw = empty_table(fields);
                let (path, problems) = fields.nested(part);
                field(&raw, &path, &slot, problems)
            }
        };
        form.extend(found.map(|mut field| {
            field.hide |= hide;
            field
        }));
    }
}

fn fixed(slot: &Slot<'_>, part: &str, value: &str) -> ForceField {
    ForceField {
        name: format!("{}{part}", slot.prefix),
        label: part.to_owned(),
        kind: FieldKind::Fixed,
        default: Value::from(value),
        required: false,
        hide: true,
        tooltip: String::new(),
        regex: None,
        maxsize: None,
    }
}

fn prefix(codebase: &str) -> String {
    if codebase.is_empty() { String::new() } else { format!("{codebase}_") }
}
