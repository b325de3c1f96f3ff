//! Properties of builds.

use std::collections::HashMap;

use diesel::prelude::*;
use serde_json::Value;

use super::dialect::{BATCH, insert_all};
use super::schema::build_properties;
use super::{Conn, DbError, json};
use crate::model::{BuildId, Properties, Property};

/// Sets properties of a build; a name that is there already gets the new value and source.
pub fn set_build(
    conn: &mut Conn,
    build: BuildId,
    properties: &[(String, Property)],
) -> Result<(), DbError> {
    // The last of equal names counts.
    let mut last: indexmap::IndexMap<&str, &Property> = indexmap::IndexMap::new();
    for (name, property) in properties {
        last.insert(name, property);
    }
    let names: Vec<&str> = last.keys().copied().collect();
    // The table has no unique key to update by.
    for batch in names.chunks(BATCH) {
        diesel::delete(
            build_properties::table
                .filter(build_properties::buildid.eq(build))
                .filter(build_properties::name.eq_any(batch.iter().copied())),
        )
        .execute(conn)?;
    }
    let rows = last
        .into_iter()
        .map(|(name, property)| {
            (
                build_properties::buildid.eq(build),
                build_properties::name.eq(name),
                build_properties::value.eq(json::encode(&property.value)),
                build_properties::source.eq(&property.source),
            )
        })
        .collect();
    Ok(insert_all!(conn, build_properties::table, rows)?)
}

/// All properties of a build.
pub fn of_build(conn: &mut Conn, build: BuildId) -> Result<Properties, DbError> {
    Ok(of_builds(conn, &[build], None)?.remove(&build).unwrap_or_default())
}

/// The properties of many builds, all or those named.
pub fn of_builds(
    conn: &mut Conn,
    builds: &[BuildId],
    names: Option<&[String]>,
) -> Result<HashMap<BuildId, Properties>, DbError> {
    let mut of: HashMap<BuildId, Properties> = HashMap::new();
    for batch in builds.chunks(BATCH) {
        let mut query = build_properties::table
            .filter(build_properties::buildid.eq_any(batch.iter().copied()))
            .select((
                build_properties::buildid,
                build_properties::name,
                build_properties::value,
                build_properties::source,
            ))
            .into_boxed();
        if let Some(names) = names {
            query = query.filter(build_properties::name.eq_any(names));
        }
        for (build, name, text, source) in query.load::<(BuildId, String, String, String)>(conn)? {
            // Stock fails on a value it cannot decode; the text itself is more use to people.
            let value = json::decode(&text).unwrap_or(Value::String(text));
            of.entry(build).or_default().set(&name, value, &source);
        }
    }
    Ok(of)
}
