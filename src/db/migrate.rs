//! The schema: created in a new file, recognised in an old one, extended by numbered scripts.
//!
//! `alembic_version` belongs to stock Buildbot and stays at its revision. Our own scripts only add
//! objects with the prefix `rs_`, which stock ignores, and are counted in `rs_migrations`.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::schema::alembic_version;
use super::{Conn, DbError};

/// Stock Buildbot 4.3's newest revision.
const REVISION: &str = "067";
const SCHEMA: &str = include_str!("../../migrations/sqlite/buildbot_067.sql");
/// Script number n brings `rs_migrations.version` from n - 1 to n.
const SCRIPTS: &[&str] = &[
    include_str!("../../migrations/sqlite/rs_0001_indexes.sql"),
    include_str!("../../migrations/sqlite/rs_0002_queue.sql"),
    include_str!("../../migrations/sqlite/rs_0003_test_results.sql"),
    include_str!("../../migrations/sqlite/rs_0004_status.sql"),
    include_str!("../../migrations/sqlite/rs_0005_problems.sql"),
    include_str!("../../migrations/sqlite/rs_0006_absences.sql"),
];

#[derive(QueryableByName)]
struct TableName {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = BigInt)]
    version: i64,
}

/// Makes the database at `path` one that the rest of the program can use.
pub(super) fn prepare(conn: &mut Conn, path: &str) -> Result<(), DbError> {
    conn.batch_execute("BEGIN IMMEDIATE")?;
    let done = in_transaction(conn, path);
    match done {
        Ok(()) => conn.batch_execute("COMMIT")?,
        // The first error is the one that matters.
        Err(_) => drop(conn.batch_execute("ROLLBACK")),
    }
    done
}

fn in_transaction(conn: &mut Conn, path: &str) -> Result<(), DbError> {
    let tables: Vec<String> =
        diesel::sql_query("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            .load::<TableName>(conn)?
            .into_iter()
            .map(|table| table.name)
            .collect();
    if tables.is_empty() {
        conn.batch_execute(SCHEMA)?;
    } else {
        recognise(conn, path, &tables)?;
    }
    extend(conn, path)
}

/// Refuses a database that is not Buildbot 4.3's.
fn recognise(conn: &mut Conn, path: &str, tables: &[String]) -> Result<(), DbError> {
    let has = |name: &str| tables.iter().any(|table| table == name);
    if has("alembic_version") && has("builders") {
        let found: Option<String> =
            alembic_version::table.select(alembic_version::version_num).first(conn).optional()?;
        return match found.as_deref() {
            Some(REVISION) => Ok(()),
            found => Err(DbError::Schema(other_revision(path, found.unwrap_or("none")))),
        };
    }
    if has("migrate_version") || has("version") && has("changes") {
        return Err(DbError::Schema(other_revision(path, "one before Buildbot 3.4")));
    }
    Err(DbError::Schema(format!(
        "{path} is not a Buildbot database (its tables are {}); name another file in db_url, or \
         one that does not exist yet to start with an empty database",
        some_of(tables)
    )))
}

fn other_revision(path: &str, found: &str) -> String {
    if found.parse::<u32>().is_ok_and(|found| found > 67) {
        return format!(
            "the database {path} has schema revision {found}, written by a Buildbot newer than \
             4.3; this program knows revision {REVISION}"
        );
    }
    format!(
        "the database {path} has schema revision {found}, this program needs {REVISION}: back the \
         file up, run `buildbot upgrade-master` of stock Buildbot 4.3 on it once, then start again"
    )
}

fn some_of(tables: &[String]) -> String {
    let mut names: Vec<&str> = tables.iter().take(5).map(String::as_str).collect();
    if tables.len() > names.len() {
        names.push("…");
    }
    names.join(", ")
}

/// Runs the scripts that this database has not seen.
fn extend(conn: &mut Conn, path: &str) -> Result<(), DbError> {
    conn.batch_execute(
        "CREATE TABLE IF NOT EXISTS rs_migrations (version INTEGER NOT NULL PRIMARY KEY)",
    )?;
    let seen: Vec<Version> =
        diesel::sql_query("SELECT version FROM rs_migrations ORDER BY version").load(conn)?;
    let newest = seen.last().map_or(0, |row| row.version);
    if newest > SCRIPTS.len() as i64 {
        tracing::warn!(
            database = path,
            newest,
            "a newer version of this program has used the database; its additions are kept"
        );
    }
    for (number, script) in (1i64..).zip(SCRIPTS) {
        if number > newest {
            conn.batch_execute(script)?;
            diesel::sql_query("INSERT INTO rs_migrations (version) VALUES (?)")
                .bind::<BigInt, _>(number)
                .execute(conn)?;
        }
    }
    Ok(())
}
