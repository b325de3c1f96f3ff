//! Everything that one backend spells differently from another.
//!
//! A macro expands its statement once per backend, so that each is checked against the backend
//! that runs it.

use diesel::backend::Backend;
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::BigInt;
use diesel::{QueryResult, QueryableByName, RunQueryDsl, define_sql_function};

use super::{Conn, DbError};
use crate::model::ChangeId;

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

#[derive(QueryableByName)]
struct Ancestor {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// `from` and its ancestors, newest first, at most `limit` of them and not including `until`.
pub(super) fn ancestors(
    conn: &mut Conn,
    from: ChangeId,
    until: Option<ChangeId>,
    limit: i64,
) -> Result<Vec<ChangeId>, DbError> {
    let rows: Vec<Ancestor> = diesel::sql_query(
        "WITH RECURSIVE line(id, parent, n) AS ( \
         SELECT changeid, parent_changeids, 1 FROM changes WHERE changeid = ? \
         UNION ALL \
         SELECT c.changeid, c.parent_changeids, line.n + 1 \
         FROM line JOIN changes c ON c.changeid = line.parent \
         WHERE line.n < ? AND c.changeid != ?) \
         SELECT id FROM line ORDER BY n",
    )
    .bind::<BigInt, _>(from.0)
    .bind::<BigInt, _>(limit)
    .bind::<BigInt, _>(until.map_or(-1, |id| id.0))
    .load(conn)?;
    Ok(rows.into_iter().map(|row| ChangeId(row.id)).collect())
}
