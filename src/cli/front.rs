//! Hands the web server to the master: opens its port before anything else runs, so that a port in
//! use fails the start, and keeps it over restarts of the server.

use std::cell::RefCell;

use async_trait::async_trait;

use crate::actors::handles::Handles;
use crate::actors::master::Watcher;
use crate::actors::supervise::Supervisor;
use crate::config::MasterConfig;
use crate::config::checked::Listen;
use crate::config::diff::Diff;
use crate::status::irc::IrcBots;
use crate::status::web::server::{self, BindError, Door};
use crate::status::web::stage::site;

/// The web server as one who watches.
///
/// # Errors
/// When the configured port cannot be opened.
pub fn watcher(config: &MasterConfig, bots: IrcBots) -> Result<impl Watcher + use<>, BindError> {
    let mut porch = Porch::default();
    porch.open(wanted(config))?;
    Ok(Front(RefCell::new(porch), bots))
}

struct Front(RefCell<Porch>, IrcBots);

#[async_trait(?Send)]
impl Watcher for Front {
    fn start(&self, supervisor: &Supervisor, handles: &Handles) {
        start(&mut self.0.borrow_mut(), supervisor, handles, &self.1);
    }

    async fn reconfigure(
        &self,
        supervisor: &Supervisor,
        handles: &Handles,
        _: &Diff,
        old: &MasterConfig,
    ) {
        let new = handles.config.borrow().clone();
        if wanted(old) != wanted(&new) {
            supervisor.stop(server::NAME).await;
            start(&mut self.0.borrow_mut(), supervisor, handles, &self.1);
        }
    }
}

fn wanted(config: &MasterConfig) -> Option<&Listen> {
    config.www.as_ref().map(|www| &www.listen)
}

fn start(porch: &mut Porch, supervisor: &Supervisor, handles: &Handles, bots: &IrcBots) {
    let config = handles.config.borrow().clone();
    match porch.open(wanted(&config)) {
        Ok(Some(door)) => server::start(supervisor, door, site(handles.clone(), bots.clone())),
        Ok(None) => tracing::info!("no web server is configured"),
        Err(error) => tracing::error!("{error}; there is no web server until the next reconfig"),
    }
}

/// The open port, if there is one, and the setting it was opened for.
#[derive(Default)]
struct Porch(Option<(Listen, Door)>);

impl Porch {
    /// The door of `listen`, opened now unless it is open already; another one is closed first.
    fn open(&mut self, listen: Option<&Listen>) -> Result<Option<Door>, BindError> {
        if self.0.as_ref().map(|(open, _)| open) != listen {
            self.0 = None;
            if let Some(listen) = listen {
                self.0 = Some((listen.clone(), Door::bind(listen)?));
            }
        }
        Ok(self.0.as_ref().map(|(_, door)| door.clone()))
    }
}
