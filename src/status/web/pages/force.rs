//! `/schedulers/NAME/force`: the form of a force scheduler.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::actions::form_pairs;
use super::{Page, PageError, local};
use crate::config::checked::{FieldKind, ForceField, ForceScheduler, SchedulerOptions};
use crate::status::web::api::{OWNER, force_schedulers};
use crate::status::web::backstage::{Refusal, Submitted, Wish};
use crate::status::web::guard;
use crate::status::web::render::Frame;
use crate::status::web::site::Site;

#[derive(Serialize)]
struct View {
    name: String,
    label: String,
    button: String,
    builders: Vec<Builder>,
    fields: Vec<FieldView>,
    error: Option<String>,
}

#[derive(Serialize)]
struct Builder {
    name: String,
    chosen: bool,
}

/// One input.
#[derive(Serialize)]
struct FieldView {
    name: String,
    label: String,
    kind: &'static str,
    value: Value,
    required: bool,
    tooltip: String,
    error: Option<String>,
    size: Option<usize>,
    rows: usize,
    cols: usize,
    multiple: bool,
    strict: bool,
    choices: Vec<Choice>,
}

#[derive(Serialize)]
struct Choice {
    text: String,
    chosen: bool,
}

#[derive(Deserialize)]
pub struct Chosen {
    builder: Option<String>,
}

/// What was typed before, and what was wrong with it.
#[derive(Default)]
struct Before {
    values: Option<Map<String, Value>>,
    builders: Vec<String>,
    errors: IndexMap<String, String>,
    error: Option<String>,
}

pub async fn form(
    request: HttpRequest,
    site: web::Data<Site>,
    path: web::Path<String>,
    chosen: web::Query<Chosen>,
) -> Page {
    let builders = chosen.into_inner().builder.into_iter().collect();
    show(&request, &site, &path, Before { builders, ..Before::default() }, StatusCode::OK)
}

pub async fn submit(
    request: HttpRequest,
    site: web::Data<Site>,
    path: web::Path<String>,
    body: web::Bytes,
) -> Page {
    guard::own_site(request.headers(), &site.config())?;
    guard::may_control(&request)?;
    let (builders, values) = {
        let config = site.config();
        let (_, force) = find(&config, &path)?;
        read(&body, &force.fields)
    };
    let wish = Wish { builders, values, owner: OWNER.to_owned() };
    match site.backstage.force(&path, wish.clone()).await {
        Ok(submitted) => Ok(see(&submitted)),
        Err(refusal) => {
            let error = Some(refusal.to_string());
            let errors = match refusal {
                Refusal::Invalid(errors) => errors,
                _ => IndexMap::new(),
            };
            let Wish { values, builders, .. } = wish;
            let before = Before { values: Some(values), builders, errors, error };
            show(&request, &site, &path, before, StatusCode::BAD_REQUEST)
        }
    }
}

/// One builder: its page; several: the queue.
fn see(submitted: &Submitted) -> HttpResponse {
    let place = match submitted.requests.as_slice() {
        [(builder, _)] => format!("/builders/{builder}"),
        _ => "/pending".to_owned(),
    };
    HttpResponse::SeeOther().insert_header((header::LOCATION, place)).finish()
}

fn find<'c>(
    config: &'c crate::config::checked::MasterConfig,
    name: &str,
) -> Result<(&'c SchedulerOptions, &'c ForceScheduler), PageError> {
    force_schedulers(config)
        .find(|(scheduler, _)| scheduler.name == name)
        .ok_or_else(|| PageError::NotFound(format!("force scheduler '{name}'")))
}

/// Builders and values of a posted form.
fn read(body: &[u8], fields: &[ForceField]) -> (Vec<String>, Map<String, Value>) {
    let pairs = form_pairs(body);
    let all_of = |name: &str| -> Vec<String> {
        pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    };
    let mut values = Map::new();
    for field in fields {
        let mut given = all_of(&field.name);
        let value = match &field.kind {
            FieldKind::Fixed => continue,
            // An unchecked box is not sent at all.
            FieldKind::Bool => Value::Bool(given.iter().any(|text| text == "true")),
            FieldKind::Choice { multiple: true, .. } => Value::from(given),
            _ => match given.pop() {
                Some(text) => Value::String(text.replace("\r\n", "\n")),
                None => continue,
            },
        };
        values.insert(field.name.clone(), value);
    }
    (all_of("builderNames"), values)
}

fn show(
    request: &HttpRequest,
    site: &Site,
    name: &str,
    before: Before,
    status: StatusCode,
) -> Page {
    let config = site.config();
    let (scheduler, force) = find(&config, name)?;
    let none_chosen = before.builders.is_empty();
    let view = View {
        name: scheduler.name.clone(),
        label: if force.label.is_empty() { scheduler.name.clone() } else { force.label.clone() },
        button: if force.button_name.is_empty() {
            "Force".into()
        } else {
            force.button_name.clone()
        },
        builders: scheduler
            .builder_names
            .iter()
            .map(|name| Builder {
                chosen: none_chosen || before.builders.contains(name),
                name: name.clone(),
            })
            .collect(),
        fields: force
            .fields
            .iter()
            .filter(|field| !field.hide && field.kind != FieldKind::Fixed)
            .map(|field| field_view(field, &before))
            .collect(),
        error: before.error,
    };
    let frame = Frame::new("force", &view.label, "schedulers").still();
    Ok(frame.local(local(request)).status(status).render(site, &view))
}

fn field_view(field: &ForceField, before: &Before) -> FieldView {
    let given = before.values.as_ref().and_then(|values| values.get(&field.name));
    let value = given.unwrap_or(&field.default).clone();
    let is = |text: &String| match &value {
        Value::Array(chosen) => chosen.iter().any(|one| one == text),
        one => one == text,
    };
    let mut view = FieldView {
        name: field.name.clone(),
        label: field.label.clone(),
        kind: "text",
        required: field.required,
        tooltip: field.tooltip.clone(),
        error: before.errors.get(&field.name).cloned(),
        size: None,
        rows: 0,
        cols: 0,
        multiple: false,
        strict: false,
        choices: Vec::new(),
        value: Value::Null,
    };
    match &field.kind {
        FieldKind::Text { size } => view.size = Some((*size).clamp(24, 80)),
        FieldKind::TextArea { cols, rows } => {
            (view.kind, view.cols, view.rows) = ("textarea", *cols, *rows);
        }
        FieldKind::Int => (view.kind, view.size) = ("int", Some(10)),
        FieldKind::Bool => view.kind = "bool",
        FieldKind::Choice { choices, multiple, strict } => {
            (view.kind, view.multiple, view.strict) = ("list", *multiple, *strict || *multiple);
            let choice = |text: &String| Choice { chosen: is(text), text: text.clone() };
            view.choices = choices.iter().map(choice).collect();
        }
        FieldKind::Username { .. } => (view.kind, view.size) = ("username", Some(40)),
        FieldKind::Fixed => {}
    }
    view.value = value;
    view
}
