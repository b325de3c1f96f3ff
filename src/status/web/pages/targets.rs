//! `/targets`: the status targets, what they are about to tell, and what became of it.

use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::actions;
use super::{Page, PageError};
use crate::db::outbox::{self, Line, Tally};
use crate::db::{Conn, DbError};
use crate::reporters::registry::Plan;
use crate::status::targets;
use crate::status::web::backstage::BotNote;
use crate::status::web::guard;
use crate::status::web::render::Frame;
use crate::status::web::site::Site;

/// Messages that are shown of each target.
const SHOWN: i64 = 20;

#[derive(Serialize)]
struct Model {
    bots: Vec<BotNote>,
    targets: Vec<Target>,
}

#[derive(Serialize)]
struct Target {
    name: String,
    /// `None` for one that is no longer configured.
    kind: Option<&'static str>,
    queued: i64,
    failed: i64,
    last_sent: Option<i64>,
    messages: Vec<Line>,
}

pub async fn page(request: HttpRequest, site: web::Data<Site>) -> Page {
    let config = site.config();
    let sending = config.reporters.iter().filter(|target| matches!(target.plan, Plan::Messages(_)));
    let configured: Vec<(String, &'static str)> =
        sending.map(|target| (target.name.clone(), target.class)).collect();
    let targets = site.db.read(move |conn| read(conn, &configured)).await?;
    let local = guard::may_control(&request).is_ok();
    Ok(Frame::new("targets", "Status targets", "targets")
        .local(local)
        .render(&site, &Model { bots: site.backstage.bots(), targets }))
}

/// Configured targets in their order, then others that have messages.
fn read(conn: &mut Conn, configured: &[(String, &'static str)]) -> Result<Vec<Target>, DbError> {
    let mut tallies = outbox::tallies(conn)?;
    let mut messages = outbox::recent_of_each(conn, SHOWN)?;
    let mut target = |name: String, kind, tally: Tally| Target {
        messages: messages.remove(&name).unwrap_or_default(),
        name,
        kind,
        queued: tally.queued,
        failed: tally.failed,
        last_sent: tally.last_sent,
    };
    let mut targets = Vec::new();
    for (name, class) in configured {
        targets.push(target(name.clone(), Some(*class), tallies.remove(name).unwrap_or_default()));
    }
    for (name, tally) in tallies {
        targets.push(target(name, None, tally));
    }
    Ok(targets)
}

/// Tries a message again at once.
pub async fn again(request: HttpRequest, site: web::Data<Site>, path: web::Path<i64>) -> Page {
    actions::check(&request, &site)?;
    if !targets::try_again(&site.db, *path).await? {
        return Err(PageError::NotFound(format!("message {path} that was not sent")));
    }
    Ok(actions::see("/targets"))
}
