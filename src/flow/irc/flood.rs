//! Limits on lines: how fast the bot may talk, and how fast it may be talked to.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// People that [`Patience`] remembers at once.
const PEOPLE: usize = 1000;

/// A bucket of tokens: `burst` lines at once, then one per `every`.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    burst: u32,
    every: Duration,
    /// When the bucket will be full again; each line moves it by `every`.
    full_at: Option<Instant>,
}

impl Bucket {
    /// `burst` must not be 0; with an `every` of zero nothing is limited.
    pub fn new(burst: u32, every: Duration) -> Bucket {
        Bucket { burst: burst.max(1), every, full_at: None }
    }

    /// How long the next line has to wait.
    pub fn wait(&self, now: Instant) -> Duration {
        let debt = self.full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        (debt + self.every).saturating_sub(self.every * self.burst)
    }

    /// A line goes out now.
    pub fn take(&mut self, now: Instant) {
        let from = self.full_at.filter(|at| *at > now).unwrap_or(now);
        self.full_at = Some(from + self.every);
    }

    fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|at| at <= now)
    }
}

/// How often each person may give commands.
#[derive(Debug)]
pub struct Patience {
    burst: u32,
    every: Duration,
    people: HashMap<String, (Bucket, bool)>,
}

/// What a command of somebody deserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Serve,
    /// Too many; say so once.
    Warn,
    Ignore,
}

impl Patience {
    pub fn new(burst: u32, every: Duration) -> Patience {
        Patience { burst, every, people: HashMap::new() }
    }

    /// `who` gives a command.
    pub fn judge(&mut self, who: &str, now: Instant) -> Verdict {
        if self.people.len() >= PEOPLE {
            self.people.retain(|_, (bucket, _)| !bucket.is_full(now));
        }
        if self.people.len() >= PEOPLE && !self.people.contains_key(who) {
            return Verdict::Ignore;
        }
        let fresh = || (Bucket::new(self.burst, self.every), false);
        let (bucket, warned) = self.people.entry(who.to_owned()).or_insert_with(fresh);
        if bucket.wait(now).is_zero() {
            bucket.take(now);
            *warned = false;
            return Verdict::Serve;
        }
        match std::mem::replace(warned, true) {
            false => Verdict::Warn,
            true => Verdict::Ignore,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_then_lines_wait() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut bucket = Bucket::new(3, Duration::from_secs(2));
        for _ in 0..3 {
            assert_eq!(bucket.wait(start), Duration::ZERO);
            bucket.take(start);
        }
        assert_eq!(bucket.wait(start), Duration::from_secs(2));
        assert_eq!(bucket.wait(at(1)), Duration::from_secs(1));
        assert_eq!(bucket.wait(at(2)), Duration::ZERO);
        bucket.take(at(2));
        assert_eq!(bucket.wait(at(2)), Duration::from_secs(2));
        assert_eq!(bucket.wait(at(100)), Duration::ZERO);
    }

    #[test]
    fn nothing_is_limited_without_an_interval() {
        let (mut bucket, now) = (Bucket::new(1, Duration::ZERO), Instant::now());
        for _ in 0..100 {
            assert_eq!(bucket.wait(now), Duration::ZERO);
            bucket.take(now);
        }
    }

    #[test]
    fn a_flood_is_warned_once_and_hurts_nobody_else() {
        let now = Instant::now();
        let mut patience = Patience::new(2, Duration::from_secs(10));
        let verdicts: Vec<Verdict> = (0..5).map(|_| patience.judge("eve", now)).collect();
        use Verdict::{Ignore, Serve, Warn};
        assert_eq!(verdicts, [Serve, Serve, Warn, Ignore, Ignore]);
        assert_eq!(patience.judge("alice", now), Serve);
        assert_eq!(patience.judge("eve", now + Duration::from_secs(10)), Serve);
        assert_eq!(patience.judge("eve", now + Duration::from_secs(10)), Warn);
    }

    #[test]
    fn a_thousand_strangers_take_no_more_room() {
        let now = Instant::now();
        let mut patience = Patience::new(1, Duration::from_secs(10));
        for n in 0..5000 {
            patience.judge(&format!("eve{n}"), now);
        }
        assert!(patience.people.len() <= PEOPLE);
        assert_eq!(patience.judge("alice", now + Duration::from_secs(11)), Verdict::Serve);
    }
}
