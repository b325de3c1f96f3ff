//! Finds out people's mail addresses: stock's `lookup` and its interface `IEmailLookup`.
//!
//! `registry` lists the kinds of lookup; each is one file that implements [`EmailLookup`]. A
//! [`Lookup`] asks a chain of them: the first answer wins, whoever takes too long is passed over,
//! and answers are kept for a while.

mod cache;
mod chain;
mod command;
mod domain;
mod http;
mod in_name;
mod ldap;
mod registry;
mod table;
mod template;
mod user_objects;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;

use cache::Cache;
use chain::Chain;

use crate::flow::address;
pub use crate::model::Person;
pub use registry::parse;

/// One way to find out a mail address.
#[async_trait]
pub trait EmailLookup: Debug + Send + Sync {
    /// The person's address, or `None` when this lookup knows none. The chain checks whether it is
    /// an address, limits the time, and keeps the answer. The future may be dropped at any time.
    ///
    /// # Errors
    /// What keeps it from answering; without passwords.
    async fn address(&self, person: &Person) -> Result<Option<String>, LookupError>;
}

/// Why a lookup gives no answer. The messages hold no passwords.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    #[error("no answer within {} s", .0.as_secs_f64())]
    Late(Duration),
    /// It did not answer several times in a row, and is left alone for a while.
    #[error("it did not answer others either and is not asked for now")]
    Resting,
    #[error("{0}")]
    Failed(String),
}

/// A configured lookup. Clones share the answers that are kept.
#[derive(Debug, Clone)]
pub struct Lookup(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    chain: Chain,
    cache: Cache,
}

/// Who has which address, and who has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    /// In the order in which people were asked for.
    pub found: Vec<(Person, String)>,
    pub missing: Vec<Missing>,
}

/// Somebody whose address is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    pub who: String,
    /// What the lookups say.
    pub why: String,
}

impl Lookup {
    fn new(chain: Chain) -> Lookup {
        Lookup(Arc::new(Inner { chain, cache: Cache::default() }))
    }

    /// The addresses of all these people, who are looked up at the same time: whoever takes long
    /// delays the others at most until the deadline of the lookup. Each address is valid. A person
    /// without one gets a line in the log, not more often than it is looked up.
    pub async fn addresses(&self, people: &[Person]) -> Addresses {
        let answers = people.iter().map(|person| self.address(person));
        let mut addresses = Addresses::default();
        for (person, answer) in people.iter().zip(join_all(answers).await) {
            match answer {
                Ok(address) => addresses.found.push((person.clone(), address)),
                Err(why) => {
                    addresses.missing.push(Missing { who: person.who.clone(), why });
                }
            }
        }
        addresses
    }

    async fn address(&self, person: &Person) -> Result<String, String> {
        let Inner { chain, cache } = &*self.0;
        let ask = async {
            let answer = chain.ask(person).await;
            if let Err(why) = &answer {
                tracing::info!(who = ?person.who, why, "no mail address; this user is skipped");
            }
            answer
        };
        cache.get_or(person, ask).await
    }
}

impl Addresses {
    /// Each address once, with the first who has it: one person may be found under several names.
    pub fn distinct(&self) -> Vec<(&Person, &str)> {
        let mut distinct: Vec<(&Person, &str)> = Vec::new();
        for (person, found) in &self.found {
            if !distinct.iter().any(|(_, known)| address::same(known, found)) {
                distinct.push((person, found));
            }
        }
        distinct
    }
}

#[cfg(test)]
mod tests;
