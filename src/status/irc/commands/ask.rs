//! A command as it was given: by whom, where, with what; and the ways to answer.

use std::sync::Arc;

use super::super::queries::Question;
use super::super::shared::Bot;
use super::Complaint;
use crate::db::nicks;
use crate::flow::irc::authz::Speaker;
use crate::flow::irc::{names, request};

/// A command that somebody gives.
#[derive(Clone)]
pub struct Ask {
    pub bot: Arc<Bot>,
    nick: String,
    /// The services account that the network told with the command.
    pub(super) account: Option<String>,
    /// A channel, or the nick in private.
    pub room: String,
    /// What follows the command.
    pub args: String,
}

impl Ask {
    pub(super) fn new(bot: &Arc<Bot>, nick: &str, room: &str) -> Ask {
        Ask {
            bot: bot.clone(),
            nick: nick.to_owned(),
            account: None,
            room: room.to_owned(),
            args: String::new(),
        }
    }

    /// Who gives it.
    pub fn nick(&self) -> &str {
        &self.nick
    }

    pub fn is_private(&self) -> bool {
        !names::is_channel(&self.room)
    }

    /// `alice` in private, `alice on #project` in a channel: for logs and reasons.
    pub fn described(&self) -> String {
        match self.is_private() {
            true => self.nick.clone(),
            false => format!("{} on {}", self.nick, self.room),
        }
    }

    /// Answers where the command was given, unless the bot is muted there.
    pub async fn say(&self, text: impl AsRef<str>) -> Result<(), Complaint> {
        if !self.is_muted() {
            self.bot.say(&self.room, text.as_ref()).await?;
        }
        Ok(())
    }

    /// Does something where the command was given.
    pub async fn act(&self, action: &str) -> Result<(), Complaint> {
        if !self.is_muted() {
            self.bot.act(&self.room, action).await?;
        }
        Ok(())
    }

    fn is_muted(&self) -> bool {
        self.bot.with(|state| state.rooms.get(&self.room).is_some_and(|room| room.muted))
    }

    /// The arguments, split as by a shell.
    pub fn words(&self) -> Result<Vec<String>, Complaint> {
        request::words(&self.args).map_err(Complaint::Usage)
    }

    /// Who this is: the account that the network tells, and the users that are proved.
    pub(super) async fn speaker(&self) -> Result<Speaker, Complaint> {
        let (account, mut users) = self.bot.with(|state| {
            let person = state.presence.person(&self.nick);
            let person = person.filter(|person| person.left.is_none());
            let account = person.and_then(|person| person.account.clone());
            (
                self.account.clone().or(account),
                person.map(|person| person.users.clone()).unwrap_or_default(),
            )
        });
        if let Some(account) = account.clone() {
            users.extend(self.bot.db.read(move |conn| nicks::with_account(conn, &account)).await?);
        }
        Ok(Speaker { nick: self.nick.clone(), account, users })
    }

    /// In a channel, some commands are for its operators and those whom `authz` names.
    pub(super) async fn may_rule_here(&self, command: &str) -> Result<bool, Complaint> {
        if self.is_private() || self.bot.config.authz.names(command, &self.speaker().await?) {
            return Ok(true);
        }
        // Presence knows the answer when the list is complete.
        self.bot.ask(Question::Names(self.room.clone())).await;
        Ok(self.bot.with(|state| state.presence.operates(&self.nick, &self.room)))
    }
}
