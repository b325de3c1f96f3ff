//! `i am user NAME` and `i have code CODE`: who has proved to be a user is found under this nick
//! from now on, and may do what the user may until they leave.

use super::super::queries::Question;
use super::{Ask, Command, Complaint};
use crate::db::{Conn, nicks};
use crate::flow::irc::claim::{Answer, LIFETIME_S, Refused};
use crate::flow::irc::names;
use crate::model::{User, now};

/// Digits of a code: with three tries, one guess in more than three hundred thousand is right.
const DIGITS: usize = 6;

pub const COMMAND: Command = Command {
    name: "i",
    help: "tell me which user you are: 'i am user NAME'",
    usage: &[
        ("", "i am user NAME - become known as this user, by your services account or by mail"),
        ("am", "i am user NAME - become known as this user, by your services account or by mail"),
        ("have", "i have code CODE - the code that I mailed you"),
    ],
    dangerous: false,
    run: |ask| Box::pin(run(ask)),
};

async fn run(ask: Ask) -> Result<(), Complaint> {
    let words = ask.words()?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["am", "user", name @ ..] if !name.is_empty() => claim(&ask, &name.join(" ")).await,
        ["have", "code", code] => prove(&ask, code).await,
        _ => Err(Complaint::usage("try 'i am user NAME'")),
    }
}

async fn claim(ask: &Ask, name: &str) -> Result<(), Complaint> {
    let wanted = name.to_owned();
    let found = ask.bot.db.read(move |conn: &mut Conn| nicks::find(conn, &wanted)).await?;
    let Some(user) = found else {
        return Err(Complaint::usage(format!("I know no user '{name}'")));
    };
    match account(ask).await {
        Some(account) if is_account_of(&account, &user) => accept(ask, &user).await,
        _ => mail(ask, &user).await,
    }
}

/// The services account that the network tells now: a claim is worth a question.
async fn account(ask: &Ask) -> Option<String> {
    match ask.speaker().await.ok()?.account {
        Some(account) => Some(account),
        None => ask.bot.ask(Question::Whois(ask.nick().to_owned())).await?.account,
    }
}

fn is_account_of(account: &str, user: &User) -> bool {
    let own = user.attributes.iter().filter(|(kind, _)| kind == nicks::ACCOUNT);
    let mut own = own.map(|(_, value)| value).chain([&user.identifier]);
    own.any(|name| names::same(name, account))
}

async fn mail(ask: &Ask, user: &User) -> Result<(), Complaint> {
    let no_way = || {
        Complaint::usage(format!(
            "{}: I cannot check that; log in to the services as {}, or have a mail address put on \
             record",
            ask.nick(),
            user.identifier
        ))
    };
    let address = address(user).ok_or_else(no_way)?;
    let mailer = ask.bot.bots.mailer().ok_or_else(no_way)?;
    let code = code()?;
    let opened =
        ask.bot.with(|state| state.claims.open(ask.nick(), &user.identifier, &code, now()));
    opened.map_err(|refused| {
        Complaint::usage(match refused {
            Refused::Waiting => "you have a code already; say it to me in private".to_owned(),
            Refused::Rival => format!("somebody else claims to be {} just now", user.identifier),
            Refused::TooMany => "too many people want codes just now".to_owned(),
        })
    })?;
    if let Err(error) = mailer.send_code(&user.identifier, &address, &code).await {
        ask.bot.with(|state| state.claims.withdraw(ask.nick()));
        return Err(Complaint::usage(format!("the code cannot be mailed: {error}")));
    }
    ask.say(format!(
        "{}: I mailed a code to the address on record; within {} minutes, tell me in private: i \
         have code CODE",
        ask.nick(),
        LIFETIME_S / 60
    ))
    .await
}

/// Where mail for the user goes: the address on record, or one in what version control calls them.
fn address(user: &User) -> Option<String> {
    let by_kind = user.attributes.iter().find(|(kind, _)| kind == "email");
    let texts = user.attributes.iter().map(|(_, value)| value).chain([&user.identifier]);
    let in_text = texts.filter_map(|text| {
        let (_, rest) = text.split_once('<')?;
        rest.split_once('>').map(|(address, _)| address.to_owned())
    });
    let mut addresses = by_kind.map(|(_, value)| value.clone()).into_iter().chain(in_text);
    addresses.find(|address| address.contains('@') && !address.contains(char::is_control))
}

fn code() -> Result<String, Complaint> {
    let mut digits = String::with_capacity(DIGITS);
    while digits.len() < DIGITS {
        let mut byte = [0];
        getrandom::fill(&mut byte)
            .map_err(|error| Complaint::usage(format!("no code can be made: {error}")))?;
        // Of 256 values 250 give each digit equally often.
        if byte[0] < 250 {
            digits.push(char::from(b'0' + byte[0] % 10));
        }
    }
    Ok(digits)
}

