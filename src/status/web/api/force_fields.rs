//! Force schedulers as entities, from the configuration.

use serde_json::{Value, json};

use super::answer::select;
use super::{Answer, ApiError, Ask};
use crate::config::checked::{
    FieldKind, ForceField, ForceScheduler, MasterConfig, SchedulerOptions,
};
use crate::db::Conn;
use crate::db::listing::{self, BuilderRow, Field, Kind, Scope};

/// Fields of the entity `forcescheduler`.
pub const FIELDS: &[Field] = &[
    Field::identifier("name", "name"),
    Field::text("button_name", "button_name"),
    Field::text("label", "label"),
    Field::virtual_of(Kind::Texts, "builder_names"),
    Field::bool("enabled", "enabled"),
    Field::virtual_of(Kind::Object, "all_fields"),
];

pub fn all(_: &mut Conn, ask: &Ask) -> Result<Answer, ApiError> {
    Ok(ask.memory(entities(&ask.config).collect(), FIELDS))
}

pub fn one(_: &mut Conn, ask: &Ask) -> Result<Answer, ApiError> {
    let name = ask.captures.text("schedulername").unwrap_or_default();
    let found = entities(&ask.config).find(|entity| entity["name"] == name);
    let found = found.ok_or_else(|| ask.not_found())?;
    Ok(Answer::One(select(found, &ask.query.fields)))
}

pub fn of_builder(conn: &mut Conn, ask: &Ask) -> Result<Answer, ApiError> {
    let id = ask.captures.number("builderid").unwrap_or(-1);
    let builder = listing::one::<BuilderRow>(conn, &Scope::is("builders.id", id))?;
    let name = builder.ok_or_else(|| ask.not_found())?.name;
    let of_builder = entities(&ask.config).filter(|entity| {
        entity["builder_names"].as_array().is_some_and(|names| names.iter().any(|n| *n == *name))
    });
    Ok(ask.memory(of_builder.collect(), FIELDS))
}

/// The force schedulers of a configuration.
pub fn force_schedulers(
    config: &MasterConfig,
) -> impl Iterator<Item = (&SchedulerOptions, &ForceScheduler)> {
    config
        .schedulers
        .iter()
        .filter_map(|scheduler| Some((&scheduler.options, scheduler.plan.form()?)))
}

fn entities(config: &MasterConfig) -> impl Iterator<Item = Value> {
    force_schedulers(config).map(|(scheduler, force)| {
        json!({
            "name": scheduler.name,
            "button_name": force.button_name,
            "label": force.label,
            "builder_names": scheduler.builder_names,
            "enabled": true,
            "all_fields": [group("", force.fields.iter().map(field).collect())],
        })
    })
}

/// An anonymous vertical group, as the stock front-end expects around plain fields.
fn group(name: &str, fields: Vec<Value>) -> Value {
    let visible = fields.iter().filter(|field| field["hide"] == false).count();
    let columns = if visible >= 4 { 2 } else { 1 };
    json!({
        "name": name, "fullName": null, "label": "", "tablabel": "", "type": "nested",
        "default": "", "required": false, "multiple": false, "regex": null, "hide": false,
        "maxsize": null, "autopopulate": null, "tooltip": "", "layout": "vertical",
        "columns": columns, "fields": fields,
    })
}

fn field(field: &ForceField) -> Value {
    let mut entity = json!({
        "name": field.name, "fullName": field.name, "label": field.label,
        "tablabel": field.label, "default": field.default, "required": field.required,
        "multiple": false, "regex": null, "hide": field.hide, "maxsize": field.maxsize,
        "autopopulate": null, "tooltip": field.tooltip,
    });
    let mut set = |key: &str, value: Value| entity[key] = value;
    match &field.kind {
        FieldKind::Text { size } => {
            set("type", json!("text"));
            set("size", json!(size));
        }
        FieldKind::TextArea { cols, rows } => {
            set("type", json!("textarea"));
            set("size", json!(80));
            set("cols", json!(cols));
            set("rows", json!(rows));
        }
        FieldKind::Int => {
            set("type", json!("int"));
            set("size", json!(10));
        }
        FieldKind::Bool => set("type", json!("bool")),
        FieldKind::Choice { choices, multiple, strict } => {
            set("type", json!("list"));
            set("choices", json!(choices));
            set("multiple", json!(multiple));
            set("strict", json!(strict));
        }
        FieldKind::Username { need_email } => {
            set("type", json!("username"));
            set("size", json!(80));
            set("need_email", json!(need_email));
        }
        FieldKind::Fixed => {
            set("type", json!("fixed"));
            set("hide", json!(true));
        }
    }
    entity
}
