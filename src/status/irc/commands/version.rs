//! `version`: which program this is.

use super::{Ask, Command, Complaint};

pub const COMMAND: Command = Command {
    name: "version",
    help: "which Buildbot this is",
    usage: &[("", "version - which Buildbot this is")],
    dangerous: false,
    run: |ask| Box::pin(run(ask)),
};

async fn run(ask: Ask) -> Result<(), Complaint> {
    ask.say(format!("This is buildbot {}", env!("CARGO_PKG_VERSION"))).await
}

#[cfg(test)]
mod tests {
    use crate::status::irc::fixture::Stage;

    #[tokio::test]
    async fn the_version_is_told() {
        let expected = format!("This is buildbot {}", env!("CARGO_PKG_VERSION"));
        Stage::new().await.says("alice", "#a", "version", &[&expected]).await;
    }
}
