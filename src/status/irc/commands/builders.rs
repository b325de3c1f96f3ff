//! What several commands look up: builders, which of them have a worker, their builds.

use std::collections::HashSet;

use super::{Ask, Complaint};
use crate::db::builders::{self, BuilderRow};
use crate::db::listing::{self, BuildLine, configured_builders, newest, running_of};
use crate::db::{Conn, DbError, workers};
use crate::model::BuilderId;

/// Builds of one builder that run at the same time and are told of.
const RUNNING: i64 = 50;

/// A builder as people ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Builder {
    pub id: BuilderId,
    pub name: String,
    /// A worker of it is connected.
    pub online: bool,
}

/// Which builders a question is about: one, all, or those with a worker.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// Also those that were once.
    pub every: bool,
    pub one: Option<BuilderId>,
}

impl Wanted {
    /// Reads `[BUILDER|all]`; `command` is for the complaint.
    ///
    /// # Errors
    /// When there is no such builder, or more is written.
    pub async fn read(ask: &Ask, command: &str) -> Result<Wanted, Complaint> {
        let words = ask.words()?;
        let (every, one) = match words.as_slice() {
            [] => (false, None),
            [word] if word == "all" => (true, None),
            [word] => (true, Some(named(ask, word).await?.id)),
            _ => return Err(Complaint::usage(format!("try '{command} [BUILDER|all]'"))),
        };
        Ok(Wanted { every, one })
    }

    pub fn takes(&self, builder: &Builder) -> bool {
        self.one.map_or(self.every || builder.online, |id| builder.id == id)
    }
}

/// Says a line for each builder.
pub(super) async fn say(ask: &Ask, lines: &[String]) -> Result<(), Complaint> {
    match lines.is_empty() {
        true => ask.say("no builder has a worker at the moment").await,
        false => ask.say(lines.join("\n")).await,
    }
}

/// Every configured builder, by name; `all` also those that were once.
pub(super) fn list(conn: &mut Conn, all: bool) -> Result<Vec<Builder>, DbError> {
    let scope = if all { listing::Scope::all() } else { configured_builders() };
    let rows = listing::builders(conn, &scope)?;
    let online = online(conn)?;
    let builder = |row: listing::BuilderRow| {
        let id = BuilderId(row.builderid);
        Builder { online: online.contains(&id), id, name: row.name }
    };
    let mut found: Vec<Builder> = rows.into_iter().map(builder).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn online(conn: &mut Conn) -> Result<HashSet<BuilderId>, DbError> {
    let workers = workers::list(conn)?;
    let connected = workers.iter().filter(|worker| !worker.connected_to.is_empty());
    Ok(connected.flat_map(|worker| worker.configured_on.iter().map(|(_, id)| *id)).collect())
}

/// The builder of that name.
///
/// # Errors
/// When there is none.
pub(super) async fn named(ask: &Ask, name: &str) -> Result<BuilderRow, Complaint> {
    let wanted = name.to_owned();
    let found = ask.bot.db.read(move |conn| builders::by_name(conn, &wanted)).await;
    found.map_err(|error| match error {
        DbError::NotFound => Complaint::usage(format!("there is no builder '{name}'")),
        other => Complaint::Db(other),
    })
}

/// The builder's builds that have not ended, the oldest first.
pub(super) async fn running(ask: &Ask, builder: BuilderId) -> Result<Vec<BuildLine>, Complaint> {
    let scope = running_of(builder.0);
    let read = move |conn: &mut Conn| newest::<BuildLine>(conn, &scope, "number", RUNNING);
    let mut found = ask.bot.db.read(read).await?;
    found.reverse();
    Ok(found)
}
