//! Which channels the bot wants to be in, and when it tries again after a kick or a refusal.

use indexmap::IndexMap;

use super::backoff;
use super::names::fold;
use crate::model::Timestamp;

/// The pause after the first kick or refusal in seconds, and the longest one.
const FIRST_S: i64 = 10;
const LONGEST_S: i64 = 600;
/// How long an unanswered attempt counts.
const ANSWER_S: i64 = 60;

/// The channels by folded name, in the order of the configuration.
#[derive(Debug, Default)]
pub struct Channels(IndexMap<String, Channel>);

/// One wanted channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    pub name: String,
    pub key: Option<String>,
    pub joined: bool,
    /// Kicks and refusals since the bot last stayed.
    failures: u32,
    /// When to try (again).
    due: Timestamp,
    joined_at: Timestamp,
    /// Why the bot is not there, for people.
    pub trouble: Option<String>,
}

impl Channels {
    /// The bot wants to be there from now on.
    pub fn want(&mut self, name: &str, key: Option<&str>) {
        let channel = Channel {
            name: name.to_owned(),
            key: key.map(str::to_owned),
            joined: false,
            failures: 0,
            due: 0,
            joined_at: 0,
            trouble: None,
        };
        self.0.entry(fold(name)).or_insert(channel).due = 0;
    }

    /// The bot no longer wants to be there.
    pub fn forget(&mut self, name: &str) {
        self.0.shift_remove(&fold(name));
    }

    pub fn iter(&self) -> impl Iterator<Item = &Channel> {
        self.0.values()
    }

    /// Names of the channels that the bot is in.
    pub fn joined_names(&self) -> Vec<String> {
        self.iter().filter(|channel| channel.joined).map(|channel| channel.name.clone()).collect()
    }

    /// The channels to try now; asking counts as an attempt.
    pub fn due(&mut self, now: Timestamp) -> Vec<(String, Option<String>)> {
        let waiting = |channel: &&mut Channel| !channel.joined && channel.due <= now;
        let due = self.0.values_mut().filter(waiting).map(|channel| {
            channel.due = now + ANSWER_S;
            (channel.name.clone(), channel.key.clone())
        });
        due.collect()
    }

    /// The bot came in.
    pub fn joined(&mut self, name: &str, now: Timestamp) {
        if let Some(channel) = self.0.get_mut(&fold(name)) {
            (channel.joined, channel.joined_at, channel.trouble) = (true, now, None);
        }
    }

    /// The bot was kicked, was sent away, or may not come in.
    pub fn refused(&mut self, name: &str, why: &str, now: Timestamp) {
        let Some(channel) = self.0.get_mut(&fold(name)) else { return };
        if channel.joined && now - channel.joined_at > LONGEST_S {
            channel.failures = 0;
        }
        channel.joined = false;
        channel.due = now + backoff::doubled(FIRST_S, channel.failures, LONGEST_S);
        channel.failures += 1;
        channel.trouble = Some(why.to_owned());
    }

    /// The connection is gone; all are tried with the next one.
    pub fn lost(&mut self) {
        for channel in self.0.values_mut() {
            (channel.joined, channel.due) = (false, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kick_is_followed_by_ever_longer_pauses() {
        let mut channels = Channels::default();
        channels.want("#A", Some("key"));
        let mut now = 0;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let since = now;
            while channels.due(now).is_empty() {
                now += 1;
            }
            pauses.push(now - since);
            channels.joined("#a", now);
            channels.refused("#a", "kicked by eve", now);
        }
        assert_eq!(pauses, [0, 10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(channels.iter().next().unwrap().trouble.as_deref(), Some("kicked by eve"));
    }

    #[test]
    fn somebody_who_stayed_long_begins_anew() {
        let mut channels = Channels::default();
        channels.want("#a", None);
        for _ in 0..5 {
            channels.refused("#a", "banned", 0);
        }
        channels.joined("#a", 1000);
        channels.refused("#a", "kicked", 2000);
        assert_eq!((channels.due(2009).len(), channels.due(2010).len()), (0, 1));
    }

    #[test]
    fn an_attempt_without_an_answer_is_repeated() {
        let mut channels = Channels::default();
        channels.want("#a", Some("key"));
        assert_eq!(channels.due(5), [("#a".to_owned(), Some("key".to_owned()))]);
        assert!(channels.due(6).is_empty());
        assert_eq!(channels.due(65).len(), 1);
        channels.joined("#A", 66);
        assert_eq!(channels.joined_names(), ["#a"]);
        channels.lost();
        assert_eq!(channels.due(66).len(), 1);
        channels.forget("#A");
        assert!(channels.due(1000).is_empty());
    }
}
