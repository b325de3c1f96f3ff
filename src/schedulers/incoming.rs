//! The changes that a scheduler has not seen yet: those after its cursor.
//!
//! The cursor stays when the scheduler is removed from the configuration. One that is added again
//! takes up there, so that it neither loses nor repeats a change.

use serde_json::Value;

use super::Desk;
use crate::db::{DbError, changes, state};
use crate::model::{Change, ChangeId};

/// The cursor's place in `object_state`, beside the scheduler's name.
pub(super) const CLASS: &str = "rs_scheduler";
const CURSOR: &str = "last_change";

/// Changes looked at in one transaction.
const BATCH: i64 = 500;

/// Puts the cursor at the newest change when there is none yet, or when it says nothing any more.
pub(super) fn enter(desk: &mut Desk<'_>, fresh: bool) -> Result<(), DbError> {
    let object = desk.object(CLASS)?;
    if fresh || state::get(desk.conn, object, CURSOR)?.is_none() {
        let newest = changes::max_id(desk.conn)?.map_or(0, |id| id.0);
        state::set(desk.conn, object, CURSOR, &Value::from(newest))?;
    }
    Ok(())
}

/// Moves the cursor behind everything: as in stock, what comes while a scheduler is switched off
/// is not built later.
pub(super) fn skip(desk: &mut Desk<'_>) -> Result<(), DbError> {
    let object = desk.object(CLASS)?;
    let cursor = state::get(desk.conn, object, CURSOR)?.and_then(|value| value.as_i64());
    if let Some(newest) = changes::max_id(desk.conn)?.filter(|newest| Some(newest.0) > cursor) {
        state::set(desk.conn, object, CURSOR, &Value::from(newest.0))?;
    }
    Ok(())
}

/// The next changes, oldest first, and whether more may follow. The cursor moves behind them.
pub(super) fn next(desk: &mut Desk<'_>) -> Result<(Vec<Change>, bool), DbError> {
    let object = desk.object(CLASS)?;
    let cursor = state::get(desk.conn, object, CURSOR)?.and_then(|value| value.as_i64());
    let new = changes::after(desk.conn, ChangeId(cursor.unwrap_or(0)), BATCH)?;
    if let Some(last) = new.last() {
        state::set(desk.conn, object, CURSOR, &Value::from(last.id.0))?;
    }
    let more = new.len() as i64 == BATCH;
    Ok((new, more))
}
