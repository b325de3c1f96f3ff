//! Commands: one file each, named once in [`COMMANDS`].

mod ask;
mod ack;
mod hello;
mod names;
mod help;
mod version;
mod source;
mod list;
mod status;
mod last;
mod watch;
mod notify;
mod hide;
mod mute;
mod force;
mod stop;
mod problems;
mod silence;
mod shutdown;
mod join;
mod i;
mod whois;
mod fun;
mod builders;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::shared::Bot;
use crate::db::DbError;
use crate::flow::irc::request;
use crate::reporters::irc::client::Gone;

pub use ask::Ask;

/// One command.
pub struct Command {
    /// What people type, in lower case.
    pub name: &'static str,
    /// One line for `help`; a command without one is found by those who know it.
    pub help: &'static str,
    /// Each way to use it: which argument `help COMMAND ARGUMENT` asks for, and the line.
    pub usage: &'static [(&'static str, &'static str)],
    /// Changes something; only those whom `authz` names may.
    pub dangerous: bool,
    pub run: fn(Ask) -> Running,
}

/// A command that is carried out.
pub type Running = Pin<Box<dyn Future<Output = Result<(), Complaint>> + Send>>;

/// Every command, sorted.
pub const COMMANDS: &[Command] = &[
    ack::COMMAND,
    names::COMMAND,
    fun::DANCE,
    fun::DESTROY,
    force::COMMAND,
    hello::COMMAND,
    help::COMMAND,
    hide::HIDE,
    fun::HUSTLE,
    i::COMMAND,
    join::JOIN,
    last::COMMAND,
    join::LEAVE,
    list::COMMAND,
    mute::MUTE,
    notify::COMMAND,
    problems::COMMAND,
    whois::SEEN,
    hide::SHOW,
    shutdown::COMMAND,
    silence::COMMAND,
    source::COMMAND,
    status::COMMAND,
    stop::COMMAND,
    mute::UNMUTE,
    version::COMMAND,
    watch::COMMAND,
    whois::WHOIS,
];

/// The longest time for one command, answers included.
const WHOLE: Duration = Duration::from_secs(120);

