//! `dance`, `destroy`, `hustle`, and what the bot does when somebody does something to it.

use std::time::Duration;

use super::{Ask, Command, Complaint};

/// The pause between two steps of a dance.
const BEAT: Duration = Duration::from_secs(1);
const STEPS: [&str; 5] = ["<(^.^<)", "<(^.^)>", "(>^.^)>", "(7^.^)7", "(>^.^<)"];

pub const DANCE: Command = Command {
    name: "dance",
    help: "dance",
    usage: &[("", "dance - dance")],
    dangerous: false,
    run: |ask| Box::pin(dance(ask, BEAT)),
};

pub const DESTROY: Command = Command {
    name: "destroy",
    help: "",
    usage: &[],
    dangerous: false,
    run: |ask| Box::pin(destroy(ask)),
};

pub const HUSTLE: Command = Command {
    name: "hustle",
    help: "",
    usage: &[],
    dangerous: false,
    run: |ask| Box::pin(hustle(ask)),
};

async fn dance(ask: Ask, beat: Duration) -> Result<(), Complaint> {
    for step in STEPS {
        tokio::time::sleep(beat).await;
        ask.say(step).await?;
    }
    Ok(())
}

async fn destroy(ask: Ask) -> Result<(), Complaint> {
    match ask.args.contains(&ask.bot.nick()) {
        true => ask.say(format!("You first, {}!", ask.nick())).await,
        false => ask.act("charges the lasers").await,
    }
}

async fn hustle(ask: Ask) -> Result<(), Complaint> {
    ask.act("does the hustle").await
}

/// Somebody did something to the bot in a channel.
pub(super) async fn done(ask: &Ask, verb: &str) -> Result<(), Complaint> {
    match verb {
        "kicks" => ask.act("kicks back").await,
        "threatens" => ask.act(&format!("sends {} a wedding invitation", ask.nick())).await,
        verb => ask.act(&format!("{verb} {} too", ask.nick())).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::irc::commands::Request;
    use crate::status::irc::fixture::Stage;

    #[tokio::test]
    async fn the_bot_has_its_fun() {
        let stage = Stage::new().await;
        let ask = Ask::new(&stage.bot, "alice", "#a");
        dance(ask, Duration::ZERO).await.unwrap();
        assert_eq!(stage.said().await, STEPS);
        stage.says("alice", "#a", "destroy bob", &["* charges the lasers"]).await;
        stage.says("alice", "#a", "destroy bot", &["You first, alice!"]).await;
        stage.says("alice", "#a", "hustle", &["* does the hustle"]).await;
        for (verb, answer) in [("kicks", "* kicks back"), ("hugs", "* hugs alice too")] {
            Request::done(&stage.bot, "alice", "#a", verb).obey().await;
            assert_eq!(stage.said().await, [answer]);
        }
    }
}
