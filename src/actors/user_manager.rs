//! `user_managers`: serves `buildbot user`, which adds, changes, removes and shows users.
//!
//! There is nothing here that could break: a name among the logins, and a transaction per command.

use async_trait::async_trait;
use protocol::broker::{Args, no_such_attribute};
use protocol::jelly::{Failure, Value};
use protocol::pb::{UserCommand, UserInfo, UserOp};
use std::sync::Arc;

use super::worker::{Line, Logins, Perspective, Registration};
use crate::config::checked::UserManagerConfig;
use crate::db::{Conn, Db, DbError, users};
use crate::flow::user_report::{Touched, UserReport, told};

/// Users in one command at most.
const USERS: usize = 1000;
/// Characters of an identifier, a name or a value at most, as the tables have them.
const LENGTH: usize = 255;

/// Opens the managers of a configuration; each serves until its registration is dropped.
pub fn open(configs: &[UserManagerConfig], logins: &Logins, db: &Db) -> Vec<Registration> {
    let open = |config: &UserManagerConfig| {
        let UserManagerConfig { username, passwd, port } = config;
        let perspective = Arc::new(UserPerspective(db.clone()));
        logins.register(Some(port), username, passwd, perspective)
    };
    configs.iter().map(open).collect()
}

struct UserPerspective(Db);

#[async_trait]
impl Perspective for UserPerspective {
    async fn call(&self, method: &str, args: Args, _: &Line) -> Result<Value, Failure> {
        if method != "commandline" {
            return Err(no_such_attribute("CommandlineUserManagerPerspective", method));
        }
        let command = UserCommand::from_args(args)?;
        check(&command)?;
        tracing::info!(op = command.op.name(), "a user command");
        let report = self.0.write(move |conn| run(conn, &command)).await;
        match report {
            Ok(report) => Ok(Value::Text(told(&report))),
            Err(error) => Err(refused(&error)),
        }
    }
}

fn check(command: &UserCommand) -> Result<(), Failure> {
    let UserCommand { bb_username, bb_password, ids, info, .. } = command;
    let attributes = info.iter().flat_map(|user| &user.attributes);
    let count = ids.len() + info.len() + attributes.clone().count();
    let texts = ids.iter().chain(info.iter().map(|user| &user.identifier));
    let texts = texts.chain(attributes.flat_map(|(kind, value)| [kind, value]));
    let mut texts = texts.chain(bb_username).chain(bb_password);
    if count > USERS {
        return Err(value_error(format!("more than {USERS} users and attributes in one command")));
    }
    match texts.find(|text| text.chars().count() > LENGTH) {
        Some(_) => Err(value_error(format!("a value is longer than {LENGTH} characters"))),
        None => Ok(()),
    }
}

fn value_error(text: String) -> Failure {
    Failure::new("builtins.ValueError", &[], text)
}

fn refused(error: &DbError) -> Failure {
    let text = match error {
        DbError::Conflict(_) => {
            "somebody else has this identifier, name or attribute; nothing was changed".to_owned()
        }
        other => format!("the users could not be changed: {other}"),
    };
    Failure::new("builtins.RuntimeError", &[], text)
}

/// Does the whole command, or nothing of it.
fn run(conn: &mut Conn, command: &UserCommand) -> Result<UserReport, DbError> {
    let UserCommand { op, ids, info, .. } = command;
    match op {
        _ if !ids.is_empty() && *op == UserOp::Get => {
            let found = ids.iter().map(|id| find(conn, id)).collect::<Result<_, _>>()?;
            Ok(UserReport::Found(found))
        }
        _ if !ids.is_empty() && *op == UserOp::Remove => {
            let mut removed = Vec::new();
            for id in ids {
                if let Some(uid) = users::by_identifier(conn, id)? {
                    users::remove(conn, uid)?;
                    removed.push(id.clone());
                }
            }
            Ok(UserReport::Removed(removed))
        }
        UserOp::Add => {
            let added = info.iter().map(|user| add(conn, command, user));
            Ok(UserReport::Added(added.collect::<Result<_, _>>()?))
        }
        UserOp::Update => {
            let updated = info.iter().map(|user| update(conn, command, user));
            Ok(UserReport::Updated(updated.collect::<Result<_, _>>()?))
        }
        UserOp::Get => Ok(UserReport::Found(Vec::new())),
        UserOp::Remove => Ok(UserReport::Removed(Vec::new())),
    }
}

