//! The way in: capabilities, SASL, a nick that is free. What the server says goes in, lines to
//! send come out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use irc_proto::{CapSubCommand, Command, Message, Response};

use super::names;

/// Nicks tried before the server is given up for now.
const NICKS: u32 = 20;

/// Bytes of a piece of an answer to `AUTHENTICATE`.
const PIECE: usize = 400;

/// What tells who people are and whether they are there; asked for where the server has it.
const USEFUL: [&str; 5] =
    ["account-notify", "account-tag", "away-notify", "extended-join", "multi-prefix"];

/// How the bot wants to be known.
#[derive(Clone)]
pub struct Wish {
    pub nick: String,
    /// With SASL the services' password of the nick, otherwise the server's.
    pub password: Option<String>,
    pub sasl: bool,
}

/// A connection that is not registered yet.
pub struct SignOn {
    wish: Wish,
    /// How many nicks were refused.
    refused: u32,
    offered: Vec<String>,
    authenticated: bool,
}

/// What follows from a line of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send these and go on; often none.
    Send(Vec<String>),
    /// Registered, under this nick.
    Done { nick: String },
    /// No way in; the text is for people and holds no password.
    Failed(String),
}

impl SignOn {
    pub fn new(wish: Wish) -> SignOn {
        SignOn { wish, refused: 0, offered: Vec::new(), authenticated: false }
    }

    /// The first lines.
    pub fn begin(&self) -> Vec<String> {
        let Wish { nick, password, sasl } = &self.wish;
        let mut lines = vec!["CAP LS 302".to_owned()];
        if let Some(password) = password.as_ref().filter(|_| !sasl) {
            lines.push(format!("PASS :{password}"));
        }
        lines.push(format!("NICK {nick}"));
        lines.push(format!("USER {} 0 * :Buildbot", user_name(nick)));
        lines
    }

    /// The server said this.
    pub fn hear(&mut self, message: &Message) -> Step {
        match &message.command {
            Command::PING(token, _) => Step::Send(vec![format!("PONG :{token}")]),
            Command::CAP(_, CapSubCommand::LS, more, list) => self.offers(more, list),
            Command::CAP(_, CapSubCommand::ACK, ..) => self.granted(),
            Command::CAP(_, CapSubCommand::NAK, ..) => self.not_granted(),
            Command::AUTHENTICATE(_) => Step::Send(self.credentials()),
            Command::ERROR(text) => Step::Failed(format!("the server closed the link: {text}")),
            Command::Response(response, args) => self.reply(*response, args),
            _ => Step::Send(Vec::new()),
        }
    }

    fn reply(&mut self, response: Response, args: &[String]) -> Step {
        let text = args.last().map(String::as_str).unwrap_or_default();
        match response {
            Response::RPL_WELCOME if self.wish.sasl && !self.authenticated => Step::Failed(
                "the server does not offer SASL; set useSASL = false, and the password goes to \
                 NickServ"
                    .to_owned(),
            ),
            Response::RPL_WELCOME => {
                let nick = args.first().cloned().unwrap_or_else(|| self.nick());
                Step::Done { nick }
            }
            Response::ERR_NICKNAMEINUSE
            | Response::ERR_ERRONEOUSNICKNAME
            | Response::ERR_NICKCOLLISION
            | Response::ERR_UNAVAILRESOURCE => self.another_nick(text),
            Response::RPL_SASLSUCCESS => {
                self.authenticated = true;
                Step::Send(vec!["CAP END".to_owned()])
            }
            Response::ERR_SASLFAIL
            | Response::ERR_SASLTOOLONG
            | Response::ERR_SASLABORT
            | Response::ERR_NICKLOCKED => Step::Failed(format!(
                "the services refuse nick '{}' and its password by SASL: {text}",
                self.wish.nick
            )),
            Response::ERR_PASSWDMISMATCH => {
                Step::Failed(format!("the server refuses the password: {text}"))
            }
            Response::ERR_YOUREBANNEDCREEP => {
                Step::Failed(format!("the server has banned this bot: {text}"))
            }
            _ => Step::Send(Vec::new()),
        }
    }

