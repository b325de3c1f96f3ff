//! Properties of many builds, buildsets or changes at once, as `name -> [value, source]`.

use std::collections::HashMap;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use serde_json::{Map, Value, json};

use super::sql::{Sql, in_list};
use super::{Conn, DbError};

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    owner: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    value: String,
    #[diesel(sql_type = Text)]
    source: String,
}

type Found = HashMap<i64, Map<String, Value>>;

/// Properties per build, sorted by name. A value that is no JSON is given as text.
///
/// # Errors
/// When the database refuses.
pub fn build_properties(conn: &mut Conn, builds: &[i64]) -> Result<Found, DbError> {
    let rows: Vec<Row> = Sql::new(&format!(
        "SELECT CAST(buildid AS BIGINT) AS owner, name, value, source FROM build_properties \
         WHERE {} ORDER BY name",
        in_list("buildid", builds.iter().copied())
    ))
    .load(conn)?;
    Ok(gather(rows, |row| {
        let value = serde_json::from_str(&row.value).unwrap_or(Value::String(row.value));
        json!([value, row.source])
    }))
}

/// Properties per buildset, sorted by name.
///
/// # Errors
/// When the database refuses.
pub fn buildset_properties(conn: &mut Conn, buildsets: &[i64]) -> Result<Found, DbError> {
    pairs(conn, "buildset_properties", "buildsetid", buildsets)
}

/// Properties per change, sorted by name.
///
/// # Errors
/// When the database refuses.
pub fn change_properties(conn: &mut Conn, changes: &[i64]) -> Result<Found, DbError> {
    pairs(conn, "change_properties", "changeid", changes)
}

/// The tables that keep `[value, source]` in one column.
fn pairs(conn: &mut Conn, table: &str, key: &str, owners: &[i64]) -> Result<Found, DbError> {
    let rows: Vec<Row> = Sql::new(&format!(
        "SELECT CAST({key} AS BIGINT) AS owner, property_name AS name, property_value AS value, \
         'Change' AS source FROM {table} WHERE {} ORDER BY property_name",
        in_list(key, owners.iter().copied())
    ))
    .load(conn)?;
    Ok(gather(rows, |row| match serde_json::from_str(&row.value) {
        Ok(Value::Array(pair)) if pair.len() == 2 && pair[1].is_string() => Value::Array(pair),
        Ok(bare) => json!([bare, row.source]),
        Err(_) => json!([row.value, row.source]),
    }))
}

fn gather(rows: Vec<Row>, value_of: impl Fn(Row) -> Value) -> Found {
    let mut found = Found::new();
    for row in rows {
        let (owner, name) = (row.owner, row.name.clone());
        found.entry(owner).or_default().insert(name, value_of(row));
    }
    found
}
