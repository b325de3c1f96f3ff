//! `join #CHANNEL [KEY]` and `leave #CHANNEL …`, until the next start.

use super::{Ask, Command, Complaint};
use crate::flow::irc::names;

/// Channels that the bot is in at once.
const CHANNELS: usize = 100;

pub const JOIN: Command = Command {
    name: "join",
    help: "come into a channel",
    usage: &[("", "join #CHANNEL ... - come into these channels")],
    dangerous: true,
    run: |ask| Box::pin(join(ask)),
};

pub const LEAVE: Command = Command {
    name: "leave",
    help: "leave a channel",
    usage: &[("", "leave #CHANNEL ... - leave these channels")],
    dangerous: true,
    run: |ask| Box::pin(leave(ask)),
};

async fn join(ask: Ask) -> Result<(), Complaint> {
    for channel in channels(&ask, "join")? {
        let wanted = ask.bot.with(|state| {
            let room = state.channels.iter().count() < CHANNELS;
            room && {
                state.channels.want(&channel, None);
                true
            }
        });
        if !wanted {
            return Err(Complaint::usage(format!("I am in {CHANNELS} channels already")));
        }
        ask.bot.send(format!("JOIN {channel}"));
    }
    Ok(())
}

async fn leave(ask: Ask) -> Result<(), Complaint> {
    for channel in channels(&ask, "leave")? {
        ask.bot.with(|state| state.channels.forget(&channel));
        ask.bot.send(format!("PART {channel}"));
    }
    Ok(())
}

fn channels(ask: &Ask, command: &str) -> Result<Vec<String>, Complaint> {
    let words = ask.words()?;
    if let Some(wrong) = words.iter().find_map(|word| names::wrong_channel(word)) {
        return Err(Complaint::usage(wrong));
    }
    match words.is_empty() {
        true => Err(Complaint::usage(format!("try '{command} #CHANNEL'"))),
        false => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use crate::status::irc::fixture::{Stage, config};
    use serde_json::json;

    #[tokio::test]
    async fn the_bot_comes_and_goes() {
        let stage = Stage::with(config(json!({"authz": {"!": ["alice"]}}))).await;
        stage.says("alice", "#a", "join #b", &["JOIN #b"]).await;
        stage.says("alice", "#a", "leave #b", &["PART #b"]).await;
        stage.says("alice", "#a", "leave", &["try 'leave #CHANNEL'"]).await;
        let said = stage.ask("alice", "#a", "join b").await;
        assert!(said[0].starts_with("'b' is no channel"), "{said:?}");
        // A blank in a name would be a second command to the server.
        let said = stage.ask("alice", "#a", "join '#b 0'").await;
        assert!(said[0].starts_with("'#b 0' is no channel"), "{said:?}");
    }
}
