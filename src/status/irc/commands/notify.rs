//! `notify on|off|list [EVENT …]`: what is announced here.

use super::{Ask, Command, Complaint};
use crate::flow::irc::notify::{Events, wrong_event};

const USAGE: &str = "try 'notify on|off|list [EVENT ...]'";

pub const COMMAND: Command = Command {
    name: "notify",
    help: "which events of builds are told here",
    usage: &[
        (
            "",
            "notify on|off|list [EVENT ...] - tell events of builds here: started, finished, \
             success, warnings, failure, exception, cancelled, problem, recovery, worse, better, \
             worker",
        ),
        ("on", "notify on [EVENT ...] - tell these, without a name 'started' and 'finished'"),
        ("off", "notify off [EVENT ...] - tell these no more, without a name none"),
        ("list", "notify list - which events are told here"),
    ],
    dangerous: false,
    run: |ask| Box::pin(run(ask)),
};

async fn run(ask: Ask) -> Result<(), Complaint> {
    let words = ask.words()?;
    let Some((action, names)) = words.split_first() else { return Err(Complaint::usage(USAGE)) };
    if action == "list" {
        return tell(&ask).await;
    }
    let (on, quiet) = match action.as_str() {
        "on" => (true, false),
        "on-quiet" => (true, true),
        "off" => (false, false),
        "off-quiet" => (false, true),
        _ => return Err(Complaint::usage(USAGE)),
    };
    if let Some(wrong) = names.iter().find_map(|name| wrong_event(name)) {
        return Err(Complaint::usage(wrong));
    }
    if !ask.may_rule_here("notify").await? {
        return Err(Complaint::usage(format!(
            "{}: only operators of {} decide what I tell here",
            ask.nick(),
            ask.room
        )));
    }
    let changed = ask.bot.with(|state| {
        let room = state.rooms.enter(&ask.room)?;
        change(&mut room.events, on, names);
        Some(())
    });
    if changed.is_none() {
        return Err(Complaint::usage("I talk in too many places already"));
    }
    ask.bot.keep_rooms().await;
    if quiet { Ok(()) } else { tell(&ask).await }
}

fn change(events: &mut Events, on: bool, names: &[String]) {
    match (on, names.is_empty()) {
        (true, true) => ["started", "finished"].iter().for_each(|name| events.add(name)),
        (true, false) => names.iter().for_each(|name| events.add(name)),
        (false, true) => events.clear(),
        (false, false) => names.iter().for_each(|name| events.remove(name)),
    }
}

async fn tell(ask: &Ask) -> Result<(), Complaint> {
    let names: Vec<String> = ask.bot.with(|state| {
        let room = state.rooms.get(&ask.room);
        let names = room.into_iter().flat_map(|room| room.events.names());
        names.map(str::to_owned).collect()
    });
    match names.is_empty() {
        true => ask.say("I tell nothing here by myself").await,
        false => ask.say(format!("I tell here: {}", names.join(", "))).await,
    }
}

#[cfg(test)]
mod tests {
    use crate::status::irc::fixture::{Stage, config};
    use serde_json::json;

    #[tokio::test]
    async fn events_are_switched_in_private_by_anybody() {
        let stage = Stage::new().await;
        let table = [
            ("notify list", "I tell nothing here by myself"),
            ("notify on", "I tell here: finished, started"),
            (
                "notify on worker successToFailure",
                "I tell here: finished, started, successToFailure, worker",
            ),
            ("notify off started successToFailure", "I tell here: finished, worker"),
            ("notify off", "I tell nothing here by myself"),
            ("notify", super::USAGE),
            ("notify maybe", super::USAGE),
        ];
        for (command, answer) in table {
            stage.says("alice", "alice", command, &[answer]).await;
        }
        stage.says("alice", "alice", "notify on-quiet failure", &[]).await;
        let kept = stage.kept("notify_events").await;
        assert_eq!(kept, json!([["alice", ["failure"]]]));
        let said = stage.ask("alice", "alice", "notify on fail").await;
        assert!(said[0].starts_with("there is no event 'fail'"), "{said:?}");
    }

    #[tokio::test]
    async fn a_channel_belongs_to_its_operators() {
        let stage = Stage::with(config(json!({"authz": {"notify": ["bob", "olga"]}}))).await;
        stage.operators("#a", &["olga"]);
        stage.says("olga", "#a", "notify on failure", &["I tell here: failure"]).await;
        stage.says("bob", "#a", "notify off", &["I tell nothing here by myself"]).await;
    }

    #[tokio::test]
    async fn others_may_only_look() {
        let stage = Stage::new().await;
        stage.operators("#a", &["olga"]);
        let refused = ["alice: only operators of #a decide what I tell here"];
        stage.says("alice", "#a", "notify on failure", &refused).await;
        stage.says("alice", "#a", "notify list", &["I tell nothing here by myself"]).await;
    }
}
