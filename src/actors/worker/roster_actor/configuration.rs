//! Reaching the configuration: rows, listeners, builder directories.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use actix::fut::wrap_future;
use actix::{ActorFutureExt, AsyncContext, Context};
use tokio_rustls::TlsAcceptor;

use super::super::attach::change_builders;
use super::super::handshake::Gate;
use super::super::listener::{Door, Listener};
use super::super::local::{LocalSetup, LocalWorker};
use super::super::roster::{Applied, RosterConfig, Wanted, added, rebuild};
use super::{RosterActor, listener_name, look};
use crate::actors::mail::Mailbox;
use crate::actors::supervise::ChildSpec;
use crate::config::checked::WorkerListen;
use crate::config::tls;
use crate::db::DbError;
use crate::model::Worker;

impl RosterActor {
    pub(super) fn reconcile(&mut self, ctx: &mut Context<Self>) {
        if self.reconciling {
            self.behind = true;
            return;
        }
        (self.reconciling, self.behind) = (true, false);
        let wanted = self.shared.wanted();
        let ports = self.shared.ports.clone();
        self.close_ports(&wanted.config.listeners, ctx);
        let names: Vec<String> = wanted.config.workers.iter().map(|w| w.name.clone()).collect();
        let connected: HashSet<String> = self.sessions.keys().cloned().collect();
        let (db, master, life) = (self.setup.db.clone(), self.setup.master, self.absences.life());
        let work = async move {
            // Before the first configuration nobody is known, and nobody is to be forgotten.
            let stored = match wanted.number {
                0 => Ok((Vec::new(), None)),
                _ => db
                    .write(move |conn| look(conn, master, &names, &connected, life))
                    .await
                    .map(|(stored, uptime)| (stored, Some(uptime))),
            };
            let failures = ports.open(&wanted.config.listeners).await;
            (wanted, stored, failures)
        };
        ctx.spawn(wrap_future::<_, Self>(work).map(|(wanted, stored, failures), roster, ctx| {
            roster.apply(wanted, stored, failures, ctx);
        }));
    }

    pub(super) fn apply(
        &mut self,
        wanted: Wanted,
        stored: Result<(Vec<Worker>, Option<i64>), DbError>,
        mut failures: Vec<String>,
        ctx: &mut Context<Self>,
    ) {
        self.reconciling = false;
        match stored {
            Ok((stored, uptime)) => {
                if let Some(uptime) = uptime {
                    self.absences.begin(uptime);
                }
                self.adopt(wanted.clone(), stored, ctx);
            }
            Err(error) => failures.push(format!("the workers cannot be read: {error}")),
        }
        self.open_ports();
        self.start_local_workers();
        for failure in &failures {
            tracing::error!("{failure}");
        }
        self.shared
            .applied
            .send_replace(Applied { number: wanted.number, failures: failures.clone() });
        let stale = std::mem::take(&mut self.behind);
        self.behind = !failures.is_empty();
        if stale {
            self.reconcile(ctx);
        }
    }

    /// Makes the configuration the one in force.
    pub(super) fn adopt(&mut self, wanted: Wanted, stored: Vec<Worker>, ctx: &mut Context<Self>) {
        let logins = wanted.config.workers.iter().filter(|worker| worker.local.is_none());
        let logins = logins.map(|worker| (worker.name.clone(), worker.password.clone()));
        self.shared.logins.set_workers(logins.collect(), wanted.config.worker_ports());
        let stored = stored.into_iter().map(|worker| (worker.name.clone(), worker)).collect();
        self.board = rebuild(&self.board, &wanted.config, &stored);
        self.stop_local_workers(&wanted.config, ctx);
        self.wanted = wanted;
        let names: Vec<String> = self.sessions.keys().cloned().collect();
        for name in names {
            match self.board.workers.contains_key(&name) {
                true => self.change_builders(&name, ctx),
                false => self.close(&name, ctx),
            }
        }
        self.publish();
    }

