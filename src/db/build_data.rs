//! Build data: named bytes that steps leave at a build (`setBuildData`).

use diesel::prelude::*;

use super::schema::build_data;
use super::{Conn, DbError};
use crate::model::BuildId;

/// Sets the value of `name`; an older one is replaced.
pub fn set(
    conn: &mut Conn,
    build: BuildId,
    name: &str,
    value: &[u8],
    source: &str,
) -> Result<(), DbError> {
    let length = i64::try_from(value.len()).unwrap_or(i64::MAX);
    let known =
        build_data::table.filter(build_data::buildid.eq(build)).filter(build_data::name.eq(name));
    let changed = diesel::update(known)
        .set((
            build_data::value.eq(value),
            build_data::length.eq(length),
            build_data::source.eq(source),
        ))
        .execute(conn)?;
    if changed == 0 {
        diesel::insert_into(build_data::table)
            .values((
                build_data::buildid.eq(build),
                build_data::name.eq(name),
                build_data::value.eq(value),
                build_data::length.eq(length),
                build_data::source.eq(source),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// The value of `name`.
pub fn value(conn: &mut Conn, build: BuildId, name: &str) -> Result<Option<Vec<u8>>, DbError> {
    Ok(build_data::table
        .filter(build_data::buildid.eq(build))
        .filter(build_data::name.eq(name))
        .select(build_data::value)
        .first(conn)
        .optional()?)
}
