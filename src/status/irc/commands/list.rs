//! `list [all|N] builders|workers|changes`, also `list builders with TAG…`.

use super::{Ask, Command, Complaint, builders};
use crate::db::changes;
use crate::db::{Conn, listing, workers};
use crate::flow::irc::wording;
use crate::model::{Change, now};

/// Changes shown without a number, and at most.
const CHANGES: i64 = 10;
const MOST_CHANGES: i64 = 15;

pub const COMMAND: Command = Command {
    name: "list",
    help: "builders, workers or recent changes",
    usage: &[
        ("", "list [all|N] builders|workers|changes - what is configured, or the last N changes"),
        ("builders", "list [all] builders [with TAG ...] - builders that have a worker, or all"),
        ("workers", "list [all] workers - configured workers; all also those that were once"),
        ("changes", "list [N] changes - the last changes, newest last"),
    ],
    dangerous: false,
    run: |ask| Box::pin(run(ask)),
};

async fn run(ask: Ask) -> Result<(), Complaint> {
    let words = ask.words()?;
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    let all = words.first() == Some(&"all");
    let count = words.first().and_then(|word| word.parse::<i64>().ok());
    if all || count.is_some() {
        words.remove(0);
    }
    match words.as_slice() {
        ["builders"] => list_builders(&ask, all, &[]).await,
        ["builders", "with", rest @ ..] => {
            let tags = rest.iter().filter(|word| !matches!(**word, "tag" | "tags"));
            list_builders(&ask, all, &tags.copied().collect::<Vec<_>>()).await
        }
        ["workers"] => list_workers(&ask, all).await,
        ["changes" | "new"] | ["new", "changes"] => {
            let count = if all { MOST_CHANGES } else { count.unwrap_or(CHANGES) };
            list_changes(&ask, count.clamp(1, MOST_CHANGES)).await
        }
        _ => Err(Complaint::usage("try 'list [all|N] builders|workers|changes'")),
    }
}

async fn list_builders(ask: &Ask, all: bool, tags: &[&str]) -> Result<(), Complaint> {
    let (found, tags_of) = ask
        .bot
        .db
        .read(move |conn| {
            let found = builders::list(conn, all)?;
            let ids: Vec<i64> = found.iter().map(|builder| builder.id.0).collect();
            Ok((found, listing::tags(conn, ids)?))
        })
        .await?;
    let tagged = |builder: &&builders::Builder| {
        let own = tags_of.get(&builder.id.0);
        tags.is_empty() || own.is_some_and(|own| own.iter().any(|tag| tags.contains(&&**tag)))
    };
    let shown = found.iter().filter(tagged).filter(|builder| all || builder.online);
    let names: Vec<String> = shown
        .map(|builder| match builder.online {
            true => builder.name.clone(),
            false => format!("{} [offline]", builder.name),
        })
        .collect();
    tell(ask, "builders", &names).await
}

async fn list_workers(ask: &Ask, all: bool) -> Result<(), Complaint> {
    let found = ask.bot.db.read(workers::list).await?;
    let shown = found.iter().filter(|worker| all || !worker.configured_on.is_empty());
    let names: Vec<String> = shown
        .map(|worker| match (worker.configured_on.is_empty(), worker.connected_to.is_empty()) {
            (true, _) => format!("{} [offline]", worker.name),
            (false, true) => format!("{} [disconnected]", worker.name),
            (false, false) => worker.name.clone(),
        })
        .collect();
    tell(ask, "workers", &names).await
}

async fn list_changes(ask: &Ask, count: i64) -> Result<(), Complaint> {
    let read = move |conn: &mut Conn| changes::recent(conn, count, 0);
    let found = ask.bot.db.read(read).await?;
    if found.is_empty() {
        return ask.say("there are no changes yet").await;
    }
    let lines: Vec<String> = found.iter().rev().map(line).collect();
    ask.say(lines.join("\n")).await
}

/// One line per change.
fn line(change: &Change) -> String {
    let comment = change.comments.lines().next().unwrap_or_default();
    let revision = change.revision.as_deref().unwrap_or("no revision");
    let revision = revision.get(..12).unwrap_or(revision);
    let branch = change.branch.as_ref().map(|branch| format!(" on {branch}")).unwrap_or_default();
    let repository = match change.repository.is_empty() {
        true => String::new(),
        false => format!(" in {}", change.repository),
    };
    let ago = wording::about(now() - change.when_timestamp);
    format!("{revision}{branch}{repository} by {}, {ago} ago: {comment}", change.author)
}

async fn tell(ask: &Ask, what: &str, names: &[String]) -> Result<(), Complaint> {
    match names.is_empty() {
        true => ask.say(format!("I found no {what}")).await,
        false => ask.say(format!("I found these {what}: {}", names.join(" "))).await,
    }
}

#[cfg(test)]
mod tests {
    use crate::status::irc::fixture::Stage;

    #[tokio::test]
    async fn builders_and_workers_are_listed() {
        let stage = Stage::new().await;
        stage.says("alice", "#a", "list builders", &["I found these builders: runtests"]).await;
        let all = ["I found these builders: docs [offline] runtests"];
        stage.says("alice", "#a", "list all builders", &all).await;
        stage
            .says(
                "alice",
                "#a",
                "list builders with tag fast",
                &["I found these builders: runtests"],
            )
            .await;
        stage.says("alice", "#a", "list builders with slow", &["I found no builders"]).await;
        let workers = ["I found these workers: w1 w2 [disconnected]"];
        stage.says("alice", "#a", "list workers", &workers).await;
        let usage = ["try 'list [all|N] builders|workers|changes'"];
        for wrong in ["list", "list all", "list nonsense", "list 3"] {
            stage.says("alice", "#a", wrong, &usage).await;
        }
    }

    #[tokio::test]
    async fn changes_are_listed_newest_last() {
        let stage = Stage::new().await;
        stage.says("alice", "#a", "list changes", &["there are no changes yet"]).await;
        for n in 1..=3 {
            stage.change(&format!("change {n}\n\nmore"), "alice").await;
        }
        let said = stage.ask("alice", "#a", "list 2 changes").await;
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("by alice") && said[0].ends_with("change 2"), "{said:?}");
        assert!(said[1].ends_with("change 3"), "{said:?}");
        assert_eq!(stage.ask("alice", "#a", "list all changes").await.len(), 3);
    }
}
