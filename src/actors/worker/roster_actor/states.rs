//! Pausing, resuming, and leaving gracefully.

use actix::fut::wrap_future;
use actix::{ActorFutureExt, AsyncContext, Context, Handler, Message, ResponseActFuture};

use super::super::roster::RosterError;
use super::RosterActor;
use crate::db::workers;
use crate::events::Event;
use crate::model::WorkerId;

#[derive(Message)]
#[rtype(result = "Result<(), RosterError>")]
pub(in crate::actors::worker) struct SetState {
    pub worker: WorkerId,
    pub change: Change,
}

pub(in crate::actors::worker) enum Change {
    Pause(String),
    Unpause,
    Graceful,
}

/// A worker asks to be shut down when its last build has ended.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct WantsToLeave(pub WorkerId);

impl RosterActor {
    fn change_state(
        &self,
        worker: WorkerId,
        change: Change,
    ) -> ResponseActFuture<RosterActor, Result<(), RosterError>> {
        if let Err(error) = self.name_of(worker) {
            return Box::pin(actix::fut::ready(Err(error)));
        }
        let db = self.setup.db.clone();
        let work = async move {
            db.write(move |conn| {
                match &change {
                    Change::Pause(reason) => {
                        workers::set_paused(conn, worker, true, Some(reason.as_str()))?;
                    }
                    Change::Unpause => workers::set_paused(conn, worker, false, None)?,
                    Change::Graceful => workers::set_graceful(conn, worker, true)?,
                }
                workers::get(conn, worker)
            })
            .await
        };
        Box::pin(wrap_future::<_, Self>(work).map(move |stored, roster, ctx| {
            let stored = stored?;
            let name = roster.name_of(worker)?;
            if let Some(entry) = roster.board.entry(&name) {
                entry.paused = stored.paused;
                entry.pause_reason = stored.pause_reason;
                entry.graceful = stored.graceful;
            }
            roster.publish();
            roster.setup.announcer.announce(Event::WorkerStateChanged { worker });
            roster.look(ctx);
            Ok(())
        }))
    }
}

impl Handler<SetState> for RosterActor {
    type Result = ResponseActFuture<Self, Result<(), RosterError>>;

    fn handle(&mut self, message: SetState, _: &mut Context<Self>) -> Self::Result {
        self.change_state(message.worker, message.change)
    }
}

impl Handler<WantsToLeave> for RosterActor {
    type Result = ();

    fn handle(&mut self, WantsToLeave(worker): WantsToLeave, ctx: &mut Context<Self>) {
        let changed = self.change_state(worker, Change::Graceful);
        ctx.spawn(changed.map(move |outcome, _, _| match outcome {
            Ok(()) => tracing::info!(%worker, "the worker asks to be shut down when it is idle"),
            Err(error) => tracing::warn!(%worker, "the worker asks to be shut down: {error}"),
        }));
    }
}
