//! The fields of a force form.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::checked::{FieldKind, ForceField};
use super::fields::Fields;
use super::force_nested;
use super::problems::Problems;
use super::raw::{Raw, RawValue};
use super::values::json_kind;
use crate::flow::pattern::Pattern;

const KNOWN: [&str; 14] = [
    "StringParameter",
    "TextParameter",
    "IntParameter",
    "BooleanParameter",
    "ChoiceStringParameter",
    "FixedParameter",
    "UserNameParameter",
    "FileParameter",
    "InheritBuildParameter",
    "WorkerChoiceParameter",
    "NestedParameter",
    "ParameterGroup",
    "PatchParameter",
    "AnyPropertyParameter",
];
/// Names that the request to force uses itself.
const RESERVED: [&str; 3] = ["owner", "builderNames", "builderid"];
/// Characters of a file at most, unless the field says otherwise.
const FILE_SIZE: usize = 10 << 20;

/// What the place of a field in the form decides.
#[derive(Clone)]
pub struct Slot<'a> {
    /// The name when none is given.
    pub name: Option<&'a str>,
    /// No other name is possible.
    pub only: bool,
    /// `fullName` of the group that it belongs to.
    pub parent: &'a str,
    /// Class when no `type` is given.
    pub class: Option<&'static str>,
    pub label: Option<&'a str>,
    pub default: Option<Value>,
    /// Width of a text field, stock's default 10.
    pub size: usize,
}

impl Slot<'_> {
    /// A field that sets a property.
    pub fn property() -> Slot<'static> {
        Slot {
            name: None,
            only: false,
            parent: "",
            class: None,
            label: None,
            default: None,
            size: 10,
        }
    }
}

/// A field that says nothing of itself.
pub fn empty_table(fields: &Fields<'_>) -> Raw {
    Raw { value: RawValue::Table(IndexMap::new()), place: fields.place().clone() }
}

/// The name behind the one of its group, if both have one.
pub fn full_name(parent: &str, name: &str) -> String {
    match (parent, name) {
        ("", name) => name.to_owned(),
        (parent, "") => parent.to_owned(),
        (parent, name) => format!("{parent}_{name}"),
    }
}

/// Reads one field, with those in it.
pub fn field(
    raw: &Raw,
    path: &str,
    slot: &Slot<'_>,
    problems: &mut Problems,
) -> Option<ForceField> {
    if raw.get("type").and_then(Raw::as_text) == Some("CodebaseParameter") {
        problems.add(&raw.place, path, "CodebaseParameter belongs into 'codebases'");
        return None;
    }
    let mut fields = Fields::of(raw, path, problems);
    let class = fields.class(slot.class, &KNOWN, &[])?;
    let name = name(&mut fields, slot, class);
    let full_name = full_name(slot.parent, &name);
    let label = slot.label.map_or_else(|| own_label(class, &name), str::to_owned);
    let label = fields.or("label", label);
    let tablabel = fields.or("tablabel", label.clone());
    let kind = kind(&mut fields, class, slot, &full_name);
    let default = default(&mut fields, &kind, slot);
    let regex = fields.optional_checked("regex", |pattern: &String| Pattern::new(pattern).err());
    let maxsize = fields.optional("maxsize");
    let field = ForceField {
        name,
        full_name,
        label,
        tablabel,
        default,
        required: fields.or_default("required"),
        hide: fields.or("hide", kind == FieldKind::Fixed),
        tooltip: fields.or_default("tooltip"),
        regex,
        maxsize: maxsize.or((kind == FieldKind::File).then_some(FILE_SIZE)),
        autopopulate: autopopulate(&mut fields),
        kind,
    };
    fields.refuse("value", "is named 'default' here");
    // Stock prints a traceback for it; refused values are always told in full here.
    fields.optional::<bool>("debug");
    fields.finish();
    Some(field)
}

fn own_label(class: &str, name: &str) -> String {
    match class {
        "UserNameParameter" => "Your name:".to_owned(),
        // The two fields in it say what they are.
        "AnyPropertyParameter" => String::new(),
        _ => name.to_owned(),
    }
}

