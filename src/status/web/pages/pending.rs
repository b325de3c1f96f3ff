//! `/pending`: every request that waits, and why.

use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::lines::{Waiting, with_reasons};
use super::{Page, local};
use crate::db::listing::{RequestLine, Spec, list, waiting};
use crate::status::web::render::Frame;
use crate::status::web::site::Site;

/// Requests shown; the oldest come first, as they are served.
const REQUESTS: i64 = 500;

#[derive(Serialize)]
struct Pending {
    requests: Vec<Waiting>,
    caption: String,
}

pub async fn page(request: HttpRequest, site: web::Data<Site>) -> Page {
    let spec = Spec { limit: Some(REQUESTS), ..Spec::default() };
    let page = site.db.read(move |conn| list::<RequestLine>(conn, &waiting(), &spec)).await?;
    let caption = match page.total {
        1 => "1 request waits for a worker".to_owned(),
        total if total > REQUESTS => {
            format!("The oldest {REQUESTS} of {total} requests that wait for a worker")
        }
        total => format!("{total} requests wait for a worker"),
    };
    let pending = Pending { requests: with_reasons(&site, page.rows), caption };
    let frame = Frame::new("pending", "Pending", "pending").local(local(&request));
    Ok(frame.render(&site, &pending))
}
