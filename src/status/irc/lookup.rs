//! IRCLookup: which nick a user has on a bot's network.

use super::shared::Bot;
use crate::db::{DbError, nicks};
use crate::flow::irc::names;
use crate::flow::irc::presence::Standing;
use crate::model::User;

/// The nick to reach `user` (an identifier, any attribute of theirs, or a nick) with; of several
/// the one that is there. `None` when nothing is known of them.
///
/// # Errors
/// When the database refuses.
pub async fn nick_of(bot: &Bot, user: &str) -> Result<Option<String>, DbError> {
    let text = user.to_owned();
    let stored = bot.db.read(move |conn| nicks::find(conn, &text)).await?;
    let candidates = candidates(bot, user, stored.as_ref());
    Ok(bot.with(|state| {
        let rank = |nick: &&String| match state.presence.standing(nick) {
            Standing::Here => 0,
            Standing::Away => 1,
            _ => 2,
        };
        candidates.iter().min_by_key(rank).cloned()
    }))
}

/// In the order of trust: the configured table, what was proved, the services account, a nick of
/// that very name, and a likeness if the configuration trusts it.
fn candidates(bot: &Bot, user: &str, stored: Option<&User>) -> Vec<String> {
    let lookup = &bot.config.lookup;
    let mut names_of: Vec<&str> = vec![user];
    names_of.extend(stored.map(|stored| stored.identifier.as_str()));
    names_of.extend(stored.iter().flat_map(|user| &user.attributes).map(|(_, value)| &**value));
    let table = names_of.iter().filter_map(|name| lookup.nicks.get(*name)).cloned();
    let mut found: Vec<String> = table.collect();
    bot.with(|state| {
        let network = &state.status.network;
        for (kind, value) in stored.iter().flat_map(|user| &user.attributes) {
            if kind == nicks::NICK {
                let own = value.rsplit_once('@').filter(|(_, place)| names::same(place, network));
                found.extend(own.map(|(nick, _)| nick.to_owned()));
            } else if kind == nicks::ACCOUNT {
                found.extend(state.presence.by_account(value).map(str::to_owned));
            }
        }
        // What is neither a user's nor anybody's name here says nothing.
        if stored.is_none() && state.presence.person(user).is_some() {
            found.push(user.to_owned());
        }
    });
    if lookup.same_as_nick {
        let alike = names_of.iter().filter_map(|name| like_a_nick(name));
        found.extend(alike.map(str::to_owned));
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|nick| names::wrong_nick(nick).is_none() && seen.insert(names::fold(nick)));
    found
}

/// `alice` of `alice`, `alice@example.org` and `Alice Doe <alice@example.org>`.
fn like_a_nick(name: &str) -> Option<&str> {
    let address = name.rsplit_once('<').map_or(name, |(_, address)| address);
    let local = address.split('@').next().unwrap_or(address).trim();
    names::wrong_nick(local).is_none().then_some(local)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::irc::fixture::{Stage, config};
    use serde_json::json;

    async fn nick(stage: &Stage, user: &str) -> Option<String> {
        nick_of(&stage.bot, user).await.unwrap()
    }

    #[tokio::test]
    async fn users_have_nicks_by_table_proof_account_or_likeness() {
        let config = config(json!({"lookup": {"alice": "ally"}, "sameAsNick": true}));
        let stage = Stage::with(config).await;
        stage.user("bob", &[("email", "bob@example.org"), ("irc", "bobby@testnet")]).await;
        stage.user("carol", &[("irc", "carola@elsewhere"), ("irc_account", "cc")]).await;
        stage.bot.with(|state| {
            state.presence.joined("caro", "#a", Some("cc"));
            state.presence.joined("stranger", "#a", None);
        });
        for (user, expected) in [
            ("alice", Some("ally")),
            ("bob", Some("bobby")),
            ("bob@example.org", Some("bobby")),
            ("carol", Some("caro")),
            ("stranger", Some("stranger")),
            ("Dave <dave@example.org>", Some("dave")),
            ("1st <1@example.org>", None),
        ] {
            assert_eq!(nick(&stage, user).await.as_deref(), expected, "{user}");
        }
    }

    #[tokio::test]
    async fn without_a_rule_nothing_is_guessed() {
        let stage = Stage::new().await;
        assert_eq!(nick(&stage, "dave").await, None);
    }

    #[tokio::test]
    async fn whoever_is_there_is_told_first() {
        let config = config(json!({"lookup": {"alice": "ally"}, "sameAsNick": true}));
        let stage = Stage::with(config).await;
        stage.bot.with(|state| state.presence.joined("alice", "#a", None));
        assert_eq!(nick(&stage, "alice").await.as_deref(), Some("alice"));
    }
}
