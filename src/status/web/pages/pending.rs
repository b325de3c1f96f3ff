//! `/pending`: every request that waits, and why.

use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::lines::{Waiting, with_reasons};
use super::{Page, local};
use crate::db::Conn;
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
    let explain = site.backstage.explain();
    let load = move |conn: &mut Conn| {
        let page = list::<RequestLine>(conn, &waiting(), &spec)?;
        Ok((with_reasons(conn, &explain, page.rows)?, page.total))
    };
    let (requests, total) = site.db.read(load).await?;
    let caption = match total {
        1 => "1 request waits for a worker".to_owned(),
        total if total > REQUESTS => {
            format!("The oldest {REQUESTS} of {total} requests that wait for a worker")
        }
        total => format!("{total} requests wait for a worker"),
    };
    let pending = Pending { requests, caption };
    let frame = Frame::new("pending", "Pending", "pending").local(local(&request));
    Ok(frame.render(&site, &pending))
}
