//! `/locks`: who holds which lock, and who waits for it.

use actix_web::web;
use serde::Serialize;

use super::Page;
use crate::flow::locks::LockStatus;
use crate::status::web::render::Frame;
use crate::status::web::site::Site;

#[derive(Serialize)]
struct Locks {
    locks: Vec<LockStatus>,
}

pub async fn page(site: web::Data<Site>) -> Page {
    let locks = Locks { locks: site.backstage.locks() };
    Ok(Frame::new("locks", "Locks", "locks").render(&site, &locks))
}
