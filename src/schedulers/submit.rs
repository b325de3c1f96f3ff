//! Submitting buildsets in a scheduler's name.

use super::{Desk, Submitted};
use crate::config::checked::SchedulerOptions;
use crate::db::{Conn, DbError, builders, buildsets};
use crate::flow::sources::sourcestamps;
use crate::model::{BuilderId, Change, NewBuildset, NewSourceStamp};

/// One buildset for these changes; `defaults` are the stamps of codebases without one.
///
/// Properties of the changes that become source stamps go over the scheduler's own.
pub(super) fn for_changes(
    desk: &mut Desk<'_>,
    reason: &str,
    changes: &[&Change],
    defaults: &[NewSourceStamp],
) -> Result<Submitted, DbError> {
    let mut properties = desk.options.properties.clone();
    for change in changes.iter().filter(|change| is_last(change, changes)) {
        properties.extend(&change.properties);
    }
    let set = NewBuildset {
        reason: reason.to_owned(),
        sourcestamps: sourcestamps(changes, defaults),
        properties,
        priority: priority(desk.options, changes),
        ..NewBuildset::default()
    };
    to_builders(desk, &desk.options.builder_names, set)
}

/// Submits `set` to the builders with these names.
pub(super) fn to_builders(
    desk: &mut Desk<'_>,
    names: &[String],
    set: NewBuildset,
) -> Result<Submitted, DbError> {
    let set = NewBuildset { builders: builder_ids(desk.conn, names)?, ..set };
    let (buildset, requests) = buildsets::submit(desk.conn, &set, desk.now)?;
    Ok(Submitted { buildset, requests })
}

/// The scheduler's priority for these changes. A rule that fails counts as 0, and is logged.
pub(super) fn priority(options: &SchedulerOptions, changes: &[&Change]) -> i64 {
    options.priority.of(&options.builder_names, changes).unwrap_or_else(|error| {
        tracing::warn!(scheduler = %options.name, %error, "the priority counts as 0");
        0
    })
}

/// The buildset's reason: what is configured or the class's sentence, with both names put in.
pub(super) fn reason(options: &SchedulerOptions, class: &str, sentence: &str) -> String {
    let reason = options.reason.as_deref().unwrap_or(sentence);
    reason.replace("%(classname)s", class).replace("%(name)s", &options.name)
}

/// Does the source stamp of its codebase come from this change?
fn is_last(change: &Change, changes: &[&Change]) -> bool {
    !changes.iter().any(|other| other.codebase == change.codebase && other.id > change.id)
}

/// Ids of the builders with these names; a name that was never configured is left out, as in stock.
fn builder_ids(conn: &mut Conn, names: &[String]) -> Result<Vec<BuilderId>, DbError> {
    let known = builders::list(conn)?;
    Ok(known.into_iter().filter(|row| names.contains(&row.name)).map(|row| row.id).collect())
}
