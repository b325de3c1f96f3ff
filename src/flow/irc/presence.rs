//! Who is there: what joins, parts, quits, changes of nick, netsplits and talk say about people,
//! and how likely somebody saw what was said to them.

use std::collections::{BTreeSet, HashMap};

use super::names::fold;
use crate::model::Timestamp;

/// People remembered at most; of the others those are forgotten first who left longest ago.
const PEOPLE: usize = 5000;

/// Everybody whom the bot has seen on its network. Times are in seconds.
#[derive(Debug, Default)]
pub struct Presence {
    people: HashMap<String, Person>,
}

/// One nick.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// As the network writes it.
    pub nick: String,
    /// Channels shared with the bot, folded.
    channels: BTreeSet<String>,
    /// Of these, where the person is an operator.
    operates: BTreeSet<String>,
    pub away: bool,
    /// The services account, where the network tells it.
    pub account: Option<String>,
    /// When the person last said something where the bot could hear it, or was last active.
    pub spoke: Option<Timestamp>,
    /// When the person left, and how: for people.
    pub left: Option<(Timestamp, String)>,
    /// A netsplit took the person away.
    split: bool,
    /// When the bot last told the person something in private.
    pub told: Option<Timestamp>,
    /// Users that the holder of the nick has proved to be, since joining.
    pub users: Vec<String>,
}

/// Where somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Here,
    Away,
    /// On the other side of a netsplit.
    Split,
    Gone,
    /// Never seen, or only heard of in private.
    Unknown,
}

impl Standing {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Standing::Here => "here",
            Standing::Away => "away",
            Standing::Split => "on the other side of a netsplit",
            Standing::Gone => "gone",
            Standing::Unknown => "unknown",
        }
    }
}

/// How likely somebody saw a message that came now, 0 to 1: `idle` is for how many seconds they
/// have been silent, `None` when nothing was heard of them yet.
pub fn likelihood(standing: Standing, idle: Option<i64>) -> f32 {
    let awake = match idle {
        Some(..=120) => 0.95,
        Some(..=600) => 0.8,
        Some(..=3600) => 0.5,
        Some(..=28_800) => 0.25,
        Some(_) | None => 0.1,
    };
    match standing {
        Standing::Here => awake,
        Standing::Away => awake / 10.0,
        Standing::Split | Standing::Gone | Standing::Unknown => 0.0,
    }
}

impl Presence {
    pub fn person(&self, nick: &str) -> Option<&Person> {
        self.people.get(&fold(nick))
    }

    pub fn standing(&self, nick: &str) -> Standing {
        match self.person(nick) {
            None => Standing::Unknown,
            Some(person) if person.split => Standing::Split,
            Some(person) if person.left.is_some() => Standing::Gone,
            // Nobody would tell the bot that they leave.
            Some(person) if person.channels.is_empty() => Standing::Unknown,
            Some(person) if person.away => Standing::Away,
            Some(_) => Standing::Here,
        }
    }

    /// How likely a message that comes now is seen by whoever has this nick.
    pub fn likelihood(&self, nick: &str, now: Timestamp) -> f32 {
        let idle = self.person(nick).and_then(|person| Some(now - person.spoke?));
        likelihood(self.standing(nick), idle)
    }

    /// How likely the person has seen by now what was last told: surely when they have spoken
    /// since, not at all while they were not reached.
    pub fn seen(&self, nick: &str, now: Timestamp) -> f32 {
        let Some(person) = self.person(nick) else { return 0.0 };
        let Some(told) = person.told else { return 0.0 };
        match person.spoke {
            Some(spoke) if spoke > told => 1.0,
            spoke => {
                let here = if person.away { Standing::Away } else { Standing::Here };
                let idle = spoke.map(|spoke| told - spoke);
                // Silence since then makes it less likely, not more.
                likelihood(here, idle)
                    .min(likelihood(here, idle.map(|_| (now - told) / 4)).max(0.1))
            }
        }
    }

    /// Who among those present is logged in to this services account.
    pub fn by_account(&self, account: &str) -> Option<&str> {
        let mut present = self.people.values().filter(|person| person.left.is_none());
        let own = |person: &&Person| person.account.as_deref().map(fold) == Some(fold(account));
        present.find(own).map(|person| person.nick.as_str())
    }

    /// Is the person an operator (or above) of the channel?
    pub fn operates(&self, nick: &str, channel: &str) -> bool {
        self.person(nick).is_some_and(|person| person.operates.contains(&fold(channel)))
    }

    /// Who is in a channel, with their nicks as the network writes them.
    pub fn members(&self, channel: &str) -> Vec<&str> {
        let channel = fold(channel);
        let inside = self.people.values().filter(|person| person.channels.contains(&channel));
        let mut nicks: Vec<&str> = inside.map(|person| person.nick.as_str()).collect();
        nicks.sort_unstable();
        nicks
    }

    /// Somebody came into a channel; `account` when the network tells it (`*` is none).
    pub fn joined(&mut self, nick: &str, channel: &str, account: Option<&str>) {
        let person = self.present(nick);
        person.channels.insert(fold(channel));
        if let Some(account) = account {
            person.account = logged_in(account);
        }
    }

