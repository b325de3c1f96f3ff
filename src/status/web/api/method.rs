//! The HTTP side of `/api/v2`: methods, CORS, the envelope and errors.

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use serde_json::{Value, json};

use super::query::{self, decode};
use super::routes::{self, Kind, Route};
use super::{ApiError, Ask, control, data, json, logs};
use crate::status::web::guard;
use crate::status::web::site::Site;

/// Longest accepted body of a POST in bytes, and of one that may not control anyway.
const BODY: (usize, usize) = (16 << 20, 64 << 10);

/// Files come with force forms.
fn most(request: &HttpRequest) -> usize {
    if guard::may_control(request).is_ok() { BODY.0 } else { BODY.1 }
}

/// `/api`
pub async fn api_versions(site: web::Data<Site>) -> HttpResponse {
    let url = format!("{}api/v2", site.config().buildbot_url);
    let body = json::compact(&json!({ "api_versions": { "v2": url } }));
    HttpResponse::Ok().content_type("application/json").body(body)
}

/// Everything below `/api/v2`.
pub async fn endpoint(
    request: HttpRequest,
    site: web::Data<Site>,
    payload: web::Payload,
) -> HttpResponse {
    let post = request.method() == Method::POST;
    let origin = match guard::origin(request.headers(), &site.config()) {
        Ok(origin) => origin,
        Err(denied) if post => return control::origin_refused(&denied.to_string()),
        Err(denied) => return refuse(&ApiError::Bad(denied.to_string())),
    };
    let mut response = match *request.method() {
        Method::GET | Method::HEAD => match read(&request, &site).await {
            Ok(response) => response,
            Err(error) => refuse(&error),
        },
        Method::POST => match payload.to_bytes_limited(most(&request)).await {
            Ok(Ok(body)) => control::call(&request, &site, &body).await,
            _ => refuse(&ApiError::Bad("the body is too large or incomplete".into())),
        },
        Method::OPTIONS if origin.is_some() => preflight(&request),
        _ => refuse(&ApiError::Bad("invalid HTTP method".into())),
    };
    if let Some(origin) = origin {
        allow_origin(&mut response, &origin);
    }
    response
}

fn allow_origin(response: &mut HttpResponse, origin: &str) {
    let Ok(origin) = header::HeaderValue::from_str(origin) else { return };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let plain = header::HeaderValue::from_static;
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, plain("Content-Type"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, plain("3600"));
    headers.insert(header::VARY, plain("Origin"));
}

fn preflight(request: &HttpRequest) -> HttpResponse {
    let wanted = request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD);
    match wanted.map(|method| method.as_bytes()) {
        Some(b"GET" | b"POST" | b"HEAD") => HttpResponse::Ok().finish(),
        _ => refuse(&ApiError::Bad("invalid method".into())),
    }
}

/// The path below `/api/v2`, still encoded.
pub(super) fn path_of(request: &HttpRequest) -> &str {
    let path = request.uri().path();
    let below = path.strip_prefix("/api/v2").or_else(|| path.strip_prefix("/api/latest"));
    let below = below.unwrap_or_default();
    below.strip_prefix('/').unwrap_or(below)
}

pub(super) fn invalid_path(path: &str) -> ApiError {
    ApiError::InvalidPath(decode(path, false))
}

async fn read(request: &HttpRequest, site: &Site) -> Result<HttpResponse, ApiError> {
    let path = path_of(request);
    let (route, captures) = routes::find(path).ok_or_else(|| invalid_path(path))?;
    let pairs = query::pairs(request.query_string());
    let collection = matches!(route.kind, Kind::Many(_));
    let mut query = query::parse(&pairs, route.fields, collection)?;
    query.explain = site.backstage.explain();
    let (config, backstage) = (site.config(), site.backstage.clone());
    let ask = Ask { captures, query, config, backstage, pattern: route.pattern };
    let read = match route.kind {
        Kind::One(read) | Kind::Many(read) => read,
        Kind::Log(raw) => return logs::download(site, ask, raw).await,
        Kind::Data => return data::download(site, ask).await,
    };
    let answer = site.db.read(move |conn| Ok(read(conn, &ask))).await??;
    Ok(entity_response(request, route, answer.envelope(route.plural)))
}

fn entity_response(request: &HttpRequest, _: &Route, envelope: Value) -> HttpResponse {
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accepts.is_some_and(|accepts| accepts.contains("application/json")) {
        let mut response = HttpResponse::Ok();
        return json_response(&mut response, json::compact(&envelope));
    }
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(json::indented(&envelope))
}

fn json_response(response: &mut HttpResponseBuilder, body: String) -> HttpResponse {
    response.content_type("application/json; charset=utf-8").body(body)
}

/// The error body of reads: always text/plain, as in stock.
fn refuse(error: &ApiError) -> HttpResponse {
    let status = error.status();
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(%error, "a REST request failed");
    }
    HttpResponse::build(status)
        .content_type("text/plain; charset=utf-8")
        .body(json::compact(&json!({ "error": error.to_string() })))
}