fn name(fields: &mut Fields<'_>, slot: &Slot<'_>, class: &str) -> String {
    let group = matches!(class, "NestedParameter" | "ParameterGroup");
    let check = |name: &String| {
        if name.is_empty() && !group {
            return Some("must not be empty".to_owned());
        }
        if RESERVED.contains(&name.as_str()) {
            return Some(format!("'{name}' is reserved; choose another name"));
        }
        let other = slot.name.filter(|only| slot.only && only != name)?;
        Some(format!("the field here is always named '{other}'"))
    };
    let standard = slot.name.or(match class {
        "UserNameParameter" => Some("username"),
        "WorkerChoiceParameter" => Some("workername"),
        "PatchParameter" => Some("patch"),
        _ => None,
    });
    match standard {
        Some(standard) => {
            fields.optional_checked("name", check).unwrap_or_else(|| standard.to_owned())
        }
        None => fields.required_checked("name", check),
    }
}

fn kind(fields: &mut Fields<'_>, class: &str, slot: &Slot<'_>, full_name: &str) -> FieldKind {
    match class {
        "TextParameter" => FieldKind::TextArea {
            cols: fields.or("cols", 80),
            rows: fields.or("rows", 20),
            size: fields.or("size", slot.size),
        },
        "IntParameter" => FieldKind::Int { size: fields.or("size", slot.size) },
        "BooleanParameter" => FieldKind::Bool,
        "ChoiceStringParameter" => FieldKind::Choice {
            choices: fields.required("choices"),
            multiple: fields.or_default("multiple"),
            strict: fields.or("strict", true),
        },
        "FixedParameter" => FieldKind::Fixed,
        "FileParameter" => FieldKind::File,
        "UserNameParameter" => FieldKind::Username {
            need_email: fields.or("need_email", true),
            size: fields.or("size", 30),
        },
        "InheritBuildParameter" => {
            FieldKind::Inherit { builders: fields.or_default("compatible_builds") }
        }
        "WorkerChoiceParameter" => {
            FieldKind::Worker { any: fields.or("anySentinel", "-any-".to_owned()) }
        }
        "NestedParameter" | "ParameterGroup" => {
            FieldKind::Nested(force_nested::group(fields, full_name))
        }
        "PatchParameter" => FieldKind::Nested(force_nested::patch(fields, full_name)),
        "AnyPropertyParameter" => FieldKind::Nested(force_nested::any_property(fields, full_name)),
        _ => FieldKind::Text { size: fields.or("size", slot.size) },
    }
}

fn default(fields: &mut Fields<'_>, kind: &FieldKind, slot: &Slot<'_>) -> Value {
    if matches!(kind, FieldKind::Nested(_)) {
        fields.refuse("default", "belongs to the fields in it");
        return json!("");
    }
    let check = |value: &Value| wrong_default(kind, value);
    if let Some(value) = fields.optional_checked("default", check) {
        return value;
    }
    match (kind, &slot.default) {
        (FieldKind::Bool, _) => json!(false),
        (FieldKind::Choice { multiple: true, .. }, _) => json!([]),
        (FieldKind::Int { .. }, Some(number)) if number.is_i64() => number.clone(),
        (FieldKind::Int { .. }, _) => json!(0),
        (_, Some(Value::String(text))) => json!(text),
        _ => json!(""),
    }
}

fn wrong_default(kind: &FieldKind, value: &Value) -> Option<String> {
    let not = |what: &str| Some(format!("must be {what}, not {}", json_kind(value)));
    match kind {
        FieldKind::Fixed => None,
        FieldKind::Int { .. } if !value.is_i64() => not("a whole number"),
        FieldKind::Bool if !value.is_boolean() => not("true or false"),
        FieldKind::Int { .. } | FieldKind::Bool => None,
        FieldKind::Choice { choices, multiple, strict } => {
            let chosen = match (multiple, value) {
                (true, Value::Array(items)) => items.as_slice(),
                (true, _) => return not("a list"),
                (false, _) => std::slice::from_ref(value),
            };
            chosen.iter().find_map(|item| match item.as_str() {
                None => Some(format!("must be a string, not {}", json_kind(item))),
                Some(text) if *strict && !text.is_empty() && !choices.iter().any(|c| c == text) => {
                    Some(format!("'{text}' is not among the choices"))
                }
                Some(_) => None,
            })
        }
        _ if !value.is_string() => not("a string"),
        _ => None,
    }
}

/// `{ choice = { field = value } }`
fn autopopulate(fields: &mut Fields<'_>) -> Value {
    let tables = |value: &Value| {
        let good = value.as_object().is_some_and(|table| table.values().all(Value::is_object));
        (!good).then(|| "must be a table of tables, such as { a = { name = 'x' } }".to_owned())
    };
    fields.optional_checked("autopopulate", tables).unwrap_or_default()
}
