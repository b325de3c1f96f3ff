//! What every request handler holds.

use std::sync::Arc;

use handlebars::Handlebars;
use tokio::sync::watch;

use super::backstage::Backstage;
use super::live::Feed;
use crate::actors::announcer::Announcer;
use crate::config::checked::MasterConfig;
use crate::db::Db;
use crate::model::Timestamp;

/// The web server's view of the master. Cheap to clone.
#[derive(Clone)]
pub struct Site {
    pub db: Db,
    pub announcer: Announcer,
    pub config: watch::Receiver<Arc<MasterConfig>>,
    pub backstage: Arc<dyn Backstage>,
    pub master: Master,
    pub templates: Arc<Handlebars<'static>>,
    pub feed: Feed,
}

/// Who this master is.
#[derive(Debug, Clone)]
pub struct Master {
    /// `host:basedir`
    pub name: String,
    pub started_at: Timestamp,
}

impl Site {
    /// A site over a database and a running master. Listens to `announcer` once it is served.
    pub fn new(
        db: Db,
        announcer: Announcer,
        config: watch::Receiver<Arc<MasterConfig>>,
        backstage: Arc<dyn Backstage>,
        master: Master,
    ) -> Site {
        let templates = Arc::new(super::render::templates());
        let feed = Feed::default();
        Site { db, announcer, config, backstage, master, templates, feed }
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<MasterConfig> {
        self.config.borrow().clone()
    }
}
