//! `force build [OPTION …] BUILDER REASON`: a build without a scheduler.

use super::{Ask, Command, Complaint, builders};
use crate::flow::irc::force::ForceOptions;
use crate::model::{NewBuildset, NewSourceStamp, Properties};

/// Stock's source of the properties.
const SOURCE: &str = "Force Build Chat";
const USAGE: &str = "force build [--codebase=CODEBASE] [--branch=BRANCH] [--revision=REVISION] \
    [--project=PROJECT] [--props=NAME=VALUE,...] BUILDER REASON - build now, and tell here when it \
    has ended";

pub const COMMAND: Command = Command {
    name: "force",
    help: "build something now",
    usage: &[("", USAGE), ("build", USAGE)],
    dangerous: true,
    run: |ask| Box::pin(run(ask)),
};

async fn run(ask: Ask) -> Result<(), Complaint> {
    let words = ask.words()?;
    let options = match words.split_first() {
        Some((what, rest)) if what == "build" => ForceOptions::parse(rest),
        _ => return Err(Complaint::usage(format!("try '{USAGE}'"))),
    };
    let options = options.map_err(|wrong| Complaint::usage(format!("{wrong}; try '{USAGE}'")))?;
    let builder = builders::named(&ask, &options.builder).await?;
    if builder.masterids.is_empty() {
        return Err(Complaint::usage(format!("nobody has '{}' configured", builder.name)));
    }
    let who = ask.described();
    let mut properties = Properties::new();
    for (name, value) in options.properties {
        properties.set(&name, value, SOURCE);
    }
    properties.set("reason", options.reason.clone(), SOURCE);
    properties.set("owner", who.clone(), SOURCE);
    let set = NewBuildset {
        reason: format!("forced: by {who}: {}", options.reason),
        sourcestamps: vec![NewSourceStamp {
            codebase: options.codebase,
            branch: options.branch,
            revision: options.revision,
            project: options.project,
            ..NewSourceStamp::default()
        }],
        builders: vec![builder.id],
        properties,
        ..NewBuildset::default()
    };
    let submitted = ask.bot.deeds.submit(set).await;
    let submitted =
        submitted.map_err(|error| Complaint::usage(format!("the build is refused: {error}")))?;
    ask.bot.with(|state| {
        if let Some(room) = state.rooms.enter(&ask.room) {
            let requests = submitted.requests.iter().map(|(_, request)| *request);
            room.forced_by(ask.nick(), requests);
        }
    });
    ask.say(format!("a build of {} is in the queue; I tell you when it has ended", builder.name))
        .await
}

#[cfg(test)]
mod tests {
    use crate::status::irc::fixture::{Stage, config};
    use serde_json::json;

    #[tokio::test]
    async fn a_build_is_forced() {
        let stage = Stage::with(config(json!({"allowForce": true}))).await;
        let queued = ["a build of runtests is in the queue; I tell you when it has ended"];
        let command = "force build --branch=topic --props=a=1 runtests it is late";
        stage.says("alice", "#a", command, &queued).await;
        let set = stage.submitted().pop().unwrap();
        assert_eq!(set.reason, "forced: by alice on #a: it is late");
        assert_eq!(set.sourcestamps[0].branch.as_deref(), Some("topic"));
        assert_eq!(set.properties.get_str("owner"), Some("alice on #a"));
        assert_eq!(set.properties.property("a").unwrap().source, "Force Build Chat");
        let forced = stage.bot.with(|state| state.rooms.get("#a").unwrap().forced.len());
        assert_eq!(forced, 1);
    }

    #[tokio::test]
    async fn mistakes_are_answered_with_the_usage() {
        let stage = Stage::with(config(json!({"allowForce": true}))).await;
        for (command, answer) in [
            ("force", "try 'force build "),
            ("force it", "try 'force build "),
            ("force build", "which builder?; try 'force build "),
            ("force build --branch='a b' runtests", "'a b' cannot be the branch"),
            ("force build nonsense", "there is no builder 'nonsense'"),
            ("force build 'x", "the quotation that begins with ' has no end"),
        ] {
            let said = stage.ask("alice", "#a", command).await;
            assert!(said[0].starts_with(answer), "{said:?}");
        }
        assert!(stage.submitted().is_empty());
    }
}
