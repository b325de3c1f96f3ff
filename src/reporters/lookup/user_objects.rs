//! Asks the user objects: the attribute `email`, or an address in the author of a version control
//! system.

use async_trait::async_trait;

use super::{EmailLookup, LookupError};
use crate::config::fields::Fields;
use crate::model::{Person, SYSTEMS, Who};

#[derive(Debug)]
pub(super) struct UserObjects;

impl UserObjects {
    pub(super) fn parse(_: &mut Fields<'_>) -> Box<dyn EmailLookup> {
        Box::new(UserObjects)
    }
}

#[async_trait]
impl EmailLookup for UserObjects {
    async fn address(&self, person: &Person) -> Result<Option<String>, LookupError> {
        if let Some(address) = person.attribute("email") {
            return Ok(Some(address.to_owned()));
        }
        let of = |kind| Who::parse(kind, person.attribute(kind)?).address;
        Ok(SYSTEMS.into_iter().find_map(of))
    }
}
