//! `createAbsoluteSourceStamps`: a codebase that has no change is built as it was last seen, not
//! with the newest revision of the day.
//!
//! Kept where stock keeps it, in `lastCodebases` of the object of the scheduler's class.

use serde_json::{Map, Value, json};

use super::Desk;
use crate::db::{DbError, state};
use crate::model::{Change, NewSourceStamp};

const KEY: &str = "lastCodebases";

/// Remembers the newest of these changes for each codebase.
pub(super) fn record<'c>(
    desk: &mut Desk<'_>,
    class: &str,
    changes: impl IntoIterator<Item = &'c Change>,
) -> Result<(), DbError> {
    let mut seen: Option<Map<String, Value>> = None;
    for change in changes {
        let seen = match &mut seen {
            Some(seen) => seen,
            None => seen.insert(read(desk, class)?),
        };
        let last = seen.get(&change.codebase).and_then(|last| last["lastChange"].as_i64());
        if last.is_none_or(|last| change.id.0 > last) {
            let entry = json!({
                "repository": change.repository, "branch": change.branch,
                "revision": change.revision, "lastChange": change.id.0,
            });
            seen.insert(change.codebase.clone(), entry);
        }
    }
    let Some(seen) = seen else { return Ok(()) };
    let object = desk.object(class)?;
    state::set(desk.conn, object, KEY, &Value::Object(seen))
}

/// What to build of each codebase of the scheduler that has no change.
pub(super) fn stamps(desk: &mut Desk<'_>, class: &str) -> Result<Vec<NewSourceStamp>, DbError> {
    let seen = read(desk, class)?;
    let text = |entry: &Value, key: &str| entry[key].as_str().map(str::to_owned);
    let stamp = |default: NewSourceStamp| match seen.get(&default.codebase) {
        Some(entry) => NewSourceStamp {
            branch: text(entry, "branch"),
            revision: text(entry, "revision"),
            repository: text(entry, "repository").unwrap_or_default(),
            project: String::new(),
            codebase: default.codebase,
            patch: None,
        },
        None => default,
    };
    Ok(desk.options.default_stamps().into_iter().map(stamp).collect())
}

fn read(desk: &mut Desk<'_>, class: &str) -> Result<Map<String, Value>, DbError> {
    let object = desk.object(class)?;
    let seen = state::get(desk.conn, object, KEY)?;
    Ok(seen.and_then(|seen| seen.as_object().cloned()).unwrap_or_default())
}
