//! `/schedulers/NAME/force`: the form of a force scheduler.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::actions::form_pairs;
use super::force_inputs::{Answers, Input, inputs};
use super::{Page, PageError, local};
use crate::config::checked::{FieldKind, ForceField, ForceScheduler, SchedulerOptions};
use crate::db::DbError;
use crate::status::web::api::{OWNER, force_schedulers, offers};
use crate::status::web::backstage::{Refusal, Submitted, Wish};
use crate::status::web::guard;
use crate::status::web::multipart;
use crate::status::web::render::Frame;
use crate::status::web::site::Site;

/// Bytes of a posted form at most, its files included.
const FORM: usize = 16 << 20;

#[derive(Serialize)]
struct View {
    name: String,
    label: String,
    button: String,
    builders: Vec<Builder>,
    inputs: Vec<Input>,
    /// The form has files.
    files: bool,
    error: Option<String>,
}

#[derive(Serialize)]
struct Builder {
    name: String,
    chosen: bool,
}

#[derive(Deserialize)]
pub struct Chosen {
    builder: Option<String>,
}

/// What was typed before, and what was wrong with it.
#[derive(Default)]
struct Before {
    answers: Answers,
    builders: Vec<String>,
    error: Option<String>,
}

pub async fn form(
    request: HttpRequest,
    site: web::Data<Site>,
    path: web::Path<String>,
    chosen: web::Query<Chosen>,
) -> Page {
    let builders = chosen.into_inner().builder.into_iter().collect();
    show(&request, &site, &path, Before { builders, ..Before::default() }, StatusCode::OK).await
}

pub async fn submit(
    request: HttpRequest,
    site: web::Data<Site>,
    path: web::Path<String>,
    payload: web::Payload,
) -> Page {
    guard::own_site(request.headers(), &site.config())?;
    guard::may_control(&request)?;
    let Ok(Ok(body)) = payload.to_bytes_limited(FORM).await else {
        let error = Some(format!("the form is larger than {} MiB, or incomplete", FORM >> 20));
        let before = Before { error, ..Before::default() };
        return show(&request, &site, &path, before, StatusCode::PAYLOAD_TOO_LARGE).await;
    };
    let (builders, values) = {
        let config = site.config();
        let (_, form) = find(&config, &path)?;
        let pairs = pairs(&request, &body);
        let mut values = Map::new();
        for field in all(form) {
            read(field, &pairs, &mut values);
        }
        (texts(&pairs, "builderNames"), values)
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
            let answers = Answers { values: Some(values), errors };
            let before = Before { answers, builders, error };
            show(&request, &site, &path, before, StatusCode::BAD_REQUEST).await
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

/// Every field of the form, groups as a whole.
fn all(form: &ForceScheduler) -> impl Iterator<Item = &ForceField> {
    [&form.username, &form.reason, &form.priority].into_iter().chain(&form.fields)
}

/// Names and values of a posted form, with files or without.
fn pairs(request: &HttpRequest, body: &[u8]) -> Vec<(String, String)> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    match kind.and_then(|kind| multipart::parts(kind, body)) {
        Some(parts) => {
            let text = |part: multipart::Part| {
                (part.name, String::from_utf8_lossy(&part.body).into_owned())
            };
            parts.into_iter().map(text).collect()
        }
        None => form_pairs(body),
    }
}

fn texts(pairs: &[(String, String)], name: &str) -> Vec<String> {
    pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
}

/// Adds what was posted for a field, and for those in it.
fn read(field: &ForceField, pairs: &[(String, String)], values: &mut Map<String, Value>) {
    let mut given = texts(pairs, &field.full_name);
    let value = match &field.kind {
        FieldKind::Nested(nested) => {
            return nested.fields.iter().for_each(|inner| read(inner, pairs, values));
        }
        FieldKind::Fixed => return,
        // An unchecked box is not sent at all, and neither is one that is not shown.
        FieldKind::Bool if field.hide => return,
        FieldKind::Bool => Value::Bool(given.iter().any(|text| text == "true")),
        FieldKind::Choice { multiple: true, .. } => Value::from(given),
        // As it is.
        FieldKind::File => match given.pop() {
            Some(text) => Value::String(text),
            None => return,
        },
        _ => match given.pop() {
            Some(text) => Value::String(text.replace("\r\n", "\n")),
            None => return,
        },
    };
    values.insert(field.full_name.clone(), value);
}

async fn show(
    request: &HttpRequest,
    site: &Site,
    name: &str,
    before: Before,
    status: StatusCode,
) -> Page {
    let config = site.config();
    let (scheduler, force) = find(&config, name)?;
    let none_chosen = before.builders.is_empty();
    let or = |text: &str, other: &str| if text.is_empty() { other } else { text }.to_owned();
    let (seen, own) = (config.clone(), name.to_owned());
    let offers = site.db.read(move |conn| match find(&seen, &own) {
        Ok((scheduler, form)) => offers(conn, &seen, scheduler, form),
        Err(_) => Err(DbError::NotFound),
    });
    let inputs = inputs(all(force), &before.answers, &offers.await?);
    let view = View {
        name: scheduler.name.clone(),
        label: or(&force.label, &scheduler.name),
        button: or(&force.button_name, "Force"),
        builders: scheduler
            .builder_names
            .iter()
            .map(|name| Builder {
                chosen: none_chosen || before.builders.contains(name),
                name: name.clone(),
            })
            .collect(),
        files: inputs.iter().any(Input::is_file),
        inputs,
        error: before.error,
    };
    let frame = Frame::new("force", &view.label, "schedulers").still();
    Ok(frame.local(local(request)).status(status).render(site, &view))
}
