//! Files that are part of the program, and addresses that lead nowhere.

use std::fmt::Write as _;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use super::{Page, PageError};
use crate::status::web::render::Static;

/// `/static/FILE`, revalidated by a hash of its contents.
pub async fn file(request: HttpRequest, path: web::Path<String>) -> Page {
    let missing = || PageError::NotFound(format!("file '{path}'"));
    let file = Static::get(&path).ok_or_else(missing)?;
    let mut tag = String::from("\"");
    for byte in &file.metadata.sha256_hash()[..8] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    let known = request.headers().get(header::IF_NONE_MATCH);
    if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    Ok(HttpResponse::Ok()
        .content_type(file.metadata.mimetype())
        .insert_header((header::ETAG, tag))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(file.data.into_owned()))
}

/// Machines have the REST interface.
pub async fn robots() -> &'static str {
    "User-agent: *\nDisallow: /\n"
}

pub async fn nowhere(request: HttpRequest) -> Page {
    Err(PageError::NotFound(format!("page '{}'", request.path())))
}
