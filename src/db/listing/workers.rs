//! Workers with their connections and configuration.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use serde::Serialize;
use serde_json::{Value, json};

use super::sql::{Sql, in_list};
use super::{Conn, DbError, Field, Kind, Listed};

/// A worker as the table has it.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct WorkerRow {
    #[diesel(sql_type = BigInt)]
    pub workerid: i64,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Bool)]
    pub paused: bool,
    #[diesel(sql_type = Nullable<Text>)]
    pub pause_reason: Option<String>,
    #[diesel(sql_type = Bool)]
    pub graceful: bool,
    /// What it said about itself, as JSON text.
    #[serde(skip)]
    #[diesel(sql_type = Nullable<Text>)]
    pub info: Option<String>,
}

impl Listed for WorkerRow {
    const FROM: &'static str = "workers";
    const KEY: &'static str = "workerid";
    const FIELDS: &'static [Field] = &[
        Field::int("workerid", "workers.id"),
        Field::identifier("name", "workers.name"),
        Field::bool("paused", "workers.paused"),
        Field::text("pause_reason", "workers.pause_reason"),
        Field::bool("graceful", "workers.graceful"),
        Field::hidden(Kind::Text, "info", "workers.info"),
        Field::virtual_of(Kind::Object, "connected_to"),
        Field::virtual_of(Kind::Object, "configured_on"),
        Field::virtual_of(Kind::Object, "workerinfo"),
    ];
}

#[derive(QueryableByName)]
struct Link {
    #[diesel(sql_type = BigInt)]
    workerid: i64,
    #[diesel(sql_type = BigInt)]
    masterid: i64,
    #[diesel(sql_type = BigInt)]
    builderid: i64,
}

/// The REST entities of workers: rows with `connected_to`, `configured_on` and `workerinfo`.
///
/// # Errors
/// When the database refuses.
pub fn attach_workers(conn: &mut Conn, rows: &[WorkerRow]) -> Result<Vec<Value>, DbError> {
    let ids = || rows.iter().map(|row| row.workerid);
    let connected: Vec<Link> = Sql::new(&format!(
        "SELECT CAST(workerid AS BIGINT) AS workerid, CAST(masterid AS BIGINT) AS masterid, \
         0 AS builderid FROM connected_workers WHERE {} ORDER BY masterid",
        in_list("workerid", ids())
    ))
    .load(conn)?;
    let configured: Vec<Link> = Sql::new(&format!(
        "SELECT CAST(workerid AS BIGINT) AS workerid, \
         CAST(builder_masters.masterid AS BIGINT) AS masterid, \
         CAST(builder_masters.builderid AS BIGINT) AS builderid FROM configured_workers \
         JOIN builder_masters ON builder_masters.id = configured_workers.buildermasterid \
         WHERE {} ORDER BY builder_masters.masterid, builder_masters.builderid",
        in_list("workerid", ids())
    ))
    .load(conn)?;
    Ok(rows
        .iter()
        .map(|row| {
            let of_row = |link: &&Link| link.workerid == row.workerid;
            let mut entity = serde_json::to_value(row).unwrap_or_default();
            entity["connected_to"] = connected
                .iter()
                .filter(of_row)
                .map(|link| json!({ "masterid": link.masterid }))
                .collect();
            entity["configured_on"] = configured
                .iter()
                .filter(of_row)
                .map(|link| json!({ "masterid": link.masterid, "builderid": link.builderid }))
                .collect();
            let info = row.info.as_deref().and_then(|text| serde_json::from_str(text).ok());
            entity["workerinfo"] = info.unwrap_or_else(|| json!({}));
            entity
        })
        .collect())
}