async fn prove(ask: &Ask, code: &str) -> Result<(), Complaint> {
    let answer = ask.bot.with(|state| state.claims.answer(ask.nick(), code, now()));
    let identifier = match answer {
        Answer::Proved(identifier) => identifier,
        Answer::Wrong { left: 0 } => {
            return Err(Complaint::usage("that is wrong, too; this code is void now"));
        }
        Answer::Wrong { left } => {
            return Err(Complaint::usage(format!("that is not the code; {left} more tries")));
        }
        Answer::NoClaim => {
            return Err(Complaint::usage(
                "you have no code, or it is too old; say 'i am user NAME'",
            ));
        }
    };
    let read = move |conn: &mut Conn| nicks::find(conn, &identifier);
    match ask.bot.db.read(read).await? {
        Some(user) => accept(ask, &user).await,
        None => Err(Complaint::usage("this user does not exist any more")),
    }
}

async fn accept(ask: &Ask, user: &User) -> Result<(), Complaint> {
    let nick = ask.nick();
    let network = ask.bot.with(|state| state.status.network.clone());
    ask.bot.deeds.own_nick(user.uid, format!("{nick}@{network}")).await?;
    tracing::info!(bot = %ask.bot.name, nick, user = %user.identifier, "a nick was proved");
    let held = ask.bot.with(|state| state.presence.proved(nick, &user.identifier));
    let limit = match held {
        true => "",
        false => " (for commands, come into a channel where I am, and prove it again)",
    };
    ask.say(format!("{nick}: you are {} now{limit}", user.identifier)).await
}

#[cfg(test)]
mod tests {
    use crate::flow::irc::claim::TRIES;
    use crate::status::irc::fixture::Stage;

    const MAILED: &str = "alice: I mailed a code to the address on record; within 10 minutes, tell \
        me in private: i have code CODE";

    #[tokio::test]
    async fn a_services_account_proves_a_user() {
        let stage = Stage::new().await;
        stage.user("warner", &[("irc_account", "brian")]).await;
        stage.bot.with(|state| state.presence.joined("bw", "#a", Some("Brian")));
        stage.says("bw", "#a", "i am user warner", &["bw: you are warner now"]).await;
        assert_eq!(stage.owned(), [(1, "bw@testnet".to_owned())]);
        let users = stage.bot.with(|state| state.presence.person("bw").unwrap().users.clone());
        assert_eq!(users, ["warner"]);
    }

    #[tokio::test]
    async fn a_mailed_code_proves_a_user() {
        let stage = Stage::new().await;
        stage.user("Alice", &[("git", "Alice Doe <alice@example.org>")]).await;
        stage.bot.with(|state| state.presence.joined("alice", "#a", None));
        stage.says("alice", "#a", "i am user Alice", &[MAILED]).await;
        let (address, code) = stage.mailed().pop().unwrap();
        assert_eq!((address.as_str(), code.len()), ("alice@example.org", 6));
        stage
            .says("alice", "alice", "i have code nonsense", &["that is not the code; 2 more tries"])
            .await;
        stage
            .says("alice", "alice", &format!("i have code {code}"), &["alice: you are Alice now"])
            .await;
        assert_eq!(stage.owned(), [(1, "alice@testnet".to_owned())]);
    }

    #[tokio::test]
    async fn guessing_ends_a_claim() {
        let stage = Stage::new().await;
        stage.user("alice", &[("email", "alice@example.org")]).await;
        stage.ask("eve", "eve", "i am user alice").await;
        for _ in 0..TRIES {
            stage.ask("eve", "eve", "i have code wrong").await;
        }
        let (_, code) = stage.mailed().pop().unwrap();
        let void = ["that is wrong, too; this code is void now"];
        stage.says("eve", "eve", &format!("i have code {code}"), &void).await;
        let again = ["you have a code already; say it to me in private"];
        stage.says("eve", "eve", "i am user alice", &again).await;
        assert!(stage.owned().is_empty());
    }

    #[tokio::test]
    async fn who_shares_no_channel_is_not_trusted_later() {
        let stage = Stage::new().await;
        stage.user("alice", &[("email", "alice@example.org")]).await;
        stage.ask("ally", "ally", "i am user alice").await;
        let (_, code) = stage.mailed().pop().unwrap();
        let said = stage.ask("ally", "ally", &format!("i have code {code}")).await;
        assert!(said[0].contains("come into a channel"), "{said:?}");
        assert!(
            stage
                .bot
                .with(|state| state.presence.person("ally").is_none_or(|p| p.users.is_empty()))
        );
    }

    #[tokio::test]
    async fn what_cannot_be_checked_is_said() {
        let stage = Stage::new().await;
        stage.user("bob", &[("git", "bob")]).await;
        let said = stage.ask("bob", "#a", "i am user bob").await;
        assert!(said[0].starts_with("bob: I cannot check that"), "{said:?}");
        stage.says("bob", "#a", "i am user nobody", &["I know no user 'nobody'"]).await;
        stage.says("bob", "#a", "i am here", &["try 'i am user NAME'"]).await;
        let none = ["you have no code, or it is too old; say 'i am user NAME'"];
        stage.says("bob", "#a", "i have code 123456", &none).await;
    }
}