    /// Tells an attached worker which builders it has got. Those it has lost stay with it until it
    /// connects again: a build of theirs may still run, and the worker would kill its command.
    pub(super) fn change_builders(&mut self, name: &str, ctx: &mut Context<Self>) {
        let builders = self.wanted.config.builders_of(name);
        let Some(session) = self.sessions.get_mut(name) else { return };
        let Some(info) = session.info.clone() else { return };
        let new = added(&session.builders, &builders);
        if new.is_empty() {
            return;
        }
        session.builders.retain(|old| !new.iter().any(|builder| builder.name == old.name));
        session.builders.extend(new.iter().cloned());
        let (wire, builders) = (session.wire.clone(), session.builders.clone());
        let worker = name.to_owned();
        ctx.spawn(wrap_future(async move {
            if let Err(error) = change_builders(&wire, &info, &builders, &new).await {
                tracing::warn!(worker, "its new builders: {error}");
            }
        }));
    }

    pub(super) fn close_ports(&mut self, wanted: &[WorkerListen], ctx: &mut Context<Self>) {
        for listen in self.shared.ports.close_all_but(wanted) {
            let (children, name) = (self.children.clone(), listener_name(&listen));
            ctx.spawn(wrap_future(async move { children.stop(&name).await }));
        }
    }

    pub(super) fn open_ports(&mut self) {
        for (listen, socket) in self.shared.ports.all() {
            let name = listener_name(&listen);
            if self.children.is_running(&name) {
                continue;
            }
            let gate = match self.gate(&listen) {
                Ok(gate) => gate,
                Err(error) => {
                    tracing::error!("{name}: {error}");
                    continue;
                }
            };
            let door = Door {
                gate,
                roster: self.mailbox.clone(),
                homes: self.homes.clone(),
                clients: self.clients.clone(),
            };
            let mailbox = Mailbox::new(name.clone());
            self.children.start(ChildSpec::permanent(name), &mailbox, move || {
                Listener::new(socket.clone(), door.clone())
            });
        }
    }

    fn gate(&self, listen: &WorkerListen) -> Result<Gate, String> {
        let tls = listen.listen.tls.as_ref().map(tls::server).transpose()?;
        Ok(Gate {
            port: listen.clone(),
            tls: tls.map(TlsAcceptor::from),
            logins: self.shared.logins.clone(),
            throttle: self.shared.throttle.clone(),
            deadline: self.setup.patience.handshake,
        })
    }

    /// Stops the local workers that are not configured any more, or are to work elsewhere.
    fn stop_local_workers(&mut self, wanted: &RosterConfig, ctx: &mut Context<Self>) {
        let dirs = |config: &RosterConfig| -> HashMap<String, PathBuf> {
            let local = config.workers.iter();
            local.filter_map(|w| Some((w.name.clone(), w.local.clone()?))).collect()
        };
        let wanted = dirs(wanted);
        for (name, dir) in dirs(&self.wanted.config) {
            if wanted.get(&name) != Some(&dir) {
                let (children, child) = (self.children.clone(), local_name(&name));
                let stopping = wrap_future::<_, Self>(async move { children.stop(&child).await });
                ctx.spawn(stopping.map(|(), roster, _| roster.start_local_workers()));
            }
        }
    }

    fn start_local_workers(&mut self) {
        let workers = self.wanted.config.workers.iter();
        let local = workers.filter_map(|worker| Some((worker, worker.local.as_ref()?)));
        for ((worker, dir), home) in local.zip(self.homes.iter().cycle()) {
            let child = local_name(&worker.name);
            if self.children.is_running(&child) {
                continue;
            }
            let setup = LocalSetup {
                name: worker.name.clone(),
                dir: self.setup.basedir.join("workers").join(dir),
                roster: self.mailbox.clone(),
                home: home.clone(),
            };
            let mailbox = Mailbox::new(child.clone());
            let spec = ChildSpec { home: home.clone(), ..ChildSpec::permanent(child) };
            self.children.start(spec, &mailbox, move || LocalWorker::new(setup.clone()));
        }
    }
}

fn local_name(worker: &str) -> String {
    format!("local worker {worker}")
}
