//! Somebody is told something in private, and the record says whether they saw it.

use buildbot::status::irc::How;

use super::{Chat, Person, Server, two};
use crate::world::{eventually, run};

#[test]
fn whoever_is_there_is_told_and_seen_to_answer() {
    run(async {
        let server = Server::start().await;
        let (_olga, mut alice) = two(&server).await;
        let chat =
            Chat::joined(&server, "true", "lookup = { \"alice@example.org\" = \"alice\" }").await;
        alice.asks("version", "This is buildbot").await;
        let delivery = chat.bot().tell("alice@example.org", "your build failed").await;
        alice.hears("PRIVMSG alice :your build failed").await;
        assert_eq!((delivery.how, delivery.nick.as_deref()), (How::Told, Some("alice")));
        assert!(delivery.seen_likelihood > 0.9, "{delivery:?}");
        assert!(chat.bot().seen("alice") < 1.0);
        // Times are in seconds: only in the next one is it certain that this came later.
        eventually("alice has spoken since", || buildbot::model::now() > delivery.at).await;
        alice.say("#dev", "oh dear").await;
        eventually("the answer counts", || chat.bot().seen("alice") == 1.0).await;
        chat.stop().await;
    });
}

#[test]
fn whoever_is_away_or_gone_is_told_so() {
    run(async {
        let server = Server::start().await;
        let (mut olga, alice) = two(&server).await;
        let chat = Chat::joined(&server, "true", "sameAsNick = true").await;
        olga.send("AWAY :lunch").await;
        olga.hears(" 306 ").await;
        let delivery = chat.bot().tell("Olga <olga@example.org>", "hello").await;
        assert_eq!(delivery.how, How::Away);
        assert!(delivery.seen_likelihood < 0.1, "{delivery:?}");
        olga.hears("PRIVMSG olga :hello").await;
        drop(alice);
        olga.hears("QUIT").await;
        let delivery = chat.bot().tell("alice", "hello").await;
        assert_eq!((delivery.how, delivery.seen_likelihood), (How::Offline, 0.0));
        let delivery = chat.bot().tell("1st nobody", "hello").await;
        assert_eq!((delivery.how, delivery.nick), (How::Unknown, None));
        chat.stop().await;
    });
}

#[test]
fn presence_follows_people() {
    run(async {
        let server = Server::start().await;
        let (_olga, mut alice) = two(&server).await;
        let chat = Chat::joined(&server, "true", "sameAsNick = true").await;
        let standing = |nick: &'static str| {
            let bot = chat.bot();
            async move { bot.presence(nick).await.standing.name() }
        };
        alice.asks("seen olga", "olga is here").await;
        alice.send("NICK ally").await;
        alice.hears("NICK :ally").await;
        alice.asks("seen ally", "ally is here, and spoke 0 seconds ago").await;
        assert_eq!((standing("ally").await, standing("alice").await), ("here", "unknown"));
        let mut bob = Person::enter(&server, "bob", "#dev").await;
        bob.asks("seen bob", "bob is here").await;
        bob.send("PART #dev").await;
        alice.hears("PART #dev").await;
        alice.asks("seen bob", "bob is gone (left the channel").await;
        chat.stop().await;
    });
}

#[test]
fn the_people_of_a_build_are_told_in_private() {
    run(async {
        let server = Server::start().await;
        let (_olga, mut alice) = two(&server).await;
        let options = "notify_people = [\"failure\"]\nsameAsNick = true";
        let chat = Chat::joined(&server, "exit 1", options).await;
        let worker = chat.worker().await;
        use buildbot::actors::scheduler::ForceRequest;
        let request = ForceRequest { owner: "alice".into(), ..ForceRequest::default() };
        chat.master.handles.control.force("force", request).await.expect("a forced build");
        let line = alice.hears("PRIVMSG alice :build #1 of b failed").await;
        assert!(line.contains("http://bb.example.org/builders/1/builds/1"), "{line}");
        worker.stop().await;
        chat.stop().await;
    });
}
