//! What the rule that merges build requests looks at, for many requests in four queries.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;

use super::dialect::BATCH;
use super::schema::{buildset_properties, changes};
use super::{Conn, DbError, json, sourcestamps};
use crate::model::{BuildsetId, Properties, SourceStamp, SourceStampId};

/// The cause of a buildset, as far as merging is concerned.
#[derive(Debug, Clone, Default)]
pub struct Cause {
    pub sources: Vec<SourceStamp>,
    /// Those of the sources that some change led to.
    pub with_changes: HashSet<SourceStampId>,
    pub properties: Properties,
}

/// The causes of these buildsets.
pub fn causes(
    conn: &mut Conn,
    buildsets: &[BuildsetId],
) -> Result<HashMap<BuildsetId, Cause>, DbError> {
    let stamps = sourcestamps::for_buildsets(conn, buildsets)?;
    let ids: Vec<SourceStampId> = stamps.values().flatten().map(|stamp| stamp.id).collect();
    let changed = with_changes(conn, &ids)?;
    let mut causes: HashMap<BuildsetId, Cause> = HashMap::new();
    for (buildset, sources) in stamps {
        let ids = sources.iter().map(|stamp| stamp.id);
        let with_changes = ids.filter(|id| changed.contains(id)).collect();
        causes.insert(buildset, Cause { sources, with_changes, properties: Properties::new() });
    }
    add_properties(conn, buildsets, &mut causes)?;
    Ok(causes)
}

fn with_changes(
    conn: &mut Conn,
    stamps: &[SourceStampId],
) -> Result<HashSet<SourceStampId>, DbError> {
    let mut found = HashSet::new();
    for batch in stamps.chunks(BATCH) {
        let ids: Vec<SourceStampId> = changes::table
            .filter(changes::sourcestampid.eq_any(batch.iter().copied()))
            .select(changes::sourcestampid)
            .distinct()
            .load(conn)?;
        found.extend(ids);
    }
    Ok(found)
}

fn add_properties(
    conn: &mut Conn,
    buildsets: &[BuildsetId],
    causes: &mut HashMap<BuildsetId, Cause>,
) -> Result<(), DbError> {
    for batch in buildsets.chunks(BATCH) {
        let rows: Vec<(BuildsetId, String, String)> = buildset_properties::table
            .filter(buildset_properties::buildsetid.eq_any(batch.iter().copied()))
            .select((
                buildset_properties::buildsetid,
                buildset_properties::property_name,
                buildset_properties::property_value,
            ))
            .load(conn)?;
        for (buildset, name, text) in rows {
            if let Some(property) = json::decode_property(&text) {
                let cause = causes.entry(buildset).or_default();
                cause.properties.set(&name, property.value, &property.source);
            }
        }
    }
    Ok(())
}
