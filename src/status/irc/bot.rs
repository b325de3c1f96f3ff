//! One per configured bot: keeps a connection to its network, for ever.
//!
//! In:   lines of the server; facts; what others want told, through [`IrcHandle`].
//! Out:  lines to the server; commands to the master.
//! Owns: its place in the stream of facts, and what rooms are told, in `object_state`.
//! Dies: safely at any time; a new life connects again and goes on in the stream where the last
//! one was. Who is where is remembered in memory, and forgotten with the process.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, WrapFuture};
use tokio::sync::watch;

use super::bots::IrcBots;
use super::deeds::Master;
use super::handle::IrcHandle;
use super::herald;
use super::session::{self, End};
use super::shared::Bot;
use crate::actors::handles::Handles;
use crate::actors::mail::{Child, Mailbox};
use crate::actors::supervise::{ChildSpec, Supervisor};
use crate::flow::irc::backoff;
use crate::model::now;
use crate::reporters::irc::IrcConfig;

/// The pause after a lost connection and after one that could not be made, in seconds, between
/// which the lot decides; stock's.
const LOST_S: std::ops::Range<u64> = 1..6;
const FAILED_S: std::ops::Range<u64> = 45..61;

/// Starts the bot `name` below `supervisor` as `irc NAME`, and puts it into the directory.
pub fn start(
    supervisor: &Supervisor,
    name: &str,
    config: Arc<IrcConfig>,
    handles: &Handles,
    bots: &IrcBots,
) -> IrcHandle {
    let deeds = Arc::new(Master::new(handles, &config.nick));
    let (db, announcer) = (handles.db.clone(), handles.announcer.clone());
    let bot = Arc::new(Bot::new(name, config, db, announcer, deeds, bots.clone()));
    let handle = IrcHandle::new(bot.clone());
    bots.add(handle.clone());
    let child = child_name(name);
    let mailbox = Mailbox::new(child.clone());
    supervisor.start(ChildSpec::permanent(child), &mailbox, move || {
        let (stop, stopping) = watch::channel(false);
        BotActor { bot: bot.clone(), stop, stopping }
    });
    handle
}

/// Name of a bot among its siblings.
pub(super) fn child_name(bot: &str) -> String {
    format!("irc {bot}")
}

struct BotActor {
    bot: Arc<Bot>,
    stop: watch::Sender<bool>,
    stopping: watch::Receiver<bool>,
}

crate::receives!(BotActor:);

impl Actor for BotActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let life = live(self.bot.clone(), self.stopping.clone());
        ctx.spawn(life.into_actor(self).map(|(), _, ctx| ctx.stop()));
    }
}

impl Child for BotActor {
    /// Says good-bye; the life ends when the server has closed the connection.
    fn stop(&mut self, _: &mut Self::Context) {
        self.stop.send_replace(true);
    }
}

/// One connection after another, until somebody stops the bot.
async fn live(bot: Arc<Bot>, mut stopping: watch::Receiver<bool>) {
    if let Err(error) = bot.recall_rooms().await {
        tracing::error!(bot = %bot.name, %error, "cannot read what rooms are told");
    }
    if let Err(error) = herald::find_place(&bot).await {
        tracing::error!(bot = %bot.name, %error, "cannot find the place in the stream");
    }
    let mut failures = 0;
    while !*stopping.borrow() {
        let end = session::run(&bot, stopping.clone()).await;
        let (first, why) = match end {
            End::Stopped => return bot.lost("the bot was stopped"),
            End::Lost { why, lasted } => {
                failures = if lasted { 0 } else { failures };
                (bot.config.lost_delay.unwrap_or_else(|| by_lot(LOST_S)), why)
            }
            End::Failed(why) => (bot.config.failed_delay.unwrap_or_else(|| by_lot(FAILED_S)), why),
        };
        let pause = backoff::reconnect(first, failures, fastrand::f64());
        failures += 1;
        tracing::warn!(bot = %bot.name, pause_s = pause.as_secs(), "not connected: {why}");
        bot.lost(&why);
        let next = now() + i64::try_from(pause.as_secs()).unwrap_or_default();
        bot.with(|state| state.status.next_try = Some(next));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.wait_for(|stop| *stop) => {}
        }
    }
}

fn by_lot(seconds: std::ops::Range<u64>) -> Duration {
    Duration::from_secs(fastrand::u64(seconds))
}
