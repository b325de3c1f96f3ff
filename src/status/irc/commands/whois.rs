//! `whois NICK|USER` and `seen NICK|USER`: who somebody is and when they were there.

use super::super::lookup;
use super::{Ask, Command, Complaint};
use crate::db::{Conn, nicks};
use crate::flow::irc::presence::{Person, Standing};
use crate::flow::irc::wording;
use crate::model::now;

pub const WHOIS: Command = Command {
    name: "whois",
    help: "which user a nick is, and the reverse",
    usage: &[("", "whois NICK|USER - which user has the nick, or which nick the user has")],
    dangerous: false,
    run: |ask| Box::pin(whois(ask)),
};

pub const SEEN: Command = Command {
    name: "seen",
    help: "when somebody was here",
    usage: &[("", "seen NICK|USER - whether somebody is here, and when they last spoke")],
    dangerous: false,
    run: |ask| Box::pin(seen(ask)),
};

async fn whois(ask: Ask) -> Result<(), Complaint> {
    let name = one_name(&ask, "whois")?;
    let network = ask.bot.with(|state| state.status.network.clone());
    let (address, wanted) = (format!("{name}@{network}"), name.clone());
    let found = ask.bot.db.read(move |conn: &mut Conn| match nicks::find(conn, &address)? {
        Some(user) => Ok(Some(user)),
        None => nicks::find(conn, &wanted),
    });
    let user = found.await?;
    let nick = lookup::nick_of(&ask.bot, &name).await?;
    let account = ask.bot.with(|state| {
        nick.as_deref().and_then(|nick| state.presence.person(nick)?.account.clone())
    });
    let mut parts = Vec::new();
    parts.extend(user.as_ref().map(|user| format!("user {}", user.identifier)));
    parts.extend(nick.map(|nick| format!("nick {nick}")));
    parts.extend(account.map(|account| format!("services account {account}")));
    match parts.is_empty() {
        true => ask.say(format!("I know nobody called '{name}'")).await,
        false => ask.say(format!("{name}: {}", parts.join(", "))).await,
    }
}

async fn seen(ask: Ask) -> Result<(), Complaint> {
    let name = one_name(&ask, "seen")?;
    let nick = lookup::nick_of(&ask.bot, &name).await?.unwrap_or_else(|| name.clone());
    let told = ask.bot.with(|state| {
        let standing = state.presence.standing(&nick);
        state.presence.person(&nick).map(|person| line(person, standing))
    });
    ask.say(told.unwrap_or_else(|| format!("I have never seen '{name}'"))).await
}

fn line(person: &Person, standing: Standing) -> String {
    let ago = |at| wording::about(now() - at);
    let mut text = match (&person.left, standing) {
        (Some((at, how)), _) => format!("{} is gone ({how}, {} ago)", person.nick, ago(*at)),
        (None, standing) => format!("{} is {}", person.nick, standing.name()),
    };
    text += &match person.spoke {
        Some(spoke) => format!(", and spoke {} ago", ago(spoke)),
        None => ", and I have not heard a word yet".to_owned(),
    };
    text
}

fn one_name(ask: &Ask, command: &str) -> Result<String, Complaint> {
    match ask.words()?.as_slice() {
        [] => Err(Complaint::usage(format!("try '{command} NICK'"))),
        words => Ok(words.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use crate::model::now;
    use crate::status::irc::fixture::Stage;

    #[tokio::test]
    async fn people_are_found_by_nick_and_by_user() {
        let stage = Stage::new().await;
        stage.user("bob@example.org", &[("irc", "bobby@testnet")]).await;
        stage.bot.with(|state| state.presence.joined("bobby", "#a", Some("bob")));
        let bob = "user bob@example.org, nick bobby, services account bob";
        stage.says("alice", "#a", "whois bobby", &[&format!("bobby: {bob}")]).await;
        stage
            .says("alice", "#a", "whois bob@example.org", &[&format!("bob@example.org: {bob}")])
            .await;
        stage.says("alice", "#a", "whois eve", &["I know nobody called 'eve'"]).await;
        stage.says("alice", "#a", "whois", &["try 'whois NICK'"]).await;
    }

    #[tokio::test]
    async fn absence_is_told() {
        let stage = Stage::new().await;
        stage.says("alice", "#a", "seen bob", &["I have never seen 'bob'"]).await;
        stage.bot.with(|state| state.presence.joined("bob", "#a", None));
        stage
            .says("alice", "#a", "seen bob", &["bob is here, and I have not heard a word yet"])
            .await;
        stage.bot.with(|state| {
            state.presence.spoke("bob", now() - 600);
            state.presence.quit("bob", "bye", now());
        });
        let gone = ["bob is gone (left the network, 0 seconds ago), and spoke 10 minutes ago"];
        stage.says("alice", "#a", "seen bob", &gone).await;
    }
}
