//! Who answers for a build: the authors of what is new in it, and whoever asked for it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::prelude::*;
use serde_json::Value;

use super::dialect::BATCH;
use super::schema::{change_files, change_users, changes, users, users_info};
use super::users::EMAIL;
use super::{Conn, DbError, build_changes, properties};
use crate::model::{BuildId, ChangeId, Person, Properties, SYSTEMS, Who, address};

/// Files that are looked at for rules about paths, at most: of 500 changes together.
const MAX_FILES: i64 = 20_000;
/// Attributes of all people of one batch, at most.
const MAX_ATTRIBUTES: i64 = 20_000;

/// Who answers for one build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blame {
    /// The authors of the build's changes since the last successful build of the same sources, its
    /// `owner` and `owners`, and who made its patches. By their texts, each once.
    pub people: Vec<Person>,
    /// Those changes; newest first for each codebase, at most 500 of each.
    pub changes: Vec<ChangeId>,
    /// The files of those changes, each once; for rules about who cares for what.
    pub files: Vec<String>,
}

/// Who answers for each of these builds; builds that do not exist are left out. The number of
/// queries does not grow with the number of changes and people, and hardly with that of builds.
pub fn of_builds(conn: &mut Conn, builds: &[BuildId]) -> Result<HashMap<BuildId, Blame>, DbError> {
    let news = build_changes::of_builds(conn, builds)?;
    let ids: BTreeSet<ChangeId> = news.values().flat_map(|of| of.changes.clone()).collect();
    let ids: Vec<ChangeId> = ids.into_iter().collect();
    let authors = authors(conn, &ids)?;
    let files = files(conn, &ids)?;
    let owners = properties::of_builds(conn, builds, Some(&["owner".into(), "owners".into()]))?;

    let mut texts: HashMap<BuildId, BTreeMap<String, Option<i64>>> = HashMap::new();
    for (build, news) in &news {
        let of = texts.entry(*build).or_default();
        for text in owners.get(build).map(owners_of).into_iter().flatten() {
            of.insert(text, None);
        }
        for patch in news.stamps.iter().filter_map(|stamp| stamp.patch.as_ref()) {
            of.insert(patch.author.clone(), None);
        }
        for (text, uid) in news.changes.iter().filter_map(|id| authors.get(id)) {
            let known = of.entry(text.clone()).or_default();
            *known = known.or(*uid);
        }
        of.retain(|text, _| !text.trim().is_empty());
    }
    let people = people(conn, texts.values().flatten())?;
    let blame = news.into_iter().map(|(build, news)| {
        let who = texts.remove(&build).unwrap_or_default();
        let people = who.into_keys().filter_map(|text| people.get(&text).cloned()).collect();
        let files: BTreeSet<&String> =
            news.changes.iter().filter_map(|id| files.get(id)).flatten().collect();
        let files = files.into_iter().cloned().collect();
        (build, Blame { people, files, changes: news.changes })
    });
    Ok(blame.collect())
}

/// What is known about those who are called so, in this order: by identifier, as the author of a
/// change, by mail address or as a name for logins.
pub fn find_people(conn: &mut Conn, texts: &[String]) -> Result<Vec<Person>, DbError> {
    let unknown: Vec<(String, Option<i64>)> = texts.iter().map(|t| (t.clone(), None)).collect();
    let found = people(conn, unknown.iter().map(|(text, uid)| (text, uid)))?;
    Ok(texts.iter().filter_map(|text| found.get(text).cloned()).collect())
}

