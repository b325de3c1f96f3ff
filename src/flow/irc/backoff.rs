//! Pauses that grow.

use std::time::Duration;

/// The longest pause between two attempts to connect.
const LONGEST: Duration = Duration::from_secs(600);

/// `first`, doubled for each failure before, at most `longest`.
pub fn doubled(first: i64, failures: u32, longest: i64) -> i64 {
    first.saturating_mul(1 << failures.min(30)).min(longest)
}

/// The pause before the next attempt to connect: `first` after the first failure or loss, doubled
/// with each that follows, up to ten minutes or `first` if that is longer. `jitter`, 0 to 1, makes
/// it up to a quarter longer, so that not all bots of a network come back at once.
pub fn reconnect(first: Duration, failures: u32, jitter: f64) -> Duration {
    let pause = first.saturating_mul(1 << failures.min(16)).min(LONGEST.max(first));
    pause + pause.mul_f64(jitter.clamp(0.0, 1.0) / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let first = Duration::from_secs(5);
        let pauses: Vec<u64> = (0..9).map(|n| reconnect(first, n, 0.0).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(reconnect(first, 0, 1.0), Duration::from_millis(6250));
        assert_eq!(reconnect(Duration::from_secs(900), 5, 0.0).as_secs(), 900);
        assert_eq!(reconnect(Duration::ZERO, 40, 0.5), Duration::ZERO);
    }
}
