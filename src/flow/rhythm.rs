//! How long a change source pauses: between polls, and before it connects again.

use std::time::Duration;

/// Longest pause of a poller that fails, unless its interval is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// The pause before the next poll after `failures` failed ones in a row; `None` never polls again
/// by itself (`pollInterval` 0).
pub fn pause(interval: Duration, failures: u32) -> Option<Duration> {
    if interval.is_zero() {
        return None;
    }
    let doubled = interval.saturating_mul(1 << failures.min(16));
    Some(doubled.min(LONGEST_PAUSE).max(interval))
}

/// A connection that lasted so long was good.
const GOOD_CONNECTION: Duration = Duration::from_secs(120);
/// The first and the longest pause before connecting again, and what one is longer than the last.
const RECONNECT: (Duration, Duration, f64) =
    (Duration::from_millis(500), Duration::from_secs(60), 1.5);

/// Failures in a row, after a connection that was lost when it had `lasted` so long.
pub fn failures_after(failures: u32, lasted: Duration) -> u32 {
    if lasted >= GOOD_CONNECTION { 0 } else { failures.saturating_add(1) }
}

/// The pause before connecting again; a good connection that was lost is made anew at once. The
/// numbers are stock's.
pub fn reconnect(failures: u32) -> Duration {
    let (first, longest, factor) = RECONNECT;
    let Some(earlier) = failures.checked_sub(1) else { return Duration::ZERO };
    first.mul_f64(factor.powi(i32::try_from(earlier.min(64)).unwrap_or(64))).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let seconds = Duration::from_secs;
        let table = [
            (600, 0, Some(600)),
            (600, 1, Some(1200)),
            (600, 2, Some(2400)),
            (600, 3, Some(3600)),
            (2, 4, Some(32)),
            (2, 4000, Some(3600)),
            (7200, 5, Some(7200)),
            (0, 1, None),
        ];
        for (interval, failures, expected) in table {
            assert_eq!(
                pause(seconds(interval), failures),
                expected.map(seconds),
                "{interval} {failures}"
            );
        }
    }

    #[test]
    fn lost_connections_are_made_anew() {
        let pauses: Vec<u128> = (0..5).map(|failures| reconnect(failures).as_millis()).collect();
        assert_eq!(pauses, [0, 500, 750, 1125, 1687]);
        assert_eq!(reconnect(u32::MAX), Duration::from_secs(60));
        assert_eq!(failures_after(7, Duration::from_secs(119)), 8);
        assert_eq!(failures_after(7, Duration::from_secs(120)), 0);
    }
}