    /// The server's list of a channel: nicks with signs such as `@` in front.
    pub fn listed(&mut self, channel: &str, names: &str) {
        for entry in names.split(' ').filter(|entry| !entry.is_empty()) {
            let nick = entry.trim_start_matches(['@', '&', '~', '%', '+', '!']);
            let nick = nick.split('!').next().unwrap_or(nick);
            let signs = &entry[..entry.find(nick).unwrap_or(0)];
            let person = self.present(nick);
            person.channels.insert(fold(channel));
            match signs.contains(['@', '&', '~', '%']) {
                true => person.operates.insert(fold(channel)),
                false => person.operates.remove(&fold(channel)),
            };
        }
    }

    /// Somebody left a channel, or was kicked; without another common channel the bot no longer
    /// knows of them.
    pub fn parted(&mut self, nick: &str, channel: &str, how: &str, now: Timestamp) {
        let Some(person) = self.people.get_mut(&fold(nick)) else { return };
        person.channels.remove(&fold(channel));
        person.operates.remove(&fold(channel));
        if person.channels.is_empty() {
            person.leave(now, how);
        }
    }

    /// Somebody left the network. Servers tell of a netsplit with their two names as the reason.
    pub fn quit(&mut self, nick: &str, reason: &str, now: Timestamp) {
        let Some(person) = self.people.get_mut(&fold(nick)) else { return };
        let split = is_netsplit(reason);
        person.leave(now, if split { "a netsplit" } else { "left the network" });
        person.split = split;
    }

    pub fn renamed(&mut self, from: &str, to: &str) {
        let Some(mut person) = self.people.remove(&fold(from)) else { return };
        to.clone_into(&mut person.nick);
        self.people.insert(fold(to), person);
    }

    pub fn away(&mut self, nick: &str, away: bool) {
        if let Some(person) = self.people.get_mut(&fold(nick)) {
            person.away = away;
        }
    }

    /// The network tells somebody's services account; `*` is none. Not noted of people who share
    /// no channel with the bot: it would not see them leave, and somebody else take the nick.
    pub fn account(&mut self, nick: &str, account: &str) {
        let person = self.people.get_mut(&fold(nick));
        if let Some(person) = person.filter(|person| !person.channels.is_empty()) {
            person.account = logged_in(account);
        }
    }

    pub fn spoke(&mut self, nick: &str, now: Timestamp) {
        let person = self.present(nick);
        person.spoke = person.spoke.max(Some(now));
    }

    /// The server says for how long somebody has been silent everywhere.
    pub fn idle(&mut self, nick: &str, seconds: i64, now: Timestamp) {
        self.spoke(nick, now - seconds.max(0));
    }

    /// The bot told somebody something.
    pub fn told(&mut self, nick: &str, now: Timestamp) {
        if let Some(person) = self.people.get_mut(&fold(nick)) {
            person.told = Some(now);
        }
    }

    /// The server knows nobody of that nick.
    pub fn absent(&mut self, nick: &str, now: Timestamp) {
        if let Some(person) = self.people.get_mut(&fold(nick)) {
            person.leave(now, "left the network");
        }
    }

    /// Whoever has the nick has proved to be this user; holds until they leave. False, and not
    /// noted, when they share no channel with the bot: it would not see them leave.
    pub fn proved(&mut self, nick: &str, user: &str) -> bool {
        let person = self.people.get_mut(&fold(nick));
        let Some(person) = person.filter(|person| !person.channels.is_empty()) else {
            return false;
        };
        if !person.users.iter().any(|known| known == user) {
            person.users.push(user.to_owned());
        }
        true
    }

    /// The bot lost its connection: nobody is known to be there any more.
    pub fn lost(&mut self, now: Timestamp) {
        for person in self.people.values_mut().filter(|person| person.left.is_none()) {
            person.leave(now, "the bot lost its connection");
        }
    }

    fn present(&mut self, nick: &str) -> &mut Person {
        let key = fold(nick);
        if self.people.len() >= PEOPLE && !self.people.contains_key(&key) {
            self.forget();
        }
        let person = self.people.entry(key).or_default();
        nick.clone_into(&mut person.nick);
        (person.left, person.split) = (None, false);
        person
    }

    /// Forgets half of those who have left, or half of everybody.
    fn forget(&mut self) {
        let age = |person: &Person| person.left.as_ref().map_or(Timestamp::MAX, |(at, _)| *at);
        let mut ages: Vec<Timestamp> = self.people.values().map(age).collect();
        ages.sort_unstable();
        let limit = ages[ages.len() / 2];
        self.people.retain(|_, person| age(person) > limit);
    }
}

impl Person {
    fn leave(&mut self, now: Timestamp, how: &str) {
        self.channels.clear();
        self.operates.clear();
        self.users.clear();
        (self.away, self.account) = (false, None);
        self.left = Some((now, how.to_owned()));
    }
}

fn logged_in(account: &str) -> Option<String> {
    (!matches!(account, "*" | "0" | "")).then(|| account.to_owned())
}

