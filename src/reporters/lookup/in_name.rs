//! The address that stands in the name already: `Anna <anna@example.org>`.

use async_trait::async_trait;

use super::{EmailLookup, LookupError};
use crate::config::fields::Fields;
use crate::flow::address;
use crate::model::Person;

#[derive(Debug)]
pub(super) struct InName;

impl InName {
    pub(super) fn parse(_: &mut Fields<'_>) -> Box<dyn EmailLookup> {
        Box::new(InName)
    }
}

#[async_trait]
impl EmailLookup for InName {
    async fn address(&self, person: &Person) -> Result<Option<String>, LookupError> {
        Ok(address::in_text(&person.who).map(str::to_owned))
    }
}
