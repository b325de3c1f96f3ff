//! Hands the bots to the master: starts and stops those that the configuration names.

use std::sync::Arc;

use async_trait::async_trait;

use super::bot;
use super::bots::IrcBots;
use super::post::Post;
use crate::actors::handles::Handles;
use crate::actors::master::Watcher;
use crate::actors::supervise::Supervisor;
use crate::config::checked::MasterConfig;
use crate::config::diff::Diff;
use crate::reporters::ReporterConfig;
use crate::reporters::registry::Plan;

/// The bots as those who watch.
pub struct IrcFront {
    bots: IrcBots,
}

impl IrcFront {
    /// Whoever wants somebody told keeps a clone of `bots`.
    pub fn new(bots: IrcBots) -> IrcFront {
        IrcFront { bots }
    }

    fn begin(&self, supervisor: &Supervisor, reporter: &ReporterConfig, handles: &Handles) {
        if let Plan::Irc(config) = &reporter.plan {
            bot::start(supervisor, &reporter.name, Arc::clone(config), handles, &self.bots);
        }
    }
}

#[async_trait(?Send)]
impl Watcher for IrcFront {
    fn start(&self, supervisor: &Supervisor, handles: &Handles) {
        self.bots.set_mailer(Arc::new(Post(handles.clone())));
        let config = handles.config.borrow().clone();
        for reporter in &config.reporters {
            self.begin(supervisor, reporter, handles);
        }
    }

    async fn reconfigure(
        &self,
        supervisor: &Supervisor,
        handles: &Handles,
        diff: &Diff,
        _: &MasterConfig,
    ) {
        for name in diff.reporters.ending(|reporter| &reporter.name) {
            if self.bots.get(&name).is_some() {
                supervisor.stop(&bot::child_name(&name)).await;
                self.bots.remove(&name);
            }
        }
        for reporter in diff.reporters.beginning() {
            self.begin(supervisor, reporter, handles);
        }
    }
}
