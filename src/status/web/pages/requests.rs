//! `/requests/N`: what became of a build request, or why it still waits.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::lines::{Line, lines};
use super::{Page, PageError, actions, local};
use crate::db::listing::{self, BuildLine, BuilderRow, BuildsetRow, RequestRow, Scope, newest};
use crate::db::{Conn, DbError};
use crate::model::{BuildRequestId, now};
use crate::status::web::backstage::{Explain, Refusal};
use crate::status::web::render::Frame;
use crate::status::web::site::Site;

/// Builds, and requests taken in, that are shown.
const MANY: i64 = 100;

#[derive(Serialize)]
struct View {
    request: RequestRow,
    builder: String,
    reason: Option<String>,
    /// Why it waits, as long as it does.
    why: Option<String>,
    took_over: Vec<i64>,
    builds: Vec<Line>,
}

pub async fn page(request: HttpRequest, site: web::Data<Site>, path: web::Path<i64>) -> Page {
    let id = path.into_inner();
    let explain = site.backstage.explain();
    let view = site.db.read(move |conn| load(conn, &explain, id)).await?;
    let view = view.ok_or_else(|| PageError::NotFound(format!("build request {id}")))?;
    let title = format!("Request {id}");
    let frame = Frame::new("request", &title, "pending").local(local(&request));
    let events = format!("builder={}", view.request.builderid);
    Ok(frame.events(events).render(&site, &view))
}

fn load(conn: &mut Conn, explain: &Explain, id: i64) -> Result<Option<View>, DbError> {
    let scope = Scope::is("buildrequests.id", id);
    let Some(request) = listing::one::<RequestRow>(conn, &scope)? else { return Ok(None) };
    let buildset: Option<BuildsetRow> =
        listing::one(conn, &Scope::is("buildsets.id", request.buildsetid))?;
    let builder: Option<BuilderRow> =
        listing::one(conn, &Scope::is("builders.id", request.builderid))?;
    let of_request = Scope::is("builds.buildrequestid", id);
    let builds = newest::<BuildLine>(conn, &of_request, "buildid", MANY)?;
    let why = explain.why(conn, &[BuildRequestId(id)])?.remove(&BuildRequestId(id));
    Ok(Some(View {
        builder: builder.map(|builder| builder.name).unwrap_or_default(),
        reason: buildset.and_then(|buildset| buildset.reason),
        why,
        took_over: taken_in(conn, id)?,
        builds: lines(conn, builds, now())?,
        request,
    }))
}

/// Requests that were collapsed into this one.
pub(super) fn taken_in(conn: &mut Conn, id: i64) -> Result<Vec<i64>, DbError> {
    let scope = Scope::is("ours.collapsed_into", id);
    let rows = newest::<RequestRow>(conn, &scope, "buildrequestid", MANY)?;
    let mut ids: Vec<i64> = rows.iter().map(|row| row.buildrequestid).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// The form that changes a priority.
pub async fn prioritize(
    request: HttpRequest,
    site: web::Data<Site>,
    path: web::Path<i64>,
    body: web::Bytes,
) -> Page {
    actions::check(&request, &site)?;
    let pairs = actions::form_pairs(&body);
    let wanted = pairs.iter().find(|(name, _)| name == "priority");
    let priority = wanted.and_then(|(_, value)| value.trim().parse().ok());
    let priority = priority.ok_or_else(|| {
        PageError::Refused(Refusal::Invalid(
            [("priority".to_owned(), "whole number".to_owned())].into(),
        ))
    })?;
    site.backstage.set_priority(BuildRequestId(*path), priority).await?;
    let place = format!("/requests/{path}");
    Ok(HttpResponse::SeeOther().insert_header((header::LOCATION, place)).finish())
}
