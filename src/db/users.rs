//! Users that changes are attributed to.

use diesel::prelude::*;

use super::dialect::insert_id;
use super::schema::{users, users_info};
use super::{Conn, DbError, names};

/// Version control systems whose authors become users.
const KINDS: [&str; 7] = ["git", "svn", "hg", "cvs", "darcs", "bzr", "fossil"];

/// The user behind `author` of the version control system `src`, found or created; `None` for a
/// system that Buildbot does not keep users of.
pub(super) fn for_change(conn: &mut Conn, src: &str, author: &str) -> Result<Option<i64>, DbError> {
    if !KINDS.contains(&src) {
        return Ok(None);
    }
    let found: Option<i64> = users_info::table
        .filter(users_info::attr_type.eq(src))
        .filter(users_info::attr_data.eq(author))
        .select(users_info::uid)
        .first(conn)
        .optional()?;
    if found.is_some() {
        return Ok(found);
    }
    let identifier = free_identifier(conn, author)?;
    let uid = insert_id!(
        conn,
        diesel::insert_into(users::table).values(users::identifier.eq(identifier))
    )?;
    diesel::insert_into(users_info::table)
        .values((
            users_info::uid.eq(uid),
            users_info::attr_type.eq(src),
            users_info::attr_data.eq(author),
        ))
        .execute(conn)?;
    Ok(Some(uid))
}

/// `author`, or `author_2` and so on when somebody else has that identifier.
fn free_identifier(conn: &mut Conn, author: &str) -> Result<String, DbError> {
    let mut identifier = author.to_owned();
    loop {
        let taken: Option<i64> = users::table
            .filter(users::identifier.eq(&identifier))
            .select(users::uid)
            .first(conn)
            .optional()?;
        if taken.is_none() {
            return Ok(identifier);
        }
        identifier = names::incremented(&identifier, names::IDENTIFIER);
    }
}
