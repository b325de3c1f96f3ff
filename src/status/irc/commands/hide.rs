//! `hide BUILDER …` and `show [BUILDER …]`: which builders are announced here.

use super::{Ask, Command, Complaint, builders};

pub const HIDE: Command = Command {
    name: "hide",
    help: "announce a builder here no more",
    usage: &[("", "hide BUILDER ... - announce these builders here no more")],
    dangerous: false,
    run: |ask| Box::pin(hide(ask)),
};

pub const SHOW: Command = Command {
    name: "show",
    help: "announce a hidden builder again",
    usage: &[(
        "",
        "show [BUILDER ...|all] - announce these again; without a name, which are hidden",
    )],
    dangerous: false,
    run: |ask| Box::pin(show(ask)),
};

async fn hide(ask: Ask) -> Result<(), Complaint> {
    let names = ask.words()?;
    if names.is_empty() {
        return Err(Complaint::usage("try 'hide BUILDER ...'"));
    }
    for name in &names {
        builders::named(&ask, name).await?;
    }
    allowed(&ask, "hide").await?;
    let hidden = ask.bot.with(|state| {
        let room = state.rooms.enter(&ask.room);
        room.is_some_and(|room| names.iter().all(|name| room.hide(name)))
    });
    if !hidden {
        return Err(Complaint::usage("too much is hidden already"));
    }
    ask.bot.keep_rooms().await;
    tell(&ask).await
}

async fn show(ask: Ask) -> Result<(), Complaint> {
    let names = ask.words()?;
    if names.is_empty() {
        return tell(&ask).await;
    }
    allowed(&ask, "show").await?;
    ask.bot.with(|state| {
        let Some(room) = state.rooms.enter(&ask.room) else { return };
        match names.as_slice() {
            [all] if all == "all" => room.hidden.clear(),
            names => room.hidden.retain(|hidden| !names.contains(hidden)),
        }
    });
    ask.bot.keep_rooms().await;
    tell(&ask).await
}

async fn allowed(ask: &Ask, command: &str) -> Result<(), Complaint> {
    match ask.may_rule_here(command).await? {
        true => Ok(()),
        false => Err(Complaint::usage(format!(
            "{}: only operators of {} decide what I tell here",
            ask.nick(),
            ask.room
        ))),
    }
}

async fn tell(ask: &Ask) -> Result<(), Complaint> {
    let hidden: Vec<String> = ask.bot.with(|state| {
        let room = state.rooms.get(&ask.room);
        room.into_iter().flat_map(|room| room.hidden.iter().cloned()).collect()
    });
    match hidden.is_empty() {
        true => ask.say("no builder is hidden here").await,
        false => ask.say(format!("hidden here: {}", hidden.join(", "))).await,
    }
}

#[cfg(test)]
mod tests {
    use crate::status::irc::fixture::Stage;

    #[tokio::test]
    async fn builders_are_hidden_and_shown() {
        let stage = Stage::new().await;
        let table = [
            ("show", "no builder is hidden here"),
            ("hide docs runtests", "hidden here: docs, runtests"),
            ("show docs", "hidden here: runtests"),
            ("show all", "no builder is hidden here"),
            ("hide", "try 'hide BUILDER ...'"),
            ("hide nonsense", "there is no builder 'nonsense'"),
        ];
        for (command, answer) in table {
            stage.says("alice", "alice", command, &[answer]).await;
        }
        stage.operators("#a", &["olga"]);
        stage.says("olga", "#a", "hide docs", &["hidden here: docs"]).await;
        let refused = ["alice: only operators of #a decide what I tell here"];
        stage.says("alice", "#a", "show docs", &refused).await;
    }
}
