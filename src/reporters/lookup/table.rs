//! A table in the configuration: names and their addresses.

use async_trait::async_trait;
use indexmap::IndexMap;

use super::template::login;
use super::{EmailLookup, LookupError};
use crate::config::fields::Fields;
use crate::flow::address;
use crate::model::{Person, Who};

#[derive(Debug)]
pub(super) struct Table(IndexMap<String, String>);

impl Table {
    /// Reads `addresses`.
    pub(super) fn parse(fields: &mut Fields<'_>) -> Box<dyn EmailLookup> {
        let table = fields.required_checked("addresses", |table: &IndexMap<String, String>| {
            let wrong = |address: &&String| !address::is_valid(address);
            let wrong = table.values().find(wrong)?;
            Some(format!("'{wrong}' is no mail address"))
        });
        Box::new(Table(table))
    }
}

#[async_trait]
impl EmailLookup for Table {
    /// By the whole text, the user's identifier, the address, the full name, or the login.
    async fn address(&self, person: &Person) -> Result<Option<String>, LookupError> {
        let who = Who::parse("", &person.who);
        let keys = [
            Some(person.who.clone()),
            person.identifier.clone(),
            who.address,
            who.name,
            login(person),
        ];
        Ok(keys.iter().flatten().find_map(|key| self.0.get(key)).cloned())
    }
}
