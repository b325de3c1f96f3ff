//! `/schedulers`: what each waits for, and the ways to force a build.

use std::collections::HashMap;

use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::{Page, local};
use crate::db::listing::{SchedulerRow, Scope, all};
use crate::status::web::api::force_schedulers;
use crate::status::web::backstage::SchedulerNote;
use crate::status::web::render::Frame;
use crate::status::web::site::Site;

#[derive(Serialize)]
struct View {
    forces: Vec<Force>,
    schedulers: Vec<Item>,
}

#[derive(Serialize)]
struct Force {
    name: String,
    label: String,
    builders: Vec<String>,
}

#[derive(Serialize)]
struct Item {
    schedulerid: i64,
    name: String,
    enabled: bool,
    kind: String,
    note: Option<SchedulerNote>,
}

pub async fn page(request: HttpRequest, site: web::Data<Site>) -> Page {
    let mut rows: Vec<SchedulerRow> = site.db.read(|conn| all(conn, &Scope::all())).await?;
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    let notes = site.backstage.schedulers().into_iter();
    let mut notes: HashMap<String, SchedulerNote> =
        notes.map(|note| (note.name.clone(), note)).collect();
    // A row without a master is history unless it runs here.
    let known = rows.into_iter().filter_map(|row| {
        let note = notes.remove(&row.name);
        (note.is_some() || row.masterid.is_some()).then(|| Item {
            schedulerid: row.schedulerid,
            name: row.name,
            enabled: row.enabled,
            kind: note.as_ref().map(|note| note.kind.clone()).unwrap_or_default(),
            note,
        })
    });
    let config = site.config();
    let forces = force_schedulers(&config).map(|(scheduler, force)| Force {
        name: scheduler.name.clone(),
        label: if force.label.is_empty() { scheduler.name.clone() } else { force.label.clone() },
        builders: scheduler.builder_names.clone(),
    });
    let view = View { forces: forces.collect(), schedulers: known.collect() };
    let frame = Frame::new("schedulers", "Schedulers", "schedulers").local(local(&request));
    Ok(frame.render(&site, &view))
}
