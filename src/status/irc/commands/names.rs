//! `commands`: the names of all commands.

use super::{Ask, COMMANDS, Command, Complaint};

pub const COMMAND: Command = Command {
    name: "commands",
    help: "the names of all commands",
    usage: &[("", "commands - the names of all commands")],
    dangerous: false,
    run: |ask| Box::pin(run(ask)),
};

async fn run(ask: Ask) -> Result<(), Complaint> {
    let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    ask.say(format!("I know: {}", names.join(", "))).await
}

#[cfg(test)]
mod tests {
    use crate::status::irc::fixture::Stage;

    #[tokio::test]
    async fn all_names_are_told() {
        let said = Stage::new().await.ask("alice", "#a", "commands").await;
        assert!(said[0].starts_with("I know: ack, commands, dance, destroy, force, "), "{said:?}");
    }
}
