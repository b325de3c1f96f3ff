//! Completes buildsets whose requests are all complete.
//!
//! In: poke, `RequestCompleted`, a tick every minute.  Out: `Event::BuildsetCompleted`.
//! Owns: nothing; what is to be done stands in `buildsets` and `buildrequests`.
//! Dies: safely at any time; the next pass finds the same rows.

use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use futures_util::StreamExt;

use super::announcer::Announcer;
use super::mail::{Child, Mailbox};
use super::supervise::{ChildSpec, Supervisor};
use super::turns::{Turns, wakes};
use crate::db::{Db, buildsets};
use crate::events::Event;
use crate::model::Clock;

/// For what no poke told.
const TICK: Duration = Duration::from_secs(60);

/// The handle to the closer.
#[derive(Clone)]
pub struct BuildsetCloser {
    mailbox: Mailbox<Closer>,
}

impl BuildsetCloser {
    /// Among its siblings.
    pub const NAME: &str = "buildset closer";

    /// Starts the closer below `supervisor`.
    pub fn start(
        supervisor: &Supervisor,
        db: Db,
        announcer: Announcer,
        clock: Clock,
    ) -> BuildsetCloser {
        let mailbox = Mailbox::new(Self::NAME);
        supervisor.start(ChildSpec::permanent(Self::NAME), &mailbox, move || Closer {
            db: db.clone(),
            announcer: announcer.clone(),
            clock: clock.clone(),
            turns: Turns::default(),
        });
        BuildsetCloser { mailbox }
    }

    /// Look now.
    pub fn poke(&self) {
        self.mailbox.post(Poke);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Poke;

/// The actor; reached through [`BuildsetCloser`].
pub struct Closer {
    db: Db,
    announcer: Announcer,
    clock: Clock,
    turns: Turns,
}

impl Actor for Closer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let completed = |event: &Event| matches!(event, Event::RequestCompleted { .. });
        ctx.add_message_stream(wakes(self.announcer.listen(), completed).map(|()| Poke));
        ctx.run_interval(TICK, |actor, ctx| actor.pass(ctx));
        self.pass(ctx);
    }
}

impl Child for Closer {}

crate::receives!(Closer: Poke);

impl Handler<Poke> for Closer {
    type Result = ();

    fn handle(&mut self, _: Poke, ctx: &mut Context<Self>) {
        self.pass(ctx);
    }
}

impl Closer {
    fn pass(&mut self, ctx: &mut Context<Self>) {
        if !self.turns.begin() {
            return;
        }
        let (db, now) = (self.db.clone(), self.clock.now());
        let closing =
            async move { db.write(move |conn| buildsets::complete_finished(conn, now)).await };
        ctx.spawn(closing.into_actor(self).map(|closed, actor, ctx| {
            match closed {
                Ok(closed) => {
                    for (buildset, results) in closed {
                        actor.announcer.announce(Event::BuildsetCompleted { buildset, results });
                    }
                }
                Err(error) => tracing::warn!(%error, "buildsets cannot be completed; trying again in a minute"),
            }
            if actor.turns.end() {
                actor.pass(ctx);
            }
        }));
    }
}
