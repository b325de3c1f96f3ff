//! People talk to the bot: in the channel, in private, too much.

use buildbot::model::Results;

use super::{Chat, Server, two};
use crate::world::{eventually, run};

#[test]
fn questions_are_answered_where_they_are_asked() {
    run(async {
        let server = Server::start().await;
        let (mut olga, mut alice) = two(&server).await;
        let chat = Chat::joined(&server, "true", "").await;
        let worker = chat.worker().await;
        alice.asks("list builders", "PRIVMSG #dev :I found these builders: b").await;
        alice.say("#dev", "bot, list workers").await;
        alice.hears("PRIVMSG #dev :I found these workers: w1").await;
        alice.say("bot", "status").await;
        alice.hears("PRIVMSG alice :b: idle, no build yet").await;
        alice.say("#dev", "bots: list builders").await;
        alice.say("#dev", "\u{1}ACTION kicks bot\u{1}").await;
        let line = olga.hears("ACTION").await;
        assert!(line.contains("kicks bot"), "{line}");
        olga.hears("\u{1}ACTION kicks back\u{1}").await;
        alice.say("bot", "\u{1}VERSION\u{1}").await;
        alice.hears("NOTICE alice :\u{1}VERSION Buildbot ").await;
        worker.stop().await;
        chat.stop().await;
    });
}

#[test]
fn a_running_build_is_watched_and_stopped() {
    run(async {
        let server = Server::start().await;
        let (_olga, mut alice) = two(&server).await;
        let options = "[services.authz]\n\"!\" = [\"alice\"]";
        let mut chat = Chat::joined(&server, "sleep 600", options).await;
        let worker = chat.worker().await;
        alice.asks("force build b", "a build of b is in the queue").await;
        let build = chat.master.build_started().await;
        alice.say("bot", "watch b").await;
        alice.hears("I watch build #1 of b until it ends").await;
        alice.asks("stop build b enough", "build #1 of b is told to stop").await;
        assert_eq!(chat.master.build_finished().await, (build, Results::Cancelled));
        alice.hears("PRIVMSG alice :build #1 of b was cancelled").await;
        worker.stop().await;
        chat.stop().await;
    });
}

#[test]
fn only_those_who_are_named_command() {
    run(async {
        let server = Server::start().await;
        let (mut olga, mut alice) = two(&server).await;
        let options = "[services.authz]\n\"force\" = [\"alice\"]";
        let chat = Chat::joined(&server, "true", options).await;
        olga.asks("force build b", "olga: you are not allowed to say 'force' to me").await;
        alice.asks("shutdown now", "alice: you are not allowed to say 'shutdown' to me").await;
        alice.asks("notify on failure", "only operators of #dev").await;
        olga.asks("notify on failure", "I tell here: failure").await;
        olga.asks("mute", "I say nothing more").await;
        olga.asks("unmute", "here I am again").await;
        chat.stop().await;
    });
}

#[test]
fn notifications_survive_a_restart() {
    run(async {
        let server = Server::start().await;
        let (mut olga, _alice) = two(&server).await;
        let chat = Chat::joined(&server, "true", "").await;
        olga.asks("notify on failure recovery", "I tell here: failure, recovery").await;
        let chat = chat.restart(&server, "true", "").await;
        chat.bot_is_in("#dev").await;
        olga.asks("notify list", "I tell here: failure, recovery").await;
        chat.stop().await;
    });
}

#[test]
fn a_flood_is_answered_once_and_nobody_else_suffers() {
    run(async {
        let server = Server::start().await;
        let (mut olga, mut alice) = two(&server).await;
        let chat = Chat::joined(&server, "true", "").await;
        for _ in 0..50 {
            alice.say("#dev", "bot: version").await;
        }
        alice.hears("alice: not so fast").await;
        let line = olga.asks("source", "PRIVMSG #dev :I speak").await;
        assert!(!line.contains("not so fast"));
        alice.say("#dev", "the end").await;
        olga.hears("the end").await;
        chat.stop().await;
    });
}

#[test]
fn the_master_is_shut_down_by_chat() {
    run(async {
        let server = Server::start().await;
        let (mut olga, mut alice) = two(&server).await;
        let chat = Chat::joined(&server, "true", "allowShutdown = true").await;
        alice.asks("shutdown check", "no plans to end").await;
        alice.asks("shutdown start", "I start no more builds").await;
        // Nothing runs, so that is soon.
        olga.hears("QUIT").await;
        eventually("the bot is stopped", || chat.bot().status().connected_since.is_none()).await;
        chat.stop().await;
    });
}

#[test]
fn channels_are_joined_and_left_by_command() {
    run(async {
        let server = Server::start().await;
        let (_olga, mut alice) = two(&server).await;
        let chat = Chat::joined(&server, "true", "[services.authz]\n\"!\" = true").await;
        alice.send("JOIN #other").await;
        alice.asks("join #other", "JOIN :#other").await;
        alice.asks("leave #other", "PART #other").await;
        chat.stop().await;
    });
}
