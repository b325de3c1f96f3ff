//! Force forms: from the values a person sent to a checked buildset, and the form's description.
//!
//! The texts of refused values are those that Buildbot's users and scripts know.

use std::sync::LazyLock;

use indexmap::IndexMap;
use regex::Regex;
use serde_json::{Map, Value, json};

use crate::config::checked::{FieldKind, ForceField, ForceScheduler, SchedulerOptions};
use crate::model::{NewSourceStamp, Properties};

/// Source of every property that a form sets.
pub const SOURCE: &str = "Force Build Form";

/// Whose name is asked for in the form: nobody logged in.
const ANONYMOUS: &str = "anonymous";

/// Fields of the first group, in the order of the form.
const ABOUT: [&str; 3] = ["username", "reason", "priority"];
/// Fields of a codebase, in the order of the form. They are named so for the default codebase and
/// `NAME_branch` … for one with a name.
const PARTS: [&str; 4] = ["branch", "project", "repository", "revision"];

/// Refused values: `fullName` of the field -> why.
pub type Refusals = IndexMap<String, String>;

/// A form that passed.
#[derive(Debug, Clone, PartialEq)]
pub struct Forced {
    /// The buildset's reason.
    pub reason: String,
    pub priority: i64,
    /// Of the form, `reason` and `owner` included; the scheduler's own are not among them.
    pub properties: Properties,
    /// One per codebase. An empty branch or revision is empty text, as stock stores it.
    pub stamps: Vec<NewSourceStamp>,
}

/// Checks the values of a form. Each value is a scalar or a list; unknown names are ignored.
/// `owner` is who is logged in: empty or `anonymous` asks the form's `username`.
///
/// # Errors
/// Every refused field with its reason, in the order of the form.
pub fn read(
    scheduler: &SchedulerOptions,
    form: &ForceScheduler,
    values: &Map<String, Value>,
    owner: &str,
) -> Result<Forced, Refusals> {
    let mut refusals = Refusals::new();
    let mut take = |field: &ForceField| match value_of(field, values.get(&field.name)) {
        Ok(value) => Some(value),
        Err(why) => {
            refusals.insert(field.name.clone(), why);
            None
        }
    };
    let find = |name: &str| form.fields.iter().find(|field| field.name == name);

    let reason = find("reason").and_then(&mut take).unwrap_or_else(|| "force build".into());
    let owner = match owner {
        "" | ANONYMOUS => find("username").and_then(&mut take).unwrap_or_else(|| "".into()),
        known => known.into(),
    };
    let priority = find("priority").and_then(&mut take).unwrap_or_default();
    let mut stamps = Vec::new();
    for codebase in codebases(scheduler) {
        let mut part = |part: &str| {
            let value = find(&part_name(codebase, part)).and_then(&mut take);
            value.map(|value| text(&value)).unwrap_or_default()
        };
        stamps.push(NewSourceStamp {
            branch: Some(part("branch")),
            project: part("project"),
            repository: part("repository"),
            revision: Some(part("revision")),
            codebase: codebase.to_owned(),
        });
    }
    let mut properties = Properties::new();
    for field in property_fields(scheduler, form) {
        if let Some(value) = take(field) {
            properties.set(&field.name, value, SOURCE);
        }
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let said = form.reason_string.replace("%(owner)s", &text(&owner));
    let said = said.replace("%(reason)s", &text(&reason));
    properties.set("reason", reason, SOURCE);
    properties.set("owner", owner, SOURCE);
    Ok(Forced { reason: said, priority: priority.as_i64().unwrap_or(0), properties, stamps })
}

/// Names of the scheduler's codebases; none given is the default one.
fn codebases(scheduler: &SchedulerOptions) -> Vec<&str> {
    if scheduler.codebases.is_empty() {
        return vec![""];
    }
    scheduler.codebases.keys().map(String::as_str).collect()
}

fn part_name(codebase: &str, part: &str) -> String {
    if codebase.is_empty() { part.to_owned() } else { format!("{codebase}_{part}") }
}

/// The fields that set a property.
fn property_fields<'a>(
    scheduler: &SchedulerOptions,
    form: &'a ForceScheduler,
) -> impl Iterator<Item = &'a ForceField> + use<'a> {
    let parts = |codebase| PARTS.iter().map(move |part| part_name(codebase, part));
    let parts: Vec<String> = codebases(scheduler).into_iter().flat_map(parts).collect();
    let is_property = move |field: &&ForceField| {
        !ABOUT.contains(&field.name.as_str()) && !parts.contains(&field.name)
    };
    form.fields.iter().filter(is_property)
}

