//! `GitPoller`: polls one repository for new commits.
//!
//! In: its own timer, [`GitPoller::poke`].  Out: `Intake::submit`, status on [`Sources`].
//! Owns: the bare clone in its workdir, which can be made again; its state belongs to the intake.
//! Dies: safely at any time; git is killed with it, and the state moves with the changes.

use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, SpawnHandle, WrapFuture,
};

use super::poll::{Found, Poll, PollError};
use super::{Sources, Wiring, child_name, claim};
use crate::actors::mail::{Child, Mailbox};
use crate::actors::supervise::{ChildSpec, Supervisor};
use crate::actors::turns::Turns;
use crate::config::checked::GitPollerConfig;
use crate::flow::branches::{masked, pause};
use crate::model::now;

/// Polls in a row that fail inside the clone before it is made anew.
const BROKEN_AFTER: u32 = 3;

/// First pause when the trouble is our own and not the remote's.
const SOON: Duration = Duration::from_secs(5);

/// The handle to one poller.
#[derive(Clone)]
pub struct GitPoller {
    mailbox: Mailbox<PollerActor>,
}

impl GitPoller {
    /// A handle whose poller does not live yet.
    pub(super) fn new(name: &str) -> GitPoller {
        GitPoller { mailbox: Mailbox::new(child_name(name)) }
    }

    /// Poll now, whatever the timer says.
    pub fn poke(&self) {
        self.mailbox.post(Poke);
    }

    /// Starts the poller below `supervisor`; it is tried for ever.
    pub(super) fn start(
        &self,
        supervisor: &Supervisor,
        config: GitPollerConfig,
        wiring: Wiring,
        sources: Sources,
    ) {
        let spec = ChildSpec::permanent(self.mailbox.name());
        let config = Arc::new(config);
        supervisor.start(spec, &self.mailbox, move || PollerActor {
            config: config.clone(),
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

/// The actor; reached through [`GitPoller`].
pub struct PollerActor {
    config: Arc<GitPollerConfig>,
    wiring: Wiring,
    sources: Sources,
    turns: Turns,
    timer: Option<SpawnHandle>,
    /// Failed polls in a row.
    failures: u32,
    /// What is wrong and was logged.
    told: Option<String>,
}

impl Actor for PollerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if self.config.poll_at_launch {
            self.poll_after(self.random_delay(), ctx);
        } else {
            self.schedule(ctx);
        }
    }
}

impl Child for PollerActor {}

crate::receives!(PollerActor: Poke);

impl Handler<Poke> for PollerActor {
    type Result = ();

    fn handle(&mut self, _: Poke, ctx: &mut Context<Self>) {
        self.poll(ctx);
    }
}

impl PollerActor {
    /// Sets the timer for the next poll.
    fn schedule(&mut self, ctx: &mut Context<Self>) {
        self.schedule_every(self.config.poll_interval, ctx);
    }

    fn schedule_every(&mut self, interval: Duration, ctx: &mut Context<Self>) {
        match pause(interval, self.failures) {
            Some(pause) => self.poll_after(pause + self.random_delay(), ctx),
            None => self.sources.update(&self.config.name, |status| status.next_poll = None),
        }
    }

    fn poll_after(&mut self, pause: Duration, ctx: &mut Context<Self>) {
        if let Some(old) = self.timer.take() {
            ctx.cancel_future(old);
        }
        let at = now() + pause.as_secs() as i64;
        self.sources.update(&self.config.name, |status| status.next_poll = Some(at));
        self.timer = Some(ctx.run_later(pause, |actor, ctx| {
            actor.timer = None;
            actor.poll(ctx);
        }));
    }

    /// Between `pollRandomDelayMin` and `pollRandomDelayMax`.
    fn random_delay(&self) -> Duration {
        let (min, max) = (self.config.poll_random_delay_min, self.config.poll_random_delay_max);
        min + max.saturating_sub(min).mul_f64(fastrand::f64())
    }

    fn poll(&mut self, ctx: &mut Context<Self>) {
        if !self.turns.begin() {
            return;
        }
        let (config, wiring) = (self.config.clone(), self.wiring.clone());
        let remake = self.failures >= BROKEN_AFTER;
        let polling = async move {
            let poll = Poll::new(&config, &wiring.intake, &wiring.basedir);
            let outcome = match claim(&config.name, &wiring).await {
                Ok(true) => poll.run().await,
                Ok(false) => Err(PollError::Elsewhere),
                Err(error) => Err(PollError::Intake(error.into())),
            };
            let dropped = match &outcome {
                Err(PollError::Clone(_)) if remake => poll.drop_clone().await.unwrap_or(false),
                _ => false,
            };
            (outcome, dropped)
        };
        ctx.spawn(polling.into_actor(self).map(|(outcome, dropped), actor, ctx| {
            let ours = matches!(outcome, Err(PollError::Intake(_)));
            actor.tell(outcome, dropped);
            if actor.turns.end() {
                actor.poll(ctx);
            } else if ours {
                actor.schedule_every(actor.config.poll_interval.min(SOON), ctx);
            } else {
                actor.schedule(ctx);
            }
        }));
    }

    /// Logs what a poll found and shows it on the pages.
    fn tell(&mut self, outcome: Result<Found, PollError>, dropped: bool) {
        let url = masked(&self.config.repourl);
        let error = match &outcome {
            Ok(found) => {
                self.failures = 0;
                if found.changes > 0 {
                    tracing::info!(changes = found.changes, "new commits in {url}");
                }
                absent(found)
            }
            // Nothing is wrong: the usual interval goes on.
            Err(error @ PollError::Elsewhere) => Some(error.to_string()),
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                Some(error.to_string())
            }
        };
        match &error {
            Some(error) if self.failures > 0 => {
                tracing::warn!("cannot poll {url}: {error}; trying again later");
                if dropped {
                    tracing::warn!("the clone of {url} is made anew");
                }
            }
            Some(error) if self.told.as_ref() != Some(error) => tracing::warn!("{url}: {error}"),
            None if self.told.is_some() => tracing::info!("polling {url} works again"),
            _ => {}
        }
        self.told.clone_from(&error);
        self.sources.update(&self.config.name, |status| {
            status.last_poll = Some(now());
            status.last_error = error;
        });
    }
}

/// What a poll that went well could not find.
fn absent(found: &Found) -> Option<String> {
    if !found.missing.is_empty() {
        let names = found.missing.join("', '");
        return Some(format!("there is no branch '{names}' (yet); check 'branches'"));
    }
    found.nothing_to_watch.then(|| "the repository has none of the wanted branches yet".to_owned())
}
