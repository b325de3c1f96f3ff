//! Everything that one backend spells differently from another.
//!
//! A macro expands its statement once per backend, so that each is checked against the backend
//! that runs it.

use std::collections::HashMap;

use diesel::backend::Backend;
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::BigInt;
use diesel::{QueryResult, QueryableByName, RunQueryDsl, define_sql_function};

use super::{Conn, DbError};
use crate::model::{BuildId, BuildsetId, ChangeId};

define_sql_function! {
    /// Key of the row that this connection inserted last (SQLite).
    fn last_insert_rowid() -> BigInt;
}

/// The number 0, written into the statement: a bound value would hide from SQLite that an index
/// with `WHERE complete = 0` answers it.
#[derive(Debug, Clone, Copy, QueryId, ValidGrouping)]
pub(super) struct Zero;

impl Expression for Zero {
    type SqlType = BigInt;
}

impl<Source> SelectableExpression<Source> for Zero {}
impl<Source> AppearsOnTable<Source> for Zero {}

impl<DB: Backend> QueryFragment<DB> for Zero {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("0");
        Ok(())
    }
}

/// Rows in one statement at most: keeps the number of bound values below every backend's limit.
pub(super) const BATCH: usize = 500;

/// Runs an insert and answers the new row's integer key.
macro_rules! insert_id {
    ($conn:expr, $insert:expr) => {
        match *$conn {
            $crate::db::Conn::Sqlite(ref mut conn) => diesel::RunQueryDsl::execute($insert, conn)
                .and_then(|_| {
                    diesel::RunQueryDsl::get_result::<i64>(
                        diesel::select($crate::db::dialect::last_insert_rowid()),
                        conn,
                    )
                }),
        }
    };
}

/// Inserts many rows, as few statements as the batch size allows.
macro_rules! insert_all {
    ($conn:expr, $table:expr, $rows:expr) => {{
        let rows: Vec<_> = $rows;
        let mut outcome = Ok(());
        for batch in rows.chunks($crate::db::dialect::BATCH) {
            let insert = diesel::insert_into($table).values(batch);
            let done = match *$conn {
                $crate::db::Conn::Sqlite(ref mut conn) => {
                    diesel::RunQueryDsl::execute(insert, conn)
                }
            };
            if let Err(error) = done {
                outcome = Err(error);
                break;
            }
        }
        outcome
    }};
}

/// Inserts a row unless a unique index says it is there; answers whether it was new.
macro_rules! insert_or_ignore {
    ($conn:expr, $table:expr, $row:expr) => {
        match *$conn {
            $crate::db::Conn::Sqlite(ref mut conn) => diesel::RunQueryDsl::execute(
                diesel::insert_or_ignore_into($table).values($row),
                conn,
            )
            .map(|rows| rows == 1),
        }
    };
}

/// The id of the row named `$name`, found by its hash or created with the given columns.
macro_rules! find_or_create_named {
    ($conn:expr, $table:ident, $id:ident, $name:expr $(, $column:ident = $value:expr)*) => {{
        use $crate::db::schema::$table::dsl;
        let hash = $crate::db::hash::name_hash($name);
        let found = dsl::$table
            .filter(dsl::name_hash.eq(&hash))
            .select(dsl::id)
            .first::<$id>($conn)
            .optional()?;
        match found {
            Some(id) => id,
            None => $id(insert_id!(
                $conn,
                diesel::insert_into(dsl::$table).values((
                    dsl::name.eq($name),
                    dsl::name_hash.eq(&hash),
                    $(dsl::$column.eq($value),)*
                ))
            )?),
        }
    }};
}

pub(super) use {find_or_create_named, insert_all, insert_id, insert_or_ignore};

/// Two numbers that belong together.
#[derive(QueryableByName)]
struct Pair {
    #[diesel(sql_type = BigInt)]
    one: i64,
    #[diesel(sql_type = BigInt)]
    other: i64,
}

/// A change, and the ancestor of it at which to stop.
pub(super) type Line = (ChangeId, Option<ChangeId>);

/// For each line the change and its ancestors, newest first, at most `limit` of them and not
/// including the one at which to stop. At most [`BATCH`] lines.
pub(super) fn ancestors(
    conn: &mut Conn,
    lines: &[Line],
    limit: i64,
) -> Result<HashMap<Line, Vec<ChangeId>>, DbError> {
    let mut found: HashMap<Line, Vec<ChangeId>> = HashMap::new();
    if lines.is_empty() {
        return Ok(found);
    }
    let until = |line: &Line| line.1.map_or(-1, |id| id.0);
    // Numbers only.
    let begins: Vec<String> = lines
        .iter()
        .enumerate()
        .map(|(place, line)| format!("({place}, {}, {})", line.0.0, until(line)))
        .collect();
    let rows: Vec<Pair> = diesel::sql_query(format!(
        "WITH RECURSIVE begins(place, origin, until) AS (VALUES {}), \
         line(place, until, id, parent, n) AS ( \
         SELECT b.place, b.until, c.changeid, c.parent_changeids, 1 \
         FROM begins b JOIN changes c ON c.changeid = b.origin \
         UNION ALL \
         SELECT line.place, line.until, c.changeid, c.parent_changeids, line.n + 1 \
         FROM line JOIN changes c ON c.changeid = line.parent \
         WHERE line.n < ? AND c.changeid != line.until) \
         SELECT place AS one, id AS other FROM line ORDER BY place, n",
        begins.join(", ")
    ))
    .bind::<BigInt, _>(limit)
    .load(conn)?;
    for Pair { one, other } in rows {
        let line = usize::try_from(one).ok().and_then(|place| lines.get(place));
        if let Some(line) = line {
            found.entry(*line).or_default().push(ChangeId(other));
        }
    }
    Ok(found)
}

/// For each build the buildsets of the successful builds of its builder before it, at most `limit`
/// of them, the newest first. At most [`BATCH`] builds.
pub(super) fn successes_before(
    conn: &mut Conn,
    builds: &[BuildId],
    limit: i64,
) -> Result<HashMap<BuildId, Vec<BuildsetId>>, DbError> {
    let mut found: HashMap<BuildId, Vec<BuildsetId>> = HashMap::new();
    if builds.is_empty() {
        return Ok(found);
    }
    let ids: Vec<String> = builds.iter().map(|id| id.0.to_string()).collect();
    // CROSS JOIN keeps SQLite to this order of the tables.
    let rows: Vec<Pair> = diesel::sql_query(format!(
        "SELECT t.id AS one, r.buildsetid AS other FROM builds t CROSS JOIN builds b \
         CROSS JOIN buildrequests r WHERE t.id IN ({}) AND b.id IN ( \
         SELECT p.id FROM builds p WHERE p.builderid = t.builderid AND p.number < t.number \
         AND p.results = 0 ORDER BY p.number DESC LIMIT ?) \
         AND r.id = b.buildrequestid ORDER BY t.id, b.number DESC",
        ids.join(", ")
    ))
    .bind::<BigInt, _>(limit)
    .load(conn)?;
    for Pair { one, other } in rows {
        found.entry(BuildId(one)).or_default().push(BuildsetId(other));
    }
    Ok(found)
}
