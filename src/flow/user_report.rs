//! What `buildbot user` prints: the texts that stock masters answer, which scripts read.

use std::fmt::Write as _;

use crate::model::User;

/// What was done.
#[derive(Debug, Clone, PartialEq)]
pub enum UserReport {
    Added(Vec<Touched>),
    /// Those that existed.
    Removed(Vec<String>),
    Updated(Vec<Touched>),
    /// One for each that was asked for.
    Found(Vec<Option<User>>),
}

/// A user that was added or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    pub identifier: String,
    /// `None` when nobody is called so.
    pub uid: Option<i64>,
    /// How many attributes were named.
    pub attributes: usize,
}

/// The text for the client.
pub fn told(report: &UserReport) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = match report {
        UserReport::Added(users) => added(&mut text, users),
        UserReport::Removed(users) => removed(&mut text, users),
        UserReport::Updated(users) => updated(&mut text, users),
        UserReport::Found(users) => found(&mut text, users),
    };
    text
}

/// Once per attribute, the number behind the first.
fn added(text: &mut String, users: &[Touched]) -> std::fmt::Result {
    text.push_str("user(s) added:\n");
    for user in users {
        for place in 0..user.attributes.max(1) {
            writeln!(text, "identifier: {}", user.identifier)?;
            if let Some(uid) = user.uid.filter(|_| place == 0) {
                write!(text, "uid: {uid}\n\n")?;
            }
        }
    }
    Ok(())
}

fn removed(text: &mut String, users: &[String]) -> std::fmt::Result {
    text.push_str("user(s) removed:\n");
    users.iter().try_for_each(|user| writeln!(text, "identifier: {user}"))
}

/// Once per attribute. Stock also names those that it did not find as updated.
fn updated(text: &mut String, users: &[Touched]) -> std::fmt::Result {
    text.push_str("user(s) updated:\n");
    for user in users {
        match user.uid {
            Some(_) => (0..user.attributes.max(1))
                .try_for_each(|_| writeln!(text, "identifier: {}", user.identifier))?,
            None => writeln!(text, "no match found: {}", user.identifier)?,
        }
    }
    Ok(())
}

fn found(text: &mut String, users: &[Option<User>]) -> std::fmt::Result {
    text.push_str("user(s) found:\n");
    for user in users {
        let Some(user) = user else {
            text.push_str("no match found\n");
            continue;
        };
        let name = user.bb_username.as_deref().unwrap_or("None");
        writeln!(text, "uid: {}\nidentifier: {}\nbb_username: {name}", user.uid, user.identifier)?;
        if !user.attributes.is_empty() {
            text.push_str("attributes:\n");
            for (kind, value) in &user.attributes {
                writeln!(text, "\t{kind}: {value}")?;
            }
            text.push('\n');
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded answers of a stock master, and what it does not say.
    #[test]
    fn reports_are_those_of_stock() {
        let joe = "Joe <joe@example.org>";
        let touched = |attributes, uid| vec![Touched { identifier: joe.into(), uid, attributes }];
        let user = User {
            uid: 2,
            identifier: joe.into(),
            bb_username: None,
            attributes: vec![
                ("email".into(), "joe@example.org".into()),
                ("git".into(), joe.into()),
            ],
        };
        let bare = User { bb_username: Some("joe".into()), attributes: vec![], ..user.clone() };
        for (report, expected) in [
            (
                UserReport::Added(touched(2, Some(2))),
                "user(s) added:\nidentifier: Joe <joe@example.org>\nuid: 2\n\nidentifier: Joe \
                 <joe@example.org>\n",
            ),
            (
                UserReport::Found(vec![Some(user), None]),
                "user(s) found:\nuid: 2\nidentifier: Joe <joe@example.org>\nbb_username: \
                 None\nattributes:\n\temail: joe@example.org\n\tgit: Joe <joe@example.org>\n\nno \
                 match found\n",
            ),
            (
                UserReport::Found(vec![Some(bare)]),
                "user(s) found:\nuid: 2\nidentifier: Joe <joe@example.org>\nbb_username: joe\n",
            ),
            (
                UserReport::Updated(touched(1, Some(2))),
                "user(s) updated:\nidentifier: Joe <joe@example.org>\n",
            ),
            (
                UserReport::Updated(touched(0, Some(2))),
                "user(s) updated:\nidentifier: Joe <joe@example.org>\n",
            ),
            (
                UserReport::Updated(touched(1, None)),
                "user(s) updated:\nno match found: Joe <joe@example.org>\n",
            ),
            (
                UserReport::Removed(vec![joe.into()]),
                "user(s) removed:\nidentifier: Joe <joe@example.org>\n",
            ),
        ] {
            assert_eq!(told(&report), expected);
        }
    }
}
