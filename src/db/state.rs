//! What objects remember between starts: `objects` and `object_state`.

use diesel::prelude::*;
use serde_json::Value;

use super::dialect::insert_id;
use super::schema::{object_state, objects};
use super::{Conn, DbError, hash, json};
use crate::model::ObjectId;

/// Characters of an object's name, and how many stay of a longer one.
const OBJECT_NAME: (usize, usize) = (128, 64);
/// Characters of a key, and how many stay of a longer one.
const KEY: (usize, usize) = (255, 127);

/// The object called `name` of the class `class_name`, if there is one.
pub fn find(conn: &mut Conn, name: &str, class_name: &str) -> Result<Option<ObjectId>, DbError> {
    let name = hash::shorten(name, OBJECT_NAME.0, OBJECT_NAME.1);
    Ok(objects::table
        .filter(objects::name.eq(&name))
        .filter(objects::class_name.eq(class_name))
        .select(objects::id)
        .first::<ObjectId>(conn)
        .optional()?)
}

/// The object called `name` of the class `class_name`, found or created.
pub fn object(conn: &mut Conn, name: &str, class_name: &str) -> Result<ObjectId, DbError> {
    if let Some(id) = find(conn, name, class_name)? {
        return Ok(id);
    }
    let name = hash::shorten(name, OBJECT_NAME.0, OBJECT_NAME.1);
    let row = (objects::name.eq(&name), objects::class_name.eq(class_name));
    Ok(ObjectId(insert_id!(conn, diesel::insert_into(objects::table).values(row))?))
}

/// What the object remembers under `key`; `None` when nothing, or nothing readable.
pub fn get(conn: &mut Conn, id: ObjectId, key: &str) -> Result<Option<Value>, DbError> {
    let key = hash::shorten(key, KEY.0, KEY.1);
    let text: Option<String> = object_state::table
        .filter(object_state::objectid.eq(id))
        .filter(object_state::name.eq(&key))
        .select(object_state::value_json)
        .first(conn)
        .optional()?;
    Ok(text.and_then(|text| json::decode(&text)))
}

/// Remembers `value` under `key`.
pub fn set(conn: &mut Conn, id: ObjectId, key: &str, value: &Value) -> Result<(), DbError> {
    let key = hash::shorten(key, KEY.0, KEY.1);
    let text = json::encode(value);
    let known = object_state::table
        .filter(object_state::objectid.eq(id))
        .filter(object_state::name.eq(&key));
    let changed = diesel::update(known).set(object_state::value_json.eq(&text)).execute(conn)?;
    if changed == 0 {
        diesel::insert_into(object_state::table)
            .values((
                object_state::objectid.eq(id),
                object_state::name.eq(&key),
                object_state::value_json.eq(&text),
            ))
            .execute(conn)?;
    }
    Ok(())
}
