//! Opening: a new file, a stranger's, an old one's, a broken one.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use buildbot::db::{Db, DbError, builders};

use super::{data, execute, file, fresh, recorded, sql};
use tempfile::TempDir;

/// The schema as lines per table, in the format of the recorded listing, without blanks.
fn listing(path: &str) -> BTreeMap<String, Vec<String>> {
    let columns = "SELECT 'COLUMN ' || c.name || ' ' || c.type || \
        CASE c.\"notnull\" WHEN 1 THEN ' NOT NULL' ELSE ' NULL' END || \
        ' default=' || coalesce(c.dflt_value, '-') || \
        CASE c.pk WHEN 0 THEN '' ELSE ' PK#' || c.pk END";
    let keys = "SELECT 'FK ' || k.\"from\" || ' -> ' || k.\"table\" || '(' || k.\"to\" || ') \
        ON UPDATE ' || k.on_update || ' ON DELETE ' || k.on_delete";
    let indexes = "SELECT CASE i.\"unique\" WHEN 1 THEN 'UNIQUE ' ELSE '' END || 'INDEX ' || \
        i.name || ' (' || (SELECT group_concat(name, ', ') FROM (SELECT x.name FROM \
        pragma_index_info(i.name) x ORDER BY x.seqno)) || ') origin=' || i.origin";
    let tables = sql(
        path,
        // SQLite's own table counts what our tables never give out twice.
        "SELECT name AS text FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'rs\\_%' \
         ESCAPE '\\' AND name <> 'sqlite_sequence'",
    );
    let of = |table: String| {
        let lines = sql(
            path,
            &format!(
                "{columns} AS text FROM pragma_table_info('{table}') c UNION ALL \
                 {keys} FROM pragma_foreign_key_list('{table}') k UNION ALL \
                 {indexes} FROM pragma_index_list('{table}') i \
                 WHERE i.name NOT LIKE 'rs\\_%' ESCAPE '\\'"
            ),
        );
        (table, sorted(lines))
    };
    tables.into_iter().map(of).collect()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

fn recorded_listing() -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(data("schema-sqlite.txt")).unwrap();
    text.trim()
        .split("\n\n")
        .map(|block| {
            let mut lines = block.lines();
            let table = lines.next().unwrap().strip_prefix("TABLE ").unwrap().to_owned();
            let lines = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
            (table, sorted(lines.collect()))
        })
        .collect()
}

#[tokio::test]
async fn a_new_file_has_the_schema_of_stock() {
    let fixture = fresh();
    let ours = listing(&fixture.path());
    let stock = recorded_listing();
    assert_eq!(stock.len(), 43);
    assert_eq!(ours.keys().collect::<Vec<_>>(), stock.keys().collect::<Vec<_>>());
    for (table, lines) in &stock {
        assert_eq!(&ours[table], lines, "{table}");
    }
    let revision = sql(&fixture.path(), "SELECT version_num AS text FROM alembic_version");
    assert_eq!(revision, ["067"]);
}

#[tokio::test]
async fn our_additions_come_once_and_only_with_our_prefix() {
    let fixture = recorded("state-small");
    let strangers = "SELECT name AS text FROM sqlite_master WHERE name LIKE 'rs\\_%' ESCAPE '\\' \
                     ORDER BY name";
    let first = sql(&fixture.path(), strangers);
    assert!(first.iter().any(|name| name == "rs_buildrequests_pending"), "{first:?}");
    drop(Db::open(&fixture.path()).unwrap());
    assert_eq!(sql(&fixture.path(), strangers), first);
}

#[tokio::test]
async fn an_empty_file_counts_as_new() {
    let dir = TempDir::new().unwrap();
    std::fs::write(file(&dir), b"").unwrap();
    let db = Db::open(&file(&dir)).unwrap();
    assert_eq!(db.read(builders::list).await.unwrap(), []);
}

fn refusal(path: &str) -> DbError {
    Db::open(path).err().expect("the database must be refused")
}

#[test]
fn other_revisions_are_sent_to_upgrade_master() {
    let fixture = fresh();
    let path = fixture.path();
    for (statement, wanted) in [
        ("UPDATE alembic_version SET version_num = '059'", "059"),
        ("UPDATE alembic_version SET version_num = '070'", "newer than 4.3"),
        ("DELETE FROM alembic_version", "upgrade-master"),
        ("DROP TABLE alembic_version; CREATE TABLE migrate_version (version INTEGER)", "3.4"),
    ] {
        execute(&path, statement);
        let error = refusal(&path);
        assert!(matches!(error, DbError::Schema(_)), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&path) && text.contains(wanted), "{text}");
    }
}

#[test]
fn a_strangers_database_is_not_touched() {
    let dir = TempDir::new().unwrap();
    execute(&file(&dir), "CREATE TABLE songs (title TEXT)");
    let error = refusal(&file(&dir)).to_string();
    assert!(error.contains("not a Buildbot database") && error.contains("songs"), "{error}");
    assert_eq!(
        sql(&file(&dir), "SELECT name AS text FROM sqlite_master WHERE type = 'table'"),
        ["songs"]
    );
}

#[test]
fn damage_and_missing_rights_name_the_file_and_the_mend() {
    let dir = TempDir::new().unwrap();
    std::fs::write(file(&dir), "this is no database, not by a long way\n".repeat(50)).unwrap();
    let error = refusal(&file(&dir)).to_string();
    assert!(error.contains(&file(&dir)) && error.contains("backup"), "{error}");

    let nowhere = dir.path().join("missing/state.sqlite");
    let error = refusal(nowhere.to_str().unwrap()).to_string();
    assert!(error.contains("directory must exist"), "{error}");

    let sealed = dir.path().join("sealed");
    std::fs::create_dir(&sealed).unwrap();
    std::fs::set_permissions(&sealed, std::fs::Permissions::from_mode(0o555)).unwrap();
    if std::fs::write(sealed.join("probe"), b"").is_ok() {
        println!("skipped the read-only directory: this user may write anywhere");
        return;
    }
    let error = refusal(sealed.join("state.sqlite").to_str().unwrap()).to_string();
    assert!(error.contains("able to write"), "{error}");
}
