//! The actor behind [`Roster`](super::Roster): see that file for its head card.

mod absences;
mod configuration;
mod sessions;
mod states;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{
    Actor, ActorContext, ActorFutureExt, ArbiterHandle, AsyncContext, Context, Handler, Message,
};
use futures_util::SinkExt;
use protocol::info::WorkerInfo;
use protocol::order::BuilderDir;
use protocol::session::MasterSession;

use super::board::Board;
use super::client::Places;
use super::link::Wire;
use super::roster::{RosterError, RosterSetup, Shared, Wanted};
use super::transport::Socket;
use crate::actors::mail::{Child, Mailbox};
use crate::actors::supervise::Supervisor;
use crate::config::checked::{WorkerListen, WorkerProtocol};
use crate::db::{Conn, DbError, builds, workers};
use crate::flow::absence::Life;
use crate::model::{MasterId, Worker, WorkerId};
use crate::receives;

use absences::Absences;
use states::WantsToLeave;
pub(super) use states::{Change, SetState};

/// How often graceful shutdowns and failed ports are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// How long a rejected socket's goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// What the old connection of a worker is asked when a second one logs in.
const DUPLICATE: &str = "master got a duplicate connection";

/// Compare the configuration with what runs.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Reconcile;

/// A worker has logged in.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Arrived {
    pub worker: String,
    pub peer: String,
    pub protocol: WorkerProtocol,
    pub session: Box<dyn MasterSession>,
    pub socket: Socket,
    /// The thread that the socket belongs to.
    pub home: ArbiterHandle,
}

/// Ask the worker process to end.
#[derive(Message)]
#[rtype(result = "Result<(), RosterError>")]
pub(super) struct ShutDown(pub WorkerId);

pub(super) struct RosterActor {
    setup: RosterSetup,
    shared: Shared,
    /// Its own mailbox, for the listeners.
    mailbox: Mailbox<RosterActor>,
    children: Supervisor,
    homes: Arc<Vec<ArbiterHandle>>,
    clients: Places,
    board: Board,
    /// The configuration in force.
    wanted: Wanted,
    reconciling: bool,
    /// Something is not as configured; the next look tries again.
    behind: bool,
    sessions: HashMap<String, Session>,
    /// Names whose duplicate is being decided.
    deciding: HashSet<String>,
    next_serial: u64,
    absences: Absences,
}

/// A connection from its login on.
struct Session {
    serial: u64,
    worker: WorkerId,
    wire: Wire,
    child: String,
    peer: String,
    /// Present when attached.
    info: Option<Arc<WorkerInfo>>,
    /// All that it was told of since it connected.
    builders: Vec<BuilderDir>,
}

impl RosterActor {
    pub(super) fn new(
        setup: RosterSetup,
        shared: Shared,
        mailbox: Mailbox<RosterActor>,
        children: Supervisor,
    ) -> RosterActor {
        RosterActor {
            homes: Arc::new(setup.homes.clone()),
            clients: Places::new(setup.patience.client),
            setup,
            shared,
            mailbox,
            children,
            board: Board::default(),
            wanted: Wanted::default(),
            reconciling: false,
            behind: false,
            sessions: HashMap::new(),
            deciding: HashSet::new(),
            next_serial: 0,
            absences: Absences::default(),
        }
    }

    fn publish(&self) {
        self.shared.board.send_replace(Arc::new(self.board.clone()));
    }

    /// Asks workers that shut down gracefully and are idle by now to end; tries again what failed.
    fn look(&mut self, ctx: &mut Context<Self>) {
        if self.behind {
            self.reconcile(ctx);
        }
        self.look_for_missing(ctx);
        let leaving = self.board.workers.values();
        let leaving = leaving.filter(|entry| entry.graceful && entry.link.is_some());
        let leaving: HashSet<WorkerId> = leaving.map(|entry| entry.id).collect();
        if leaving.is_empty() {
            return;
        }
        let (db, master) = (self.setup.db.clone(), self.setup.master);
        let work = async move { db.read(move |conn| idle(conn, master, leaving)).await };
        ctx.spawn(wrap_future::<_, Self>(work).map(|idle, roster, _| match idle {
            Ok(idle) => idle.into_iter().for_each(|worker| {
                // Only an already lost worker cannot be asked.
                let _ = roster.shut_down(worker);
            }),
            Err(error) => tracing::warn!(%error, "cannot see which workers are idle"),
        }));
    }
}

