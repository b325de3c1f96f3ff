//! `stop build BUILDER REASON`: ends the builds that a builder runs.

use super::{Ask, Command, Complaint, builders};
use crate::model::BuildId;

const USAGE: &str = "stop build BUILDER REASON - end the builds that it runs now";

pub const COMMAND: Command = Command {
    name: "stop",
    help: "end a build that runs",
    usage: &[("", USAGE), ("build", USAGE)],
    dangerous: true,
    run: |ask| Box::pin(run(ask)),
};

async fn run(ask: Ask) -> Result<(), Complaint> {
    let words = ask.words()?;
    let [what, name, reason @ ..] = words.as_slice() else {
        return Err(Complaint::usage("try 'stop build BUILDER REASON'"));
    };
    if what != "build" || reason.is_empty() {
        return Err(Complaint::usage("try 'stop build BUILDER REASON'"));
    }
    let builder = builders::named(&ask, name).await?;
    let running = builders::running(&ask, builder.id).await?;
    if running.is_empty() {
        return ask.say(format!("{name} builds nothing at the moment")).await;
    }
    let reason = format!("stopped: by {}: {}", ask.described(), reason.join(" "));
    for line in running {
        let stopped = ask.bot.deeds.stop_build(BuildId(line.buildid), &reason).await;
        let url = ask.bot.build_url(line.builderid, line.number);
        let text = match stopped {
            Ok(()) => format!("build #{} of {name} is told to stop: {url}", line.number),
            Err(error) => format!("build #{} of {name} does not stop: {error}", line.number),
        };
        ask.say(text).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::status::irc::fixture::{Stage, config};
    use serde_json::json;

    #[tokio::test]
    async fn running_builds_are_stopped() {
        let stage = Stage::with(config(json!({"allowForce": true}))).await;
        let idle = ["runtests builds nothing at the moment"];
        stage.says("alice", "#a", "stop build runtests too late", &idle).await;
        let build = stage.building("runtests").await;
        let told =
            ["build #1 of runtests is told to stop: http://localhost:8010/builders/1/builds/1"];
        stage.says("alice", "#a", "stop build runtests too late", &told).await;
        let expected = vec![(build, "stopped: by alice on #a: too late".to_owned())];
        assert_eq!(stage.stopped(), expected);
        for wrong in ["stop", "stop build runtests", "stop it runtests now"] {
            stage.says("alice", "#a", wrong, &["try 'stop build BUILDER REASON'"]).await;
        }
    }
}
