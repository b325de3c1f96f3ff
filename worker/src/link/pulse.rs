//! Notices a master that is gone without a word.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::config::Config;

/// When to ask for a sign of life, and when silence means that the master is gone: at the latest after
/// two intervals.
pub(super) struct Pulse {
    interval: Duration,
    deadline: Duration,
    next: Instant,
    /// Since when an answer is due.
    asked: Option<Instant>,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Ask,
    /// Nothing came for so long after it was asked for.
    Dead(Duration),
}

impl Pulse {
    pub(super) fn new(config: &Config, now: Instant) -> Pulse {
        let interval = config.keepalive;
        let deadline = config.ping_deadline.min(interval);
        Pulse { interval, deadline, next: now + interval, asked: None }
    }

    /// Ready when [`Pulse::beat`] is due; never when the interval is zero.
    pub(super) async fn due(&self) {
        match self.interval.is_zero() {
            true => std::future::pending().await,
            false => sleep_until(self.next).await,
        }
    }

    /// Anything that arrives proves life.
    pub(super) fn heard(&mut self, now: Instant) {
        self.asked = None;
        self.next = now + self.interval;
    }

    /// A question, or the end if the last one was not answered.
    pub(super) fn beat(&mut self, now: Instant) -> Beat {
        match self.asked {
            Some(_) => Beat::Dead(self.deadline),
            None => {
                self.asked = Some(now);
                self.next = now + self.deadline;
                Beat::Ask
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_after_a_question_is_death() {
        let mut config = Config::new("/".into(), "h", 1, "w", "p");
        (config.keepalive, config.ping_deadline) =
            (Duration::from_secs(600), Duration::from_secs(60));
        let begin = Instant::now();
        let mut pulse = Pulse::new(&config, begin);
        assert_eq!(pulse.next, begin + Duration::from_secs(600));
        assert_eq!(pulse.beat(begin), Beat::Ask);
        assert_eq!(pulse.next, begin + Duration::from_secs(60));
        pulse.heard(begin);
        assert_eq!(pulse.beat(begin), Beat::Ask, "anything heard proves life");
        assert_eq!(pulse.beat(begin), Beat::Dead(Duration::from_secs(60)));
    }

    #[test]
    fn a_frozen_master_is_noticed_within_two_intervals() {
        let mut config = Config::new("/".into(), "h", 1, "w", "p");
        config.keepalive = Duration::from_secs(10);
        let begin = Instant::now();
        let mut pulse = Pulse::new(&config, begin);
        assert_eq!(pulse.beat(pulse.next), Beat::Ask);
        assert_eq!(pulse.next - begin, Duration::from_secs(20));
        assert_eq!(pulse.beat(pulse.next), Beat::Dead(Duration::from_secs(10)));
    }
}
