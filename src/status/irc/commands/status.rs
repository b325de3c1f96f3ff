//! `status [BUILDER|all]`: what builders do now, or what they did last.

use std::collections::HashMap;

use super::{Ask, Command, Complaint, builders};
use crate::db::listing::{BuildLine, Scope, all, last_of, last_per_builder, running, running_of};
use crate::db::{Conn, DbError, steps};
use crate::flow::irc::wording;
use crate::model::{BuildId, Results, now};

pub const COMMAND: Command = Command {
    name: "status",
    help: "what a builder does, or all of them",
    usage: &[("", "status [BUILDER|all] - what builders do now, or what they did last")],
    dangerous: false,
    run: |ask| Box::pin(run(ask)),
};

async fn run(ask: Ask) -> Result<(), Complaint> {
    let wanted = builders::Wanted::read(&ask, "status").await?;
    let (found, busy, last) = ask
        .bot
        .db
        .read(move |conn| {
            let found = builders::list(conn, wanted.every)?;
            let (busy, last) = match wanted.one {
                Some(id) => (running_of(id.0), last_of(id.0)),
                None => (running(), last_per_builder()),
            };
            Ok((found, with_steps(conn, &busy)?, all::<BuildLine>(conn, &last)?))
        })
        .await?;
    let last: HashMap<i64, BuildLine> =
        last.into_iter().map(|line| (line.builderid, line)).collect();
    let shown = found.iter().filter(|builder| wanted.takes(builder));
    let lines: Vec<String> = shown
        .map(|builder| {
            let busy: Vec<&(BuildLine, String)> =
                busy.iter().filter(|(line, _)| line.builderid == builder.id.0).collect();
            line(&ask, builder, &busy, last.get(&builder.id.0))
        })
        .collect();
    builders::say(&ask, &lines).await
}

/// Running builds, each with what its present step does.
fn with_steps(conn: &mut Conn, scope: &Scope) -> Result<Vec<(BuildLine, String)>, DbError> {
    let lines = all::<BuildLine>(conn, scope)?;
    let ids: Vec<BuildId> = lines.iter().map(|line| BuildId(line.buildid)).collect();
    let steps = steps::of_builds(conn, &ids)?;
    let now_at = |line: &BuildLine| {
        let open = steps.iter().filter(|step| step.build.0 == line.buildid);
        let mut open = open.filter(|step| step.started_at.is_some() && step.complete_at.is_none());
        open.next_back().map_or("no step yet", |step| &step.state_string).to_owned()
    };
    Ok(lines.iter().map(|line| (line.clone(), now_at(line))).collect())
}

fn line(
    ask: &Ask,
    builder: &builders::Builder,
    busy: &[&(BuildLine, String)],
    last: Option<&BuildLine>,
) -> String {
    let name = &builder.name;
    if !busy.is_empty() {
        let builds: Vec<String> = busy
            .iter()
            .map(|(line, step)| {
                let url = ask.bot.build_url(line.builderid, line.number);
                format!("build #{} ({step}) {url}", line.number)
            })
            .collect();
        return format!("{name}: running {}", builds.join(", "));
    }
    if !builder.online {
        return format!("{name}: offline");
    }
    match last {
        None => format!("{name}: idle, no build yet"),
        Some(last) => format!("{name}: idle, {}", ended(ask, last)),
    }
}

/// `last build #3 failed (failed test) 5 minutes ago`.
pub(super) fn ended(ask: &Ask, last: &BuildLine) -> String {
    let results = last.results.and_then(Results::from_code);
    let colours = ask.bot.config.use_colours;
    let outcome = wording::coloured(wording::outcome(results), results, colours);
    let ago = last.complete_at.map_or(0, |at| now() - at);
    let why = match results {
        Some(Results::Success) => String::new(),
        _ => format!(" ({})", last.state_string),
    };
    format!("last build #{} {outcome}{why} {} ago", last.number, wording::about(ago))
}

#[cfg(test)]
mod tests {
    use crate::model::Results;
    use crate::status::irc::fixture::Stage;

    #[tokio::test]
    async fn builders_tell_what_they_do() {
        let stage = Stage::new().await;
        stage.says("alice", "#a", "status", &["runtests: idle, no build yet"]).await;
        stage.built("runtests", Results::Success).await;
        stage
            .says(
                "alice",
                "#a",
                "status runtests",
                &["runtests: idle, last build #1 succeeded 0 seconds ago"],
            )
            .await;
        stage.says("alice", "#a", "status docs", &["docs: offline"]).await;
        stage
            .says(
                "alice",
                "#a",
                "status all",
                &["docs: offline", "runtests: idle, last build #1 succeeded 0 seconds ago"],
            )
            .await;
        stage.building("runtests").await;
        let running =
            "runtests: running build #2 (no step yet) http://localhost:8010/builders/1/builds/2";
        stage.says("alice", "#a", "status", &[running]).await;
        stage.says("alice", "#a", "status nonsense", &["there is no builder 'nonsense'"]).await;
        stage.says("alice", "#a", "status a b", &["try 'status [BUILDER|all]'"]).await;
    }
}
