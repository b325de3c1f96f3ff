//! `/about`: this master.

use actix_web::web;
use serde::Serialize;

use super::Page;
use crate::db::listing::{MasterRow, Scope, all};
use crate::status::web::render::Frame;
use crate::status::web::site::Site;

#[derive(Serialize)]
struct About {
    name: String,
    started_at: i64,
    url: String,
    builders: usize,
    workers: usize,
    schedulers: usize,
    sources: usize,
    masters: Vec<MasterRow>,
}

pub async fn page(site: web::Data<Site>) -> Page {
    let masters = site.db.read(|conn| all(conn, &Scope::all())).await?;
    let config = site.config();
    let about = About {
        name: site.master.name.clone(),
        started_at: site.master.started_at,
        url: config.buildbot_url.clone(),
        builders: config.builders.len(),
        workers: config.workers.len(),
        schedulers: config.schedulers.len(),
        sources: config.change_sources.len(),
        masters,
    };
    Ok(Frame::new("about", "About", "about").still().render(&site, &about))
}