/// The checked value of one field.
fn value_of(field: &ForceField, sent: Option<&Value>) -> Result<Value, String> {
    if field.kind == FieldKind::Fixed {
        return Ok(field.default.clone());
    }
    if field.kind == FieldKind::Bool {
        return Ok(Value::Bool(is_true(sent.unwrap_or(&field.default))));
    }
    let values = sent_or_default(field, sent)?;
    check_pattern(field, &values)?;
    check_size(field, &values)?;
    let mut parsed = values.into_iter().map(|value| parsed(field, value));
    if is_multiple(field) {
        return parsed.collect::<Result<Vec<Value>, String>>().map(Value::Array);
    }
    parsed.next().unwrap_or(Ok(Value::Null))
}

/// Only the literal `true` (and 1, which equals it in Python) switches on.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(on) => *on,
        Value::Number(number) => number.as_f64() == Some(1.0),
        Value::Array(items) => matches!(items.as_slice(), [one] if is_true(one)),
        _ => false,
    }
}

fn is_multiple(field: &ForceField) -> bool {
    matches!(field.kind, FieldKind::Choice { multiple: true, .. })
}

/// What was sent without blank text; when nothing is left, the default.
fn sent_or_default(field: &ForceField, sent: Option<&Value>) -> Result<Vec<Value>, String> {
    let sent: Vec<Value> = match sent {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items.clone(),
        Some(one) => vec![one.clone()],
    };
    let filled: Vec<Value> = sent
        .into_iter()
        .filter(|value| value.as_str().is_none_or(|s| !s.trim().is_empty()))
        .collect();
    if !filled.is_empty() {
        return Ok(filled);
    }
    if field.required {
        return Err(format!("'{}' needs to be specified", field.label));
    }
    match &field.default {
        Value::Array(items) if is_multiple(field) => Ok(items.clone()),
        Value::String(nothing) if is_multiple(field) && nothing.is_empty() => Ok(Vec::new()),
        Value::Null => Err(format!("need {}: no default provided by config", field.name)),
        default => Ok(vec![default.clone()]),
    }
}

fn check_pattern(field: &ForceField, values: &[Value]) -> Result<(), String> {
    let Some(pattern) = &field.regex else { return Ok(()) };
    let regex = Regex::new(&format!("^(?:{pattern})"))
        .map_err(|_| format!("{}: the pattern '{pattern}' cannot be used", field.label))?;
    match values.iter().map(text).find(|value| !regex.is_match(value)) {
        Some(value) => Err(format!("{}:'{value}' does not match pattern '{pattern}'", field.label)),
        None => Ok(()),
    }
}

fn check_size(field: &ForceField, values: &[Value]) -> Result<(), String> {
    let Some(most) = field.maxsize else { return Ok(()) };
    match values.iter().map(|value| text(value).chars().count()).find(|size| *size > most) {
        Some(size) => Err(format!("{}: is too large {size} > {most}", field.label)),
        None => Ok(()),
    }
}

