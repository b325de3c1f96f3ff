//! Hands pending build requests to idle workers.
//!
//! In:   poke, a 10 s tick.
//! Out:  builder.start, RequestClaimed, RequestCompleted (collapsed); orphans closed as RETRY.
//! Owns: nothing durable: the queue is the buildrequests table, the load is the builds table. The
//!       reasons why requests wait are those of the last scan.
//! Dies: safely at any time; the next scan finds the same rows.

mod merge;
mod scan;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix::WrapFuture;
use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, StreamHandler};
use futures_util::Stream;
use futures_util::stream::unfold;

use super::builder::BuilderHandle;
use super::mail::{Child, Mailbox};
use super::surroundings::Surroundings;
use super::turns::Turns;
use super::worker::Roster;
use crate::model::{BuildRequestId, BuilderId};
use crate::receives;
use scan::Scanner;

/// A scan happens at least this often, whatever pokes got lost.
const TICK: Duration = Duration::from_secs(10);

/// The handle that says "look now". Cheap to clone.
#[derive(Clone)]
pub struct Distributor {
    mailbox: Mailbox<DistributorActor>,
    shared: Arc<Shared>,
}

/// What outlives the actor's lives.
#[derive(Default)]
struct Shared {
    reasons: RwLock<Arc<HashMap<BuildRequestId, String>>>,
    builders: RwLock<Arc<HashMap<BuilderId, BuilderHandle>>>,
    /// The master is about to end and starts no more builds.
    holding: AtomicBool,
}

impl Shared {
    fn builders(&self) -> Arc<HashMap<BuilderId, BuilderHandle>> {
        self.builders.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Default for Distributor {
    fn default() -> Distributor {
        Distributor { mailbox: Mailbox::new("distributor"), shared: Arc::default() }
    }
}

impl Distributor {
    /// Something may have become possible: a request, an idle worker, a new configuration.
    pub fn poke(&self) {
        self.mailbox.post(Poke);
    }

    /// Starts no more builds in this life of the master; running ones go on.
    pub fn hold(&self) {
        self.shared.holding.store(true, Ordering::Relaxed);
        self.poke();
    }

    /// Why each pending request waits, as of the last scan.
    pub fn reasons(&self) -> Arc<HashMap<BuildRequestId, String>> {
        self.shared.reasons.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The builders that run in this master, by id.
    pub fn builders(&self) -> Arc<HashMap<BuilderId, BuilderHandle>> {
        self.shared.builders()
    }

    /// Replaces the set of builders after a configuration was applied.
    pub(super) fn set_builders(&self, builders: HashMap<BuilderId, BuilderHandle>) {
        *self.shared.builders.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(builders);
        self.poke();
    }

    pub(super) fn mailbox(&self) -> &Mailbox<DistributorActor> {
        &self.mailbox
    }

    /// One life of the actor.
    pub(super) fn actor(&self, surroundings: Surroundings, roster: Roster) -> DistributorActor {
        let scanner = Scanner { surroundings, roster, shared: self.shared.clone() };
        DistributorActor { scanner, turns: Turns::default() }
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Poke;

/// The actor behind the handle: one scan at a time.
pub struct DistributorActor {
    scanner: Scanner,
    turns: Turns,
}

receives!(DistributorActor: Poke);

impl Actor for DistributorActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(TICK, |distributor, ctx| distributor.scan(ctx));
        ctx.add_stream(board_changes(&self.scanner.roster));
        self.scan(ctx);
    }
}

impl Child for DistributorActor {}

/// One item whenever a worker comes, goes, or is paused.
fn board_changes(roster: &Roster) -> impl Stream<Item = BoardChanged> + use<> {
    unfold(roster.watch(), |mut board| async move {
        board.changed().await.ok().map(|()| (BoardChanged, board))
    })
}

struct BoardChanged;

impl StreamHandler<BoardChanged> for DistributorActor {
    fn handle(&mut self, _: BoardChanged, ctx: &mut Self::Context) {
        self.scan(ctx);
    }
}

impl Handler<Poke> for DistributorActor {
    type Result = ();

    fn handle(&mut self, _: Poke, ctx: &mut Self::Context) {
        self.scan(ctx);
    }
}

impl DistributorActor {
    fn scan(&mut self, ctx: &mut Context<Self>) {
        if !self.turns.begin() {
            return;
        }
        let scanner = self.scanner.clone();
        let scan = async move { scanner.scan().await };
        ctx.spawn(scan.into_actor(self).map(|outcome, distributor, ctx| {
            if let Err(error) = outcome {
                tracing::error!(%error, "cannot look through the build requests");
            }
            if distributor.turns.end() {
                distributor.scan(ctx);
            }
        }));
    }
}
