//! What ngircd does not have: SASL, services, accounts, netsplits. A server of a few lines says
//! what the test wants.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::Chat;
use crate::world::{eventually, run, soon};

struct Script {
    lines: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
}

impl Script {
    async fn accept(listener: &TcpListener) -> Script {
        let (stream, _): (TcpStream, _) =
            soon("the bot connects", listener.accept()).await.expect("a connection");
        let (read, writer) = stream.into_split();
        Script { lines: BufReader::new(read).lines(), writer }
    }

    async fn says(&mut self, line: &str) {
        self.writer.write_all(format!("{line}\r\n").as_bytes()).await.expect("a connection");
    }

    /// Waits for a line that begins like this.
    async fn hears(&mut self, start: &str) -> String {
        let wanted = async {
            while let Some(line) = self.lines.next_line().await.expect("a connection") {
                if line.starts_with(start) {
                    return line;
                }
            }
            panic!("the connection ended before '{start}'");
        };
        soon(&format!("the bot says '{start}'"), wanted).await
    }

    /// Lets the bot in, with these capabilities.
    async fn welcomes(&mut self, capabilities: &str) {
        self.hears("USER ").await;
        self.says(&format!(":s CAP * LS :{capabilities}")).await;
        if capabilities.is_empty() {
            self.hears("CAP END").await;
        } else {
            let asked = self.hears("CAP REQ ").await;
            self.says(&format!(":s CAP bot ACK {}", asked.trim_start_matches("CAP REQ "))).await;
        }
        self.says(":s 001 bot :Welcome").await;
        self.says(":s 005 bot NETWORK=testnet :are supported").await;
    }

    async fn lets_join(&mut self, names: &str) {
        self.hears("JOIN #dev").await;
        self.says(":bot!b@h JOIN #dev").await;
        self.says(&format!(":s 353 bot = #dev :{names}")).await;
        self.says(":s 366 bot #dev :End of /NAMES list.").await;
    }
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    (listener, port)
}

#[test]
fn sasl_comes_before_everything_else() {
    run(async {
        let (listener, port) = listen().await;
        let chat = Chat::start(port, "true", "useSASL = true\npassword = \"s3cret\"").await;
        let mut server = Script::accept(&listener).await;
        server.hears("USER ").await;
        server.says(":s CAP * LS :sasl=PLAIN").await;
        assert_eq!(server.hears("CAP REQ").await, "CAP REQ :sasl");
        server.says(":s CAP bot ACK :sasl").await;
        assert_eq!(server.hears("AUTH").await, "AUTHENTICATE PLAIN");
        server.says("AUTHENTICATE +").await;
        let code = server.hears("AUTH").await;
        assert_eq!(code, format!("AUTHENTICATE {}", BASE64.encode("bot\0bot\0s3cret")));
        server.says(":s 903 bot :SASL authentication successful").await;
        server.hears("CAP END").await;
        server.says(":s 001 bot :Welcome").await;
        server.lets_join("bot").await;
        chat.bot_is_in("#dev").await;
        chat.stop().await;
    });
}

#[test]
fn a_refused_password_is_shown_without_it() {
    run(async {
        let (listener, port) = listen().await;
        let chat = Chat::start(port, "true", "useSASL = true\npassword = \"s3cret\"").await;
        let mut server = Script::accept(&listener).await;
        server.hears("USER ").await;
        server.says(":s CAP * LS :sasl").await;
        server.hears("CAP REQ").await;
        server.says(":s CAP bot ACK :sasl").await;
        server.hears("AUTHENTICATE PLAIN").await;
        server.says(":s 904 bot :SASL authentication failed").await;
        eventually("the refusal is noted", || {
            let trouble = chat.bot().status().trouble.unwrap_or_default();
            trouble.contains("SASL authentication failed") && !trouble.contains("s3cret")
        })
        .await;
        chat.stop().await;
    });
}

#[test]
fn without_sasl_nickserv_learns_the_password() {
    run(async {
        let (listener, port) = listen().await;
        let chat = Chat::start(port, "true", "password = \"s3cret\"").await;
        let mut server = Script::accept(&listener).await;
        server.welcomes("").await;
        assert_eq!(server.hears("PRIVMSG").await, "PRIVMSG NickServ :IDENTIFY s3cret");
        server.lets_join("bot").await;
        chat.bot_is_in("#dev").await;
        chat.stop().await;
    });
}

#[test]
fn accounts_are_heard_with_every_line() {
    run(async {
        let (listener, port) = listen().await;
        let options = "[services.authz]\n\"!\" = [\"account:alice\"]";
        let chat = Chat::start(port, "true", options).await;
        let mut server = Script::accept(&listener).await;
        server.welcomes("account-tag extended-join").await;
        server.lets_join("bot").await;
        server.says(":alice!a@h JOIN #dev * :Alice").await;
        server.says(":alice!a@h PRIVMSG #dev :bot: leave #x").await;
        let refused = "PRIVMSG #dev :alice: you are not allowed to say 'leave' to me";
        assert_eq!(server.hears("PRIVMSG").await, refused);
        server.says("@account=alice :ally!a@h PRIVMSG bot :leave #x").await;
        assert_eq!(server.hears("PART").await, "PART #x");
        // Somebody else who has the nick now, and no account.
        server.says(":ally!a@h PRIVMSG bot :leave #x").await;
        assert!(server.hears("PRIVMSG").await.contains("not allowed"));
        chat.stop().await;
    });
}

#[test]
fn a_netsplit_takes_people_away_and_brings_them_back() {
    run(async {
        let (listener, port) = listen().await;
        let chat = Chat::start(port, "true", "").await;
        let mut server = Script::accept(&listener).await;
        server.welcomes("").await;
        server.lets_join("bot alice").await;
        let standing = async |name: &str| {
            soon(name, async {
                while chat.bot().presence("alice").await.standing.name() != name {
                    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                }
            })
            .await;
        };
        standing("here").await;
        server.says(":alice!a@h QUIT :hub.example.org leaf.example.org").await;
        standing("on the other side of a netsplit").await;
        server.says(":alice!a@h JOIN #dev").await;
        standing("here").await;
        chat.stop().await;
    });
}

#[test]
fn a_server_that_closes_at_once_is_not_hammered_for_nothing() {
    run(async {
        let (listener, port) = listen().await;
        let chat = Chat::start(port, "true", "").await;
        for _ in 0..3 {
            let mut server = Script::accept(&listener).await;
            server.hears("USER ").await;
            server.says("ERROR :Closing Link: go away").await;
        }
        eventually("the farewell is noted", || {
            chat.bot().status().trouble.unwrap_or_default().contains("go away")
        })
        .await;
        let mut server = Script::accept(&listener).await;
        server.welcomes("").await;
        server.lets_join("bot").await;
        chat.bot_is_in("#dev").await;
        chat.stop().await;
    });
}
