//! `mute` and `unmute`: silence in a channel until it is taken back.

use super::{Ask, Command, Complaint};

pub const MUTE: Command = Command {
    name: "mute",
    help: "say nothing here until 'unmute'",
    usage: &[("", "mute - say nothing here, not even answers, until 'unmute'")],
    dangerous: false,
    run: |ask| Box::pin(mute(ask)),
};

pub const UNMUTE: Command = Command {
    name: "unmute",
    help: "speak again",
    usage: &[("", "unmute - speak here again after a 'mute'")],
    dangerous: false,
    run: |ask| Box::pin(unmute(ask)),
};

async fn mute(ask: Ask) -> Result<(), Complaint> {
    if !ask.may_rule_here("mute").await? {
        let nick = ask.nick();
        return Err(Complaint::usage(format!("{nick}: only operators of {} mute me", ask.room)));
    }
    ask.say("I say nothing more until somebody says 'unmute'").await?;
    set(&ask, true).await;
    Ok(())
}

async fn unmute(ask: Ask) -> Result<(), Complaint> {
    let muted = ask.bot.with(|state| state.rooms.get(&ask.room).is_some_and(|room| room.muted));
    if !muted {
        return ask.say("nobody has muted me, but thank you").await;
    }
    // Whoever may not is not even answered, for the bot is muted.
    if ask.may_rule_here("mute").await? {
        set(&ask, false).await;
        ask.say("here I am again").await?;
    }
    Ok(())
}

async fn set(ask: &Ask, muted: bool) {
    ask.bot.with(|state| {
        if let Some(room) = state.rooms.enter(&ask.room) {
            room.muted = muted;
        }
    });
    ask.bot.keep_rooms().await;
}

#[cfg(test)]
mod tests {
    use crate::status::irc::fixture::Stage;

    #[tokio::test]
    async fn operators_silence_the_bot() {
        let stage = Stage::new().await;
        stage.operators("#a", &["olga"]);
        stage.says("alice", "#a", "mute", &["alice: only operators of #a mute me"]).await;
        stage.says("alice", "#a", "unmute", &["nobody has muted me, but thank you"]).await;
        stage
            .says("olga", "#a", "mute", &["I say nothing more until somebody says 'unmute'"])
            .await;
        stage.says("alice", "#a", "version", &[]).await;
        stage.says("alice", "#a", "unmute", &[]).await;
        stage.says("olga", "#a", "unmute", &["here I am again"]).await;
    }
}
