//! How long to wait before the next attempt.

use std::time::Duration;

/// Each wait is half as long again as the one before, give or take a tenth, so that many workers do
/// not come back at the same moment.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration) -> Backoff {
        Backoff { first, longest, failures: 0 }
    }

    /// Attempts that failed in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// After a connection that served.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next wait; `jitter` is between 0 and 1.
    pub(super) fn next(&mut self, jitter: f64) -> Duration {
        let grown = self.first.as_secs_f64() * 1.5_f64.powi(self.failures.min(60) as i32);
        self.failures = self.failures.saturating_add(1);
        let seconds = grown * (0.9 + 0.2 * jitter);
        Duration::try_from_secs_f64(seconds).map_or(self.longest, |wait| wait.min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_secs_f64(1.8), Duration::from_secs(10));
        let waits: Vec<f64> = (0..7).map(|_| backoff.next(0.5).as_secs_f64()).collect();
        for (wait, expected) in waits.iter().zip([1.8, 2.7, 4.05, 6.075, 9.1125, 10.0, 10.0]) {
            assert!((wait - expected).abs() < 1e-6, "{wait} instead of {expected}");
        }
        assert_eq!(backoff.failures(), 7);
        backoff.reset();
        assert!(backoff.next(0.0) < backoff.next(1.0));
    }
}
