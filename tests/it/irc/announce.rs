//! Builds are announced where people want to hear of them, once.

use super::{Chat, Server, two};
use crate::world::run;

const URL: &str = "http://bb.example.org/builders/1/builds";

#[test]
fn a_forced_build_is_announced_in_the_channel() {
    run(async {
        let server = Server::start().await;
        let (mut olga, mut alice) = two(&server).await;
        let options = "notify_events = [\"started\", \"failure\"]\nallowForce = true";
        let mut chat = Chat::joined(&server, "exit 1", options).await;
        let worker = chat.worker().await;
        alice.asks("force build b it is time", "a build of b is in the queue").await;
        chat.master.build_finished().await;
        let started = format!(":build #1 of b started: {URL}/1");
        let failed = format!(
            "build #1 of b failed (failed 'sh -c ...' (failure)) with changes by \
            alice on #dev: {URL}/1"
        );
        olga.hears(&started).await;
        let line = olga.hears("build #1 of b failed").await;
        assert!(line.ends_with(&failed) || line.contains(&format!("{URL}/1")), "{line}");
        // The channel was told; the one who forced it is not told the same there again.
        alice.hears("build #1 of b failed").await;
        let line = alice.asks("last", "b: last build").await;
        assert!(line.contains("#1 failed"), "{line}");
        worker.stop().await;
        chat.stop().await;
    });
}

#[test]
fn the_one_who_forced_a_build_is_told_of_its_end() {
    run(async {
        let server = Server::start().await;
        let (_olga, mut alice) = two(&server).await;
        let chat = Chat::joined(&server, "true", "allowForce = true").await;
        let worker = chat.worker().await;
        alice.say("bot", "force build b").await;
        alice.hears("a build of b is in the queue").await;
        let line = alice.hears("build #1 of b succeeded").await;
        assert!(line.contains("PRIVMSG alice :build #1"), "{line}");
        worker.stop().await;
        chat.stop().await;
    });
}

#[test]
fn what_happened_while_the_bot_was_away_is_told_once() {
    run(async {
        let mut server = Server::start().await;
        let options = "notify_events = [\"finished\"]\nallowForce = true";
        let mut chat = Chat::joined(&server, "true", options).await;
        let worker = chat.worker().await;
        force(&chat).await;
        chat.master.build_finished().await;
        let (_olga, mut alice) = two(&server).await;
        force(&chat).await;
        chat.master.build_finished().await;
        alice.hears("build #2 of b succeeded").await;
        server.kill();
        force(&chat).await;
        chat.master.build_finished().await;
        server.begin().await;
        let mut olga = super::Person::enter(&server, "olga", "#dev").await;
        olga.sees_the_bot().await;
        // Whether olga came before or after the bot: what it says is not told twice.
        force(&chat).await;
        chat.master.build_finished().await;
        let line = olga.hears("of b succeeded").await;
        let line = if line.contains("#3") { olga.hears("of b succeeded").await } else { line };
        assert!(line.contains("build #4"), "{line}");
        worker.stop().await;
        chat.stop().await;
    });
}

#[test]
fn a_restarted_master_goes_on_in_the_stream() {
    run(async {
        let server = Server::start().await;
        let (mut olga, _alice) = two(&server).await;
        let options = "notify_events = [\"finished\"]";
        let mut chat = Chat::joined(&server, "true", options).await;
        let worker = chat.worker().await;
        force(&chat).await;
        chat.master.build_finished().await;
        olga.hears("build #1 of b succeeded").await;
        worker.stop().await;
        let mut chat = chat.restart(&server, "true", options).await;
        chat.bot_is_in("#dev").await;
        let worker = chat.worker().await;
        force(&chat).await;
        chat.master.build_finished().await;
        let line = olga.hears("of b succeeded").await;
        assert!(line.contains("build #2"), "{line}");
        worker.stop().await;
        chat.stop().await;
    });
}

async fn force(chat: &Chat) {
    use buildbot::actors::scheduler::ForceRequest;
    let request = ForceRequest { owner: "ann".into(), ..ForceRequest::default() };
    chat.master.handles.control.force("force", request).await.expect("a forced build");
}
