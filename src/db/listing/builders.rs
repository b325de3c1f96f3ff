//! Builders with their tags and masters.

use std::collections::HashMap;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};
use serde::Serialize;
use serde_json::{Value, json};

use super::sql::{Scope, Sql, in_list};
use super::{Conn, DbError, Field, Kind, Listed, Spec, list};

/// A builder as the table has it.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct BuilderRow {
    #[diesel(sql_type = BigInt)]
    pub builderid: i64,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub description: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub description_format: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub description_html: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub projectid: Option<i64>,
}

impl Listed for BuilderRow {
    const FROM: &'static str = "builders";
    const KEY: &'static str = "builderid";
    const FIELDS: &'static [Field] = &[
        Field::int("builderid", "builders.id"),
        Field::text("name", "builders.name"),
        Field::text("description", "builders.description"),
        Field::text("description_format", "builders.description_format"),
        Field::text("description_html", "builders.description_html"),
        Field::int("projectid", "builders.projectid"),
        Field::virtual_of(Kind::Ints, "masterids"),
        Field::virtual_of(Kind::Texts, "tags"),
    ];
}

#[derive(QueryableByName)]
struct Tag {
    #[diesel(sql_type = BigInt)]
    builderid: i64,
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct OnMaster {
    #[diesel(sql_type = BigInt)]
    builderid: i64,
    #[diesel(sql_type = BigInt)]
    masterid: i64,
}

/// Every builder of `scope`; their number is the configuration's, not the history's.
///
/// # Errors
/// When the database refuses.
pub fn builders(conn: &mut Conn, scope: &Scope) -> Result<Vec<BuilderRow>, DbError> {
    Ok(list::<BuilderRow>(conn, scope, &Spec::default())?.rows)
}

/// Tags per builder, sorted.
///
/// # Errors
/// When the database refuses.
pub fn tags(
    conn: &mut Conn,
    builders: impl IntoIterator<Item = i64>,
) -> Result<HashMap<i64, Vec<String>>, DbError> {
    let rows: Vec<Tag> = Sql::new(&format!(
        "SELECT CAST(builders_tags.builderid AS BIGINT) AS builderid, tags.name AS name \
         FROM builders_tags JOIN tags ON tags.id = builders_tags.tagid WHERE {} ORDER BY tags.name",
        in_list("builders_tags.builderid", builders)
    ))
    .load(conn)?;
    let mut found: HashMap<i64, Vec<String>> = HashMap::new();
    for row in rows {
        found.entry(row.builderid).or_default().push(row.name);
    }
    Ok(found)
}

/// The REST entities of builders: rows with tags and masters.
///
/// # Errors
/// When the database refuses.
pub fn attach_builders(conn: &mut Conn, rows: &[BuilderRow]) -> Result<Vec<Value>, DbError> {
    let ids = || rows.iter().map(|row| row.builderid);
    let mut tags = tags(conn, ids())?;
    let on_masters: Vec<OnMaster> = Sql::new(&format!(
        "SELECT CAST(builderid AS BIGINT) AS builderid, CAST(masterid AS BIGINT) AS masterid \
         FROM builder_masters WHERE {} ORDER BY masterid",
        in_list("builderid", ids())
    ))
    .load(conn)?;
    let mut masters: HashMap<i64, Vec<i64>> = HashMap::new();
    for row in on_masters {
        masters.entry(row.builderid).or_default().push(row.masterid);
    }
    Ok(rows
        .iter()
        .map(|row| {
            let mut entity = serde_json::to_value(row).unwrap_or_default();
            entity["tags"] = json!(tags.remove(&row.builderid).unwrap_or_default());
            entity["masterids"] = json!(masters.remove(&row.builderid).unwrap_or_default());
            entity
        })
        .collect())
}
