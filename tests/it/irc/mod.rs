//! The IRC bot on a real server, with people who talk to it.

mod announce;
mod commands;
mod misfortune;
mod people;
mod person;
mod scripted;
mod secure;
mod server;

use buildbot::status::irc::{IrcBots, IrcFront, IrcHandle};

use crate::world::{Place, TestMaster, TestWorker, eventually};
pub use person::Person;
pub use server::Server;

/// A master with the builder `b` on worker `w1`, and a bot called `bot` in `#dev`.
pub struct Chat {
    pub place: Place,
    pub master: TestMaster,
    pub bots: IrcBots,
}

/// What the bot has in every test: quick to come back, and no limits.
const QUICK: &str = "lostDelay = 0.05\nfailedDelay = 0.1\nfloodInterval = 0\nuseColors = false\n";

/// A configuration with these lines in the table of the bot.
pub fn config(port: u16, command: &str, options: &str) -> String {
    let channels = if options.contains("channels =") { "" } else { "channels = [\"#dev\"]\n" };
    format!(
        r#"
buildbotURL = "http://bb.example.org/"
[[workers]]
name = "w1"
password = "pass"
[[builders]]
name = "b"
workernames = ["w1"]
tags = ["fast"]
[[builders.steps]]
type = "ShellCommand"
command = ["sh", "-c", "{command}"]
[[schedulers]]
type = "ForceScheduler"
name = "force"
builderNames = ["b"]
[[services]]
type = "IRC"
host = "127.0.0.1"
port = {port}
nick = "bot"
{channels}{QUICK}{options}
"#
    )
}

impl Chat {
    /// Starts the master; the bot is on its way to the server.
    pub async fn start(port: u16, command: &str, options: &str) -> Chat {
        let place = Place::new();
        let (master, bots) = launch(&place, port, command, options).await;
        Chat { place, master, bots }
    }

    /// Starts the master and waits for the bot in `#dev`.
    pub async fn joined(server: &Server, command: &str, options: &str) -> Chat {
        let chat = Chat::start(server.port, command, options).await;
        chat.bot_is_in("#dev").await;
        chat
    }

    pub async fn worker(&self) -> TestWorker {
        self.place.worker(&self.master, "w1").await
    }

    pub fn bot(&self) -> IrcHandle {
        self.bots.get("IRC").expect("a bot")
    }

    pub async fn bot_is_in(&self, channel: &str) {
        eventually("the bot joins", || {
            let channels = self.bot().channels();
            channels.iter().any(|(name, trouble)| name == channel && trouble.is_none())
        })
        .await;
    }

    /// Stops the master and starts it again, after `meanwhile`.
    pub async fn restart(self, server: &Server, command: &str, options: &str) -> Chat {
        let Chat { place, master, .. } = self;
        master.halt().await;
        let (master, bots) = launch(&place, server.port, command, options).await;
        Chat { place, master, bots }
    }

    pub async fn stop(self) {
        self.master.halt().await;
    }
}

async fn launch(place: &Place, port: u16, command: &str, options: &str) -> (TestMaster, IrcBots) {
    let bots = IrcBots::default();
    let mut setup = place.setup(&config(port, command, options));
    setup.status.push(Box::new(IrcFront::new(bots.clone())));
    (place.start(setup).await, bots)
}

/// Two people in `#dev`, the first of them its operator.
pub async fn two(server: &Server) -> (Person, Person) {
    let olga = Person::enter(server, "olga", "#dev").await;
    let alice = Person::enter(server, "alice", "#dev").await;
    (olga, alice)
}
