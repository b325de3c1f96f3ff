//! Somebody on IRC: a small client that says what it is told and waits for what it shall hear.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::server::Server;

/// The longest a line may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Person {
    pub nick: String,
    lines: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
}

impl Person {
    /// Connects under a nick.
    pub async fn connect(port: u16, nick: &str) -> Person {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a server");
        let (read, writer) = stream.into_split();
        let lines = BufReader::new(read).lines();
        let mut person = Person { nick: nick.to_owned(), lines, writer };
        person.send(&format!("NICK {nick}")).await;
        person.send(&format!("USER {nick} 0 * :{nick}")).await;
        person.hears(" 376 ").await;
        person
    }

    /// Connects and joins a channel.
    pub async fn enter(server: &Server, nick: &str, channel: &str) -> Person {
        let mut person = Person::connect(server.port, nick).await;
        person.send(&format!("JOIN {channel}")).await;
        person.hears(" 366 ").await;
        person
    }

    pub async fn send(&mut self, line: &str) {
        self.writer.write_all(format!("{line}\r\n").as_bytes()).await.expect("a connection");
    }

    /// Says something in a channel or to somebody.
    pub async fn say(&mut self, target: &str, text: &str) {
        self.send(&format!("PRIVMSG {target} :{text}")).await;
    }

    /// Waits for a line that has this in it.
    pub async fn hears(&mut self, what: &str) -> String {
        let (nick, mut heard) = (self.nick.clone(), Vec::new());
        let wanted = async {
            while let Some(line) = self.lines.next_line().await.expect("a connection") {
                if let Some(token) = line.strip_prefix("PING ") {
                    let pong = format!("PONG {token}\r\n");
                    self.writer.write_all(pong.as_bytes()).await.expect("a connection");
                }
                if line.contains(what) {
                    return line;
                }
                heard.push(line);
            }
            panic!("the connection ended before '{what}'");
        };
        let outcome = tokio::time::timeout(PATIENCE, wanted).await;
        outcome.unwrap_or_else(|_| panic!("{nick} waited in vain for '{what}': {heard:#?}"))
    }

    /// Asks the bot in `#dev`; waits for an answer with this in it.
    pub async fn asks(&mut self, command: &str, answer: &str) -> String {
        self.say("#dev", &format!("bot: {command}")).await;
        self.hears(answer).await
    }

    /// Waits until the bot is in `#dev`.
    pub async fn sees_the_bot(&mut self) {
        loop {
            self.send("NAMES #dev").await;
            let names = self.hears(" 353 ").await;
            let there = names.split([' ', ':', '@']).any(|name| name == "bot");
            self.hears(" 366 ").await;
            if there {
                return;
            }
        }
    }
}
