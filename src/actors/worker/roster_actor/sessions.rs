//! Connections from login to their end: duplicates, attach, detach.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{ActorFutureExt, AsyncContext, Context};
use protocol::info::WorkerInfo;
use protocol::order::Order;
use tokio::sync::watch;

use super::super::attach::{AttachError, attach};
use super::super::connection::{Connection, Plug};
use super::super::info::{to_model, to_stored};
use super::super::link::{LinkError, Wire, WorkerLink};
use super::super::roster::RosterError;
use super::states::WantsToLeave;
use super::{Arrived, DUPLICATE, RosterActor, Session, absences, reject};
use crate::actors::mail::Mailbox;
use crate::actors::supervise::ChildSpec;
use crate::db::{Conn, workers};
use crate::events::Event;
use crate::model::{WorkerId, now};

impl RosterActor {
    /// Decides between the connection of a name and a new one: the old one stays if it answers.
    pub(super) fn decide(&mut self, arrived: Arrived, ctx: &mut Context<Self>) {
        let name = arrived.worker.clone();
        if !self.board.workers.contains_key(&name) {
            return reject(arrived, "it is not configured", ctx);
        }
        if self.deciding.contains(&name) {
            return reject(arrived, "another connection of this name is being decided", ctx);
        }
        let Some(session) = self.sessions.get(&name) else { return self.begin(arrived, ctx) };
        self.deciding.insert(name.clone());
        let (wire, child) = (session.wire.clone(), session.child.clone());
        let (children, patience) = (self.children.clone(), self.setup.patience.duplicate);
        let work = async move {
            let answers = wire.print(DUPLICATE, patience).await.is_ok();
            if !answers {
                children.stop(&child).await;
                wire.lost().await;
            }
            answers
        };
        ctx.spawn(wrap_future::<_, Self>(work).map(move |answers, roster, ctx| {
            roster.deciding.remove(&name);
            match answers {
                true => reject(arrived, "a worker of this name is connected and answers", ctx),
                false => roster.decide(arrived, ctx),
            }
        }));
    }

    /// Starts the connection and attaches the worker.
    pub(super) fn begin(&mut self, arrived: Arrived, ctx: &mut Context<Self>) {
        let (name, peer) = (arrived.worker.clone(), arrived.peer.clone());
        let Some(entry) = self.board.workers.get(&name) else { return };
        let worker = entry.id;
        self.next_serial += 1;
        let serial = self.next_serial;
        let child = format!("{name} {serial}");
        let builders = self.wanted.config.builders_of(&name);
        let wire = self.start_connection(arrived, worker, &child);
        let session = Session {
            serial,
            worker,
            wire: wire.clone(),
            child,
            peer,
            info: None,
            builders: builders.clone(),
        };
        self.sessions.insert(name.clone(), session);
        let (lost, watched) = (wire.clone(), name.clone());
        ctx.spawn(
            wrap_future::<_, Self>(async move { lost.lost().await })
                .map(move |(), roster, ctx| roster.gone(&watched, serial, ctx)),
        );
        let (db, master, patience) =
            (self.setup.db.clone(), self.setup.master, self.setup.patience);
        let work = async move {
            wire.running().await;
            let attached = tokio::time::timeout(patience.attach, attach(&wire, &builders)).await;
            let info = attached.unwrap_or(Err(LinkError::Late(patience.attach).into()))?;
            let stored = to_stored(&to_model(&info));
            db.write(move |conn| {
                workers::set_graceful(conn, worker, false)?;
                workers::attached(conn, worker, master, &stored)?;
                absences::came(conn, master, worker)
            })
            .await
            .map_err(|error| AttachError::Info(error.to_string()))?;
            Ok(info)
        };
        ctx.spawn(wrap_future::<_, Self>(work).map(move |outcome, roster, ctx| {
            roster.attached(&name, serial, outcome, ctx);
        }));
    }

    fn start_connection(&self, arrived: Arrived, id: WorkerId, child: &str) -> Wire {
        let Arrived { worker, peer, protocol, session, socket, home } = arrived;
        let (alive, watched) = watch::channel(false);
        let held_up = Arc::new(AtomicBool::new(false));
        let mailbox = Mailbox::new(child);
        let wire = Wire::new(mailbox.clone(), watched, held_up.clone(), protocol);
        let configured = self.wanted.config.workers.iter().find(|config| config.name == worker);
        let keepalive = configured.and_then(|config| config.keepalive);
        let roster = self.mailbox.clone();
        let plug = Plug {
            worker,
            peer,
            socket,
            session,
            keepalive: keepalive.unwrap_or(self.setup.patience.keepalive),
            alive,
            held_up,
            wants_to_leave: Box::new(move || {
                roster.post(WantsToLeave(id));
            }),
        };
        let plug = Mutex::new(Some(plug));
        let spec =
            ChildSpec { home, stop_within: Duration::from_secs(3), ..ChildSpec::temporary(child) };
        self.children.start(spec, &mailbox, move || {
            Connection::new(plug.lock().unwrap_or_else(PoisonError::into_inner).take())
        });
        wire
    }

