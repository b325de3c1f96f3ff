//! `source`: where the program comes from.

use super::{Ask, Command, Complaint};

pub const COMMAND: Command = Command {
    name: "source",
    help: "where I come from",
    usage: &[("", "source - where Buildbot's source code is")],
    dangerous: false,
    run: |ask| Box::pin(run(ask)),
};

async fn run(ask: Ask) -> Result<(), Complaint> {
    ask.say("I speak Buildbot's tongue (https://github.com/buildbot/buildbot), written in Rust")
        .await
}

#[cfg(test)]
mod tests {
    use crate::status::irc::fixture::Stage;

    #[tokio::test]
    async fn the_source_is_told() {
        let said = Stage::new().await.ask("alice", "#a", "source").await;
        assert!(said[0].contains("https://github.com/buildbot/buildbot"));
    }
}
