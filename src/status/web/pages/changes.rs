//! `/changes` and `/changes/ID`.

use actix_web::web;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lines::{Line, lines};
use super::{Page, PageError};
use crate::config::MasterConfig;
use crate::db::listing::{
    BuildLine, ChangeRow, Scope, all, attach_changes, builds_of_change, newest,
};
use crate::db::{Conn, DbError, changes};
use crate::flow::verdict::Verdict;
use crate::model::{ChangeId, now};
use crate::status::web::backstage::SourceNote;
use crate::status::web::render::Frame;
use crate::status::web::site::Site;

const CHANGES: i64 = 50;
const BUILDS: i64 = 100;

#[derive(Deserialize)]
pub struct Before {
    before: Option<i64>,
}

#[derive(Serialize)]
struct List {
    changes: Vec<ChangeRow>,
    older: Option<i64>,
    sources: Vec<SourceNote>,
}

pub async fn list(site: web::Data<Site>, before: web::Query<Before>) -> Page {
    let scope = match before.before {
        Some(before) => Scope::condition(format!("changes.changeid < {before}")),
        None => Scope::all(),
    };
    let changes: Vec<ChangeRow> =
        site.db.read(move |conn| newest(conn, &scope, "changeid", CHANGES)).await?;
    let full = changes.len() as i64 == CHANGES;
    let older = changes.last().map(|change| change.changeid).filter(|_| full);
    let list = List { changes, older, sources: site.backstage.sources() };
    Ok(Frame::new("changes", "Changes", "changes").render(&site, &list))
}

#[derive(Serialize)]
struct One {
    change: Value,
    /// What each scheduler that looks at changes makes of it, by the configuration in force.
    verdicts: Vec<Verdict>,
    builds: Vec<Line>,
}

pub async fn one(site: web::Data<Site>, path: web::Path<i64>) -> Page {
    let id = path.into_inner();
    let config = site.config();
    let one = site.db.read(move |conn| load(conn, &config, id)).await?;
    let one = one.ok_or_else(|| PageError::NotFound(format!("change {id}")))?;
    let title = format!("Change {id}");
    Ok(Frame::new("change", &title, "changes").render(&site, &one))
}

fn load(conn: &mut Conn, config: &MasterConfig, id: i64) -> Result<Option<One>, DbError> {
    let rows: Vec<ChangeRow> = all(conn, &Scope::is("changes.changeid", id))?;
    let Some(mut change) = attach_changes(conn, &rows)?.pop() else { return Ok(None) };
    let link = change["revlink"].as_str().unwrap_or_default();
    if !(link.starts_with("http://") || link.starts_with("https://")) {
        change["revlink"] = Value::Null;
    }
    let stored = changes::get_many(conn, &[ChangeId(id)])?.pop();
    let verdicts = stored.iter().flat_map(|stored| {
        config.schedulers.iter().filter_map(|scheduler| scheduler.verdict(stored))
    });
    let verdicts = verdicts.collect();
    let scope = builds_of_change(conn, id)?;
    let builds = newest::<BuildLine>(conn, &scope, "buildid", BUILDS)?;
    Ok(Some(One { change, verdicts, builds: lines(conn, builds, now())? }))
}
