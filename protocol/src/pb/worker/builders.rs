//! The builders that the master has named, and their objects.

use std::collections::HashMap;

use super::{Object, PbWorker};
use crate::broker::type_error;
use crate::jelly::{Failure, Value};
use crate::order::BuilderDir;

/// Directory of each builder, by its name.
pub(super) type Builders = HashMap<String, String>;

/// A builder as the master named it.
#[derive(Debug)]
pub(super) struct Named {
    /// The name as it came, which is how it goes back: text, or bytes.
    key: Value,
    pub(super) builder: BuilderDir,
}

/// Pairs of name and directory, as tuples or lists.
pub(super) fn read(list: Option<Value>) -> Result<Vec<Named>, Failure> {
    let wrong = || type_error("the builder list is not a list of names and directories");
    let items = list.and_then(Value::into_items).ok_or_else(wrong)?;
    let named = |item: Value| {
        let pair: [Value; 2] = item.into_items()?.try_into().ok()?;
        let [key, dir] = pair;
        let builder = BuilderDir { name: key.text()?, dir: dir.into_text()? };
        Some(Named { key, builder })
    };
    items.into_iter().map(named).collect::<Option<_>>().ok_or_else(wrong)
}

impl PbWorker {
    /// Adopts the list and gives an object for each builder; one that is known keeps its own.
    pub(super) fn adopt(&mut self, list: Vec<Named>) -> Value {
        self.builders.clear();
        let mut dict = Vec::with_capacity(list.len());
        for Named { key, builder: BuilderDir { name, dir } } in list {
            let known = self.exports.find(|object| match object {
                Object::Builder(own) => *own == name,
                Object::Bot => false,
            });
            let object = match known {
                Some(object) => object,
                None => self.exports.insert(Object::Builder(name.clone())),
            };
            self.exports.sent(object);
            dict.push((key, Value::Remote(object)));
            self.builders.insert(name, dir);
        }
        Value::Dict(dict)
    }

    /// The directory of a builder; one that was taken off the list has none any more.
    pub(super) fn dir_of(&self, builder: &str) -> Option<&String> {
        self.builders.get(builder)
    }
}
