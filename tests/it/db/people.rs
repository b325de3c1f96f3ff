//! Users behind authors, and who answers for a build.

use std::collections::HashMap;

use buildbot::db::blame::{self, Blame};
use buildbot::db::{Conn, Db, DbError, builds, buildsets, changes, properties, users};
use buildbot::model::*;

use super::{Basics, Fixture, NOW, basics, execute, fresh, sql};

/// A change of `author`, reported by the system `src`.
fn by(src: &str, author: &str, revision: &str) -> NewChange {
    NewChange {
        author: author.into(),
        files: vec![format!("src/{revision}.c")],
        branch: Some("main".into()),
        revision: Some(revision.into()),
        repository: "r".into(),
        src: (!src.is_empty()).then(|| src.to_owned()),
        ..NewChange::default()
    }
}

/// The number of each change's user; 0 is nobody.
async fn users_of(db: &Db, authors: &[(&str, &str)]) -> Vec<i64> {
    let changes: Vec<NewChange> =
        authors.iter().enumerate().map(|(n, (src, a))| by(src, a, &n.to_string())).collect();
    db.write(move |conn| {
        changes.iter().try_for_each(|change| changes::add(conn, change, NOW).map(|_| ()))
    })
    .await
    .unwrap();
    let changes: Vec<_> = authors.iter().map(|(_, author)| (*author).to_owned()).collect();
    let people = db.read(move |conn| blame::find_people(conn, &changes)).await.unwrap();
    assert_eq!(people.len(), authors.len());
    people.iter().map(|person| person.uid.unwrap_or(0)).collect()
}

fn stored(fixture: &Fixture, what: &str) -> Vec<String> {
    sql(&fixture.path(), &format!("SELECT {what} AS text FROM users_info ORDER BY uid, attr_type"))
}

fn linked(fixture: &Fixture) -> Vec<String> {
    let query = "SELECT c.changeid || ':' || coalesce(u.uid, 0) AS text FROM changes c \
                 LEFT JOIN change_users u ON u.changeid = c.changeid ORDER BY c.changeid";
    sql(&fixture.path(), query)
}

#[tokio::test]
async fn one_person_in_several_systems_is_one_user() {
    let fixture = fresh();
    let authors = [
        ("git", "Anna Berg <anna@x.org>"),
        ("hg", "anna <Anna@X.org>"),
        // A second author of one system is found by its address.
        ("git", "Anna B. <anna@x.org>"),
        ("git", "Anna Berg <anna@x.org>"),
        ("darcs", "anna@x.org"),
        ("svn", "anna"),
        ("svn", "anna"),
        ("p4", "anna@laptop"),
        ("p4", "anna@desktop"),
        ("cvs", "anna"),
        ("git", "GitHub <noreply@github.com>"),
        ("git", "Bot <noreply@github.com>"),
        ("git", "anna <anna@0f3-uuid>"),
        ("git", "anna_x@x.org"),
        ("git", "annaqx@x.org"),
        ("other", "Zoe <zoe@x.org>"),
        ("", "Yan <yan@x.org>"),
    ];
    users_of(&fixture.db, &authors).await;
    let uids: Vec<&str> = vec![
        "1:1", "2:1", "3:1", "4:1", "5:1", "6:2", "7:2", "8:3", "9:3", "10:4", "11:5", "12:6",
        "13:7", "14:8", "15:9", "16:0", "17:0",
    ];
    assert_eq!(linked(&fixture), uids);
    // What stock looks for is there as it was written.
    assert_eq!(
        stored(&fixture, "uid || ' ' || attr_type || ' ' || attr_data")[..8],
        [
            "1 darcs anna@x.org",
            "1 email anna@x.org",
            "1 git Anna Berg <anna@x.org>",
            "1 hg anna <Anna@X.org>",
            "2 svn anna",
            "3 p4 anna",
            "4 cvs anna",
            "5 git GitHub <noreply@github.com>",
        ]
    );
    let names = "SELECT identifier AS text FROM users WHERE uid <= 4 ORDER BY uid";
    let names = sql(&fixture.path(), names);
    assert_eq!(names, ["Anna Berg <anna@x.org>", "anna", "anna_2", "anna_3"]);
}

