//! Tells everybody who listens what happened.
//!
//! A fact is announced once, after it is durable. Listeners that cannot keep up learn that they
//! lag and read the tables again; nobody waits for them. There is nothing here that could die:
//! the stream is a bounded channel that every handle shares.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::events::Event;

/// Facts kept for a listener that is behind.
const BACKLOG: usize = 4096;

/// The handle that tells facts and hands out listeners.
#[derive(Clone)]
pub struct Announcer {
    facts: broadcast::Sender<Arc<Event>>,
}

/// A listener; `recv` reports `Lagged` when it was too slow.
pub type Listener = broadcast::Receiver<Arc<Event>>;

impl Default for Announcer {
    fn default() -> Announcer {
        Announcer { facts: broadcast::channel(BACKLOG).0 }
    }
}

impl Announcer {
    /// Tells a fact that is already in the database.
    pub fn announce(&self, event: Event) {
        // An error only says that nobody listens.
        let _ = self.facts.send(Arc::new(event));
    }

    /// Hears every fact from now on.
    pub fn listen(&self) -> Listener {
        self.facts.subscribe()
    }
}
