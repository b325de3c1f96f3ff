//! `SingleBranchScheduler` and `AnyBranchScheduler`: from changes to buildsets.
//!
//! In: `ChangeAdded` and `SchedulerUpdated` as pokes, a tick every minute, the tree stable timer.
//! Out: `Event::BuildsetSubmitted`, a poke for the distributor.
//! Owns: `scheduler_changes` and the cursor of the last change seen (`object_state`).
//! Dies: safely at any time; cursor, classification and buildset move in one transaction, and the
//! timer is decided from stored times.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture,
};
use futures_util::StreamExt;

use super::catch_up::{Pass, Rules, kind};
use super::{SchedulerStatus, Wiring, child_name};
use crate::actors::mail::{Child, Mailbox};
use crate::actors::supervise::{ChildSpec, Supervisor};
use crate::actors::turns::{Turns, wakes};
use crate::config::checked::{BasicScheduler, SchedulerConfig};
use crate::db::DbError;
use crate::events::Event;

/// For what no poke told, and for taking over from another master.
const TICK: Duration = Duration::from_secs(60);

/// The handle to one scheduler.
#[derive(Clone)]
pub struct BasicHandle {
    mailbox: Mailbox<Scheduler>,
    status: Arc<Mutex<SchedulerStatus>>,
}

impl BasicHandle {
    /// Look now.
    pub fn poke(&self) {
        self.mailbox.post(Poke);
    }

    pub fn status(&self) -> SchedulerStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Starts the scheduler below `supervisor`.
pub(super) fn start(
    supervisor: &Supervisor,
    config: &SchedulerConfig,
    settings: &BasicScheduler,
    wiring: Wiring,
    fresh: bool,
) -> BasicHandle {
    let status = Arc::new(Mutex::new(SchedulerStatus {
        name: config.name.clone(),
        kind: kind(settings),
        waiting_until: None,
        pending_changes: 0,
        idle_because: None,
    }));
    let rules = Arc::new(Rules::new(config, settings, wiring.master));
    let mailbox = Mailbox::new(child_name(&config.name));
    let handle = BasicHandle { mailbox: mailbox.clone(), status: status.clone() };
    // Only the first life skips; the next one takes up where this one died.
    let fresh = Arc::new(AtomicBool::new(fresh));
    supervisor.start(ChildSpec::permanent(child_name(&config.name)), &mailbox, move || Scheduler {
        rules: rules.clone(),
        wiring: wiring.clone(),
        status: status.clone(),
        fresh: fresh.clone(),
        entered: false,
        turns: Turns::default(),
        alarm: None,
    });
    handle
}

#[derive(Message)]
#[rtype(result = "()")]
struct Poke;

/// The actor; reached through [`BasicHandle`].
pub struct Scheduler {
    rules: Arc<Rules>,
    wiring: Wiring,
    status: Arc<Mutex<SchedulerStatus>>,
    fresh: Arc<AtomicBool>,
    /// The cursor stands where it should.
    entered: bool,
    turns: Turns,
    /// Wakes when the tree may be stable.
    alarm: Option<SpawnHandle>,
}

impl Actor for Scheduler {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        // Any scheduler's switch wakes every scheduler: it is turned rarely.
        let matters =
            |event: &Event| matches!(event, Event::ChangeAdded(_) | Event::SchedulerUpdated { .. });
        ctx.add_message_stream(wakes(self.wiring.announcer.listen(), matters).map(|()| Poke));
        ctx.run_interval(TICK, |actor, ctx| actor.pass(ctx));
        self.pass(ctx);
    }
}

impl Child for Scheduler {}

crate::receives!(Scheduler: Poke);

impl Handler<Poke> for Scheduler {
    type Result = ();

    fn handle(&mut self, _: Poke, ctx: &mut Context<Self>) {
        self.pass(ctx);
    }
}

impl Scheduler {
    fn pass(&mut self, ctx: &mut Context<Self>) {
        if !self.turns.begin() {
            return;
        }
        let rules = self.rules.clone();
        let db = self.wiring.db.clone();
        let now = (self.wiring.clock)();
        let enter = !self.entered;
        let fresh = self.fresh.load(Ordering::Relaxed);
        let passing = async move {
            db.write(move |conn| {
                if enter {
                    rules.enter(conn, fresh)?;
                }
                rules.pass(conn, now)
            })
            .await
        };
        ctx.spawn(passing.into_actor(self).map(move |outcome, actor, ctx| {
            let more = actor.after(outcome, now, ctx);
            if actor.turns.end() || more {
                actor.pass(ctx);
            }
        }));
    }

    /// Tells what the pass did; true when another one must follow at once.
    fn after(&mut self, outcome: Result<Pass, DbError>, now: i64, ctx: &mut Context<Self>) -> bool {
        let pass = match outcome {
            Ok(pass) => pass,
            Err(error) => {
                tracing::warn!(scheduler = %self.rules.name, %error, "no pass; trying again in a minute");
                Pass { idle_because: Some(error.to_string()), ..Pass::default() }
            }
        };
        if pass.idle_because.is_none() {
            self.entered = true;
            self.fresh.store(false, Ordering::Relaxed);
        }
        for set in &pass.submitted {
            self.wiring.announcer.announce(Event::BuildsetSubmitted {
                buildset: set.buildset,
                scheduler: Some(self.rules.name.clone()),
                requests: set.requests.clone(),
            });
        }
        if !pass.submitted.is_empty() {
            (self.wiring.poke)();
        }
        self.set_alarm(pass.due_at, now, ctx);
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.waiting_until = pass.due_at;
        status.pending_changes = pass.pending;
        status.idle_because = pass.idle_because;
        pass.more
    }

    fn set_alarm(&mut self, due_at: Option<i64>, now: i64, ctx: &mut Context<Self>) {
        if let Some(old) = self.alarm.take() {
            ctx.cancel_future(old);
        }
        self.alarm = due_at.map(|due_at| {
            let pause = Duration::from_secs(due_at.saturating_sub(now).max(0).unsigned_abs());
            ctx.run_later(pause, |actor, ctx| {
                actor.alarm = None;
                actor.pass(ctx);
            })
        });
    }
}
