//! Locks as entities. Stock has none; therefore the name `rs_locks`.

use serde_json::Value;

use super::{Answer, ApiError, Ask};
use crate::db::Conn;
use crate::db::listing::{Field, Kind};

/// Fields of the entity `rs_lock`.
pub const FIELDS: &[Field] = &[
    Field::virtual_of(Kind::Text, "name"),
    Field::virtual_of(Kind::Text, "type"),
    Field::virtual_of(Kind::Text, "worker"),
    Field::virtual_of(Kind::Int, "max_count"),
    Field::virtual_of(Kind::Bool, "configured"),
    Field::virtual_of(Kind::Object, "holders"),
    Field::virtual_of(Kind::Object, "waiters"),
];

pub fn all(_: &mut Conn, ask: &Ask) -> Result<Answer, ApiError> {
    let locks = ask.backstage.locks().into_iter();
    let entities: Vec<Value> = locks.filter_map(|lock| serde_json::to_value(lock).ok()).collect();
    Ok(ask.memory(entities, FIELDS))
}
