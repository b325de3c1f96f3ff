//! Changes: what the version control systems reported.

use std::collections::HashMap;

use diesel::prelude::*;

use super::dialect::{BATCH, insert_all, insert_id};
use super::schema::{
    buildset_sourcestamps, change_files, change_properties, change_users, changes,
};
use super::{Conn, DbError, build_changes, json, sourcestamps, users};
use crate::model::{
    BuildId, BuildsetId, Change, ChangeId, NewChange, NewSourceStamp, Properties, SourceStamp,
    SourceStampId, Timestamp,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = changes)]
struct ChangeRow {
    changeid: ChangeId,
    author: String,
    committer: Option<String>,
    comments: String,
    branch: Option<String>,
    revision: Option<String>,
    revlink: Option<String>,
    when_timestamp: Timestamp,
    category: Option<String>,
    repository: String,
    codebase: String,
    project: String,
    sourcestampid: SourceStampId,
    parent_changeids: Option<ChangeId>,
}

/// Stores a change with its source stamp, files, properties and user.
pub fn add(conn: &mut Conn, change: &NewChange, now: Timestamp) -> Result<Change, DbError> {
    let stamp = NewSourceStamp {
        branch: change.branch.clone(),
        revision: change.revision.clone(),
        repository: change.repository.clone(),
        project: change.project.clone(),
        codebase: change.codebase.clone(),
        patch: None,
    };
    let stamp = sourcestamps::find_or_create(conn, &stamp, now)?;
    let sourcestamp = sourcestamps::get(conn, stamp)?;
    let parent = newest_like(conn, change)?;
    let when_timestamp = change.when_timestamp.unwrap_or(now);
    let row = (
        changes::author.eq(&change.author),
        changes::committer.eq(&change.committer),
        changes::comments.eq(&change.comments),
        changes::branch.eq(&change.branch),
        changes::revision.eq(&change.revision),
        changes::revlink.eq(&change.revlink),
        changes::when_timestamp.eq(when_timestamp),
        changes::category.eq(&change.category),
        changes::repository.eq(&change.repository),
        changes::codebase.eq(&change.codebase),
        changes::project.eq(&change.project),
        changes::sourcestampid.eq(stamp),
        changes::parent_changeids.eq(parent.map(|id| id.0)),
    );
    let id = ChangeId(insert_id!(conn, diesel::insert_into(changes::table).values(row))?);
    add_details(conn, id, change)?;
    Ok(stored(id, change, when_timestamp, sourcestamp, parent))
}

fn add_details(conn: &mut Conn, id: ChangeId, change: &NewChange) -> Result<(), DbError> {
    let files = change
        .files
        .iter()
        .map(|file| (change_files::changeid.eq(id), change_files::filename.eq(file)))
        .collect();
    insert_all!(conn, change_files::table, files)?;
    let properties = change
        .properties
        .iter()
        .map(|(name, property)| {
            // The source of a change's property is always `Change`.
            let value = serde_json::json!([property.value, "Change"]);
            (
                change_properties::changeid.eq(id),
                change_properties::property_name.eq(name),
                change_properties::property_value.eq(json::encode(&value)),
            )
        })
        .collect();
    insert_all!(conn, change_properties::table, properties)?;
    let Some(src) = &change.src else { return Ok(()) };
    if let Some(uid) = users::for_change(conn, src, &change.author)? {
        diesel::insert_into(change_users::table)
            .values((change_users::changeid.eq(id), change_users::uid.eq(uid)))
            .execute(conn)?;
    }
    Ok(())
}

