//! A change source that looks by itself, of whatever class.
//!
//! In: its own timer, [`Watcher::poke`].  Out: what `desk` does, status on
//! [`Sources`].
//! Owns: the source's working copy, which can be made again; its state belongs to the intake.
//! Dies: safely at any time; programs are killed with it, and the state moves with the changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture,
};

use super::desk::IntakeDesk;
use super::{Sources, Wiring, child_name, claim};
use crate::actors::mail::{Child, Mailbox};
use crate::actors::supervise::{ChildSpec, Supervisor};
use crate::actors::turns::Turns;
use crate::change_sources::{Found, PollTimes, Rhythm, SourcePlan, Trouble};
use crate::flow::branches::masked;
use crate::flow::rhythm::{failures_after, pause, reconnect};

/// Failures in a row inside the working copy before it is made anew.
const BROKEN_AFTER: u32 = 3;

/// First pause when the trouble is our own and not the remote's.
const SOON: Duration = Duration::from_secs(5);

/// The pause before asking again whether another master still has the source.
const ELSEWHERE: Duration = Duration::from_secs(60);

/// The handle to one source.
#[derive(Clone)]
pub struct Watcher {
    mailbox: Mailbox<WatcherActor>,
}

impl Watcher {
    /// A handle whose source does not live yet.
    pub(super) fn new(name: &str) -> Watcher {
        Watcher { mailbox: Mailbox::new(child_name(name)) }
    }

    /// Look now, whatever the timer says.
    pub fn poke(&self) {
        self.mailbox.post(Poke);
    }

    /// Starts the source below `supervisor`; it is tried for ever.
    pub(super) fn start(
        &self,
        supervisor: &Supervisor,
        plan: SourcePlan,
        wiring: Wiring,
        sources: Sources,
    ) {
        let spec = ChildSpec::permanent(self.mailbox.name());
        let plan = Arc::new(plan);
        supervisor.start(spec, &self.mailbox, move || WatcherActor {
            plan: plan.clone(),
            wiring: wiring.clone(),
            sources: sources.clone(),
            turns: Turns::default(),
            timer: None,
            failures: 0,
            told: None,
        });
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Poke;

/// The actor; reached through [`Watcher`].
pub struct WatcherActor {
    plan: Arc<SourcePlan>,
    wiring: Wiring,
    sources: Sources,
    turns: Turns,
    timer: Option<SpawnHandle>,
    /// Failed looks in a row.
    failures: u32,
    /// What is wrong and was logged.
    told: Option<String>,
}

impl Actor for WatcherActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        match self.plan.rhythm {
            Rhythm::Polls(times) if times.at_launch => self.look_after(random_delay(times), ctx),
            Rhythm::Polls(_) => self.rest(Next::AsUsual, ctx),
            Rhythm::Always => self.look(ctx),
        }
    }
}

impl Child for WatcherActor {}

crate::receives!(WatcherActor: Poke);

impl Handler<Poke> for WatcherActor {
    type Result = ();

    fn handle(&mut self, _: Poke, ctx: &mut Context<Self>) {
        self.look(ctx);
    }
}

/// What the end of a look says about the next one.
enum Next {
    AsUsual,
    /// The trouble is our own and may pass.
    Soon,
    NotBefore(Duration),
}

/// How a look ended.
struct Outcome {
    result: Result<Found, Trouble>,
    /// The working copy was thrown away.
    renewed: bool,
    lasted: Duration,
}

impl WatcherActor {
    fn look(&mut self, ctx: &mut Context<Self>) {
        if !self.turns.begin() {
            return;
        }
        self.forget_timer(ctx);
        let (plan, wiring) = (self.plan.clone(), self.wiring.clone());
        let desk = IntakeDesk::new(plan.clone(), &wiring, self.sources.clone());
        let renew = self.failures >= BROKEN_AFTER;
        let looking = async move {
            let began = Instant::now();
            let result = match claim(&plan.name, &wiring).await {
                Ok(true) => plan.source.look(&desk).await,
                Ok(false) => Err(Trouble::Elsewhere),
                Err(error) => Err(Trouble::Store(error.to_string())),
            };
            let renewed = match &result {
                Err(Trouble::Copy(_)) if renew => plan.source.renew(&desk).await,
                _ => false,
            };
            Outcome { result, renewed, lasted: began.elapsed() }
        };
        ctx.spawn(looking.into_actor(self).map(|outcome, actor, ctx| {
            let next = actor.count(&outcome);
            actor.tell(outcome);
            if actor.turns.end() {
                actor.look(ctx);
            } else {
                actor.rest(next, ctx);
            }
        }));
    }