fn find(conn: &mut Conn, id: &str) -> Result<Option<crate::model::User>, DbError> {
    match users::by_identifier(conn, id)? {
        Some(uid) => users::get(conn, uid).map(Some),
        None => Ok(None),
    }
}

/// Whoever has one of the attributes is the user; if nobody has, the first one makes a user. The
/// others are added to it.
fn add(conn: &mut Conn, command: &UserCommand, user: &UserInfo) -> Result<Touched, DbError> {
    let UserInfo { identifier, attributes } = user;
    let Some(((kind, value), others)) = attributes.split_first() else {
        return update(conn, command, user);
    };
    let uid = match users::with_any(conn, attributes)? {
        Some(uid) => {
            name_found(conn, uid, identifier)?;
            users::set_attribute(conn, uid, kind, value)?;
            uid
        }
        None => users::find_or_create(conn, identifier, kind, value)?,
    };
    for (kind, value) in others {
        users::set_attribute(conn, uid, kind, value)?;
    }
    Ok(Touched { identifier: identifier.clone(), uid: Some(uid), attributes: attributes.len() })
}

/// A user that a change has made is called as its author: what an admin wants to call it is better,
/// and what finds it from then on.
fn name_found(conn: &mut Conn, uid: i64, identifier: &str) -> Result<(), DbError> {
    let known = users::get(conn, uid)?;
    let made_by_change = known.attributes.iter().any(|(_, value)| *value == known.identifier);
    if made_by_change && users::by_identifier(conn, identifier)?.is_none() {
        users::rename(conn, uid, identifier)?;
    }
    Ok(())
}

fn update(conn: &mut Conn, command: &UserCommand, user: &UserInfo) -> Result<Touched, DbError> {
    let UserInfo { identifier, attributes } = user;
    let uid = users::by_identifier(conn, identifier)?;
    if let Some(uid) = uid {
        if let (Some(name), Some(hashed)) = (&command.bb_username, &command.bb_password) {
            users::set_login(conn, uid, name, hashed)?;
        }
        for (kind, value) in attributes {
            users::set_attribute(conn, uid, kind, value)?;
        }
    }
    Ok(Touched { identifier: identifier.clone(), uid, attributes: attributes.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::changes;
    use crate::model::NewChange;

    fn info(identifier: &str, attributes: &[(&str, &str)]) -> UserInfo {
        let attributes =
            attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        UserInfo { identifier: identifier.into(), attributes }
    }

    fn adding(user: UserInfo) -> UserCommand {
        let (bb_username, bb_password, ids) = (None, None, Vec::new());
        UserCommand { op: UserOp::Add, bb_username, bb_password, ids, info: vec![user] }
    }

    #[tokio::test]
    async fn whoever_is_known_by_an_attribute_or_an_address_is_not_added_twice() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path().join("state.sqlite").to_str().unwrap()).unwrap();
        let change = NewChange {
            author: "Anna <anna@x.org>".into(),
            src: Some("git".into()),
            ..NewChange::default()
        };
        db.write(move |conn| changes::add(conn, &change, 0)).await.unwrap();
        // What is added, and who it is then: number and identifier.
        for (user, uid, identifier) in [
            (info("bob", &[("svn", "bob")]), 2, "bob"),
            (info("anna", &[("hg", "ann"), ("email", "Anna@x.org")]), 1, "anna"),
            (info("berg", &[("git", "Anna <anna@x.org>")]), 1, "anna"),
            (info("berg", &[("bzr", "A. Berg <anna@x.org>"), ("svn", "anna")]), 1, "anna"),
            (info("bobby", &[("svn", "bob"), ("email", "bob@x.org")]), 2, "bobby"),
            (info("bot", &[("email", "noreply@x.org")]), 3, "bot"),
        ] {
            let command = adding(user.clone());
            let told = db.write(move |conn| run(conn, &command)).await.unwrap();
            let UserReport::Added(added) = told else { panic!("{told:?}") };
            assert_eq!(added[0].uid, Some(uid), "{user:?}");
            let stored = db.read(move |conn| users::get(conn, uid)).await.unwrap();
            assert_eq!(stored.identifier, identifier, "{user:?}");
        }
        let mut anna = db.read(|conn| users::get(conn, 1)).await.unwrap().attributes;
        anna.sort();
        let expected = [
            ("bzr", "A. Berg <anna@x.org>"),
            ("email", "Anna@x.org"),
            ("git", "Anna <anna@x.org>"),
            ("hg", "ann"),
            ("svn", "anna"),
        ];
        assert_eq!(anna, expected.map(|(kind, value)| (kind.to_owned(), value.to_owned())));
    }
}