/// The change as a reader will see it.
fn stored(
    id: ChangeId,
    change: &NewChange,
    when_timestamp: Timestamp,
    sourcestamp: SourceStamp,
    parent: Option<ChangeId>,
) -> Change {
    let mut properties = Properties::new();
    for (name, property) in change.properties.iter() {
        properties.set(name, property.value.clone(), "Change");
    }
    Change {
        id,
        author: change.author.clone(),
        committer: change.committer.clone(),
        comments: change.comments.clone(),
        files: change.files.clone(),
        branch: change.branch.clone(),
        revision: change.revision.clone(),
        revlink: Some(change.revlink.clone()),
        when_timestamp,
        category: change.category.clone(),
        repository: change.repository.clone(),
        project: change.project.clone(),
        codebase: change.codebase.clone(),
        properties,
        sourcestamp,
        parent,
    }
}

/// The newest change of the same branch, repository, project and codebase.
fn newest_like(conn: &mut Conn, change: &NewChange) -> Result<Option<ChangeId>, DbError> {
    let mut query = changes::table
        .filter(changes::repository.eq(&change.repository))
        .filter(changes::project.eq(&change.project))
        .filter(changes::codebase.eq(&change.codebase))
        .order(changes::changeid.desc())
        .select(changes::changeid)
        .into_boxed();
    query = match &change.branch {
        Some(branch) => query.filter(changes::branch.eq(branch)),
        None => query.filter(changes::branch.is_null()),
    };
    Ok(query.first(conn).optional()?)
}

/// The change with this number.
pub fn get(conn: &mut Conn, id: ChangeId) -> Result<Change, DbError> {
    get_many(conn, &[id])?.pop().ok_or(DbError::NotFound)
}

/// The changes with these numbers, ascending; missing ones are left out.
pub fn get_many(conn: &mut Conn, ids: &[ChangeId]) -> Result<Vec<Change>, DbError> {
    let mut rows: Vec<ChangeRow> = Vec::with_capacity(ids.len());
    for batch in ids.chunks(BATCH) {
        rows.extend(
            changes::table
                .filter(changes::changeid.eq_any(batch.iter().copied()))
                .select(ChangeRow::as_select())
                .load(conn)?,
        );
    }
    rows.sort_by_key(|row| row.changeid);
    rows.dedup_by_key(|row| row.changeid);
    complete(conn, rows)
}

/// Up to `limit` changes after `id`, oldest first.
pub fn after(conn: &mut Conn, id: ChangeId, limit: i64) -> Result<Vec<Change>, DbError> {
    let rows = changes::table
        .filter(changes::changeid.gt(id))
        .order(changes::changeid)
        .limit(limit)
        .select(ChangeRow::as_select())
        .load(conn)?;
    complete(conn, rows)
}

/// Up to `limit` changes, newest first, without the newest `offset`.
pub fn recent(conn: &mut Conn, limit: i64, offset: i64) -> Result<Vec<Change>, DbError> {
    let rows = changes::table
        .order(changes::changeid.desc())
        .limit(limit)
        .offset(offset)
        .select(ChangeRow::as_select())
        .load(conn)?;
    complete(conn, rows)
}

/// The newest change's number.
pub fn max_id(conn: &mut Conn) -> Result<Option<ChangeId>, DbError> {
    Ok(changes::table
        .order(changes::changeid.desc())
        .select(changes::changeid)
        .first(conn)
        .optional()?)
}

/// The changes that led to these source stamps, ascending: the first change of each stamp.
pub(super) fn for_sourcestamps(
    conn: &mut Conn,
    stamps: &[SourceStampId],
) -> Result<HashMap<SourceStampId, ChangeId>, DbError> {
    let mut first = HashMap::new();
    for batch in stamps.chunks(BATCH) {
        let rows: Vec<(SourceStampId, ChangeId)> = changes::table
            .filter(changes::sourcestampid.eq_any(batch.iter().copied()))
            .order(changes::changeid)
            .select((changes::sourcestampid, changes::changeid))
            .load(conn)?;
        for (stamp, change) in rows {
            first.entry(stamp).or_insert(change);
        }
    }
    Ok(first)
}

