//! One connection from the first line to the last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use irc_proto::Message;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::shared::Bot;
use super::{hear, herald};
use crate::flow::irc::names;
use crate::flow::irc::sign_on::{SignOn, Step, Wish};
use crate::model::now;
use crate::reporters::irc::client::{self, Connection, Reader};

/// How long the server may take to let the bot in.
const SIGN_ON: Duration = Duration::from_secs(90);
/// How often the bot looks after itself.
const TICK: Duration = Duration::from_secs(1);
/// Silence after which the server is asked whether it lives, and after which it is given up.
const QUIET: Duration = Duration::from_secs(60);
const DEAD: Duration = Duration::from_secs(150);
/// How often the bot tries to get the nick that it wants.
const REGAIN: Duration = Duration::from_secs(60);
/// A connection that lasted so long does not count as a failure.
const LASTED: Duration = Duration::from_secs(120);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(3);
/// Commands that are carried out at once; others are told to wait.
const TASKS: usize = 16;

/// How a session ended.
pub enum End {
    /// By order.
    Stopped,
    /// After the bot had been let in; `lasted` when that was not just for a moment.
    Lost { why: String, lasted: bool },
    /// The bot was not let in.
    Failed(String),
}

/// Connects, signs on and serves until the end.
pub async fn run(bot: &Arc<Bot>, mut stopping: watch::Receiver<bool>) -> End {
    let mut halt = stopping.clone();
    let entrance = async {
        let connection = client::connect(&bot.config).await.map_err(|error| error.to_string())?;
        let Connection { mut lines, outbox, writer } = connection;
        // The writer ends with this session.
        let mut tasks = JoinSet::new();
        tasks.spawn_local(async move {
            let error = writer.run().await;
            tracing::debug!(%error, "the writer of a chat connection ended");
        });
        let nick = sign_on(bot, &mut lines, &outbox).await?;
        Ok::<_, String>((lines, outbox, nick, tasks))
    };
    let entrance = async {
        tokio::time::timeout(SIGN_ON, entrance).await.unwrap_or_else(|_| {
            Err(format!("the server did not let the bot in within {} s", SIGN_ON.as_secs()))
        })
    };
    let entered = tokio::select! {
        entered = entrance => entered,
        _ = halt.wait_for(|stop| *stop) => return End::Stopped,
    };
    let (mut lines, outbox, nick, tasks) = match entered {
        Ok(entered) => entered,
        Err(why) => return End::Failed(why),
    };
    tracing::info!(bot = %bot.name, %nick, "connected");
    bot.with(|state| {
        state.outbox = Some(outbox);
        state.status.nick = nick;
        state.status.connected_since = Some(now());
        (state.status.trouble, state.status.next_try) = (None, None);
    });
    identify(bot);
    let began = Instant::now();
    let mut service = Service { bot: bot.clone(), tasks, heard: Instant::now(), asked: began };
    let why = tokio::select! {
        why = service.serve(&mut lines) => why,
        () = herald::run(bot.clone()) => "the server takes nothing any more".to_owned(),
        _ = stopping.wait_for(|stop| *stop) => {
            farewell(bot, &mut lines).await;
            return End::Stopped;
        }
    };
    End::Lost { why, lasted: began.elapsed() > LASTED }
}

/// Signs on; the nick that the server granted.
async fn sign_on(bot: &Bot, lines: &mut Reader, outbox: &client::Outbox) -> Result<String, String> {
    let config = &bot.config;
    let (nick, password) = (config.nick.clone(), config.password.clone());
    let mut sign_on = SignOn::new(Wish { nick, password, sasl: config.sasl });
    sign_on.begin().into_iter().for_each(|line| outbox.urgent(line));
    loop {
        let message = match lines.next().await {
            Ok(Some(message)) => message,
            Ok(None) => return Err("the server closed the connection".to_owned()),
            Err(error) => return Err(format!("the connection broke: {error}")),
        };
        match sign_on.hear(&message) {
            Step::Send(lines) => lines.into_iter().for_each(|line| outbox.urgent(line)),
            Step::Done { nick } => return Ok(nick),
            Step::Failed(why) => return Err(why),
        }
    }
}