    /// Counts failures.
    fn count(&mut self, outcome: &Outcome) -> Next {
        let stays = self.plan.rhythm == Rhythm::Always;
        let trouble = match &outcome.result {
            Ok(_) => {
                self.failures = 0;
                return Next::AsUsual;
            }
            // Nothing is wrong: the usual interval goes on.
            Err(Trouble::Elsewhere) if stays => return Next::NotBefore(ELSEWHERE),
            Err(Trouble::Elsewhere) => return Next::AsUsual,
            Err(trouble) => trouble,
        };
        self.failures = match stays {
            true => failures_after(self.failures, outcome.lasted),
            false => self.failures.saturating_add(1),
        };
        match trouble {
            Trouble::Store(_) => Next::Soon,
            Trouble::Busy { pause, .. } => Next::NotBefore(*pause),
            _ => Next::AsUsual,
        }
    }

    /// Sets the timer for the next look.
    fn rest(&mut self, next: Next, ctx: &mut Context<Self>) {
        let usual = match self.plan.rhythm {
            Rhythm::Always => Some(reconnect(self.failures)),
            Rhythm::Polls(times) => {
                let interval = match next {
                    Next::Soon => times.interval.min(SOON),
                    _ => times.interval,
                };
                pause(interval, self.failures).map(|pause| pause + random_delay(times))
            }
        };
        match (usual, next) {
            (Some(usual), Next::AsUsual) => self.look_after(usual, ctx),
            (Some(usual), Next::Soon) => self.look_after(usual.max(SOON), ctx),
            (Some(usual), Next::NotBefore(least)) => self.look_after(usual.max(least), ctx),
            (None, _) => self.no_next_look(ctx),
        }
    }

    fn no_next_look(&mut self, ctx: &mut Context<Self>) {
        self.forget_timer(ctx);
        self.sources.update(&self.plan.name, |status| status.next_poll = None);
    }

    fn look_after(&mut self, pause: Duration, ctx: &mut Context<Self>) {
        self.forget_timer(ctx);
        let at = self.wiring.clock.now() + pause.as_secs() as i64;
        self.sources.update(&self.plan.name, |status| status.next_poll = Some(at));
        self.timer = Some(ctx.run_later(pause, |actor, ctx| {
            actor.timer = None;
            actor.look(ctx);
        }));
    }

    fn forget_timer(&mut self, ctx: &mut Context<Self>) {
        if let Some(old) = self.timer.take() {
            ctx.cancel_future(old);
        }
        // A source that stays has no next look while it is connected.
        if self.plan.rhythm == Rhythm::Always {
            self.sources.update(&self.plan.name, |status| status.next_poll = None);
        }
    }

    /// Logs what a look found and shows it on the pages.
    fn tell(&mut self, outcome: Outcome) {
        let name = masked(&self.plan.name);
        let error = match &outcome.result {
            Ok(found) => {
                if found.changes > 0 {
                    tracing::info!(changes = found.changes, "new commits in {name}");
                }
                (!found.notes.is_empty()).then(|| found.notes.join("; "))
            }
            Err(trouble) => Some(masked(&trouble.to_string())),
        };
        match &error {
            Some(error) if self.failures > 0 => {
                tracing::warn!("cannot poll {name}: {error}; trying again later");
                if outcome.renewed {
                    tracing::warn!("the clone of {name} is made anew");
                }
            }
            Some(error) if self.told.as_ref() != Some(error) => tracing::warn!("{name}: {error}"),
            None if self.told.is_some() => tracing::info!("polling {name} works again"),
            _ => {}
        }
        self.told.clone_from(&error);
        let now = self.wiring.clock.now();
        self.sources.update(&self.plan.name, |status| {
            status.last_poll = Some(now);
            status.last_error = error;
        });
    }
}

/// Between `pollRandomDelayMin` and `pollRandomDelayMax`.
fn random_delay(times: PollTimes) -> Duration {
    let (min, max) = (times.random_delay_min, times.random_delay_max);
    min + max.saturating_sub(min).mul_f64(fastrand::f64())
}