fn parsed(field: &ForceField, value: Value) -> Result<Value, String> {
    match &field.kind {
        FieldKind::Int => whole_number(&value).map(Value::from),
        FieldKind::Choice { choices, strict: true, .. } => {
            let value = text(&value);
            if choices.contains(&value) {
                return Ok(value.into());
            }
            let choices: Vec<String> = choices.iter().map(|choice| python_repr(choice)).collect();
            let choices = choices.join(", ");
            Err(format!("'{value}' does not belong to list of available choices '[{choices}]'"))
        }
        FieldKind::Username { need_email } => {
            let value = text(&value);
            let may_be_empty = value.is_empty() && !field.required;
            if *need_email && !may_be_empty && !has_address(&value) {
                let form = "please fill in email address in the form 'User <email@email.com>'";
                return Err(format!("{}: {form}", field.name));
            }
            Ok(value.into())
        }
        _ => Ok(value),
    }
}

/// Python's `int()`.
fn whole_number(value: &Value) -> Result<i64, String> {
    let number = match value {
        Value::Bool(on) => Some(i64::from(*on)),
        Value::Number(number) => {
            number.as_i64().or_else(|| number.as_f64().map(|f| f.trunc() as i64))
        }
        other => text(other).trim().parse().ok(),
    };
    let complaint =
        || format!("invalid literal for int() with base 10: {}", python_repr(&text(value)));
    number.ok_or_else(complaint)
}

/// Does the text hold a mail address anywhere?
fn has_address(text: &str) -> bool {
    static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\S+@[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+").expect("a constant expression")
    });
    ADDRESS.is_match(text)
}

/// A string as Python shows it in a list.
fn python_repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let escaped = text.replace('\\', "\\\\").replace('\n', "\\n");
    let escaped = if quote == '\'' { escaped.replace('\'', "\\'") } else { escaped };
    format!("{quote}{escaped}{quote}")
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The form as `forceschedulers` of the REST interface shows it.
pub fn describe(scheduler: &SchedulerOptions, form: &ForceScheduler, enabled: bool) -> Value {
    let find = |name: &str| form.fields.iter().find(|field| field.name == name);
    let about = ABOUT.iter().filter_map(|name| find(name).map(|f| field(f, name)));
    let mut all = vec![group("", about.collect())];
    for codebase in codebases(scheduler) {
        let parts = PARTS
            .iter()
            .filter_map(|part| find(&part_name(codebase, part)).map(|f| field(f, part)));
        all.push(group(codebase, parts.collect()));
    }
    all.extend(property_fields(scheduler, form).map(|f| field(f, &f.name)));
    json!({
        "name": scheduler.name,
        "button_name": form.button_name,
        "label": form.label,
        "builder_names": scheduler.builder_names,
        "enabled": enabled,
        "all_fields": all,
    })
}

/// A group of fields; the one of a codebase carries its name.
fn group(codebase: &str, fields: Vec<Value>) -> Value {
    let label = if codebase.is_empty() { String::new() } else { format!("Codebase: {codebase}") };
    let full_name = (!codebase.is_empty()).then_some(codebase);
    let visible = fields.iter().filter(|field| field["hide"] == false).count();
    json!({
        "name": codebase, "fullName": full_name, "label": label, "tablabel": label, "type": "nested",
        "default": "", "required": false, "multiple": false, "regex": null, "hide": false,
        "maxsize": null, "autopopulate": null, "tooltip": "",
        "layout": "vertical", "columns": if visible >= 4 { 2 } else { 1 },
        "fields": fields,
    })
}

fn field(field: &ForceField, name: &str) -> Value {
    let mut spec = json!({
        "name": name, "fullName": field.name, "label": field.label, "tablabel": field.label,
        "type": type_name(&field.kind), "default": field.default, "required": field.required,
        "multiple": is_multiple(field), "regex": null, "hide": field.hide,
        "maxsize": field.maxsize, "autopopulate": null, "tooltip": field.tooltip,
    });
    match &field.kind {
        FieldKind::Text { size } => spec["size"] = json!(size),
        FieldKind::TextArea { cols, rows } => {
            spec["size"] = json!(10);
            spec["cols"] = json!(cols);
            spec["rows"] = json!(rows);
        }
        FieldKind::Int => spec["size"] = json!(10),
        FieldKind::Username { need_email } => {
            spec["size"] = json!(30);
            spec["need_email"] = json!(need_email);
        }
        FieldKind::Choice { choices, strict, .. } => {
            spec["choices"] = json!(choices);
            spec["strict"] = json!(strict);
        }
        FieldKind::Fixed => spec["hide"] = json!(true),
        FieldKind::Bool => {}
    }
    spec
}

