//! `help [COMMAND [ARGUMENT]]`: what a command does and how it is used.

use super::{Ask, COMMANDS, Command, Complaint, named};

pub const COMMAND: Command = Command {
    name: "help",
    help: "what I understand, and how a command is used",
    usage: &[("", "help [COMMAND [ARGUMENT]] - how a command is used")],
    dangerous: false,
    run: |ask| Box::pin(run(ask)),
};

async fn run(ask: Ask) -> Result<(), Complaint> {
    let words = ask.words()?;
    let Some(name) = words.first() else {
        let lines = COMMANDS.iter().filter(|command| !command.help.is_empty());
        let lines = lines.map(|command| format!("{} ({})", command.name, command.help));
        return ask.say(lines.collect::<Vec<_>>().join("; ")).await;
    };
    let Some(command) = named(&name.to_lowercase()) else {
        return Err(Complaint::usage(format!("there is no command '{name}'")));
    };
    let argument = words.get(1).map(|word| word.to_lowercase()).unwrap_or_default();
    match command.usage.iter().find(|(of, _)| **of == *argument) {
        Some((_, line)) => ask.say(format!("usage: {line}")).await,
        None => ask.say(format!("there is nothing to say about '{}'", words.join(" "))).await,
    }
}

#[cfg(test)]
mod tests {
    use crate::status::irc::fixture::Stage;

    #[tokio::test]
    async fn usage_is_told_by_command_and_argument() {
        let stage = Stage::new().await;
        stage
            .says("alice", "#a", "help version", &["usage: version - which Buildbot this is"])
            .await;
        stage
            .says(
                "alice",
                "#a",
                "help shutdown now",
                &["usage: shutdown now - end at once; builds that run are built again"],
            )
            .await;
        stage.says("alice", "#a", "help nonsense", &["there is no command 'nonsense'"]).await;
        stage.says("alice", "#a", "help hustle", &["there is nothing to say about 'hustle'"]).await;
        let all = stage.ask("alice", "#a", "help").await.concat();
        assert!(all.contains("hello (say hello)") && !all.contains("hustle"), "{all}");
    }
}