    pub(super) fn attached(
        &mut self,
        name: &str,
        serial: u64,
        outcome: Result<Arc<WorkerInfo>, AttachError>,
        ctx: &mut Context<Self>,
    ) {
        let session = self.sessions.get_mut(name).filter(|session| session.serial == serial);
        let (session, info) = match (session, outcome) {
            (Some(session), Ok(info)) => (session, info),
            (Some(_), Err(error)) => {
                tracing::warn!(worker = name, "the worker cannot be attached: {error}");
                return self.close(name, ctx);
            }
            // It was lost meanwhile; `gone` has cleared the table, or does so now.
            (None, Ok(_)) => return self.detach(name, ctx),
            (None, Err(_)) => return,
        };
        let told = Arc::new(to_model(&info));
        let info = Arc::new(without_details(&info));
        session.info = Some(info.clone());
        let (worker, peer) = (session.worker, session.peer.clone());
        let (link, protocol) =
            (WorkerLink::new(session.wire.clone(), info.clone()), session.wire.protocol());
        if !told.lacks.is_empty() {
            let lacks = told.lacks.join("; ");
            tracing::warn!(worker = name, version = info.version, "an old worker: it {lacks}");
        }
        if let Some(entry) = self.board.entry(name) {
            entry.link = Some(link);
            entry.info = Some(told);
            entry.graceful = false;
            entry.last_seen = Some(now());
            entry.peer = Some(peer);
        }
        let protocol = protocol.key();
        tracing::info!(worker = name, version = info.version, protocol, "worker attached");
        self.publish();
        self.setup.announcer.announce(Event::WorkerConnected { worker });
        // The configuration may have changed while it was attaching.
        self.change_builders(name, ctx);
    }

    /// A connection has ended.
    pub(super) fn gone(&mut self, name: &str, serial: u64, ctx: &mut Context<Self>) {
        if self.sessions.get(name).is_none_or(|session| session.serial != serial) {
            return;
        }
        let Some(session) = self.sessions.remove(name) else { return };
        if session.info.is_none() {
            return;
        }
        if let Some(entry) = self.board.entry(name) {
            entry.link = None;
            entry.peer = None;
            entry.last_seen = Some(now());
        }
        self.publish();
        self.write_detached(session.worker, ctx);
    }

    /// Clears the table for a worker that was lost in the middle of attaching.
    pub(super) fn detach(&mut self, name: &str, ctx: &mut Context<Self>) {
        let Some(entry) = self.board.workers.get(name) else { return };
        if !self.sessions.contains_key(name) {
            self.write_detached(entry.id, ctx);
        }
    }

    pub(super) fn write_detached(&self, worker: WorkerId, ctx: &mut Context<Self>) {
        let (db, master) = (self.setup.db.clone(), self.setup.master);
        let announcer = self.setup.announcer.clone();
        // Whoever is no longer configured is not missed.
        let uptime = self.board.by_id(worker).and_then(|_| self.absences.uptime_of_loss());
        let detach = move |conn: &mut Conn| {
            workers::detached(conn, worker, master)?;
            uptime.map_or(Ok(()), |uptime| absences::lost(conn, master, worker, uptime))
        };
        let work = async move { db.write(detach).await };
        ctx.spawn(wrap_future::<_, Self>(work).map(move |written, roster, _| {
            if let Err(error) = written {
                tracing::error!(%error, %worker, "a lost worker still counts as connected");
                roster.behind = true;
            }
            announcer.announce(Event::WorkerDisconnected { worker });
        }));
    }

    pub(super) fn close(&mut self, name: &str, ctx: &mut Context<Self>) {
        let Some(session) = self.sessions.get(name) else { return };
        let (children, child) = (self.children.clone(), session.child.clone());
        ctx.spawn(wrap_future(async move { children.stop(&child).await }));
    }

    pub(super) fn name_of(&self, worker: WorkerId) -> Result<String, RosterError> {
        let entry = self.board.by_id(worker).ok_or(RosterError::NotFound(worker))?;
        Ok(entry.name.clone())
    }

    pub(super) fn shut_down(&self, worker: WorkerId) -> Result<(), RosterError> {
        let name = self.name_of(worker)?;
        let session = self.sessions.get(&name).ok_or(RosterError::NotConnected(name))?;
        session.wire.tell(Order::Shutdown);
        Ok(())
    }
}

/// What a connection still needs of a worker's info; the rest is on the board.
fn without_details(info: &WorkerInfo) -> WorkerInfo {
    WorkerInfo {
        basedir: info.basedir.clone(),
        system: info.system.clone(),
        version: info.version.clone(),
        ..WorkerInfo::default()
    }
}