fn type_name(kind: &FieldKind) -> &'static str {
    match kind {
        FieldKind::Text { .. } => "text",
        FieldKind::TextArea { .. } => "textarea",
        FieldKind::Int => "int",
        FieldKind::Bool => "bool",
        FieldKind::Choice { .. } => "list",
        FieldKind::Username { .. } => "username",
        FieldKind::Fixed => "fixed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str, kind: FieldKind, default: Value) -> ForceField {
        ForceField {
            name: name.into(),
            label: name.into(),
            kind,
            default,
            required: false,
            hide: false,
            tooltip: String::new(),
            regex: None,
            maxsize: None,
        }
    }

    fn choice(multiple: bool, strict: bool) -> FieldKind {
        FieldKind::Choice { choices: vec!["a".into(), "it's".into()], multiple, strict }
    }

    fn form() -> ForceScheduler {
        let line = FieldKind::Text { size: 10 };
        ForceScheduler {
            label: "force".into(),
            button_name: "Force".into(),
            fields: vec![
                asked("username", FieldKind::Username { need_email: true }, json!("")),
                ForceField {
                    required: true,
                    label: "reason:".into(),
                    ..asked("reason", line.clone(), json!("force build"))
                },
                asked("priority", FieldKind::Int, json!(3)),
                asked("branch", line.clone(), json!("main")),
                asked("revision", line.clone(), json!("")),
                ForceField {
                    regex: Some("[a-z]*$".into()),
                    maxsize: Some(4),
                    ..asked("str", line, json!("dflt"))
                },
                asked("n", FieldKind::Int, json!(0)),
                asked("on", FieldKind::Bool, json!(false)),
                asked("one", choice(false, true), json!("a")),
                asked("many", choice(true, false), json!(["a"])),
                asked("fixed", FieldKind::Fixed, json!("F")),
            ],
            reason_string: "A build was forced by '%(owner)s': %(reason)s".into(),
        }
    }

    fn scheduler() -> SchedulerOptions {
        SchedulerOptions {
            name: "f".into(),
            builder_names: vec!["b".into()],
            codebases: [(String::new(), Default::default())].into(),
            ..SchedulerOptions::default()
        }
    }

    fn read_form(sent: &Map<String, Value>, owner: &str) -> Result<Forced, Refusals> {
        read(&scheduler(), &form(), sent, owner)
    }

    fn values(json: Value) -> Map<String, Value> {
        json.as_object().cloned().unwrap()
    }

    #[test]
    fn defaults_and_values_become_properties() {
        let sent = values(json!({
            "reason": " why ", "username": "Bob <bob@example.org>", "branch": ["dev"], "n": "42",
            "on": true, "many": ["x", " ", "y"], "fixed": "hacked", "unknown": 1, "str": "  "
        }));
        let forced = read_form(&sent, "anonymous").unwrap();
        assert_eq!(forced.reason, "A build was forced by 'Bob <bob@example.org>':  why ");
        assert_eq!(forced.priority, 3);
        assert_eq!(forced.stamps[0].branch.as_deref(), Some("dev"));
        assert_eq!(forced.stamps[0].revision.as_deref(), Some(""));
        let expected: Properties = [
            ("str", json!("dflt"), SOURCE),
            ("n", json!(42), SOURCE),
            ("on", json!(true), SOURCE),
            ("one", json!("a"), SOURCE),
            ("many", json!(["x", "y"]), SOURCE),
            ("fixed", json!("F"), SOURCE),
            ("reason", json!(" why "), SOURCE),
            ("owner", json!("Bob <bob@example.org>"), SOURCE),
        ]
        .into_iter()
        .collect();
        assert_eq!(forced.properties, expected);
    }

    #[test]
    fn every_refusal_is_told_in_stocks_words() {
        let sent = values(json!({
            "reason": "", "username": "me", "str": "ABC", "n": "abc", "one": "zz"
        }));
        let told = read_form(&sent, "").unwrap_err();
        let expected = [
            ("reason", "'reason:' needs to be specified"),
            (
                "username",
                "username: please fill in email address in the form 'User <email@email.com>'",
            ),
            ("str", "str:'ABC' does not match pattern '[a-z]*$'"),
            ("n", "invalid literal for int() with base 10: 'abc'"),
            ("one", "'zz' does not belong to list of available choices '['a', \"it's\"]'"),
        ];
        let told: Vec<(&str, &str)> = told.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(told, expected);

        let long = read_form(&values(json!({"reason": "r", "str": "abcde"})), "me").unwrap_err();
        assert_eq!(long["str"], "str: is too large 5 > 4");
    }

    #[test]
    fn a_known_owner_needs_no_username() {
        let forced = read_form(&values(json!({"reason": "r", "username": "x"})), "ann").unwrap();
        assert_eq!(forced.properties.get_str("owner"), Some("ann"));
        let nobody = read_form(&values(json!({"reason": "r"})), "anonymous").unwrap();
        assert_eq!(nobody.reason, "A build was forced by '': r");
    }

    #[test]
    fn each_codebase_has_its_own_stamp() {
        let mut scheduler = scheduler();
        scheduler.codebases = ["lib", "app"].map(|n| (n.to_owned(), Default::default())).into();
        let line = FieldKind::Text { size: 10 };
        let form = ForceScheduler {
            fields: vec![
                asked("lib_branch", line.clone(), json!("main")),
                asked("app_revision", line.clone(), json!("")),
                asked("branch", line, json!("a property")),
            ],
            ..form()
        };
        let sent = values(json!({"app_revision": "abc"}));
        let forced = read(&scheduler, &form, &sent, "ann").unwrap();
        let stamp = |codebase: &str, branch: &str, revision: &str| NewSourceStamp {
            codebase: codebase.into(),
            branch: Some(branch.into()),
            revision: Some(revision.into()),
            ..Default::default()
        };
        assert_eq!(forced.stamps, [stamp("lib", "main", ""), stamp("app", "", "abc")]);
        assert_eq!(forced.properties.get_str("branch"), Some("a property"));
    }

    #[test]
    fn only_true_switches_on() {
        for (value, expected) in [
            (json!(true), true),
            (json!([true]), true),
            (json!(1), true),
            (json!("true"), false),
            (json!("on"), false),
            (json!(false), false),
        ] {
            assert_eq!(is_true(&value), expected, "{value}");
        }
    }

    #[test]
    fn the_description_has_the_shape_of_the_interface() {
        let told = describe(&scheduler(), &form(), true);
        assert_eq!(told["button_name"], "Force");
        let fields = told["all_fields"].as_array().unwrap();
        let names = |group: &Value| -> Vec<String> {
            let fields = group["fields"].as_array().unwrap();
            fields.iter().map(|f| f["fullName"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&fields[0]), ["username", "reason", "priority"]);
        assert_eq!(names(&fields[1]), ["branch", "revision"]);
        assert_eq!(fields[0]["fullName"], Value::Null);
        let one = fields.iter().find(|field| field["name"] == "one").unwrap();
        let mut keys: Vec<&str> = one.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        // The keys of a recorded answer of stock Buildbot 4.3.
        assert_eq!(
            keys,
            [
                "autopopulate",
                "choices",
                "default",
                "fullName",
                "hide",
                "label",
                "maxsize",
                "multiple",
                "name",
                "regex",
                "required",
                "strict",
                "tablabel",
                "tooltip",
                "type",
            ]
        );
    }
}