#[tokio::test]
async fn users_that_stock_or_an_admin_made_are_found() {
    let fixture = fresh();
    execute(
        &fixture.path(),
        "INSERT INTO users (uid, identifier) VALUES (1, 'Anna <anna@x.org>'), (2, 'bob'), \
         (3, 'Carl <carl@x.org>'), (4, 'carl'); \
         INSERT INTO users_info (uid, attr_type, attr_data) VALUES \
         (1, 'git', 'Anna <anna@x.org>'), (2, 'email', 'Bob@x.org'), (2, 'svn', 'bb'), \
         (3, 'git', 'Carl <carl@x.org>'), (4, 'email', 'carl@x.org');",
    );
    let authors = [
        ("git", "Anna <anna@x.org>"),
        ("hg", "Anna Berg <anna@x.org>"),
        ("git", "Bob <bob@x.org>"),
        ("svn", "bb"),
        // Exactly as it is remembered goes before the address.
        ("git", "Carl <carl@x.org>"),
        ("hg", "Carl <carl@x.org>"),
    ];
    users_of(&fixture.db, &authors).await;
    assert_eq!(linked(&fixture), ["1:1", "2:1", "3:2", "4:2", "5:3", "6:4"]);
    assert_eq!(
        stored(&fixture, "uid || ' ' || attr_type || ' ' || attr_data"),
        [
            "1 email anna@x.org",
            "1 git Anna <anna@x.org>",
            "1 hg Anna Berg <anna@x.org>",
            "2 email Bob@x.org",
            "2 git Bob <bob@x.org>",
            "2 svn bb",
            "3 git Carl <carl@x.org>",
            "4 email carl@x.org",
            "4 hg Carl <carl@x.org>",
        ]
    );
}

#[tokio::test]
async fn names_lead_to_users() {
    let fixture = fresh();
    execute(
        &fixture.path(),
        "INSERT INTO users (uid, identifier, bb_username) VALUES (1, 'anna', 'ab'), (2, 'bob', NULL); \
         INSERT INTO users_info (uid, attr_type, attr_data) VALUES \
         (1, 'git', 'Anna <anna@x.org>'), (1, 'email', 'anna@x.org'), (2, 'svn', 'anna');",
    );
    let asked = ["anna", "ab", "Anna <anna@x.org>", "A. <anna@x.org>", "bob", "nobody", ""];
    let texts: Vec<String> = asked.iter().map(|text| (*text).to_owned()).collect();
    let people = fixture.db.read(move |conn| blame::find_people(conn, &texts)).await.unwrap();
    let found: Vec<(&str, Option<i64>)> =
        people.iter().map(|person| (person.who.as_str(), person.uid)).collect();
    let expected = [Some(1), Some(1), Some(1), Some(1), Some(2), None, None];
    assert_eq!(found, asked.into_iter().zip(expected).collect::<Vec<_>>());
    assert_eq!(people[0].attribute("email"), Some("anna@x.org"));
    assert_eq!(people[0].identifier.as_deref(), Some("anna"));
    assert!(people[5].attributes.is_empty());
    let user = fixture.db.read(|conn| users::get(conn, 1)).await.unwrap();
    assert_eq!(user.attributes.len(), 2);
}

/// A build of the builder at this revision and branch, ended with `results`.
fn build(
    conn: &mut Conn,
    basics: Basics,
    (branch, revision): (&str, &str),
    patch: Option<NewPatch>,
    results: Results,
) -> Result<BuildId, DbError> {
    let stamp = NewSourceStamp {
        branch: Some(branch.into()),
        revision: Some(revision.into()),
        repository: "r".into(),
        patch,
        ..NewSourceStamp::default()
    };
    let set = NewBuildset { sourcestamps: vec![stamp], ..super::buildset(&[basics.builder]) };
    let (_, requests) = buildsets::submit(conn, &set, NOW)?;
    let new = builds::NewBuild {
        builder: basics.builder,
        request: requests[0].1,
        worker: None,
        master: basics.master,
        state: "created".into(),
    };
    let build = builds::start(conn, new, NOW)?.id;
    builds::finish(conn, build, results, "", NOW + 1)?;
    Ok(build)
}

fn property(conn: &mut Conn, build: BuildId, name: &str, value: serde_json::Value) {
    let property = Property { value, source: "test".into() };
    properties::set_build(conn, build, &[(name.to_owned(), property)]).unwrap();
}

