//! Build data and projects.

use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::{Value, json};

use crate::db::listing::{
    self, BuildDataRow, Filter, Op, ProjectRow, Scope, Want, active_projects,
};
use crate::db::{Conn, DbError, build_data};
use crate::model::BuildId;
use crate::status::web::site::Site;

use super::query::Query;
use super::{Answer, ApiError, Ask};

type Answered = Result<Answer, ApiError>;

/// As in stock, the value is null here; its bytes have an address of their own.
fn without_value(_: &mut Conn, rows: &[BuildDataRow], _: &Query) -> Result<Vec<Value>, DbError> {
    let entity = |row: &BuildDataRow| {
        let mut entity = serde_json::to_value(row).unwrap_or_default();
        entity["value"] = Value::Null;
        entity
    };
    Ok(rows.iter().map(entity).collect())
}

pub fn all(conn: &mut Conn, ask: &Ask) -> Answered {
    let build = ask.build_id(conn)?.unwrap_or(-1);
    ask.small(conn, &Scope::is("build_data.buildid", build), without_value)
}

pub fn one(conn: &mut Conn, ask: &Ask) -> Answered {
    let build = ask.build_id(conn)?.ok_or_else(|| ask.not_found())?;
    let name = Scope::text("build_data.name", ask.captures.text("name").unwrap_or_default());
    ask.one(conn, &Scope::is("build_data.buildid", build).and(name), without_value)
}

/// The bytes of a value.
///
/// # Errors
/// When there is none.
pub(super) async fn download(site: &Site, ask: Ask) -> Result<HttpResponse, ApiError> {
    let missing = ask.not_found();
    let name = ask.captures.text("name").unwrap_or_default().to_owned();
    let key = name.clone();
    let value = site
        .db
        .read(move |conn| match ask.build_id(conn)? {
            Some(build) => build_data::value(conn, BuildId(build), &key),
            None => Ok(None),
        })
        .await?
        .ok_or(missing)?;
    // Whatever a step has left there gets no rights on this site.
    let mut response = HttpResponse::Ok();
    response
        .content_type("application/octet-stream")
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox"));
    let disposition = format!("attachment; filename={name}");
    if let Ok(value) = header::HeaderValue::from_bytes(disposition.as_bytes()) {
        response.insert_header((header::CONTENT_DISPOSITION, value));
    }
    Ok(response.body(value))
}

/// `active` is null unless the query asks for it, as in stock.
fn with_activity(_: &mut Conn, rows: &[ProjectRow], query: &Query) -> Result<Vec<Value>, DbError> {
    let active = query.active_projects;
    let entity = |row: &ProjectRow| {
        let mut entity = serde_json::to_value(row).unwrap_or_default();
        entity["active"] = json!(active);
        entity
    };
    Ok(rows.iter().map(entity).collect())
}

pub fn projects(conn: &mut Conn, ask: &Ask) -> Answered {
    let mut query = ask.query.clone();
    let is_active = |filter: &Filter| filter.field == "active" && filter.op == Op::Eq;
    if let Some(place) = query.spec.filters.iter().position(is_active) {
        let filter = query.spec.filters.remove(place);
        query.active_projects = Some(filter.values.first() != Some(&Want::Int(0)));
    }
    let scope = query.active_projects.map_or_else(Scope::all, active_projects);
    ask.with_query(query).small(conn, &scope, with_activity)
}

pub fn project(conn: &mut Conn, ask: &Ask) -> Answered {
    let scope = match (ask.captures.number("projectid"), ask.captures.text("projectname")) {
        (Some(id), _) => Scope::is("projects.id", id),
        (None, name) => Scope::text("projects.name", name.unwrap_or_default()),
    };
    ask.one(conn, &scope, with_activity)
}

/// The id of the project that the path names.
///
/// # Errors
/// When the database refuses.
pub fn project_id(conn: &mut Conn, ask: &Ask) -> Result<Option<i64>, DbError> {
    let Some(name) = ask.captures.text("projectname") else {
        return Ok(ask.captures.number("projectid"));
    };
    let row = listing::one::<ProjectRow>(conn, &Scope::text("projects.name", name))?;
    Ok(row.map(|row| row.projectid))
}
