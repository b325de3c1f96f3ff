//! Change sources: their names and which master polls each.

use diesel::prelude::*;

use super::dialect::{find_or_create_named, insert_id, insert_or_ignore};
use super::schema::{changesource_masters, changesources};
use super::{Conn, DbError};
use crate::model::{ChangeSourceId, MasterId};

/// A stored change source.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeSourceRow {
    pub id: ChangeSourceId,
    pub name: String,
    /// The master that runs it.
    pub master: Option<MasterId>,
}

/// The id of the change source called `name`, with a new row when there is none.
pub fn find_or_create(conn: &mut Conn, name: &str) -> Result<ChangeSourceId, DbError> {
    Ok(find_or_create_named!(conn, changesources, ChangeSourceId, name))
}

/// Takes the change source for `master`; false when another master runs it.
pub fn claim(conn: &mut Conn, id: ChangeSourceId, master: MasterId) -> Result<bool, DbError> {
    let row =
        (changesource_masters::changesourceid.eq(id), changesource_masters::masterid.eq(master));
    if insert_or_ignore!(conn, changesource_masters::table, row)? {
        return Ok(true);
    }
    let owner: Option<MasterId> = changesource_masters::table
        .find(id)
        .select(changesource_masters::masterid)
        .first(conn)
        .optional()?;
    Ok(owner == Some(master))
}

/// Gives up every change source of `master`.
pub fn release_all(conn: &mut Conn, master: MasterId) -> Result<(), DbError> {
    diesel::delete(changesource_masters::table.filter(changesource_masters::masterid.eq(master)))
        .execute(conn)?;
    Ok(())
}

/// All change sources ever configured.
pub fn list(conn: &mut Conn) -> Result<Vec<ChangeSourceRow>, DbError> {
    let rows: Vec<(ChangeSourceId, String, Option<MasterId>)> = changesources::table
        .left_join(
            changesource_masters::table
                .on(changesource_masters::changesourceid.eq(changesources::id)),
        )
        .order(changesources::id)
        .select((changesources::id, changesources::name, changesource_masters::masterid.nullable()))
        .load(conn)?;
    Ok(rows.into_iter().map(|(id, name, master)| ChangeSourceRow { id, name, master }).collect())
}
