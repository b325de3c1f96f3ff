//! `shutdown check|start|stop|now`: the end of the master.

use super::{Ask, Command, Complaint};

pub const COMMAND: Command = Command {
    name: "shutdown",
    help: "end the master",
    usage: &[
        ("", "shutdown check|start|stop|now - end the master"),
        ("check", "shutdown check - is the master about to end?"),
        ("start", "shutdown start - start no more builds, end after the last one"),
        ("stop", "shutdown stop - take 'shutdown start' back"),
        ("now", "shutdown now - end at once; builds that run are built again"),
    ],
    dangerous: true,
    run: |ask| Box::pin(run(ask)),
};

async fn run(ask: Ask) -> Result<(), Complaint> {
    let deeds = ask.bot.deeds.clone();
    match ask.args.trim() {
        "check" if deeds.is_shutting_down() => ask.say("I end after the last build").await,
        "check" => ask.say("I run and have no plans to end").await,
        "start" => {
            tracing::warn!(who = %ask.described(), "a clean shutdown by chat");
            match deeds.shut_down_when_idle() {
                true => ask.say("I start no more builds and end after the last one").await,
                false => ask.say("I end after the last build anyway").await,
            }
        }
        "stop" if deeds.cancel_shutdown() => ask.say("I go on").await,
        "stop" => ask.say("there is no shutdown to stop").await,
        "now" => {
            tracing::warn!(who = %ask.described(), "a shutdown by chat");
            let room = &ask.room;
            // The last word; nobody may come to hear it.
            let _ = ask.bot.deliver(room, "good-bye").await;
            deeds.shut_down().await;
            Ok(())
        }
        _ => Err(Complaint::usage("try 'shutdown check|start|stop|now'")),
    }
}

#[cfg(test)]
mod tests {
    use crate::status::irc::fixture::{Stage, config};
    use serde_json::json;

    #[tokio::test]
    async fn the_master_is_shut_down() {
        let stage = Stage::with(config(json!({"allowShutdown": true}))).await;
        let table = [
            ("check", "I run and have no plans to end"),
            ("stop", "there is no shutdown to stop"),
            ("start", "I start no more builds and end after the last one"),
            ("start", "I end after the last build anyway"),
            ("check", "I end after the last build"),
            ("stop", "I go on"),
            ("", "try 'shutdown check|start|stop|now'"),
            ("now", "good-bye"),
        ];
        for (argument, answer) in table {
            stage.says("alice", "#a", &format!("shutdown {argument}"), &[answer]).await;
        }
        assert!(stage.is_shut_down());
    }
}