/// The texts of the properties `owner` and `owners`. A try job's owner is who submitted it.
fn owners_of(properties: &Properties) -> Vec<String> {
    let texts = |value: &Value| -> Vec<String> {
        match value {
            Value::String(text) => vec![text.clone()],
            Value::Array(items) => {
                items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        }
    };
    ["owner", "owners"].iter().filter_map(|name| properties.get(name)).flat_map(texts).collect()
}

type Authors = HashMap<ChangeId, (String, Option<i64>)>;

fn authors(conn: &mut Conn, ids: &[ChangeId]) -> Result<Authors, DbError> {
    let mut found = HashMap::new();
    for batch in ids.chunks(BATCH) {
        let uids: Vec<(ChangeId, i64)> = change_users::table
            .filter(change_users::changeid.eq_any(batch.iter().copied()))
            .limit(2 * BATCH as i64)
            .select((change_users::changeid, change_users::uid))
            .load(conn)?;
        let uids: HashMap<ChangeId, i64> = uids.into_iter().collect();
        let rows: Vec<(ChangeId, String)> = changes::table
            .filter(changes::changeid.eq_any(batch.iter().copied()))
            .select((changes::changeid, changes::author))
            .load(conn)?;
        found.extend(rows.into_iter().map(|(id, author)| (id, (author, uids.get(&id).copied()))));
    }
    Ok(found)
}

fn files(conn: &mut Conn, ids: &[ChangeId]) -> Result<HashMap<ChangeId, Vec<String>>, DbError> {
    let mut found: HashMap<ChangeId, Vec<String>> = HashMap::new();
    for batch in ids.chunks(BATCH) {
        let rows: Vec<(ChangeId, String)> = change_files::table
            .filter(change_files::changeid.eq_any(batch.iter().copied()))
            .limit(MAX_FILES)
            .select((change_files::changeid, change_files::filename))
            .load(conn)?;
        for (id, file) in rows {
            found.entry(id).or_default().push(file);
        }
    }
    Ok(found)
}

/// The people behind texts, some of which are known to be users.
fn people<'t>(
    conn: &mut Conn,
    texts: impl Iterator<Item = (&'t String, &'t Option<i64>)>,
) -> Result<HashMap<String, Person>, DbError> {
    let mut uid_of: BTreeMap<String, Option<i64>> = BTreeMap::new();
    for (text, uid) in texts {
        let known = uid_of.entry(text.clone()).or_default();
        *known = known.or(*uid);
    }
    let unknown: Vec<String> =
        uid_of.iter().filter(|(_, uid)| uid.is_none()).map(|(text, _)| text.clone()).collect();
    for batch in unknown.chunks(BATCH) {
        for (text, uid) in users_called(conn, batch)? {
            uid_of.insert(text, Some(uid));
        }
    }
    let uids: BTreeSet<i64> = uid_of.values().flatten().copied().collect();
    let known = users_of(conn, &uids.into_iter().collect::<Vec<_>>())?;
    let people = uid_of.into_iter().map(|(who, uid)| {
        let person = uid.and_then(|uid| known.get(&uid)).cloned().unwrap_or_default();
        (who.clone(), Person { who, ..person })
    });
    Ok(people.collect())
}

/// The users whom these texts name.
fn users_called(conn: &mut Conn, texts: &[String]) -> Result<HashMap<String, i64>, DbError> {
    let addresses: HashMap<&String, String> = texts
        .iter()
        .filter_map(|text| Some((text, Who::parse("", text).personal_address()?.to_owned())))
        .collect();
    let wanted: Vec<&String> = texts.iter().chain(addresses.values()).collect();
    let attributes: Vec<(i64, String, String)> = users_info::table
        .filter(users_info::attr_type.eq_any(SYSTEMS.into_iter().chain([EMAIL])))
        .filter(users_info::attr_data.eq_any(wanted))
        .order(users_info::uid)
        .limit(MAX_ATTRIBUTES)
        .select((users_info::uid, users_info::attr_type, users_info::attr_data))
        .load(conn)?;
    let names: Vec<(i64, String, Option<String>)> = users::table
        .filter(users::identifier.eq_any(texts).or(users::bb_username.eq_any(texts)))
        .order(users::uid)
        .limit(2 * BATCH as i64)
        .select((users::uid, users::identifier, users::bb_username))
        .load(conn)?;
    let uid_of = |text: &String| {
        let called = || names.iter().find(|(_, name, _)| name == text).map(|row| row.0);
        let author = || attributes.iter().find(|(_, _, value)| value == text).map(|row| row.0);
        let reached = || {
            let wanted = addresses.get(text)?;
            let has = |kind: &str, value: &str| kind == EMAIL && address::same(value, wanted);
            attributes.iter().find(|(_, kind, value)| has(kind, value)).map(|row| row.0)
        };
        let logs_in =
            || names.iter().find(|(.., name)| name.as_ref() == Some(text)).map(|row| row.0);
        called().or_else(author).or_else(reached).or_else(logs_in)
    };
    Ok(texts.iter().filter_map(|text| Some((text.clone(), uid_of(text)?))).collect())
}

/// The users with these numbers, without a text.
fn users_of(conn: &mut Conn, uids: &[i64]) -> Result<HashMap<i64, Person>, DbError> {
    let mut found: HashMap<i64, Person> = HashMap::new();
    for batch in uids.chunks(BATCH) {
        let rows: Vec<(i64, String)> = users::table
            .filter(users::uid.eq_any(batch))
            .select((users::uid, users::identifier))
            .load(conn)?;
        found.extend(rows.into_iter().map(|(uid, identifier)| {
            let person =
                Person { uid: Some(uid), identifier: Some(identifier), ..Person::default() };
            (uid, person)
        }));
        let rows: Vec<(i64, String, String)> = users_info::table
            .filter(users_info::uid.eq_any(batch))
            .order((users_info::uid, users_info::attr_type))
            .limit(MAX_ATTRIBUTES)
            .select((users_info::uid, users_info::attr_type, users_info::attr_data))
            .load(conn)?;
        for (uid, kind, value) in rows {
            if let Some(person) = found.get_mut(&uid) {
                person.attributes.push((kind, value));
            }
        }
    }
    Ok(found)
}
