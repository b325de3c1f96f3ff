//! Runs one scheduler, whatever its class: when to look, and whom to tell.
//!
//! In: the facts that its plan names and `SchedulerUpdated`, as pokes; a tick every minute; its own
//! alarm; orders of people and builds.
//! Out: `Event::BuildsetSubmitted`, a poke for the distributor.
//! Owns: `scheduler_changes` and the `object_state` of its name.
//! Dies: safely at any time; a pass and an order are one transaction each, and what is due is
//! decided from stored times.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture,
};
use futures_util::StreamExt;

use super::{SchedulerStatus, Wiring, child_name};
use crate::actors::mail::{Child, Mailbox};
use crate::actors::supervise::{ChildSpec, Supervisor};
use crate::actors::turns::{Turns, wakes};
use crate::config::checked::SchedulerConfig;
use crate::db::DbError;
use crate::events::Event;
use crate::schedulers::{Order, Pass, Refused, Submitted, rounds};

/// For what no poke told, and for taking over from another master.
const TICK: Duration = Duration::from_secs(60);

/// Longest sleep: the wall clock may be set while it lasts.
const NAP_S: i64 = 60;

/// The handle to one scheduler.
#[derive(Clone)]
pub struct SchedulerHandle {
    config: Arc<SchedulerConfig>,
    wiring: Wiring,
    mailbox: Mailbox<Runner>,
    status: Arc<Mutex<SchedulerStatus>>,
}

impl SchedulerHandle {
    /// Look now.
    pub fn poke(&self) {
        self.mailbox.post(Poke);
    }

    /// What the scheduler is configured with.
    pub fn config(&self) -> &Arc<SchedulerConfig> {
        &self.config
    }

    pub fn status(&self) -> SchedulerStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does what somebody asks for, and answers after the commit. It is done in one transaction
    /// that needs nothing of the actor, so that an order gets through while that one rests.
    ///
    /// # Errors
    /// Why it is refused; nothing was submitted then.
    pub async fn order(&self, order: Order) -> Result<Option<Submitted>, Refused> {
        let (config, now) = (self.config.clone(), self.wiring.clock.now());
        let carried = self.wiring.db.write(move |conn| rounds::order(conn, &config, order, now));
        let submitted = carried.await??;
        if let Some(set) = &submitted {
            tell(&self.wiring, &self.config, std::slice::from_ref(set));
        }
        self.poke();
        Ok(submitted)
    }
}

/// Tells of new buildsets.
fn tell(wiring: &Wiring, config: &SchedulerConfig, sets: &[Submitted]) {
    for set in sets {
        wiring.announcer.announce(Event::BuildsetSubmitted {
            buildset: set.buildset,
            scheduler: Some(config.options.name.clone()),
            requests: set.requests.clone(),
        });
    }
    if !sets.is_empty() {
        (wiring.poke)();
    }
}

/// Starts the scheduler below `supervisor`.
pub(super) fn start(
    supervisor: &Supervisor,
    config: Arc<SchedulerConfig>,
    wiring: Wiring,
    fresh: bool,
) -> SchedulerHandle {
    let name = child_name(&config.options.name);
    let status = Arc::new(Mutex::new(SchedulerStatus {
        name: config.options.name.clone(),
        kind: config.plan.class(),
        waiting_until: None,
        pending_changes: 0,
        idle_because: None,
    }));
    let mailbox = Mailbox::new(&name);
    let handle = SchedulerHandle {
        config: config.clone(),
        wiring: wiring.clone(),
        mailbox: mailbox.clone(),
        status: status.clone(),
    };
    // Only the first life skips; the next one takes up where this one died.
    let fresh = Arc::new(AtomicBool::new(fresh));
    supervisor.start(ChildSpec::permanent(name), &mailbox, move || Runner {
        config: config.clone(),
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

/// The actor; reached through [`SchedulerHandle`].
pub struct Runner {
    config: Arc<SchedulerConfig>,
    wiring: Wiring,
    status: Arc<Mutex<SchedulerStatus>>,
    fresh: Arc<AtomicBool>,
    /// It has taken up where the last life ended.
    entered: bool,
    turns: Turns,
    /// Wakes when something is due.
    alarm: Option<SpawnHandle>,
}

impl Actor for Runner {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let plan = self.config.plan.clone();
        // Any scheduler's switch wakes every scheduler: it is turned rarely.
        let matters = move |event: &Event| {
            matches!(event, Event::SchedulerUpdated { .. }) || plan.wakes(event)
        };
        ctx.add_message_stream(wakes(self.wiring.announcer.listen(), matters).map(|()| Poke));
        ctx.run_interval(TICK, |actor, ctx| actor.pass(ctx));
        self.pass(ctx);
    }
}

impl Child for Runner {}

crate::receives!(Runner: Poke);

impl Handler<Poke> for Runner {
    type Result = ();

    fn handle(&mut self, _: Poke, ctx: &mut Context<Self>) {
        self.pass(ctx);
    }
}

impl Runner {
    fn pass(&mut self, ctx: &mut Context<Self>) {
        if !self.turns.begin() {
            return;
        }
        let config = self.config.clone();
        let (db, master) = (self.wiring.db.clone(), self.wiring.master);
        let now = self.wiring.clock.now();
        let enter = !self.entered;
        let fresh = self.fresh.load(Ordering::Relaxed);
        let passing = async move {
            db.write(move |conn| {
                let entered = !enter || rounds::enter(conn, &config, master, fresh, now)?;
                Ok((entered, rounds::pass(conn, &config, master, now)?))
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
    fn after(
        &mut self,
        outcome: Result<(bool, Pass), DbError>,
        now: i64,
        ctx: &mut Context<Self>,
    ) -> bool {
        let (entered, pass) = match outcome {
            Ok(done) => done,
            Err(error) => {
                let scheduler = &self.config.options.name;
                tracing::warn!(%scheduler, %error, "no pass; trying again in a minute");
                (false, Pass { idle_because: Some(error.to_string()), ..Pass::default() })
            }
        };
        if entered {
            self.entered = true;
            self.fresh.store(false, Ordering::Relaxed);
        }
        tell(&self.wiring, &self.config, &pass.submitted);
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
        // What is due later than the next tick is seen by that one.
        let pause = due_at.map(|due_at| due_at.saturating_sub(now).max(0));
        self.alarm = pause.filter(|pause| *pause <= NAP_S).map(|pause| {
            ctx.run_later(Duration::from_secs(pause.unsigned_abs()), |actor, ctx| {
                actor.alarm = None;
                actor.pass(ctx);
            })
        });
    }
}
