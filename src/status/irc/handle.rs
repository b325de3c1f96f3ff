//! What the rest of the master holds of a bot: tell somebody something, and ask whether they have
//! seen it.

use std::sync::Arc;

use super::lookup;
use super::queries::Question;
use super::shared::{Bot, BotStatus};
use crate::flow::irc::presence::{Standing, likelihood};
use crate::model::{Timestamp, now};

/// The handle to one bot. Cheap to clone; stays valid through restarts of the bot.
#[derive(Clone)]
pub struct IrcHandle {
    bot: Arc<Bot>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The network took it for somebody who is there.
    Told,
    /// The network took it, and says that they are away.
    Away,
    /// They are not there, or the bot is not.
    Offline,
    /// Nobody knows a nick of theirs.
    Unknown,
}

/// The record of a message to one user.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    pub how: How,
    /// Whom the message went to.
    pub nick: Option<String>,
    /// How likely it was seen when it came, 0 to 1, from how long the person had been silent.
    pub seen_likelihood: f32,
    pub at: Timestamp,
}

/// Where a user is, as far as a bot can see.
#[derive(Debug, Clone, PartialEq)]
pub struct Whereabouts {
    pub standing: Standing,
    pub nick: Option<String>,
    /// When they last said something.
    pub spoke: Option<Timestamp>,
    /// How likely a message that comes now is seen.
    pub seen_likelihood: f32,
}

impl IrcHandle {
    pub(super) fn new(bot: Arc<Bot>) -> IrcHandle {
        IrcHandle { bot }
    }

    /// The bot's name in the configuration.
    pub fn name(&self) -> &str {
        &self.bot.name
    }

    pub fn status(&self) -> BotStatus {
        self.bot.with(|state| state.status.clone())
    }

    /// The channels that the bot should be in, and why it is not in them, for people.
    pub fn channels(&self) -> Vec<(String, Option<String>)> {
        let trouble = |channel: &crate::flow::irc::channels::Channel| {
            let why = channel.trouble.clone().unwrap_or_else(|| "not joined yet".to_owned());
            (channel.name.clone(), Some(why).filter(|_| !channel.joined))
        };
        self.bot.with(|state| state.channels.iter().map(trouble).collect())
    }

    /// Tells `user` (an identifier, any of their attributes, or a nick) something in private.
    /// Takes until the network has taken it: at most some seconds, longer behind a full queue.
    pub async fn tell(&self, user: &str, text: &str) -> Delivery {
        let delivery = self.deliver(user, text).await;
        let (bot, Delivery { how, nick, seen_likelihood, .. }) = (&self.bot.name, &delivery);
        tracing::info!(%bot, user, ?nick, ?how, seen_likelihood, "told in private");
        delivery
    }

    async fn deliver(&self, user: &str, text: &str) -> Delivery {
        let bot = &self.bot;
        let record =
            |how, nick, seen_likelihood| Delivery { how, nick, seen_likelihood, at: now() };
        let nick = match lookup::nick_of(bot, user).await {
            Ok(Some(nick)) => nick,
            Ok(None) => return record(How::Unknown, None, 0.0),
            Err(error) => {
                tracing::error!(%error, "cannot look a nick up");
                return record(How::Unknown, None, 0.0);
            }
        };
        let before = bot.ask(Question::Whois(nick.clone())).await;
        let Some(before) = before.filter(|answer| !answer.absent) else {
            return record(How::Offline, Some(nick), 0.0);
        };
        if let Some(idle) = before.idle {
            bot.with(|state| state.presence.idle(&nick, idle, now()));
        }
        let told_at = now();
        if bot.deliver(&nick, text).await.is_err() {
            return record(How::Offline, Some(nick), 0.0);
        }
        // The answer to this comes after any complaint about the message itself.
        let after = bot.ask(Question::Reached(nick.clone())).await;
        match after {
            Some(answer) if !answer.absent => {
                bot.with(|state| state.presence.told(&nick, told_at));
                let away = answer.away || before.away;
                let standing = if away { Standing::Away } else { Standing::Here };
                let idle = before.idle.or_else(|| self.silence(&nick));
                let how = if away { How::Away } else { How::Told };
                record(how, Some(nick), likelihood(standing, idle))
            }
            _ => record(How::Offline, Some(nick), 0.0),
        }
    }

    /// For how long somebody has been silent where the bot hears them.
    fn silence(&self, nick: &str) -> Option<i64> {
        let spoke = self.bot.with(|state| state.presence.person(nick)?.spoke);
        spoke.map(|spoke| now() - spoke)
    }

    /// How likely the person has seen by now what they were last told: 1 when they have spoken
    /// since.
    pub fn seen(&self, nick: &str) -> f32 {
        self.bot.with(|state| state.presence.seen(nick, now()))
    }

    /// Where a user is, as far as can be told without asking the network.
    pub async fn presence(&self, user: &str) -> Whereabouts {
        let nick = lookup::nick_of(&self.bot, user).await.ok().flatten();
        let Some(nick) = nick else {
            let standing = Standing::Unknown;
            return Whereabouts { standing, nick: None, spoke: None, seen_likelihood: 0.0 };
        };
        self.bot.with(|state| Whereabouts {
            standing: state.presence.standing(&nick),
            spoke: state.presence.person(&nick).and_then(|person| person.spoke),
            seen_likelihood: state.presence.likelihood(&nick, now()),
            nick: Some(nick),
        })
    }

    /// Says something in a channel.
    ///
    /// # Errors
    /// When the bot is not connected.
    pub async fn announce(
        &self,
        channel: &str,
        text: &str,
    ) -> Result<(), crate::reporters::irc::client::Gone> {
        self.bot.say(channel, text).await
    }
}
