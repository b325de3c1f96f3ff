//! Source stamps: which version to build. Equal stamps share one row, found by its hash.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use diesel::prelude::*;

use super::dialect::{BATCH, insert_id};
use super::schema::{buildset_sourcestamps, patches, sourcestamps};
use super::{Conn, DbError, hash};
use crate::model::{
    BuildsetId, NewPatch, NewSourceStamp, Patch, PatchId, SourceStamp, SourceStampId, Timestamp,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = sourcestamps)]
struct StampRow {
    id: SourceStampId,
    branch: Option<String>,
    revision: Option<String>,
    repository: String,
    project: String,
    codebase: String,
    created_at: Timestamp,
    patchid: Option<PatchId>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = patches)]
struct PatchRow {
    id: PatchId,
    patchlevel: i64,
    patch_base64: String,
    patch_author: String,
    patch_comment: String,
    subdir: Option<String>,
}

/// The id of the row for this stamp, new or old; a stamp with a patch is always new.
pub fn find_or_create(
    conn: &mut Conn,
    stamp: &NewSourceStamp,
    now: Timestamp,
) -> Result<SourceStampId, DbError> {
    let patchid = match &stamp.patch {
        Some(patch) => Some(add_patch(conn, patch)?),
        None => None,
    };
    let ss_hash = hash::sourcestamp_hash(stamp, patchid);
    let found = sourcestamps::table
        .filter(sourcestamps::ss_hash.eq(&ss_hash))
        .select(sourcestamps::id)
        .first::<SourceStampId>(conn)
        .optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    let row = (
        sourcestamps::ss_hash.eq(&ss_hash),
        sourcestamps::branch.eq(&stamp.branch),
        sourcestamps::revision.eq(&stamp.revision),
        sourcestamps::repository.eq(&stamp.repository),
        sourcestamps::project.eq(&stamp.project),
        sourcestamps::codebase.eq(&stamp.codebase),
        sourcestamps::created_at.eq(now),
        sourcestamps::patchid.eq(patchid.map(|id| id.0)),
    );
    Ok(SourceStampId(insert_id!(conn, diesel::insert_into(sourcestamps::table).values(row))?))
}

fn add_patch(conn: &mut Conn, patch: &NewPatch) -> Result<PatchId, DbError> {
    let row = (
        patches::patchlevel.eq(patch.level),
        patches::patch_base64.eq(STANDARD.encode(&patch.body)),
        patches::patch_author.eq(&patch.author),
        patches::patch_comment.eq(&patch.comment),
        patches::subdir.eq(&patch.subdir),
    );
    Ok(PatchId(insert_id!(conn, diesel::insert_into(patches::table).values(row))?))
}

/// The patch itself, without what belongs to it.
pub fn patch_body(conn: &mut Conn, id: PatchId) -> Result<Option<Vec<u8>>, DbError> {
    let found = patches::table.filter(patches::id.eq(id)).select(patches::patch_base64);
    let text: Option<String> = found.first(conn).optional()?;
    Ok(text.and_then(|text| STANDARD.decode(text).ok()))
}

/// The stamp with this id.
pub fn get(conn: &mut Conn, id: SourceStampId) -> Result<SourceStamp, DbError> {
    get_many(conn, &[id])?.remove(&id).ok_or(DbError::NotFound)
}

/// The stamps with these ids; missing ones are left out.
pub fn get_many(
    conn: &mut Conn,
    ids: &[SourceStampId],
) -> Result<HashMap<SourceStampId, SourceStamp>, DbError> {
    let mut rows: Vec<StampRow> = Vec::with_capacity(ids.len());
    for batch in ids.chunks(BATCH) {
        let stamps = sourcestamps::table.select(StampRow::as_select());
        rows.extend(match batch {
            [one] => stamps.filter(sourcestamps::id.eq(*one)).load(conn)?,
            many => stamps.filter(sourcestamps::id.eq_any(many.iter().copied())).load(conn)?,
        });
    }
    Ok(with_patches(conn, rows)?.into_iter().map(|stamp| (stamp.id, stamp)).collect())
}

/// The stamps of a buildset, by id as stock lists them.
pub fn for_buildset(conn: &mut Conn, buildset: BuildsetId) -> Result<Vec<SourceStamp>, DbError> {
    let rows = sourcestamps::table
        .inner_join(
            buildset_sourcestamps::table
                .on(buildset_sourcestamps::sourcestampid.eq(sourcestamps::id)),
        )
        .filter(buildset_sourcestamps::buildsetid.eq(buildset))
        .order(buildset_sourcestamps::sourcestampid)
        .select(StampRow::as_select())
        .load(conn)?;
    with_patches(conn, rows)
}

/// The stamps of many buildsets in two queries.
pub fn for_buildsets(
    conn: &mut Conn,
    buildsets: &[BuildsetId],
) -> Result<HashMap<BuildsetId, Vec<SourceStamp>>, DbError> {
    let mut links: Vec<(BuildsetId, SourceStampId)> = Vec::new();
    for batch in buildsets.chunks(BATCH) {
        links.extend(
            buildset_sourcestamps::table
                .filter(buildset_sourcestamps::buildsetid.eq_any(batch.iter().copied()))
                .order(buildset_sourcestamps::sourcestampid)
                .select((buildset_sourcestamps::buildsetid, buildset_sourcestamps::sourcestampid))
                .load::<(BuildsetId, SourceStampId)>(conn)?,
        );
    }
    let mut ids: Vec<SourceStampId> = links.iter().map(|(_, stamp)| *stamp).collect();
    ids.sort();
    ids.dedup();
    let stamps = get_many(conn, &ids)?;
    let mut of: HashMap<BuildsetId, Vec<SourceStamp>> = HashMap::new();
    for (buildset, stamp) in links {
        if let Some(stamp) = stamps.get(&stamp) {
            of.entry(buildset).or_default().push(stamp.clone());
        }
    }
    Ok(of)
}

/// Turns rows into stamps; asks for patches only when there are any.
fn with_patches(conn: &mut Conn, rows: Vec<StampRow>) -> Result<Vec<SourceStamp>, DbError> {
    let wanted: Vec<PatchId> = rows.iter().filter_map(|row| row.patchid).collect();
    let mut patch_of: HashMap<PatchId, Patch> = HashMap::new();
    for batch in wanted.chunks(BATCH) {
        let found = patches::table
            .filter(patches::id.eq_any(batch.iter().copied()))
            .select(PatchRow::as_select())
            .load::<PatchRow>(conn)?;
        patch_of.extend(found.into_iter().map(|row| (row.id, patch(row))));
    }
    Ok(rows
        .into_iter()
        .map(|row| SourceStamp {
            id: row.id,
            branch: row.branch,
            revision: row.revision,
            repository: row.repository,
            project: row.project,
            codebase: row.codebase,
            created_at: row.created_at,
            patch: row.patchid.and_then(|id| patch_of.get(&id).cloned()),
        })
        .collect())
}

fn patch(row: PatchRow) -> Patch {
    Patch {
        id: row.id,
        level: row.patchlevel,
        body: STANDARD.decode(row.patch_base64.trim()).unwrap_or_default(),
        author: row.patch_author,
        comment: row.patch_comment,
        subdir: row.subdir.unwrap_or_default(),
    }
}