#[tokio::test]
async fn who_answers_for_a_build() {
    let fixture = fresh();
    let basics = basics(&fixture.db).await;
    let builds: Vec<BuildId> = fixture
        .db
        .write(move |conn| {
            for (revision, author) in
                [("1", "anna <a@x.org>"), ("2", "bob <b@x.org>"), ("3", "carl <c@x.org>")]
            {
                changes::add(conn, &by("git", author, revision), NOW)?;
            }
            changes::add(conn, &by("", "dora", "4"), NOW)?;
            let branch = NewChange { branch: Some("other".into()), ..by("hg", "A <a@x.org>", "5") };
            changes::add(conn, &branch, NOW)?;

            let first = build(conn, basics, ("main", "1"), None, Results::Success)?;
            let failing = build(conn, basics, ("main", "3"), None, Results::Failure)?;
            let newest = build(conn, basics, ("main", "4"), None, Results::Success)?;
            let other = build(conn, basics, ("other", "5"), None, Results::Success)?;
            let again = build(conn, basics, ("main", "4"), None, Results::Success)?;
            let patch = NewPatch { author: "emil@x.org".into(), ..NewPatch::default() };
            let tried = build(conn, basics, ("main", "4"), Some(patch), Results::Failure)?;
            property(conn, again, "owner", "Anna <a@x.org>".into());
            property(conn, tried, "owner", "anna <a@x.org>".into());
            property(conn, tried, "owners", serde_json::json!(["fred", 7, ""]));
            Ok(vec![first, failing, newest, other, again, tried])
        })
        .await
        .unwrap();
    let all = builds.clone();
    let blamed = fixture.db.read(move |conn| blame::of_builds(conn, &all)).await.unwrap();
    let seen: Vec<(String, String)> = builds.iter().map(|id| shown(&blamed[id])).collect();
    let expected = [
        ("anna <a@x.org>=1", "src/1.c"),
        ("bob <b@x.org>=2 carl <c@x.org>=3", "src/2.c src/3.c"),
        ("bob <b@x.org>=2 carl <c@x.org>=3 dora=0", "src/2.c src/3.c src/4.c"),
        ("A <a@x.org>=1", "src/5.c"),
        ("Anna <a@x.org>=1", ""),
        ("anna <a@x.org>=1 emil@x.org=0 fred=0", ""),
    ];
    for (number, (seen, (people, files))) in seen.iter().zip(expected).enumerate() {
        assert_eq!((seen.0.as_str(), seen.1.as_str()), (people, files), "build {number}");
    }
    // One by one is the same, and the changes are those that the API tells.
    for id in builds {
        let (alone, told) = fixture
            .db
            .read(move |conn| Ok((blame::of_builds(conn, &[id])?, changes::for_build(conn, id)?)))
            .await
            .unwrap();
        assert_eq!(alone, HashMap::from([(id, blamed[&id].clone())]));
        let mut files: Vec<String> = told.into_iter().flat_map(|change| change.files).collect();
        files.sort();
        assert_eq!(files, blamed[&id].files);
    }
    let nobody = fixture.db.read(|conn| blame::of_builds(conn, &[BuildId(99)])).await.unwrap();
    assert!(nobody.is_empty());
}

fn shown(blame: &Blame) -> (String, String) {
    let one = |person: &Person| format!("{}={}", person.who, person.uid.unwrap_or(0));
    let people: Vec<String> = blame.people.iter().map(one).collect();
    (people.join(" "), blame.files.join(" "))
}

/// A build whose last success on its branch lies far back, behind many of another branch.
#[tokio::test]
async fn the_last_success_is_found_far_back() {
    let fixture = fresh();
    let basics = basics(&fixture.db).await;
    let build = fixture
        .db
        .write(move |conn| {
            for revision in ["1", "2"] {
                changes::add(conn, &by("git", "anna <a@x.org>", revision), NOW)?;
            }
            build(conn, basics, ("main", "1"), None, Results::Success)?;
            for _ in 0..40 {
                build(conn, basics, ("other", "9"), None, Results::Success)?;
            }
            build(conn, basics, ("main", "2"), None, Results::Failure)
        })
        .await
        .unwrap();
    let blamed = fixture.db.read(move |conn| blame::of_builds(conn, &[build])).await.unwrap();
    assert_eq!(blamed[&build].files, ["src/2.c"]);
}
