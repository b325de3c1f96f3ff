//! What a line of the server means for the bot.

use std::sync::Arc;
use std::time::Instant;

use irc_proto::{Command, Message, Prefix, Response};

use super::commands::Request;
use super::shared::Bot;
use crate::flow::irc::flood::Verdict;
use crate::flow::irc::{names, request};
use crate::model::now;

/// What follows from a line, besides what the bot has noted.
pub enum Then {
    Nothing,
    /// Somebody gives a command.
    Obey(Request),
    /// The connection ends, and why.
    End(String),
}

/// Takes one line in.
pub fn hear(bot: &Arc<Bot>, message: Message) -> Then {
    let from = match &message.prefix {
        Some(Prefix::Nickname(nick, ..)) => nick.clone(),
        _ => String::new(),
    };
    let account = account_tag(&message);
    if let Some(account) = &account {
        bot.with(|state| state.presence.account(&from, account));
    }
    match message.command {
        Command::PING(token, _) => bot.send(format!("PONG :{token}")),
        Command::PONG(server, token) => {
            let token = token.unwrap_or(server);
            bot.with(|state| state.queries.pong(&token));
        }
        Command::ERROR(text) => return Then::End(format!("the server closed the link: {text}")),
        Command::PRIVMSG(target, text) => return said(bot, &from, account, &target, &text),
        // Notices are never answered, but somebody is there.
        Command::NOTICE(target, _) if names::is_channel(&target) => {
            bot.with(|state| state.presence.spoke(&from, now()));
        }
        Command::Response(response, args) => reply(bot, response, &args),
        Command::Raw(number, args) if number == "330" => {
            // :server 330 me nick account :is logged in as
            if let [_, nick, account, ..] = args.as_slice() {
                bot.with(|state| {
                    state.presence.account(nick, account);
                    state.queries.learn(nick, |answer| answer.account = Some(account.clone()));
                });
            }
        }
        other => moved(bot, &from, &other),
    }
    Then::Nothing
}

/// With `account-tag` every line says who is logged in as what.
fn account_tag(message: &Message) -> Option<String> {
    let mut tags = message.tags.iter().flatten();
    tags.find(|tag| tag.0 == "account").and_then(|tag| tag.1.clone())
}

/// Somebody came, went or changed.
fn moved(bot: &Bot, from: &str, command: &Command) {
    let (me, now) = (bot.nick(), now());
    let mine = names::same(from, &me);
    bot.with(|state| match command {
        Command::JOIN(channel, _, _) if mine => {
            tracing::info!(bot = %bot.name, channel, "joined");
            state.channels.joined(channel, now);
        }
        Command::JOIN(channel, account, _) => {
            state.presence.joined(from, channel, account.as_deref());
        }
        Command::PART(channel, _) if mine => {
            state.channels.refused(channel, "the bot left", now);
        }
        Command::PART(channel, _) => {
            state.presence.parted(from, channel, "left the channel", now);
        }
        Command::QUIT(reason) => {
            state.presence.quit(from, reason.as_deref().unwrap_or_default(), now);
        }
        Command::NICK(to) if mine => state.status.nick.clone_from(to),
        Command::NICK(to) => state.presence.renamed(from, to),
        Command::KICK(channel, whom, why) if names::same(whom, &me) => {
            let why = why.as_deref().filter(|why| !why.is_empty()).unwrap_or("no reason given");
            let why = format!("kicked by {from}: {why}");
            tracing::warn!(bot = %bot.name, channel, "{why}");
            state.channels.refused(channel, &why, now);
        }
        Command::KICK(channel, whom, _) => {
            state.presence.parted(whom, channel, "was kicked", now);
        }
        Command::AWAY(text) => state.presence.away(from, text.is_some()),
        Command::ACCOUNT(account) => state.presence.account(from, account),
        _ => {}
    });
}

fn reply(bot: &Bot, response: Response, args: &[String]) {
    let text = args.last().map(String::as_str).unwrap_or_default();
    let second = args.get(1).map(String::as_str).unwrap_or_default();
    let third = args.get(2).map(String::as_str).unwrap_or_default();
    bot.with(|state| match response {
        Response::RPL_ISUPPORT => {
            if let Some(name) = args.iter().find_map(|arg| arg.strip_prefix("NETWORK=")) {
                name.clone_into(&mut state.status.network);
            }
        }
        // :server 353 me = #channel :names
        Response::RPL_NAMREPLY => state.presence.listed(third, text),
        Response::RPL_ENDOFNAMES => state.queries.names_end(second),
        Response::RPL_AWAY => {
            state.presence.away(second, true);
            state.queries.learn(second, |answer| answer.away = true);
        }
        Response::RPL_WHOISIDLE => {
            if let Ok(idle) = third.parse::<i64>() {
                state.queries.learn(second, |answer| answer.idle = Some(idle));
            }
        }
        Response::RPL_ENDOFWHOIS => state.queries.whois_end(second),
        Response::ERR_NOSUCHNICK => {
            state.presence.absent(second, now());
            state.queries.learn(second, |answer| answer.absent = true);
        }
        Response::ERR_NOSUCHCHANNEL
        | Response::ERR_TOOMANYCHANNELS
        | Response::ERR_CHANNELISFULL
        | Response::ERR_INVITEONLYCHAN
        | Response::ERR_BANNEDFROMCHAN
        | Response::ERR_BADCHANNELKEY
        | Response::ERR_BADCHANMASK
        | Response::ERR_UNAVAILRESOURCE => {
            tracing::warn!(bot = %bot.name, channel = second, "cannot join: {text}");
            state.channels.refused(second, &format!("cannot join: {text}"), now());
        }
        _ => {}
    });
}

/// Somebody said something in a channel or to the bot.
fn said(bot: &Arc<Bot>, from: &str, account: Option<String>, target: &str, text: &str) -> Then {
    let me = bot.nick();
    if from.is_empty() || names::same(from, &me) {
        return Then::Nothing;
    }
    let public = names::is_channel(target);
    bot.with(|state| state.presence.spoke(from, now()));
    if let Some((kind, rest)) = request::ctcp(text) {
        return queried(bot, from, target, kind, rest);
    }
    let meant = if public { request::addressed(text, &me) } else { Some(text.trim()) };
    let Some(text) = meant.filter(|text| !text.is_empty()) else { return Then::Nothing };
    let room = if public { target } else { from };
    match bot.with(|state| state.patience.judge(&names::fold(from), Instant::now())) {
        Verdict::Serve => Then::Obey(Request::new(bot, from, room, text).of_account(account)),
        Verdict::Warn => Then::Obey(Request::too_many(bot, from, room)),
        Verdict::Ignore => Then::Nothing,
    }
}

/// A query of the client-to-client protocol, or an action.
fn queried(bot: &Arc<Bot>, from: &str, target: &str, kind: &str, rest: &str) -> Then {
    let limited = || {
        let judged = bot.with(|state| state.patience.judge(&names::fold(from), Instant::now()));
        judged != Verdict::Serve
    };
    let answer = match kind {
        "ACTION" if names::is_channel(target) => {
            let verb = request::done_to_me(rest, &bot.nick()).map(str::to_owned);
            return match verb {
                Some(verb) if !limited() => Then::Obey(Request::done(bot, from, target, &verb)),
                _ => Then::Nothing,
            };
        }
        "VERSION" => format!("Buildbot {}", env!("CARGO_PKG_VERSION")),
        "PING" => rest.to_owned(),
        _ => return Then::Nothing,
    };
    if !limited() {
        bot.send(format!("NOTICE {from} :\u{1}{kind} {answer}\u{1}"));
    }
    Then::Nothing
}
