//! The inputs of a force form, as the template shows them: one after the other, groups with a
//! beginning and an end.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::config::checked::{FieldKind, ForceField, Nested};
use crate::flow::force::{Offers, worker_choices};

/// What was typed before, and what was wrong with it, by `fullName`.
#[derive(Default)]
pub struct Answers {
    pub values: Option<Map<String, Value>>,
    pub errors: IndexMap<String, String>,
}

/// One input, or the beginning or end of a group.
#[derive(Debug, Default, Serialize)]
pub struct Input {
    name: String,
    label: String,
    /// `text`, `int`, `bool`, `list`, `textarea`, `username`, `file`, `open` or `close`.
    kind: &'static str,
    value: Value,
    required: bool,
    tooltip: String,
    error: Option<String>,
    size: Option<usize>,
    rows: usize,
    cols: usize,
    multiple: bool,
    /// Nothing but the choices.
    strict: bool,
    choices: Vec<Choice>,
    /// Of a group.
    columns: usize,
    /// What other fields get when this one is chosen, as JSON.
    autopopulate: Option<String>,
}

#[derive(Debug, Serialize)]
struct Choice {
    text: String,
    chosen: bool,
}

impl Input {
    pub fn is_file(&self) -> bool {
        self.kind == "file"
    }
}

/// The inputs of `fields`, without those that are hidden.
pub fn inputs<'f>(
    fields: impl Iterator<Item = &'f ForceField>,
    answers: &Answers,
    offers: &Offers,
) -> Vec<Input> {
    let mut inputs = Vec::new();
    for field in fields {
        add(field, answers, offers, &mut inputs);
    }
    inputs
}

fn add(field: &ForceField, answers: &Answers, offers: &Offers, inputs: &mut Vec<Input>) {
    if field.hide {
        return;
    }
    match &field.kind {
        FieldKind::Fixed => {}
        FieldKind::Nested(nested) => group(field, nested, answers, offers, inputs),
        _ => inputs.push(input(field, answers, offers)),
    }
}

/// A group with nothing to show is not shown; one without a name and a label has no frame.
fn group(
    field: &ForceField,
    nested: &Nested,
    answers: &Answers,
    offers: &Offers,
    inputs: &mut Vec<Input>,
) {
    let begin = inputs.len();
    for inner in &nested.fields {
        add(inner, answers, offers, inputs);
    }
    let error = answers.errors.get(&field.full_name).cloned();
    let framed = !field.label.is_empty() || nested.columns > 1 || error.is_some();
    if inputs.len() == begin || !framed {
        return;
    }
    let open = Input {
        name: field.full_name.clone(),
        label: field.label.clone(),
        kind: "open",
        tooltip: field.tooltip.clone(),
        columns: nested.columns,
        error,
        ..Input::default()
    };
    inputs.insert(begin, open);
    inputs.push(Input { kind: "close", ..Input::default() });
}

fn input(field: &ForceField, answers: &Answers, offers: &Offers) -> Input {
    let given = answers.values.as_ref().and_then(|values| values.get(&field.full_name));
    let value = given.unwrap_or(&field.default).clone();
    let is = |text: &String| match &value {
        Value::Array(chosen) => chosen.iter().any(|one| one == text),
        one => one == text,
    };
    let choice = |text: &String| Choice { chosen: is(text), text: text.clone() };
    let mut input = Input {
        name: field.full_name.clone(),
        label: field.label.clone(),
        kind: "text",
        required: field.required,
        tooltip: field.tooltip.clone(),
        error: answers.errors.get(&field.full_name).cloned(),
        autopopulate: field.autopopulate.is_object().then(|| field.autopopulate.to_string()),
        ..Input::default()
    };
    match &field.kind {
        FieldKind::Text { size } => input.size = Some((*size).clamp(24, 80)),
        FieldKind::TextArea { cols, rows, .. } => {
            (input.kind, input.cols, input.rows) = ("textarea", *cols, *rows);
        }
        FieldKind::Int { .. } => (input.kind, input.size) = ("int", Some(10)),
        FieldKind::Bool => input.kind = "bool",
        FieldKind::Choice { choices, multiple, strict } => {
            (input.kind, input.multiple, input.strict) = ("list", *multiple, *strict || *multiple);
            input.choices = choices.iter().map(choice).collect();
        }
        FieldKind::Worker { any } => {
            (input.kind, input.strict) = ("list", true);
            input.choices = worker_choices(any, &offers.workers).iter().map(choice).collect();
        }
        FieldKind::Inherit { builders } => {
            // Older builds than those that are offered can be typed.
            input.kind = "list";
            input.choices = offers.builds_of(builders).iter().map(choice).collect();
            if input.tooltip.is_empty() {
                input.tooltip = "a build whose values are taken over: builder/number".to_owned();
            }
        }
        FieldKind::Username { .. } => (input.kind, input.size) = ("username", Some(40)),
        FieldKind::File => input.kind = "file",
        FieldKind::Fixed | FieldKind::Nested(_) => {}
    }
    // A browser shows no file again.
    input.value = if input.is_file() { Value::Null } else { value };
    input
}