fn listener_name(WorkerListen { protocol, listen }: &WorkerListen) -> String {
    let interface = listen.interface.as_deref().unwrap_or("*");
    format!("listener {} {interface}:{}", protocol.key(), listen.port)
}

/// Closes a socket that is not wanted.
fn reject(arrived: Arrived, why: &str, ctx: &mut Context<RosterActor>) {
    let Arrived { worker, peer, mut socket, .. } = arrived;
    tracing::warn!(worker, peer, "a worker was rejected: {why}");
    ctx.spawn(wrap_future(async move {
        let _ = tokio::time::timeout(GOODBYE, socket.outgoing.close()).await;
    }));
}

/// Rows of the configured workers; nobody counts as connected who is not, and who is away is missed
/// from now on. `life` is `None` at the first look, which answers the uptime before it.
fn look(
    conn: &mut Conn,
    master: MasterId,
    names: &[String],
    connected: &HashSet<String>,
    life: Option<Life>,
) -> Result<(Vec<Worker>, i64), DbError> {
    for name in names {
        workers::find_or_create(conn, name)?;
    }
    let stored = workers::list(conn)?;
    for worker in &stored {
        if worker.connected_to.contains(&master) && !connected.contains(&worker.name) {
            workers::detached(conn, worker.id, master)?;
        }
    }
    let configured: Vec<&Worker> =
        stored.iter().filter(|worker| names.contains(&worker.name)).collect();
    let uptime = absences::expect(conn, master, &configured, connected, life)?;
    Ok((stored, uptime))
}

/// Those of `leaving` that no build of this master runs on.
fn idle(
    conn: &mut Conn,
    master: MasterId,
    mut leaving: HashSet<WorkerId>,
) -> Result<HashSet<WorkerId>, DbError> {
    for worker in builds::running(conn, master)?.iter().filter_map(|build| build.worker) {
        leaving.remove(&worker);
    }
    Ok(leaving)
}

impl Actor for RosterActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.publish();
        self.reconcile(ctx);
        ctx.run_interval(LOOK, |roster, ctx| roster.look(ctx));
    }
}

receives!(RosterActor: Reconcile, Arrived, SetState, WantsToLeave, ShutDown);

impl Child for RosterActor {
    /// Closes all connections before it ends.
    fn stop(&mut self, ctx: &mut Context<Self>) {
        self.absences.leave();
        let (children, life) = (self.children.clone(), self.absences.life());
        let (db, master) = (self.setup.db.clone(), self.setup.master);
        let attached = self.sessions.values().filter(|session| session.info.is_some());
        let attached: Vec<WorkerId> = attached.map(|session| session.worker).collect();
        let work = async move {
            children.stop_all().await;
            let detach = move |conn: &mut Conn| {
                attached.iter().try_for_each(|worker| workers::detached(conn, *worker, master))?;
                absences::leave(conn, master, life)
            };
            if let Err(error) = db.write(detach).await {
                tracing::warn!(%error, "workers still count as connected; the next start mends it");
            }
        };
        ctx.spawn(wrap_future::<_, Self>(work).map(|(), _, ctx| ctx.stop()));
    }
}

impl Handler<Reconcile> for RosterActor {
    type Result = ();

    fn handle(&mut self, _: Reconcile, ctx: &mut Context<Self>) {
        self.reconcile(ctx);
    }
}

impl Handler<Arrived> for RosterActor {
    type Result = ();

    fn handle(&mut self, arrived: Arrived, ctx: &mut Context<Self>) {
        self.decide(arrived, ctx);
    }
}

impl Handler<ShutDown> for RosterActor {
    type Result = Result<(), RosterError>;

    fn handle(&mut self, ShutDown(worker): ShutDown, _: &mut Context<Self>) -> Self::Result {
        self.shut_down(worker)
    }
}
