//! Says that this master lives, and notices when another program used its database meanwhile.
//!
//! Stock finds its masters by name and heartbeat only. We write the same heartbeat and remember it
//! in a row of our own in the same transaction; when both differ at the next start, a stock master
//! ran in between, and cursors of our schedulers no longer say what was handled.

use std::path::Path;

use serde_json::json;

use super::handles::MasterFacts;
use crate::db::{Conn, Db, DbError, masters, state};
use crate::model::{Clock, MasterId, Timestamp};

/// Class of the object that remembers our heartbeat, one per master name.
const CLASS: &str = "rs_master";
const KEY: &str = "last_active";

/// Finds this master's row and cleans up after its own crash. The second value tells whether a
/// stock master has run since we did.
pub(super) async fn register(
    db: &Db,
    name: String,
    clock: &Clock,
) -> Result<(MasterFacts, bool), DbError> {
    let (row_name, at) = (name.clone(), clock.now());
    let (id, stranger) = db
        .write(move |conn| {
            let stranger = was_used_by_another(conn, &row_name)?;
            let id = masters::register(conn, &row_name, at)?;
            masters::expire_others(conn, id, at)?;
            Ok((id, stranger))
        })
        .await?;
    Ok((MasterFacts { id, name, started_at: at }, stranger))
}

/// The heartbeat; answers the masters that were expired.
pub(super) async fn beat(
    db: &Db,
    facts: &MasterFacts,
    clock: &Clock,
) -> Result<Vec<MasterId>, DbError> {
    let (id, name, at) = (facts.id, facts.name.clone(), clock.now());
    db.write(move |conn| {
        masters::set_active(conn, id, true, at)?;
        remember(conn, &name, at)?;
        masters::expire_others(conn, id, at)
    })
    .await
}

/// Leaves the database as a clean stop does.
pub(super) async fn leave(db: &Db, facts: &MasterFacts, clock: &Clock) -> Result<(), DbError> {
    let (id, name, at) = (facts.id, facts.name.clone(), clock.now());
    db.write(move |conn| {
        masters::heartbeat(conn, id, at)?;
        masters::set_active(conn, id, false, at)?;
        let stored = last_active(conn, &name)?.unwrap_or(at);
        remember(conn, &name, stored)
    })
    .await?;
    db.checkpoint().await
}

fn remember(conn: &mut Conn, name: &str, at: Timestamp) -> Result<(), DbError> {
    let object = state::object(conn, name, CLASS)?;
    state::set(conn, object, KEY, &json!(at))
}

fn was_used_by_another(conn: &mut Conn, name: &str) -> Result<bool, DbError> {
    let Some(theirs) = last_active(conn, name)? else { return Ok(false) };
    let object = state::object(conn, name, CLASS)?;
    let ours = state::get(conn, object, KEY)?.and_then(|value| value.as_i64());
    Ok(ours != Some(theirs))
}

fn last_active(conn: &mut Conn, name: &str) -> Result<Option<Timestamp>, DbError> {
    let masters = masters::list(conn)?;
    Ok(masters.into_iter().find(|master| master.name == name).map(|master| master.last_active))
}

/// Stock finds a master again by this text only: `<host name>:<base directory>`.
pub(super) fn master_name(basedir: &Path) -> String {
    let host = nix::unistd::gethostname()
        .map(|host| host.to_string_lossy().into_owned())
        .unwrap_or_else(|_| "localhost".to_owned());
    format!("{host}:{}", basedir.display())
}