    fn another_nick(&mut self, text: &str) -> Step {
        self.refused += 1;
        match self.refused > NICKS {
            true => Step::Failed(format!(
                "nick '{}' and {NICKS} others like it are refused: {text}",
                self.wish.nick
            )),
            false => Step::Send(vec![format!("NICK {}", self.nick())]),
        }
    }

    fn nick(&self) -> String {
        names::alternative(&self.wish.nick, self.refused)
    }

    /// The list of capabilities comes in one line or several; all but the last have a `*`.
    fn offers(&mut self, more: &Option<String>, list: &Option<String>) -> Step {
        let (list, last) = match (more, list) {
            (Some(_), Some(list)) => (list, false),
            (Some(list), None) | (None, Some(list)) => (list, true),
            (None, None) => return Step::Send(vec!["CAP END".to_owned()]),
        };
        let names = list.split(' ').filter(|name| !name.is_empty());
        let names = names.map(|name| name.split('=').next().unwrap_or(name).to_owned());
        self.offered.extend(names.take(200));
        if !last {
            return Step::Send(Vec::new());
        }
        let has = |name: &&str| self.offered.iter().any(|offered| offered == name);
        let mut wanted: Vec<&str> = USEFUL.into_iter().filter(has).collect();
        wanted.extend(Some("sasl").filter(|_| self.wish.sasl).filter(has));
        match wanted.is_empty() {
            true => Step::Send(vec!["CAP END".to_owned()]),
            false => Step::Send(vec![format!("CAP REQ :{}", wanted.join(" "))]),
        }
    }

    fn granted(&self) -> Step {
        let sasl = self.wish.sasl && self.offered.iter().any(|offered| offered == "sasl");
        let next = if sasl { "AUTHENTICATE PLAIN" } else { "CAP END" };
        Step::Send(vec![next.to_owned()])
    }

    fn not_granted(&self) -> Step {
        match self.wish.sasl {
            true => Step::Failed("the server offers SASL and then refuses it".to_owned()),
            false => Step::Send(vec!["CAP END".to_owned()]),
        }
    }

    /// The answer of SASL PLAIN, in pieces.
    fn credentials(&self) -> Vec<String> {
        let Wish { nick, password, .. } = &self.wish;
        let password = password.as_deref().unwrap_or_default();
        let code = BASE64.encode(format!("{nick}\0{nick}\0{password}"));
        let pieces = code.as_bytes().chunks(PIECE);
        let mut lines: Vec<String> = pieces
            .map(|piece| format!("AUTHENTICATE {}", String::from_utf8_lossy(piece)))
            .collect();
        if code.len().is_multiple_of(PIECE) {
            lines.push("AUTHENTICATE +".to_owned());
        }
        lines
    }
}

