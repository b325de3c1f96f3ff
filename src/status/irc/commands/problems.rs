//! `problems`: which builders are in trouble, and who looks after it.

use super::{Ask, Command, Complaint};
use crate::db::listing::ProblemRow;
use crate::flow::irc::wording;
use crate::model::{ProblemId, now};
use crate::status::problem::commands::{self, Order, Wrong};

pub const COMMAND: Command = Command {
    name: "problems",
    help: "which builders are in trouble",
    usage: &[("", "problems - which builders are in trouble, since when, and who looks after it")],
    dangerous: false,
    run: |ask| Box::pin(run(ask)),
};

/// Problems that are told at once.
const MANY: i64 = 10;

async fn run(ask: Ask) -> Result<(), Complaint> {
    let open = commands::list(&ask.bot.db, MANY + 1).await?;
    let mut lines: Vec<String> = open.iter().take(MANY as usize).map(line).collect();
    if open.len() > MANY as usize {
        lines.push(format!("and more: {}problems", ask.bot.deeds.buildbot_url()));
    }
    match lines.is_empty() {
        true => ask.say("no builder is in trouble").await,
        false => ask.say(lines.join("\n")).await,
    }
}

fn line(problem: &ProblemRow) -> String {
    let name = problem.buildername.as_deref().unwrap_or("a builder");
    let since = wording::about(now() - problem.opened_at);
    let mut text = format!(
        "problem {}: {name} is broken since build #{} ({since}, last #{}: {})",
        problem.problemid, problem.first_bad_number, problem.last_bad_number, problem.state_string
    );
    if let Some(by) = &problem.acknowledged_by {
        text += &format!("; {by} looks after it");
        if let Some(what) = problem.acknowledgement.as_ref().filter(|what| !what.is_empty()) {
            text += &format!(": {what}");
        }
    }
    if problem.silenced_until.is_some_and(|until| until > now()) {
        text += "; silenced";
    }
    text
}

/// The number of a problem, and what follows it.
pub(super) fn numbered(ask: &Ask, usage: &str) -> Result<(ProblemId, String), Complaint> {
    let args = ask.args.trim();
    let (number, rest) = args.split_once(char::is_whitespace).unwrap_or((args, ""));
    let number = number.trim_start_matches('#').parse();
    let number = number.map_err(|_| Complaint::usage(format!("try '{usage}'")))?;
    Ok((ProblemId(number), rest.trim().to_owned()))
}

/// Carries the order out in the name of whoever asks: the user, if they have proved who they are.
pub(super) async fn order(
    ask: &Ask,
    problem: ProblemId,
    order: Order,
) -> Result<ProblemRow, Complaint> {
    let speaker = ask.speaker().await?;
    let by = speaker.users.first().cloned().unwrap_or(speaker.nick);
    let (db, announcer) = (&ask.bot.db, &ask.bot.announcer);
    commands::carry_out(db, announcer, problem, &by, order).await.map_err(|wrong| match wrong {
        Wrong::Db(error) => Complaint::Db(error),
        other => Complaint::usage(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use crate::db::problems;
    use crate::model::{BuilderId, Results, now};
    use crate::status::irc::fixture::Stage;

    /// The builder `runtests` has a problem, for ten days and an hour.
    pub async fn trouble(stage: &Stage) {
        let good = stage.built("runtests", Results::Success).await;
        let bad = stage.built("runtests", Results::Failure).await;
        let begin = now() - 10 * 86_400 - 3_600;
        let open = stage
            .db
            .write(move |conn| problems::open(conn, BuilderId(1), good.0, bad.0, bad, begin));
        open.await.unwrap();
    }

    #[tokio::test]
    async fn problems_are_listed_acknowledged_and_silenced() {
        let stage = Stage::new().await;
        stage.says("alice", "#a", "problems", &["no builder is in trouble"]).await;
        trouble(&stage).await;
        let line = "problem 1: runtests is broken since build #2 (10 days, last #2: state)";
        stage.says("alice", "#a", "problems", &[line]).await;
        stage
            .says("alice", "#a", "ack 1 looking at it", &["thank you, alice: nobody else is asked"])
            .await;
        let line = format!("{line}; alice looks after it: looking at it");
        stage.says("bob", "bob", "problems", &[&line]).await;
        stage.says("bob", "bob", "silence 1 2", &["nobody is told of problem 1 for 2 hours"]).await;
        stage.says("bob", "bob", "problems", &[&format!("{line}; silenced")]).await;
        stage.says("bob", "bob", "silence 1 0", &["problem 1 is not silenced any more"]).await;
        stage.says("bob", "bob", "problems", &[&line]).await;
    }

    #[tokio::test]
    async fn mistakes_are_told() {
        let stage = Stage::new().await;
        for (text, says) in [
            ("ack", "try 'ack PROBLEM WHAT YOU DO'"),
            ("ack it", "try 'ack PROBLEM WHAT YOU DO'"),
            ("ack 7 looking", "there is no problem 7"),
            ("silence", "try 'silence PROBLEM [HOURS]'"),
            ("silence 7 long", "try 'silence PROBLEM [HOURS]'"),
            ("silence 7 -1", "a silence lasts 0 to 8760 hours"),
        ] {
            stage.says("alice", "#a", text, &[says]).await;
        }
    }
}
