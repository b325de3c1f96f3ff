//! Users on IRC: the attributes `irc` (`nick@network`, proved) and `irc_account` (the network's
//! services), and the address that a code can be mailed to.

use diesel::prelude::*;

use super::schema::{users, users_info};
use super::{Conn, DbError, users as user_rows};
use crate::model::User;

/// Kind of the attribute with a proved nick.
pub const NICK: &str = "irc";
/// Kind of the attribute with the account at the network's services.
pub const ACCOUNT: &str = "irc_account";

/// Users with one account that are read at most; there should be one.
const MOST: i64 = 20;

/// The user with this identifier, or with this value as any of their attributes.
pub fn find(conn: &mut Conn, text: &str) -> Result<Option<User>, DbError> {
    let by_value = || {
        let found = users_info::table.filter(users_info::attr_data.eq(text));
        found.order(users_info::uid).select(users_info::uid)
    };
    let uid = match user_rows::by_identifier(conn, text)? {
        Some(uid) => Some(uid),
        None => by_value().first::<i64>(conn).optional()?,
    };
    uid.map(|uid| user_rows::get(conn, uid)).transpose()
}

/// Identifiers of the users who have this account at the services, by attribute or by identifier.
pub fn with_account(conn: &mut Conn, account: &str) -> Result<Vec<String>, DbError> {
    let by_attribute: Vec<i64> = users_info::table
        .filter(users_info::attr_type.eq(ACCOUNT))
        .filter(users_info::attr_data.eq(account))
        .limit(MOST)
        .select(users_info::uid)
        .load(conn)?;
    Ok(users::table
        .filter(users::identifier.eq(account).or(users::uid.eq_any(by_attribute)))
        .order(users::uid)
        .limit(MOST)
        .select(users::identifier)
        .load(conn)?)
}

/// The nick, as `nick@network`, belongs to this user from now on, and to nobody else.
pub fn own(conn: &mut Conn, uid: i64, address: &str) -> Result<(), DbError> {
    let same = users_info::table
        .filter(users_info::attr_type.eq(NICK))
        .filter(users_info::attr_data.eq(address));
    diesel::delete(same.filter(users_info::uid.ne(uid))).execute(conn)?;
    user_rows::set_attribute(conn, uid, NICK, address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Db;

    #[tokio::test]
    async fn a_nick_has_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.sqlite");
        let db = Db::open(path.to_str().unwrap()).unwrap();
        let found = db.write(|conn| {
            let alice = user_rows::find_or_create(conn, "alice", "email", "alice@example.org")?;
            let bob = user_rows::find_or_create(conn, "bob", "email", "bob@example.org")?;
            user_rows::set_attribute(conn, bob, ACCOUNT, "robert")?;
            own(conn, alice, "ally@net")?;
            own(conn, bob, "ally@net")?;
            assert_eq!(find(conn, "ally@net")?.unwrap().identifier, "bob");
            assert_eq!(find(conn, "alice")?.unwrap().attributes.len(), 1);
            assert_eq!(find(conn, "alice@example.org")?.unwrap().identifier, "alice");
            assert_eq!(with_account(conn, "robert")?, ["bob"]);
            assert_eq!(with_account(conn, "alice")?, ["alice"]);
            find(conn, "nobody")
        });
        assert_eq!(found.await.unwrap(), None);
    }
}
