//! Taken nicks, kicks, bans, keys, and servers that die.

use super::{Chat, Person, Server, two};
use crate::world::{eventually, run};

#[test]
fn a_taken_nick_is_replaced_and_regained() {
    run(async {
        let server = Server::start().await;
        let mut squatter = Person::enter(&server, "bot", "#dev").await;
        let chat = Chat::joined(&server, "true", "").await;
        assert_eq!(chat.bot().status().nick, "bot_");
        squatter.say("#dev", "bot_: version").await;
        squatter.hears("PRIVMSG #dev :This is buildbot").await;
        chat.stop().await;
    });
}

#[test]
fn a_kicked_bot_comes_back() {
    run(async {
        let server = Server::start().await;
        let (mut olga, _alice) = two(&server).await;
        let chat = Chat::joined(&server, "true", "").await;
        olga.send("KICK #dev bot :go away").await;
        eventually("the kick is noted", || {
            chat.bot().channels()
                == [("#dev".to_owned(), Some("kicked by olga: go away".to_owned()))]
        })
        .await;
        chat.bot_is_in("#dev").await;
        olga.asks("version", "This is buildbot").await;
        chat.stop().await;
    });
}

#[test]
fn a_ban_is_shown_and_tried_again() {
    run(async {
        let server = Server::start().await;
        let (mut olga, _alice) = two(&server).await;
        olga.send("MODE #dev +b bot!*@*").await;
        olga.hears("MODE #dev +b").await;
        let chat = Chat::start(server.port, "true", "").await;
        eventually("the ban is noted", || {
            let channels = chat.bot().channels();
            let trouble = channels.first().and_then(|(_, trouble)| trouble.clone());
            trouble.is_some_and(|trouble| trouble.starts_with("cannot join: "))
        })
        .await;
        olga.send("MODE #dev -b bot!*@*").await;
        chat.bot_is_in("#dev").await;
        chat.stop().await;
    });
}

#[test]
fn a_channel_with_a_key_is_joined_with_it() {
    run(async {
        let server = Server::start().await;
        let mut olga = Person::enter(&server, "olga", "#secret").await;
        olga.send("MODE #secret +k sesame").await;
        olga.hears("MODE #secret +k").await;
        let channels = "channels = [{ channel = \"#secret\", password = \"sesame\" }]";
        let chat = Chat::start(server.port, "true", channels).await;
        chat.bot_is_in("#secret").await;
        chat.stop().await;
    });
}

#[test]
fn a_bot_outlives_its_server() {
    run(async {
        let mut server = Server::start().await;
        let chat = Chat::joined(&server, "true", "").await;
        server.kill();
        eventually("the loss is noted", || chat.bot().status().trouble.is_some()).await;
        let delivery = chat.bot().tell("alice", "hello").await;
        assert_eq!(delivery.seen_likelihood, 0.0);
        server.begin().await;
        let mut olga = Person::enter(&server, "olga", "#dev").await;
        olga.sees_the_bot().await;
        olga.asks("version", "This is buildbot").await;
        chat.stop().await;
    });
}

#[test]
fn without_a_server_the_master_goes_on_and_says_why() {
    run(async {
        let mut server = Server::start().await;
        server.kill();
        let mut chat = Chat::start(server.port, "true", "").await;
        eventually("the refusal is noted", || {
            let trouble = chat.bot().status().trouble.unwrap_or_default();
            trouble.starts_with("cannot reach 127.0.0.1:") && trouble.contains("refused")
        })
        .await;
        let worker = chat.worker().await;
        use buildbot::actors::scheduler::ForceRequest;
        let control = &chat.master.handles.control;
        control.force("force", ForceRequest::default()).await.expect("a forced build");
        chat.master.build_finished().await;
        worker.stop().await;
        chat.stop().await;
    });
}

#[test]
fn a_reconfiguration_moves_the_bot() {
    run(async {
        let server = Server::start().await;
        let (mut olga, _alice) = two(&server).await;
        let chat = Chat::joined(&server, "true", "").await;
        let text = super::config(server.port, "true", "channels = [\"#dev\", \"#more\"]");
        chat.place.reconfigure(&chat.master, &text).await.expect("a good configuration");
        olga.hears("QUIT").await;
        chat.bot_is_in("#more").await;
        olga.sees_the_bot().await;
        let none =
            super::config(server.port, "true", "").split("[[services]]").next().unwrap().to_owned();
        chat.place.reconfigure(&chat.master, &none).await.expect("a good configuration");
        assert!(chat.bots.get("IRC").is_none());
        chat.stop().await;
    });
}
