//! Stock's `Domain`: appends a domain to a name that is no address yet.

use async_trait::async_trait;

use super::{EmailLookup, LookupError};
use crate::config::fields::Fields;
use crate::flow::address;
use crate::model::Person;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Domain(String);

impl Domain {
    /// Reads `domain`.
    pub(super) fn parse(fields: &mut Fields<'_>) -> Box<dyn EmailLookup> {
        Box::new(Domain(fields.required_checked("domain", wrong_domain)))
    }

    /// Of a domain that stands alone.
    pub(super) fn new(domain: String) -> Domain {
        Domain(domain)
    }
}

/// What is wrong with a domain.
#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
pub(super) fn wrong_domain(domain: &String) -> Option<String> {
    (!address::is_valid(&format!("a@{domain}"))).then(|| {
        format!("'{domain}' is no domain that can stand behind an '@', such as 'example.org'")
    })
}

#[async_trait]
impl EmailLookup for Domain {
    async fn address(&self, person: &Person) -> Result<Option<String>, LookupError> {
        let who = person.who.trim();
        Ok(Some(match address::in_text(who) {
            Some(address) => address.to_owned(),
            None if who.contains('@') => who.to_owned(),
            None => format!("{who}@{}", self.0),
        }))
    }
}
