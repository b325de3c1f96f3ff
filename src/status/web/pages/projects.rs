//! `/projects` and `/projects/NAME-OR-ID`.

use actix_web::web;
use serde::Serialize;

use super::{Page, PageError};
use crate::db::listing::{self, BuildLine, BuilderRow, ProjectRow, Scope, all, latest_per_builder};
use crate::db::{Conn, DbError};
use crate::status::web::render::Frame;
use crate::status::web::site::Site;

#[derive(Serialize)]
struct List {
    projects: Vec<ProjectRow>,
}

pub async fn list(site: web::Data<Site>) -> Page {
    let projects = site.db.read(|conn| all::<ProjectRow>(conn, &Scope::all())).await?;
    Ok(Frame::new("projects", "Projects", "builders").render(&site, &List { projects }))
}

#[derive(Serialize)]
struct One {
    project: ProjectRow,
    builders: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    builder: BuilderRow,
    last: Option<BuildLine>,
}

pub async fn one(site: web::Data<Site>, path: web::Path<String>) -> Page {
    let wanted = path.into_inner();
    let missing = format!("project '{wanted}'");
    let one = site.db.read(move |conn| load(conn, &wanted)).await?;
    let one = one.ok_or(PageError::NotFound(missing))?;
    Ok(Frame::new("project", &one.project.name, "builders").render(&site, &one))
}

fn load(conn: &mut Conn, wanted: &str) -> Result<Option<One>, DbError> {
    let scope = match wanted.parse::<i64>() {
        Ok(id) => Scope::is("projects.id", id),
        Err(_) => Scope::text("projects.name", wanted),
    };
    let Some(project) = listing::one::<ProjectRow>(conn, &scope)? else { return Ok(None) };
    let of_project = Scope::is("builders.projectid", project.projectid);
    let mut builders: Vec<BuilderRow> = all(conn, &of_project)?;
    builders.sort_by(|a, b| a.name.cmp(&b.name));
    let last: Vec<BuildLine> = all(conn, &latest_per_builder())?;
    let item = |builder: BuilderRow| {
        let last = last.iter().find(|build| build.builderid == builder.builderid).cloned();
        Item { builder, last }
    };
    Ok(Some(One { builders: builders.into_iter().map(item).collect(), project }))
}
