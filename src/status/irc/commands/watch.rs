//! `watch BUILDER`: the end of its present builds is told here.

use super::{Ask, Command, Complaint, builders};
use crate::model::BuildId;

pub const COMMAND: Command = Command {
    name: "watch",
    help: "tell when a build that runs now ends",
    usage: &[("", "watch BUILDER - tell here when the builds that it runs now have ended")],
    dangerous: false,
    run: |ask| Box::pin(run(ask)),
};

async fn run(ask: Ask) -> Result<(), Complaint> {
    let words = ask.words()?;
    let [name] = words.as_slice() else { return Err(Complaint::usage("try 'watch BUILDER'")) };
    let builder = builders::named(&ask, name).await?;
    let running = builders::running(&ask, builder.id).await?;
    if running.is_empty() {
        return ask.say(format!("{name} builds nothing at the moment")).await;
    }
    for line in running {
        let id = BuildId(line.buildid);
        let room = &ask.room;
        let watched =
            ask.bot.with(|state| state.rooms.enter(room).is_some_and(|room| room.watch(id)));
        let url = ask.bot.build_url(line.builderid, line.number);
        let text = match watched {
            true => format!("I watch build #{} of {name} until it ends: {url}", line.number),
            false => format!("I watch too many builds already, and not #{} too", line.number),
        };
        ask.say(text).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::status::irc::fixture::Stage;

    #[tokio::test]
    async fn running_builds_are_watched() {
        let stage = Stage::new().await;
        let idle = ["runtests builds nothing at the moment"];
        stage.says("alice", "#a", "watch runtests", &idle).await;
        let build = stage.building("runtests").await;
        let watching = [
            "I watch build #1 of runtests until it ends: http://localhost:8010/builders/1/builds/1",
        ];
        stage.says("alice", "#a", "watch runtests", &watching).await;
        assert!(stage.bot.with(|state| state.rooms.get("#a").unwrap().watched.contains(&build)));
        stage.says("alice", "#a", "watch", &["try 'watch BUILDER'"]).await;
        stage.says("alice", "#a", "watch x", &["there is no builder 'x'"]).await;
    }
}
