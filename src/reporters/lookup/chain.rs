//! Asks one lookup after the other, each with a deadline.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::{EmailLookup, LookupError};
use crate::flow::address;
use crate::model::Person;

/// People who are looked up at the same time.
const AT_ONCE: usize = 16;
/// Missed deadlines in a row after which a lookup is left alone, and for how long.
const PATIENCE: usize = 4;
const REST: Duration = Duration::from_secs(60);
/// How much of a wrong answer, and of a trouble, is shown.
const SHOWN: usize = 80;
const TROUBLE: usize = 300;

/// Lookups in their order.
#[derive(Debug)]
pub(super) struct Chain {
    links: Vec<Link>,
    /// People in work.
    turns: Semaphore,
}

/// One lookup of a chain.
#[derive(Debug)]
pub(super) struct Link {
    class: &'static str,
    deadline: Duration,
    lookup: Box<dyn EmailLookup>,
    health: Mutex<Health>,
}

/// How a lookup behaves.
#[derive(Debug, Default)]
struct Health {
    /// Missed deadlines in a row.
    late: usize,
    resting: Option<Instant>,
}

impl Chain {
    pub(super) fn new(links: Vec<Link>) -> Chain {
        Chain { links, turns: Semaphore::new(AT_ONCE) }
    }

    /// The first valid address, or what keeps all of them from knowing one.
    pub(super) async fn ask(&self, person: &Person) -> Result<String, String> {
        let _turn = self.turns.acquire().await;
        let mut troubles = Vec::new();
        for link in &self.links {
            match link.ask(person).await {
                Ok(Some(address)) => return Ok(address),
                Ok(None) => {}
                Err(error) => troubles.push(one_line(&format!("{}: {error}", link.class))),
            }
        }
        if troubles.is_empty() {
            let names: Vec<&str> = self.links.iter().map(|link| link.class).collect();
            return Err(format!("unknown to {}", names.join(", ")));
        }
        Err(troubles.join("; "))
    }
}

impl Link {
    pub(super) fn new(
        class: &'static str,
        deadline: Duration,
        lookup: Box<dyn EmailLookup>,
    ) -> Link {
        Link { class, deadline, lookup, health: Mutex::default() }
    }

    async fn ask(&self, person: &Person) -> Result<Option<String>, LookupError> {
        if self.is_resting() {
            return Err(LookupError::Resting);
        }
        let answer = timeout(self.deadline, self.lookup.address(person)).await;
        self.note(answer.is_err());
        let Ok(answer) = answer else { return Err(LookupError::Late(self.deadline)) };
        let Some(answer) = answer? else { return Ok(None) };
        let answer = answer.trim();
        match answer {
            "" => Ok(None),
            address if address::is_valid(address) => Ok(Some(address.to_owned())),
            other => {
                let shown: String = other.chars().take(SHOWN).collect();
                Err(LookupError::Failed(format!("{shown:?} is no mail address")))
            }
        }
    }

    /// So that a server that is away costs one deadline, not one for each person.
    fn is_resting(&self) -> bool {
        let health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.resting.is_some_and(|until| Instant::now() < until)
    }

    fn note(&self, late: bool) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.late = if late { health.late + 1 } else { 0 };
        health.resting = (health.late >= PATIENCE).then(|| Instant::now() + REST);
    }
}

/// What others say, so that it fits into a line of the log.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TROUBLE).collect()
}