/// Two names of servers, as in `hub.example.org leaf.example.org` or `*.net *.split`.
fn is_netsplit(reason: &str) -> bool {
    let server = |name: &str| {
        name.contains('.')
            && !name.ends_with('.')
            && !name.starts_with('.')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-*_".contains(c))
    };
    matches!(reason.split_once(' '), Some((near, far)) if server(near) && server(far) && near != far)
}

#[cfg(test)]
mod tests {
    use super::Standing::{Away, Gone, Here, Split, Unknown};
    use super::*;

    #[test]
    fn people_come_and_go() {
        let mut people = Presence::default();
        assert_eq!(people.standing("alice"), Unknown);
        people.joined("Alice", "#a", None);
        people.joined("alice", "#b", Some("alice"));
        assert_eq!((people.standing("ALICE"), people.by_account("Alice")), (Here, Some("alice")));
        people.away("alice", true);
        assert_eq!(people.standing("alice"), Away);
        people.away("alice", false);
        people.renamed("alice", "alice_");
        assert_eq!((people.standing("alice"), people.standing("alice_")), (Unknown, Here));
        people.parted("alice_", "#a", "left", 5);
        assert_eq!(people.standing("alice_"), Here);
        people.parted("alice_", "#b", "left", 6);
        assert_eq!(people.standing("alice_"), Gone);
        people.joined("alice_", "#a", None);
        people.quit("alice_", "Ping timeout: 240 seconds", 7);
        assert_eq!(people.standing("alice_"), Gone);
    }

    #[test]
    fn a_netsplit_is_no_farewell() {
        let table = [
            ("hub.example.org leaf.example.org", Split),
            ("*.net *.split", Split),
            ("good bye", Gone),
            ("see you. later.", Gone),
            ("see example.org", Gone),
            ("", Gone),
        ];
        for (reason, standing) in table {
            let mut people = Presence::default();
            people.joined("alice", "#a", None);
            people.quit("alice", reason, 1);
            assert_eq!(people.standing("alice"), standing, "{reason}");
            people.joined("alice", "#a", None);
            assert_eq!(people.standing("alice"), Here);
        }
    }

    #[test]
    fn a_proof_ends_when_the_person_leaves() {
        let mut people = Presence::default();
        people.spoke("alice", 0);
        assert!(!people.proved("alice", "alice@example.org"));
        people.joined("alice", "#a", None);
        assert!(people.proved("alice", "alice@example.org"));
        people.renamed("alice", "ally");
        assert_eq!(people.person("ally").unwrap().users, ["alice@example.org"]);
        people.quit("ally", "", 1);
        people.joined("ally", "#a", None);
        assert!(people.person("ally").unwrap().users.is_empty());
    }

    #[test]
    fn lists_tell_operators() {
        let mut people = Presence::default();
        people.listed("#A", "@op +voice plain ~@both!u@host ");
        let operators = ["op", "voice", "plain", "both"].map(|nick| people.operates(nick, "#a"));
        assert_eq!(operators, [true, false, false, true]);
        people.listed("#A", "op");
        assert!(!people.operates("op", "#a"));
        assert_eq!(people.members("#a"), ["both", "op", "plain", "voice"]);
    }

    #[test]
    fn the_longer_somebody_is_silent_the_less_likely_they_see_it() {
        let idle = [Some(0), Some(300), Some(1800), Some(20_000), Some(100_000), None];
        for standing in [Here, Away] {
            let odds = idle.map(|idle| likelihood(standing, idle));
            assert!(odds.is_sorted_by(|a, b| a >= b), "{odds:?}");
        }
        assert!(likelihood(Away, Some(0)) < likelihood(Here, None));
        for standing in [Split, Gone, Unknown] {
            assert_eq!(likelihood(standing, Some(0)), 0.0);
        }
    }

    #[test]
    fn an_answer_shows_that_it_was_seen() {
        let mut people = Presence::default();
        people.joined("alice", "#a", None);
        people.spoke("alice", 990);
        assert_eq!(people.seen("alice", 1000), 0.0);
        people.told("alice", 1000);
        assert!(people.seen("alice", 1001) > 0.9);
        assert!(people.seen("alice", 1000 + 40 * 60) <= 0.8);
        people.spoke("alice", 1005);
        assert_eq!(people.seen("alice", 9000), 1.0);
        assert_eq!(people.seen("bob", 9000), 0.0);
    }

    #[test]
    fn nobody_is_there_after_the_connection_is_lost() {
        let mut people = Presence::default();
        people.joined("alice", "#a", None);
        people.spoke("alice", 1);
        people.lost(2);
        assert_eq!((people.standing("alice"), people.likelihood("alice", 3)), (Gone, 0.0));
        people.listed("#a", "alice");
        assert_eq!(people.person("alice").unwrap().spoke, Some(1));
    }

    #[test]
    fn memory_is_bounded() {
        let mut people = Presence::default();
        for n in 0..3 * PEOPLE {
            people.joined(&format!("n{n}"), "#a", None);
            people.quit(&format!("n{n}"), "", n as i64);
        }
        assert!(people.people.len() <= PEOPLE);
        assert_eq!(people.standing(&format!("n{}", 3 * PEOPLE - 1)), Gone);
    }
}
