//! Users: whom changes are attributed to, and who was added with `buildbot user`.
//!
//! One user may have several identities: one per version control system, and a mail address. The
//! rows are such that a stock master finds the same users: it looks for the author of a change as
//! it is written, under the name of the system.

use diesel::prelude::*;
use diesel::sql_types;

use super::dialect::{insert_id, insert_or_ignore};
use super::schema::{change_users, users, users_info};
use super::{Conn, DbError, names};
use crate::model::{SYSTEMS, User, Who, address};

/// The kind of attribute that holds a mail address.
pub const EMAIL: &str = "email";

/// Attributes of one user that [`get`] reads at most.
const ATTRIBUTES: i64 = 1000;
/// Attributes that contain one address and are looked at, at most.
const CONTAINING: i64 = 100;

diesel::define_sql_function! {
    /// In lower case; of some databases in ASCII only.
    fn lower(text: sql_types::Text) -> sql_types::Text;
}

/// The user behind `author` of the version control system `src`, found or created; `None` for a
/// system that Buildbot does not keep users of.
///
/// Who has exactly this author as an attribute is found first, as by stock. Otherwise whoever has
/// its mail address, in `email` or in the author of any system, gets it as one more attribute. The
/// table holds one author per user and system: a second one is not stored, and is found by its
/// address each time.
pub(super) fn for_change(conn: &mut Conn, src: &str, author: &str) -> Result<Option<i64>, DbError> {
    if !SYSTEMS.contains(&src) {
        return Ok(None);
    }
    let who = Who::parse(src, author);
    let identity = who.identity(src, author);
    if let Some(uid) = with_attribute(conn, src, identity)? {
        return Ok(Some(uid));
    }
    let address = who.personal_address();
    let known = match address {
        Some(address) => with_address(conn, address)?,
        None => None,
    };
    let uid = match known {
        Some(uid) => uid,
        None => create(conn, identity)?,
    };
    add_if_free(conn, uid, src, identity)?;
    if let Some(address) = address {
        add_if_free(conn, uid, EMAIL, address)?;
    }
    Ok(Some(uid))
}

/// The user who has `value` as an attribute of this `kind`; if there is none, a new one called
/// `identifier`, or `identifier_2` and so on when somebody else has that identifier.
pub fn find_or_create(
    conn: &mut Conn,
    identifier: &str,
    kind: &str,
    value: &str,
) -> Result<i64, DbError> {
    if let Some(uid) = with_attribute(conn, kind, value)? {
        return Ok(uid);
    }
    let uid = create(conn, identifier)?;
    add_attribute(conn, uid, kind, value)?;
    Ok(uid)
}

/// The user who has one of these attributes, or the mail address in one of them.
pub fn with_any(conn: &mut Conn, attributes: &[(String, String)]) -> Result<Option<i64>, DbError> {
    for (kind, value) in attributes {
        if let Some(uid) = with_attribute(conn, kind, value)? {
            return Ok(Some(uid));
        }
    }
    for (kind, value) in attributes {
        let who = Who::parse(kind, value);
        let says_address = kind == EMAIL || SYSTEMS.contains(&kind.as_str());
        let address = who.personal_address().filter(|_| says_address);
        if let Some(address) = address
            && let Some(uid) = with_address(conn, address)?
        {
            return Ok(Some(uid));
        }
    }
    Ok(None)
}

fn with_attribute(conn: &mut Conn, kind: &str, value: &str) -> Result<Option<i64>, DbError> {
    let found = users_info::table
        .filter(users_info::attr_type.eq(kind))
        .filter(users_info::attr_data.eq(value))
        .select(users_info::uid);
    Ok(found.first(conn).optional()?)
}

/// The user whose mail address this is: as the attribute `email`, or else, the oldest first, in an
/// author or in another case. That last search reads the whole table, but only for an author whom
/// nobody is remembered by.
fn with_address(conn: &mut Conn, address: &str) -> Result<Option<i64>, DbError> {
    let lower_case = address.to_lowercase();
    let as_email: Option<i64> = users_info::table
        .filter(users_info::attr_type.eq(EMAIL))
        .filter(users_info::attr_data.eq_any([address, &lower_case]))
        .order(users_info::uid)
        .select(users_info::uid)
        .first(conn)
        .optional()?;
    if as_email.is_some() {
        return Ok(as_email);
    }
    let escaped = lower_case.replace('_', "\\_").replace('%', "\\%");
    let rows: Vec<(i64, String, String)> = users_info::table
        .filter(lower(users_info::attr_data).like(format!("%{escaped}%")).escape('\\'))
        .filter(users_info::attr_type.eq_any(SYSTEMS.into_iter().chain([EMAIL])))
        .order(users_info::uid)
        .limit(CONTAINING)
        .select((users_info::uid, users_info::attr_type, users_info::attr_data))
        .load(conn)?;
    let found = rows.into_iter().find(|(_, kind, value)| {
        Who::parse(kind, value).address.is_some_and(|has| address::same(&has, address))
    });
    Ok(found.map(|(uid, ..)| uid))
}

fn create(conn: &mut Conn, identifier: &str) -> Result<i64, DbError> {
    let identifier = free_identifier(conn, identifier)?;
    let row = diesel::insert_into(users::table).values(users::identifier.eq(identifier));
    Ok(insert_id!(conn, row)?)
}

/// Adds an attribute, unless the user has one of this kind or somebody else has the same.
fn add_if_free(conn: &mut Conn, uid: i64, kind: &str, value: &str) -> Result<(), DbError> {
    let row =
        (users_info::uid.eq(uid), users_info::attr_type.eq(kind), users_info::attr_data.eq(value));
    insert_or_ignore!(conn, users_info::table, row)?;
    Ok(())
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
