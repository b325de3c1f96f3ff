//! Hands pending build requests to idle workers.
//!
//! In:   poke, a 10 s tick.
//! Out:  builder.start, RequestClaimed, RequestCompleted (collapsed); orphans closed as RETRY.
//! Owns: nothing durable: the queue is the buildrequests table, the load is the builds table. Which
//!       workers rest, and which requests were merged already, outlives it in the handle.
//! Dies: safely at any time; the next scan finds the same rows.

mod explain;
mod merge;
mod plan;
mod scan;
mod shared;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, StreamHandler};
use actix::{SpawnHandle, WrapFuture};
use futures_util::Stream;
use futures_util::stream::unfold;

use super::builder::BuilderHandle;
use super::mail::{Child, Mailbox};
use super::surroundings::Surroundings;
use super::turns::Turns;
use super::worker::Roster;
use crate::model::{BuilderId, Clock, Results, Timestamp, WorkerId};
use crate::receives;
pub use explain::Explainer;
use scan::{Next, Scanner};
use shared::Shared;

/// A scan happens at least this often, whatever pokes got lost.
const TICK: Duration = Duration::from_secs(10);

/// The handle that says "look now". Cheap to clone.
#[derive(Clone)]
pub struct Distributor {
    mailbox: Mailbox<DistributorActor>,
    shared: Arc<Shared>,
    clock: Clock,
}

impl Default for Distributor {
    fn default() -> Distributor {
        Distributor::new(Clock::default())
    }
}

impl Distributor {
    pub(super) fn new(clock: Clock) -> Distributor {
        Distributor { mailbox: Mailbox::new("distributor"), shared: Arc::default(), clock }
    }

    /// Something may have become possible: a request, an idle worker, a new configuration.
    pub fn poke(&self) {
        self.mailbox.post(Poke);
    }

    /// Starts no more builds until [`release`](Self::release); running ones go on.
    pub fn hold(&self) {
        self.shared.holding.store(true, Ordering::Relaxed);
        self.poke();
    }

    /// Starts builds again.
    pub fn release(&self) {
        self.shared.holding.store(false, Ordering::Relaxed);
        self.poke();
    }

    /// A build of the worker ended: after an exception the worker rests for a while.
    pub(super) fn build_ended(&self, worker: WorkerId, results: Results) {
        self.shared.build_ended(worker, results, self.clock.now());
    }

    /// Ends the rest of a worker.
    pub fn wake(&self, worker: WorkerId) {
        self.shared.wake(worker);
        self.poke();
    }

    /// Until when the worker gets no builds, because its last ones broke.
    pub fn rests_until(&self, worker: WorkerId) -> Option<Timestamp> {
        self.shared.rests_until(worker).filter(|until| *until > self.clock.now())
    }

    /// The builders that run in this master, by id.
    pub fn builders(&self) -> Arc<HashMap<BuilderId, BuilderHandle>> {
        self.shared.builders()
    }

    /// Replaces the set of builders after a configuration was applied.
    pub(super) fn set_builders(&self, builders: HashMap<BuilderId, BuilderHandle>) {
        self.shared.set_builders(builders);
        self.poke();
    }

    pub(super) fn mailbox(&self) -> &Mailbox<DistributorActor> {
        &self.mailbox
    }

    /// One life of the actor.
    pub(super) fn actor(&self, surroundings: Surroundings, roster: Roster) -> DistributorActor {
        let scanner = Scanner { surroundings, roster, shared: self.shared.clone() };
        DistributorActor { scanner, turns: Turns::default(), alarm: None }
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Poke;

/// The actor behind the handle: one scan at a time.
pub struct DistributorActor {
    scanner: Scanner,
    turns: Turns,
    /// Looks when the rest of a worker ends.
    alarm: Option<SpawnHandle>,
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
    fn wait_until(&mut self, until: Timestamp, ctx: &mut Context<Self>) {
        let seconds = u64::try_from(until - self.scanner.surroundings.clock.now()).unwrap_or(0);
        let alarm = ctx.run_later(Duration::from_secs(seconds), |distributor, ctx| {
            distributor.alarm = None;
            distributor.scan(ctx);
        });
        if let Some(earlier) = self.alarm.replace(alarm) {
            ctx.cancel_future(earlier);
        }
    }

    fn scan(&mut self, ctx: &mut Context<Self>) {
        if !self.turns.begin() {
            return;
        }
        let scanner = self.scanner.clone();
        let scan = async move { scanner.scan().await };
        ctx.spawn(scan.into_actor(self).map(|outcome, distributor, ctx| {
            let again = distributor.turns.end();
            match outcome {
                Err(error) => tracing::error!(%error, "cannot look through the build requests"),
                Ok(Next::Now) => return distributor.scan(ctx),
                Ok(Next::At(until)) => distributor.wait_until(until, ctx),
                Ok(Next::Poked) => {}
            }
            if again {
                distributor.scan(ctx);
            }
        }));
    }
}
