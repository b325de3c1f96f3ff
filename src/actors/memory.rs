//! What those who watch remember between starts. They only read the database themselves; what they
//! want kept goes through this handle.

use serde_json::Value;

use crate::db::{Db, DbError, nicks, state};

/// The rows of `object_state` of one object. Cheap to clone.
#[derive(Clone)]
pub struct Memory {
    db: Db,
    name: String,
    class: String,
}

impl Memory {
    /// The memory of the object `name` of `class`; stock's names let stock find it again.
    pub fn new(db: Db, name: impl Into<String>, class: impl Into<String>) -> Memory {
        Memory { db, name: name.into(), class: class.into() }
    }

    /// What is remembered under `key`.
    pub async fn get(&self, key: &str) -> Result<Option<Value>, DbError> {
        let (name, class, key) = (self.name.clone(), self.class.clone(), key.to_owned());
        let recall = self.db.write(move |conn| {
            let object = state::object(conn, &name, &class)?;
            state::get(conn, object, &key)
        });
        recall.await
    }

    /// Remembers `value` under `key`; answers after the commit.
    pub async fn set(&self, key: &str, value: Value) -> Result<(), DbError> {
        let (name, class, key) = (self.name.clone(), self.class.clone(), key.to_owned());
        let keep = self.db.write(move |conn| {
            let object = state::object(conn, &name, &class)?;
            state::set(conn, object, &key, &value)
        });
        keep.await
    }

    /// The nick, as `nick@network`, belongs to this user from now on.
    pub async fn own_nick(&self, user: i64, address: String) -> Result<(), DbError> {
        self.db.write(move |conn| nicks::own(conn, user, &address)).await
    }
}