/// What is new in a build, see `build_changes`; newest first.
pub fn for_build(conn: &mut Conn, build: BuildId) -> Result<Vec<Change>, DbError> {
    let mut news = build_changes::of_builds(conn, &[build])?;
    let ids = news.remove(&build).ok_or(DbError::NotFound)?.changes;
    let mut found: HashMap<ChangeId, Change> =
        get_many(conn, &ids)?.into_iter().map(|change| (change.id, change)).collect();
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

/// The changes that the source stamps of a buildset stand for.
pub(super) fn of_buildset(conn: &mut Conn, id: BuildsetId) -> Result<Vec<Change>, DbError> {
    let stamps: Vec<SourceStampId> = buildset_sourcestamps::table
        .filter(buildset_sourcestamps::buildsetid.eq(id))
        .select(buildset_sourcestamps::sourcestampid)
        .load(conn)?;
    let ids: Vec<ChangeId> = for_sourcestamps(conn, &stamps)?.into_values().collect();
    get_many(conn, &ids)
}

/// Adds files, properties and source stamps to the rows, in their order.
fn complete(conn: &mut Conn, rows: Vec<ChangeRow>) -> Result<Vec<Change>, DbError> {
    let ids: Vec<ChangeId> = rows.iter().map(|row| row.changeid).collect();
    let mut stamp_ids: Vec<SourceStampId> = rows.iter().map(|row| row.sourcestampid).collect();
    stamp_ids.sort();
    stamp_ids.dedup();
    let stamps = sourcestamps::get_many(conn, &stamp_ids)?;
    let mut files = files_of(conn, &ids)?;
    let mut properties = properties_of(conn, &ids)?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            // A change without its stamp is an orphan that stock does not show either.
            let sourcestamp = stamps.get(&row.sourcestampid)?.clone();
            Some(Change {
                files: files.remove(&row.changeid).unwrap_or_default(),
                properties: properties.remove(&row.changeid).unwrap_or_default(),
                sourcestamp,
                id: row.changeid,
                author: row.author,
                committer: row.committer,
                comments: row.comments,
                branch: row.branch,
                revision: row.revision,
                revlink: row.revlink,
                when_timestamp: row.when_timestamp,
                category: row.category,
                repository: row.repository,
                project: row.project,
                codebase: row.codebase,
                parent: row.parent_changeids,
            })
        })
        .collect())
}

fn files_of(conn: &mut Conn, ids: &[ChangeId]) -> Result<HashMap<ChangeId, Vec<String>>, DbError> {
    let mut found: HashMap<ChangeId, Vec<String>> = HashMap::new();
    for batch in ids.chunks(BATCH) {
        let files = change_files::table.select((change_files::changeid, change_files::filename));
        let rows: Vec<(ChangeId, String)> = match batch {
            // The statement for one is kept prepared: every scheduler reads each new change.
            [one] => files.filter(change_files::changeid.eq(*one)).load(conn)?,
            many => files.filter(change_files::changeid.eq_any(many.iter().copied())).load(conn)?,
        };
        for (id, file) in rows {
            found.entry(id).or_default().push(file);
        }
    }
    Ok(found)
}

fn properties_of(
    conn: &mut Conn,
    ids: &[ChangeId],
) -> Result<HashMap<ChangeId, Properties>, DbError> {
    let mut properties: HashMap<ChangeId, Properties> = HashMap::new();
    for batch in ids.chunks(BATCH) {
        let all = change_properties::table.select((
            change_properties::changeid,
            change_properties::property_name,
            change_properties::property_value,
        ));
        let rows: Vec<(ChangeId, String, String)> = match batch {
            [one] => all.filter(change_properties::changeid.eq(*one)).load(conn)?,
            many => {
                all.filter(change_properties::changeid.eq_any(many.iter().copied())).load(conn)?
            }
        };
        for (id, name, text) in rows {
            if let Some(property) = json::decode_change_property(&text) {
                properties.entry(id).or_default().set(&name, property.value, &property.source);
            }
        }
    }
    Ok(properties)
}