/// Why a command was not carried out; told to whoever gave it.
#[derive(Debug, thiserror::Error)]
pub enum Complaint {
    /// A wrong use, and the right one.
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Db(#[from] DbError),
    /// Nobody can be told.
    #[error(transparent)]
    Gone(#[from] Gone),
}

impl Complaint {
    pub fn usage(text: impl Into<String>) -> Complaint {
        Complaint::Usage(text.into())
    }
}

/// The command of that name.
pub fn named(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

/// Something that somebody wants of the bot.
pub struct Request {
    ask: Ask,
    wish: Wish,
}

enum Wish {
    Command(String),
    /// Too many commands: tell them.
    Slower,
    /// Somebody did something to the bot: the verb.
    Done(String),
}

impl Request {
    /// `nick` said `text` to the bot, in `room`: a channel, or the nick in private.
    pub fn new(bot: &Arc<Bot>, nick: &str, room: &str, text: &str) -> Request {
        Request { ask: Ask::new(bot, nick, room), wish: Wish::Command(text.to_owned()) }
    }

    /// The network says that who asks is logged in to this services account.
    pub fn of_account(mut self, account: Option<String>) -> Request {
        self.ask.account = account;
        self
    }

    pub fn too_many(bot: &Arc<Bot>, nick: &str, room: &str) -> Request {
        Request { ask: Ask::new(bot, nick, room), wish: Wish::Slower }
    }

    pub fn done(bot: &Arc<Bot>, nick: &str, room: &str, verb: &str) -> Request {
        Request { ask: Ask::new(bot, nick, room), wish: Wish::Done(verb.to_owned()) }
    }

    /// Does it, and answers whoever asked.
    pub async fn obey(self) {
        let (bot, who) = (self.ask.bot.name.clone(), self.ask.described());
        match tokio::time::timeout(WHOLE, self.carry_out()).await {
            Ok(Ok(())) | Ok(Err(Complaint::Gone(_))) => {}
            Ok(Err(error)) => tracing::error!(%bot, %who, %error, "a command failed"),
            Err(_) => tracing::error!(%bot, %who, "a command took too long"),
        }
    }

    async fn carry_out(self) -> Result<(), Complaint> {
        let Request { mut ask, wish } = self;
        let text = match wish {
            Wish::Command(text) => text,
            Wish::Slower => {
                let text = format!("{}: not so fast, I only listen now and then", ask.nick());
                return ask.say(text).await;
            }
            Wish::Done(verb) => return fun::done(&ask, &verb).await,
        };
        let (name, args) = request::command(&text);
        tracing::info!(bot = %ask.bot.name, who = %ask.described(), command = %name, "a command");
        let Some(command) = named(&name) else { return unknown(&ask, &text, &name).await };
        args.clone_into(&mut ask.args);
        let speaker = ask.speaker().await?;
        if !ask.bot.config.authz.allows(command.name, command.dangerous, &speaker) {
            let text = format!("{}: you are not allowed to say '{name}' to me", ask.nick());
            return ask.say(text).await;
        }
        match (command.run)(ask.clone()).await {
            Err(Complaint::Usage(text)) => ask.say(text).await,
            Err(Complaint::Db(error)) => {
                ask.say("I cannot read my own tables at the moment; see the log").await?;
                Err(Complaint::Db(error))
            }
            other => other,
        }
    }
}

/// What people say that is no command; in a channel an exclamation needs no answer.
async fn unknown(ask: &Ask, text: &str, name: &str) -> Result<(), Complaint> {
    match text.ends_with('!') {
        true => ask.say("What are you shouting?").await,
        false => ask.say(format!("I don't know '{name}'; say 'commands' or 'help'")).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::irc::fixture::{Stage, config};
    use serde_json::json;

    #[test]
    fn the_table_is_sorted_and_complete() {
        assert!(COMMANDS.is_sorted_by(|a, b| a.name < b.name));
        for command in COMMANDS {
            assert!(!command.usage.is_empty() || command.help.is_empty(), "{}", command.name);
            for (_, line) in command.usage {
                assert!(line.starts_with(command.name), "{line}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_command_is_told() {
        let stage = Stage::new().await;
        stage
            .says(
                "alice",
                "#a",
                "frobnicate",
                &["I don't know 'frobnicate'; say 'commands' or 'help'"],
            )
            .await;
        stage.says("alice", "#a", "hey!", &["What are you shouting?"]).await;
    }

    #[tokio::test]
    async fn dangerous_commands_are_nobodys_by_default() {
        let stage = Stage::new().await;
        for name in ["force", "stop", "shutdown", "join", "leave"] {
            let refusal = format!("alice: you are not allowed to say '{name}' to me");
            stage.says("alice", "#a", name, &[&refusal]).await;
        }
    }

    #[tokio::test]
    async fn a_user_is_known_by_proof_or_account_and_not_by_nick() {
        let stage = Stage::with(config(json!({"authz": {"!": ["user:alice"]}}))).await;
        stage.user("alice", &[("irc", "alice@testnet"), ("irc_account", "al")]).await;
        let refused = ["alice: you are not allowed to say 'leave' to me"];
        stage.says("alice", "#a", "leave #x", &refused).await;
        stage.bot.with(|state| state.presence.joined("alice", "#a", Some("al")));
        stage.says("alice", "#a", "leave #x", &["PART #x"]).await;
        stage.bot.with(|state| state.presence.account("alice", "*"));
        stage.says("alice", "#a", "leave #x", &refused).await;
        stage.bot.with(|state| state.presence.proved("alice", "alice"));
        stage.says("alice", "#a", "leave #x", &["PART #x"]).await;
    }
}
