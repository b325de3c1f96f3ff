//! What everything around one bot shares: its configuration, and what it knows and holds, which
//! outlives connections and lives of the actor.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::bots::IrcBots;
use super::deeds::Deeds;
use super::queries::{Answer, Queries, Question};
use super::rooms::Rooms;
use crate::actors::announcer::Announcer;
use crate::db::{Db, DbError};
use crate::flow::irc::channels::Channels;
use crate::flow::irc::claim::Claims;
use crate::flow::irc::flood::Patience;
use crate::flow::irc::presence::Presence;
use crate::flow::irc::{lines, names};
use crate::model::{Timestamp, now};
use crate::reporters::irc::IrcConfig;
use crate::reporters::irc::client::{Gone, Outbox};

/// Commands of one person: so many at once, then one per interval.
const PATIENCE: (u32, Duration) = (6, Duration::from_secs(3));

/// How long the server may take to answer a question.
const ANSWER: Duration = Duration::from_secs(15);

/// One bot.
pub struct Bot {
    pub name: String,
    pub config: Arc<IrcConfig>,
    pub db: Db,
    pub announcer: Announcer,
    pub deeds: Arc<dyn Deeds>,
    pub bots: IrcBots,
    state: Mutex<State>,
}

/// What changes.
pub struct State {
    pub status: BotStatus,
    pub presence: Presence,
    pub channels: Channels,
    pub rooms: Rooms,
    pub claims: Claims,
    pub patience: Patience,
    pub queries: Queries,
    /// `None` while there is no connection.
    pub outbox: Option<Outbox>,
}

/// A bot as people see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BotStatus {
    /// The nick in use, or the wanted one.
    pub nick: String,
    /// The network's name for itself, or the server's address.
    pub network: String,
    pub connected_since: Option<Timestamp>,
    /// Why it is not connected.
    pub trouble: Option<String>,
    /// When it tries again.
    pub next_try: Option<Timestamp>,
}

impl Bot {
    pub fn new(
        name: &str,
        config: Arc<IrcConfig>,
        db: Db,
        announcer: Announcer,
        deeds: Arc<dyn Deeds>,
        bots: IrcBots,
    ) -> Bot {
        let status = BotStatus {
            nick: config.nick.clone(),
            network: config.host.clone(),
            ..BotStatus::default()
        };
        let mut channels = Channels::default();
        for channel in &config.channels {
            channels.want(&channel.name, channel.password.as_deref());
        }
        let state = State {
            status,
            presence: Presence::default(),
            channels,
            rooms: Rooms::configured(&config),
            claims: Claims::default(),
            patience: Patience::new(PATIENCE.0, PATIENCE.1),
            queries: Queries::default(),
            outbox: None,
        };
        let name = name.to_owned();
        Bot { name, config, db, announcer, deeds, bots, state: Mutex::new(state) }
    }

    /// Looks at, or changes, what the bot knows. Nothing that waits may be in `work`.
    pub fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn nick(&self) -> String {
        self.with(|state| state.status.nick.clone())
    }

    fn outbox(&self) -> Result<Outbox, Gone> {
        self.with(|state| state.outbox.clone()).ok_or(Gone)
    }

    /// Says something in a channel or to a person, in as many lines as it needs.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn say(&self, target: &str, text: &str) -> Result<(), Gone> {
        let outbox = self.outbox()?;
        for line in self.messages(target, text) {
            outbox.say(line).await?;
        }
        Ok(())
    }

    /// As [`say`](Self::say), and waits until all of it is on its way.
    pub async fn deliver(&self, target: &str, text: &str) -> Result<(), Gone> {
        let outbox = self.outbox()?;
        for line in self.messages(target, text) {
            outbox.deliver(line).await?;
        }
        Ok(())
    }

    fn messages(&self, target: &str, text: &str) -> Vec<String> {
        let notice = self.config.notice_on_channel && names::is_channel(target);
        let verb = if notice { "NOTICE" } else { "PRIVMSG" };
        let cut = lines::cut(text, lines::room(target));
        cut.into_iter().map(|line| format!("{verb} {target} :{line}")).collect()
    }

    /// Does something, as with `/me`.
    pub async fn act(&self, target: &str, action: &str) -> Result<(), Gone> {
        let line = format!("PRIVMSG {target} :\u{1}ACTION {action}\u{1}");
        self.outbox()?.say(line).await
    }

    /// Sends a line of the protocol behind everything that is in the queue.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn deliver_last(&self, line: String) -> Result<(), Gone> {
        self.outbox()?.deliver(line).await
    }

    /// Sends a line of the protocol at once.
    pub fn send(&self, line: String) {
        if let Ok(outbox) = self.outbox() {
            outbox.urgent(line);
        }
    }

    /// Asks the server. `None` when there is no connection or no answer.
    pub async fn ask(&self, question: Question) -> Option<Answer> {
        let outbox = self.outbox().ok()?;
        let (line, answer) = self.with(|state| state.queries.ask(&question));
        if let Some(line) = line {
            outbox.say(line).await.ok()?;
        }
        tokio::time::timeout(ANSWER, answer).await.ok()?.ok()
    }

    /// Where people see a build.
    pub fn build_url(&self, builder: i64, number: i64) -> String {
        format!("{}builders/{builder}/builds/{number}", self.deeds.buildbot_url())
    }

    /// Keeps what was set for channels and people by commands.
    pub async fn keep_rooms(&self) {
        let (ours, stock) = self.with(|state| state.rooms.to_json());
        for (key, value) in [(self.own_key("rooms"), ours), ("notify_events".to_owned(), stock)] {
            if let Err(error) = self.deeds.remember(&key, value).await {
                tracing::error!(bot = %self.name, %error, "cannot keep the notifications");
            }
        }
    }

    /// Takes what was kept before.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn recall_rooms(&self) -> Result<(), DbError> {
        let ours = self.deeds.recall(&self.own_key("rooms")).await?;
        let stock = self.deeds.recall("notify_events").await?;
        self.with(|state| state.rooms.restore(ours.as_ref(), stock.as_ref()));
        Ok(())
    }

    /// Where this bot keeps something, among others of the same nick.
    pub fn own_key(&self, what: &str) -> String {
        format!("rs_{what} {}", self.name)
    }

    /// The connection is gone.
    pub fn lost(&self, why: &str) {
        self.with(|state| {
            state.outbox = None;
            state.presence.lost(now());
            state.channels.lost();
            state.queries = Queries::default();
            state.status.connected_since = None;
            state.status.trouble = Some(why.to_owned());
        });
    }
}