/// Tells NickServ the password, unless SASL has done so.
fn identify(bot: &Bot) {
    if let Some(password) = bot.config.password.as_ref().filter(|_| !bot.config.sasl) {
        bot.send(format!("PRIVMSG NickServ :IDENTIFY {password}"));
    }
}

async fn farewell(bot: &Bot, lines: &mut Reader) {
    let quit = "QUIT :the build master stops or reads a new configuration";
    // Behind what is about to be said, unless that takes too long.
    let last = bot.deliver_last(quit.to_owned());
    if tokio::time::timeout(FAREWELL, last).await.is_err() {
        bot.send(quit.to_owned());
    }
    let closed = async { while matches!(lines.next().await, Ok(Some(_))) {} };
    let _ = tokio::time::timeout(FAREWELL, closed).await;
}

/// A signed-on connection at work.
struct Service {
    bot: Arc<Bot>,
    /// The writer, and commands that are carried out; all end with the session.
    tasks: JoinSet<()>,
    heard: Instant,
    /// When the server was last asked whether it lives, or for the nick.
    asked: Instant,
}

impl Service {
    /// Serves until the connection is lost; answers why.
    async fn serve(&mut self, lines: &mut Reader) -> String {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // A line that is read in part stays in the reader's buffer only up to its end, so
            // reading is not cut off by a tick: the tick is polled beside one long-lived read.
            let next = lines.next();
            tokio::pin!(next);
            let message = loop {
                tokio::select! {
                    message = &mut next => break message,
                    _ = tick.tick() => {
                        if let Some(why) = self.look() {
                            return why;
                        }
                    }
                    Some(ended) = self.tasks.join_next() => self.ended(ended),
                }
            };
            match message {
                Ok(Some(message)) => {
                    self.heard = Instant::now();
                    if let Some(why) = self.hear(message) {
                        return why;
                    }
                }
                Ok(None) => return "the server closed the connection".to_owned(),
                Err(error) => return format!("the connection broke: {error}"),
            }
        }
    }

    fn hear(&mut self, message: Message) -> Option<String> {
        match hear::hear(&self.bot, message) {
            hear::Then::Nothing => None,
            hear::Then::End(why) => Some(why),
            hear::Then::Obey(request) => {
                // One of them is the writer.
                match self.tasks.len() <= TASKS {
                    true => {
                        self.tasks.spawn_local(request.obey());
                    }
                    false => tracing::warn!(bot = %self.bot.name, "too many commands at once"),
                }
                None
            }
        }
    }

    /// The regular look: channels to join, the nick to regain, a server to be asked or given up.
    fn look(&mut self) -> Option<String> {
        let bot = &self.bot;
        for (channel, key) in bot.with(|state| state.channels.due(now())) {
            let key = key.map(|key| format!(" {key}")).unwrap_or_default();
            bot.send(format!("JOIN {channel}{key}"));
        }
        if self.heard.elapsed() > DEAD {
            return Some(format!("the server said nothing for {} s", DEAD.as_secs()));
        }
        if self.asked.elapsed() > REGAIN.min(QUIET) {
            self.asked = Instant::now();
            if self.heard.elapsed() > QUIET {
                bot.send("PING :alive".to_owned());
            }
            if !names::same(&bot.nick(), &bot.config.nick) {
                bot.send(format!("NICK {}", bot.config.nick));
            }
        }
        None
    }

    /// A command that panics is logged and hurts nobody else.
    fn ended(&self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended.as_ref()
            && error.is_panic()
        {
            tracing::error!(bot = %self.bot.name, %error, "a part of the bot broke down");
        }
    }
}
