//! Facts as messages with whole entities: loaded once per fact, and only while somebody listens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use super::topics::{Fact, Topic, facts, topics};
use crate::db::{Db, DbError, listing};
use crate::events::Event;
use crate::status::web::api;
use crate::status::web::site::Site;

/// Messages kept for a client that is behind.
const BACKLOG: usize = 1024;

/// One fact about one entity.
#[derive(Debug)]
pub struct Message {
    pub topics: Vec<Topic>,
    /// The entity as JSON.
    pub json: String,
}

/// Where messages are told and who listens. Clones share it.
#[derive(Clone)]
pub struct Feed {
    out: broadcast::Sender<Arc<Message>>,
    /// What each open stream listens to, by its key.
    consumers: Arc<Mutex<HashMap<String, Vec<Topic>>>>,
    closing: watch::Sender<bool>,
}

impl Default for Feed {
    fn default() -> Feed {
        Feed {
            out: broadcast::channel(BACKLOG).0,
            consumers: Arc::default(),
            closing: watch::channel(false).0,
        }
    }
}

impl Feed {
    pub fn listen(&self) -> broadcast::Receiver<Arc<Message>> {
        self.out.subscribe()
    }

    /// Turns true when the server stops.
    pub fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Ends (or allows again) all streams.
    pub fn set_closing(&self, closing: bool) {
        self.closing.send_replace(closing);
    }

    pub fn consumers(&self) -> MutexGuard<'_, HashMap<String, Vec<Topic>>> {
        self.consumers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells every fact until the server stops.
    pub async fn run(self, site: Site) {
        let mut events = site.announcer.listen();
        let mut closing = self.closing();
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => self.tell(&site.db, &event).await,
                    // Messages are a convenience: who needs all reads the tables.
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "event streams lag behind and skip facts");
                    }
                    Err(RecvError::Closed) => return,
                },
                _ = closing.wait_for(|closing| *closing) => return,
            }
        }
    }

    async fn tell(&self, db: &Db, event: &Arc<Event>) {
        if self.out.receiver_count() == 0 {
            return;
        }
        match load(db, event.clone()).await {
            Ok(messages) => messages.into_iter().for_each(|(fact, entity)| {
                let message =
                    Message { topics: topics(fact, &entity), json: api::json::compact(&entity) };
                // Nobody listens any more: nothing is lost.
                let _ = self.out.send(Arc::new(message));
            }),
            Err(error) => tracing::error!(%error, "cannot load what event streams should tell"),
        }
    }
}

async fn load(db: &Db, event: Arc<Event>) -> Result<Vec<(Fact, Value)>, DbError> {
    db.read(move |conn| {
        let mut loaded = Vec::new();
        for fact in facts(&event) {
            let entity = match &*event {
                Event::PropertiesChanged { build, names } => {
                    let found = listing::build_properties(conn, &[build.0])?.remove(&build.0);
                    let changed = found.unwrap_or_default().into_iter();
                    Some(Value::Object(changed.filter(|(name, _)| names.contains(name)).collect()))
                }
                _ => api::entity(conn, fact.noun, fact.id)?,
            };
            loaded.extend(entity.map(|entity| (fact, entity)));
        }
        Ok(loaded)
    })
    .await
}
