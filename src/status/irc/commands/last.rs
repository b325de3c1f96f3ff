//! `last [BUILDER|all]`: how the last finished builds ended.

use std::collections::HashMap;

use super::{Ask, Command, Complaint, builders, status};
use crate::db::listing::{BuildLine, all, last_of, last_per_builder};

pub const COMMAND: Command = Command {
    name: "last",
    help: "how the last build of a builder ended",
    usage: &[("", "last [BUILDER|all] - how the last finished builds ended")],
    dangerous: false,
    run: |ask| Box::pin(run(ask)),
};

async fn run(ask: Ask) -> Result<(), Complaint> {
    let wanted = builders::Wanted::read(&ask, "last").await?;
    let (found, last) = ask
        .bot
        .db
        .read(move |conn| {
            let scope = wanted.one.map_or_else(last_per_builder, |id| last_of(id.0));
            Ok((builders::list(conn, wanted.every)?, all::<BuildLine>(conn, &scope)?))
        })
        .await?;
    let last: HashMap<i64, BuildLine> =
        last.into_iter().map(|line| (line.builderid, line)).collect();
    let shown = found.iter().filter(|builder| wanted.takes(builder));
    let lines: Vec<String> = shown
        .map(|builder| {
            let told = last.get(&builder.id.0).map(|last| status::ended(&ask, last));
            format!("{}: {}", builder.name, told.unwrap_or_else(|| "no build yet".to_owned()))
        })
        .collect();
    builders::say(&ask, &lines).await
}

#[cfg(test)]
mod tests {
    use crate::model::Results;
    use crate::status::irc::fixture::Stage;

    #[tokio::test]
    async fn the_last_build_is_told() {
        let stage = Stage::new().await;
        stage.says("alice", "#a", "last", &["runtests: no build yet"]).await;
        stage.built("runtests", Results::Success).await;
        stage.built("runtests", Results::Failure).await;
        stage.building("runtests").await;
        let failed = "runtests: last build #2 failed (state) 0 seconds ago";
        stage.says("alice", "#a", "last", &[failed]).await;
        stage.says("alice", "#a", "last runtests", &[failed]).await;
        stage.says("alice", "#a", "last all", &["docs: no build yet", failed]).await;
        stage.says("alice", "#a", "last nonsense", &["there is no builder 'nonsense'"]).await;
    }
}
