//! Questions to the server, and who waits for their answers. An answer comes in several lines; the
//! last of them wakes those who wait.

use std::collections::HashMap;

use tokio::sync::oneshot;

use crate::flow::irc::names::fold;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Who is in a channel; presence has the answer when it is complete.
    Names(String),
    Whois(String),
    /// Has the server dealt with everything that was said to this nick before?
    Reached(String),
}

/// What the server said about a nick; all of it empty for [`Question::Names`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// There is nobody of that nick.
    pub absent: bool,
    pub away: bool,
    pub account: Option<String>,
    /// Seconds since the person last said anything anywhere.
    pub idle: Option<i64>,
}

/// The open questions.
#[derive(Default)]
pub struct Queries {
    open: HashMap<Key, (Answer, Vec<oneshot::Sender<Answer>>)>,
    /// Makes each probe another one.
    probes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Names(String),
    Whois(String),
    /// The probe's token, and the folded nick that it is about.
    Probe(String, String),
}

impl Queries {
    /// Asks; the line is to be sent, unless the same has been asked already.
    pub fn ask(&mut self, question: &Question) -> (Option<String>, oneshot::Receiver<Answer>) {
        let (key, line) = match question {
            Question::Names(channel) => (Key::Names(fold(channel)), format!("NAMES {channel}")),
            // Twice the nick: only the person's own server knows how long they have been idle.
            Question::Whois(nick) => (Key::Whois(fold(nick)), format!("WHOIS {nick} {nick}")),
            Question::Reached(nick) => {
                self.probes += 1;
                let token = format!("told-{}", self.probes);
                let line = format!("PING :{token}");
                (Key::Probe(token, fold(nick)), line)
            }
        };
        let (reply, answer) = oneshot::channel();
        let (_, waiting) = self.open.entry(key).or_default();
        // Those who gave up do not hold the question open.
        waiting.retain(|waiting| !waiting.is_closed());
        waiting.push(reply);
        (Some(line).filter(|_| waiting.len() == 1), answer)
    }

    /// The server says something about a nick.
    pub fn learn(&mut self, nick: &str, learn: impl Fn(&mut Answer)) {
        let nick = fold(nick);
        for (key, (answer, _)) in &mut self.open {
            if matches!(key, Key::Whois(of) | Key::Probe(_, of) if *of == nick) {
                learn(answer);
            }
        }
    }

    /// The list of a channel is complete.
    pub fn names_end(&mut self, channel: &str) {
        self.end(&Key::Names(fold(channel)));
    }

    /// All is said about a nick.
    pub fn whois_end(&mut self, nick: &str) {
        self.end(&Key::Whois(fold(nick)));
    }

    /// The server has answered a probe.
    pub fn pong(&mut self, token: &str) {
        let key = self.open.keys().find(|key| matches!(key, Key::Probe(of, _) if of == token));
        if let Some(key) = key.cloned() {
            self.end(&key);
        }
    }

    fn end(&mut self, key: &Key) {
        let Some((answer, waiting)) = self.open.remove(key) else { return };
        for waiting in waiting {
            let _ = waiting.send(answer.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_who_asked_is_answered_once() {
        let mut queries = Queries::default();
        let (line, mut first) = queries.ask(&Question::Whois("Alice".to_owned()));
        assert_eq!(line.as_deref(), Some("WHOIS Alice Alice"));
        let (line, mut second) = queries.ask(&Question::Whois("alice".to_owned()));
        assert_eq!(line, None);
        queries.learn("ALICE", |answer| answer.idle = Some(5));
        queries.learn("bob", |answer| answer.away = true);
        queries.whois_end("alice");
        let expected = Answer { idle: Some(5), ..Answer::default() };
        assert_eq!(
            (first.try_recv().unwrap(), second.try_recv().unwrap()),
            (expected.clone(), expected)
        );
        queries.whois_end("alice");
    }

    #[test]
    fn a_probe_learns_what_came_before_it() {
        let mut queries = Queries::default();
        let (line, mut answer) = queries.ask(&Question::Reached("alice".to_owned()));
        assert_eq!(line.as_deref(), Some("PING :told-1"));
        queries.learn("Alice", |answer| answer.absent = true);
        queries.pong("told-2");
        assert!(answer.try_recv().is_err());
        queries.pong("told-1");
        assert!(answer.try_recv().unwrap().absent);
    }

    #[test]
    fn a_question_that_was_given_up_is_asked_again() {
        let mut queries = Queries::default();
        drop(queries.ask(&Question::Names("#a".to_owned())));
        assert_eq!(queries.ask(&Question::Names("#A".to_owned())).0.as_deref(), Some("NAMES #A"));
    }
}
