//! Users: whom changes are attributed to, and who was added with `buildbot user`.

use diesel::prelude::*;

use super::dialect::insert_id;
use super::schema::{change_users, users, users_info};
use super::{Conn, DbError, names};
use crate::model::User;

/// Version control systems whose authors become users.
const KINDS: [&str; 7] = ["git", "svn", "hg", "cvs", "darcs", "bzr", "fossil"];

/// Attributes of one user that [`get`] reads at most.
const ATTRIBUTES: i64 = 1000;

/// The user behind `author` of the version control system `src`, found or created; `None` for a
/// system that Buildbot does not keep users of.
pub(super) fn for_change(conn: &mut Conn, src: &str, author: &str) -> Result<Option<i64>, DbError> {
    if !KINDS.contains(&src) {
        return Ok(None);
    }
    find_or_create(conn, author, src, author).map(Some)
}

/// The user who has `value` as an attribute of this `kind`; if there is none, a new one called
/// `identifier`, or `identifier_2` and so on when somebody else has that identifier.
pub fn find_or_create(
    conn: &mut Conn,
    identifier: &str,
    kind: &str,
    value: &str,
) -> Result<i64, DbError> {
    let found: Option<i64> = users_info::table
        .filter(users_info::attr_type.eq(kind))
        .filter(users_info::attr_data.eq(value))
        .select(users_info::uid)
        .first(conn)
        .optional()?;
    if let Some(uid) = found {
        return Ok(uid);
    }
    let identifier = free_identifier(conn, identifier)?;
    let uid = insert_id!(
        conn,
        diesel::insert_into(users::table).values(users::identifier.eq(identifier))
    )?;
    add_attribute(conn, uid, kind, value)?;
    Ok(uid)
}

/// The user with this identifier.
pub fn by_identifier(conn: &mut Conn, identifier: &str) -> Result<Option<i64>, DbError> {
    let found = users::table.filter(users::identifier.eq(identifier)).select(users::uid);
    Ok(found.first(conn).optional()?)
}

/// The user `uid`, without the password.
pub fn get(conn: &mut Conn, uid: i64) -> Result<User, DbError> {
    let (identifier, bb_username) = users::table
        .filter(users::uid.eq(uid))
        .select((users::identifier, users::bb_username))
        .first(conn)?;
    let attributes = users_info::table
        .filter(users_info::uid.eq(uid))
        // In the order of the table, as stock shows them.
        .limit(ATTRIBUTES)
        .select((users_info::attr_type, users_info::attr_data))
        .load(conn)?;
    Ok(User { uid, identifier, bb_username, attributes })
}

/// Changes the identifier.
///
/// # Errors
/// [`DbError::Conflict`] when somebody else has it.
pub fn rename(conn: &mut Conn, uid: i64, identifier: &str) -> Result<(), DbError> {
    let row = diesel::update(users::table.filter(users::uid.eq(uid)));
    row.set(users::identifier.eq(identifier)).execute(conn)?;
    Ok(())
}

/// Changes the name and the salted and hashed password for logins.
///
/// # Errors
/// [`DbError::Conflict`] when somebody else has the name.
pub fn set_login(conn: &mut Conn, uid: i64, name: &str, hashed: &str) -> Result<(), DbError> {
    let row = diesel::update(users::table.filter(users::uid.eq(uid)));
    row.set((users::bb_username.eq(name), users::bb_password.eq(hashed))).execute(conn)?;
    Ok(())
}

/// Changes the attribute of this `kind`, or adds it.
///
/// # Errors
/// [`DbError::Conflict`] when somebody else has the same.
pub fn set_attribute(conn: &mut Conn, uid: i64, kind: &str, value: &str) -> Result<(), DbError> {
    let own =
        users_info::table.filter(users_info::uid.eq(uid)).filter(users_info::attr_type.eq(kind));
    let changed = diesel::update(own).set(users_info::attr_data.eq(value)).execute(conn)?;
    if changed == 0 { add_attribute(conn, uid, kind, value) } else { Ok(()) }
}

/// Forgets the user; the changes stay.
pub fn remove(conn: &mut Conn, uid: i64) -> Result<(), DbError> {
    diesel::delete(change_users::table.filter(change_users::uid.eq(uid))).execute(conn)?;
    diesel::delete(users_info::table.filter(users_info::uid.eq(uid))).execute(conn)?;
    diesel::delete(users::table.filter(users::uid.eq(uid))).execute(conn)?;
    Ok(())
}

fn add_attribute(conn: &mut Conn, uid: i64, kind: &str, value: &str) -> Result<(), DbError> {
    let row =
        (users_info::uid.eq(uid), users_info::attr_type.eq(kind), users_info::attr_data.eq(value));
    diesel::insert_into(users_info::table).values(row).execute(conn)?;
    Ok(())
}

/// `identifier`, or `identifier_2` and so on when somebody else has that.
fn free_identifier(conn: &mut Conn, identifier: &str) -> Result<String, DbError> {
    let mut identifier = identifier.to_owned();
    while by_identifier(conn, &identifier)?.is_some() {
        identifier = names::incremented(&identifier, names::IDENTIFIER);
    }
    Ok(identifier)
}