/// What stands before the `@` in the bot's address: servers take letters and digits only.
fn user_name(nick: &str) -> String {
    let name: String = nick.chars().filter(char::is_ascii_alphanumeric).take(9).collect();
    if name.is_empty() { "buildbot".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(password: Option<&str>, sasl: bool) -> Wish {
        Wish { nick: "bot".to_owned(), password: password.map(str::to_owned), sasl }
    }

    /// What follows from each line of the server.
    fn steps(wish: Wish, lines: &[&str]) -> Vec<Step> {
        let mut sign_on = SignOn::new(wish);
        lines.iter().map(|line| sign_on.hear(&line.parse().unwrap())).collect()
    }

    fn send(lines: &[&str]) -> Step {
        Step::Send(lines.iter().map(|line| (*line).to_owned()).collect())
    }

    fn done(nick: &str) -> Step {
        Step::Done { nick: nick.to_owned() }
    }

    #[test]
    fn a_plain_server_lets_in() {
        let begin = SignOn::new(wish(Some("pass word"), false)).begin();
        assert_eq!(begin, ["CAP LS 302", "PASS :pass word", "NICK bot", "USER bot 0 * :Buildbot"]);
        let heard = steps(
            wish(None, false),
            &[":s 421 * CAP :Unknown command", "PING :abc", ":s 001 bot :Welcome"],
        );
        assert_eq!(heard, [send(&[]), send(&["PONG :abc"]), done("bot")]);
    }

    #[test]
    fn useful_capabilities_are_asked_for() {
        let heard = steps(
            wish(None, false),
            &[
                ":s CAP * LS * :multi-prefix batch",
                ":s CAP * LS :account-tag sasl=PLAIN away-notify",
                ":s CAP bot ACK :account-tag away-notify multi-prefix",
                ":s 001 bot :Welcome",
            ],
        );
        let wanted = "CAP REQ :account-tag away-notify multi-prefix";
        assert_eq!(heard, [send(&[]), send(&[wanted]), send(&["CAP END"]), done("bot")]);
        assert_eq!(steps(wish(None, false), &[":s CAP * LS :batch"]), [send(&["CAP END"])]);
    }

    #[test]
    fn sasl_comes_before_the_end_of_capabilities() {
        let begin = SignOn::new(wish(Some("pw"), true)).begin();
        assert!(!begin.concat().contains("pw"), "{begin:?}");
        let heard = steps(
            wish(Some("pw"), true),
            &[
                ":s CAP * LS :sasl",
                ":s CAP bot ACK :sasl",
                "AUTHENTICATE +",
                ":s 900 bot bot!b@h bot :You are now logged in as bot",
                ":s 903 bot :SASL authentication successful",
                ":s 001 bot :Welcome",
            ],
        );
        let code = format!("AUTHENTICATE {}", BASE64.encode("bot\0bot\0pw"));
        let expected = [
            send(&["CAP REQ :sasl"]),
            send(&["AUTHENTICATE PLAIN"]),
            send(&[&code]),
            send(&[]),
            send(&["CAP END"]),
            done("bot"),
        ];
        assert_eq!(heard, expected);
    }

    #[test]
    fn refusals_are_told_without_the_password() {
        let table: [(bool, &[&str], &str); 5] = [
            (true, &[":s 904 bot :SASL authentication failed"], "by SASL: SASL authentication"),
            (true, &[":s CAP * LS :batch", ":s 001 bot :Hi"], "does not offer SASL"),
            (false, &[":s 464 bot :Password incorrect"], "refuses the password"),
            (false, &["ERROR :Closing link: banned"], "closed the link: Closing link: banned"),
            (false, &[":s 465 bot :You are banned"], "has banned this bot"),
        ];
        for (sasl, lines, expected) in table {
            match steps(wish(Some("s3cret"), sasl), lines).pop() {
                Some(Step::Failed(text)) => {
                    assert!(text.contains(expected) && !text.contains("s3cret"), "{text}");
                }
                other => panic!("{lines:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_taken_nick_is_followed_by_others() {
        let taken = ":s 433 * bot :Nickname already in use";
        let heard = steps(wish(None, false), &[taken, taken, taken, ":s 001 bo1 :Welcome"]);
        let expected =
            [send(&["NICK bot_"]), send(&["NICK bot__"]), send(&["NICK bo1"]), done("bo1")];
        assert_eq!(heard, expected);
        let all = steps(wish(None, false), &[taken; 21]);
        assert!(matches!(all.last(), Some(Step::Failed(_))));
    }

    #[test]
    fn long_credentials_come_in_pieces() {
        for length in [10, 290, 292, 700] {
            let password = "x".repeat(length);
            let lines = SignOn::new(wish(Some(&password), true)).credentials();
            let pieces: Vec<&str> =
                lines.iter().map(|line| line.strip_prefix("AUTHENTICATE ").unwrap()).collect();
            assert!(pieces.iter().all(|piece| piece.len() <= PIECE));
            let whole = pieces.concat();
            let code = BASE64.encode(format!("bot\0bot\0{password}"));
            assert_eq!(whole.trim_end_matches('+'), code);
            assert!(pieces.last().unwrap().len() < PIECE, "{length}");
        }
    }
}
