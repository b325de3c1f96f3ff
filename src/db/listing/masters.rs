//! Masters, and what belongs to one master at a time: schedulers and change sources.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use serde::Serialize;
use serde_json::Value;

use super::sql::{Scope, in_list};
use super::{Conn, DbError, Field, Kind, Listed, Spec, list};

/// A master as the REST interface shows it.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct MasterRow {
    #[diesel(sql_type = BigInt)]
    pub masterid: i64,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Bool)]
    pub active: bool,
    #[diesel(sql_type = BigInt)]
    pub last_active: i64,
}

impl Listed for MasterRow {
    const FROM: &'static str = "masters";
    const KEY: &'static str = "masterid";
    const FIELDS: &'static [Field] = &[
        Field::int("masterid", "masters.id"),
        Field::text("name", "masters.name"),
        Field::bool("active", "masters.active"),
        Field::int("last_active", "masters.last_active"),
    ];
}

/// A scheduler and the master it runs on.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct SchedulerRow {
    #[diesel(sql_type = BigInt)]
    pub schedulerid: i64,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Bool)]
    pub enabled: bool,
    #[serde(skip)]
    #[diesel(sql_type = Nullable<BigInt>)]
    pub masterid: Option<i64>,
}

impl Listed for SchedulerRow {
    const FROM: &'static str =
        "schedulers LEFT JOIN scheduler_masters on_master ON on_master.schedulerid = schedulers.id";
    const KEY: &'static str = "schedulerid";
    const FIELDS: &'static [Field] = &[
        Field::int("schedulerid", "schedulers.id"),
        Field::text("name", "schedulers.name"),
        Field::bool("enabled", "COALESCE(schedulers.enabled, 1)"),
        Field::hidden(Kind::Int, "masterid", "on_master.masterid"),
        Field::virtual_of(Kind::Object, "master"),
    ];
}

/// A change source and the master it runs on.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct ChangeSourceRow {
    #[diesel(sql_type = BigInt)]
    pub changesourceid: i64,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[serde(skip)]
    #[diesel(sql_type = Nullable<BigInt>)]
    pub masterid: Option<i64>,
}

impl Listed for ChangeSourceRow {
    const FROM: &'static str = "changesources LEFT JOIN changesource_masters on_master \
                                ON on_master.changesourceid = changesources.id";
    const KEY: &'static str = "changesourceid";
    const FIELDS: &'static [Field] = &[
        Field::int("changesourceid", "changesources.id"),
        Field::text("name", "changesources.name"),
        Field::hidden(Kind::Int, "masterid", "on_master.masterid"),
        Field::virtual_of(Kind::Object, "master"),
    ];
}

/// Something that one master owns, and becomes an entity with an embedded `master`.
pub trait Owned: Listed {
    fn master(&self) -> Option<i64>;
}

impl Owned for SchedulerRow {
    fn master(&self) -> Option<i64> {
        self.masterid
    }
}

impl Owned for ChangeSourceRow {
    fn master(&self) -> Option<i64> {
        self.masterid
    }
}

/// The REST entities of schedulers or change sources: rows with their master.
///
/// # Errors
/// When the database refuses.
pub fn owned_by_masters<T: Owned>(conn: &mut Conn, rows: &[T]) -> Result<Vec<Value>, DbError> {
    let scope = Scope::condition(in_list("masters.id", rows.iter().filter_map(Owned::master)));
    let masters = list::<MasterRow>(conn, &scope, &Spec::default())?.rows;
    Ok(rows
        .iter()
        .map(|row| {
            let mut entity = serde_json::to_value(row).unwrap_or_default();
            let master = masters.iter().find(|master| Some(master.masterid) == row.master());
            entity["master"] = serde_json::to_value(master).unwrap_or_default();
            entity
        })
        .collect())
}
