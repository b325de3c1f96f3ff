//! The fields of a force form.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::checked::{FieldKind, ForceField};
use super::fields::Fields;
use super::problems::Problems;
use super::raw::{Raw, RawValue};
use super::values::json_kind;
use crate::flow::pattern::Pattern;

const KNOWN: [&str; 7] = [
    "StringParameter",
    "TextParameter",
    "IntParameter",
    "BooleanParameter",
    "ChoiceStringParameter",
    "FixedParameter",
    "UserNameParameter",
];
const LATER: [&str; 8] = [
    "NestedParameter",
    "ParameterGroup",
    "FileParameter",
    "PatchParameter",
    "CodebaseParameter",
    "InheritBuildParameter",
    "WorkerChoiceParameter",
    "AnyPropertyParameter",
];
/// Names that the request to force uses itself.
const RESERVED: [&str; 3] = ["owner", "builderNames", "builderid"];
/// What the place of a field in the form decides.
#[derive(Clone)]
pub struct Slot<'a> {
    /// The name when the place decides it.
    pub fixed_name: Option<&'a str>,
    /// Put before the name: `codebase_`.
    pub prefix: &'a str,
    /// Class when no `type` is given.
    pub class: Option<&'static str>,
    pub label: Option<&'a str>,
    pub default: Option<&'a str>,
    /// Width of a text field, stock's default 10.
    pub size: usize,
}

impl Slot<'_> {
    /// A field that sets a property.
    pub fn property() -> Slot<'static> {
        Slot { fixed_name: None, prefix: "", class: None, label: None, default: None, size: 10 }
    }
}

/// A field that says nothing of itself.
pub fn empty_table(fields: &Fields<'_>) -> Raw {
    Raw { value: RawValue::Table(IndexMap::new()), place: fields.place().clone() }
}

/// Reads one field.
pub fn field(
    raw: &Raw,
    path: &str,
    slot: &Slot<'_>,
    problems: &mut Problems,
) -> Option<ForceField> {
    let mut fields = Fields::of(raw, path, problems);
    let class = fields.class(slot.class, &KNOWN, &LATER)?;
    let name = name(&mut fields, slot, class);
    let label = fields.optional("label").unwrap_or_else(|| slot.label.unwrap_or(&name).to_owned());
    let kind = kind(&mut fields, class, slot);
    let default = default(&mut fields, &kind, slot);
    let regex = fields.optional_checked("regex", |pattern: &String| Pattern::new(pattern).err());
    let field = ForceField {
        name: format!("{}{name}", slot.prefix),
        label,
        default,
        required: fields.or_default("required"),
        hide: fields.or("hide", kind == FieldKind::Fixed),
        kind,
        tooltip: fields.or_default("tooltip"),
        regex,
        maxsize: fields.optional("maxsize"),
    };
    fields.refuse("value", "is named 'default' here");
    fields.unsupported(&["tablabel", "autopopulate", "debug"]);
    fields.finish();
    Some(field)
}

fn name(fields: &mut Fields<'_>, slot: &Slot<'_>, class: &str) -> String {
    let check = |name: &String| {
        if name.is_empty() {
            return Some("must not be empty".to_owned());
        }
        if RESERVED.contains(&name.as_str()) {
            return Some(format!("'{name}' is reserved; choose another name"));
        }
        let fixed = slot.fixed_name.filter(|fixed| fixed != name)?;
        Some(format!("the field here is always named '{fixed}'"))
    };
    let standard = slot.fixed_name.or((class == "UserNameParameter").then_some("username"));
    match standard {
        Some(standard) => {
            fields.optional_checked("name", check).unwrap_or_else(|| standard.to_owned())
        }
        None => fields.required_checked("name", check),
    }
}

fn kind(fields: &mut Fields<'_>, class: &str, slot: &Slot<'_>) -> FieldKind {
    match class {
        "TextParameter" => {
            FieldKind::TextArea { cols: fields.or("cols", 80), rows: fields.or("rows", 20) }
        }
        "IntParameter" => {
            // Stock's width of the input; numbers need no width of their own here.
            fields.optional::<usize>("size");
            FieldKind::Int
        }
        "BooleanParameter" => FieldKind::Bool,
        "ChoiceStringParameter" => FieldKind::Choice {
            choices: fields.required("choices"),
            multiple: fields.or_default("multiple"),
            strict: fields.or("strict", true),
        },
        "FixedParameter" => FieldKind::Fixed,
        "UserNameParameter" => {
            // As for numbers; stock's width is 30.
            fields.optional::<usize>("size");
            FieldKind::Username { need_email: fields.or("need_email", true) }
        }
        _ => FieldKind::Text { size: fields.or("size", slot.size) },
    }
}

fn default(fields: &mut Fields<'_>, kind: &FieldKind, slot: &Slot<'_>) -> Value {
    let check = |value: &Value| wrong_default(kind, value);
    if let Some(value) = fields.optional_checked("default", check) {
        return value;
    }
    match kind {
        FieldKind::Int => json!(0),
        FieldKind::Bool => json!(false),
        FieldKind::Choice { multiple: true, .. } => json!([]),
        _ => json!(slot.default.unwrap_or_default()),
    }
}

fn wrong_default(kind: &FieldKind, value: &Value) -> Option<String> {
    let not = |what: &str| Some(format!("must be {what}, not {}", json_kind(value)));
    match kind {
        FieldKind::Fixed => None,
        FieldKind::Int if !value.is_i64() => not("a whole number"),
        FieldKind::Bool if !value.is_boolean() => not("true or false"),
        FieldKind::Int | FieldKind::Bool => None,
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
