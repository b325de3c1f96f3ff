//! When a message is tried again.

use std::time::Duration;

/// The pause after the first attempt; each further one doubles it.
const FIRST: Duration = Duration::from_secs(30);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(3600);
/// How long a message is tried; as long as mail servers try.
pub const PATIENCE: Duration = Duration::from_secs(5 * 24 * 3600);

/// The pause before the next attempt of a message that was tried `attempts` times, the last one
/// included, and is `age` old; `None` gives it up. `asked` is what the peer asked for.
pub fn next(attempts: u32, age: Duration, asked: Option<Duration>) -> Option<Duration> {
    let doubled = FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(16));
    let pause = doubled.min(LONGEST).max(asked.unwrap_or_default());
    (age < PATIENCE).then_some(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let seconds = Duration::from_secs;
        let table = [
            (1, 0, None, Some(30)),
            (2, 30, None, Some(60)),
            (3, 90, None, Some(120)),
            (9, 9_000, None, Some(3600)),
            (400, 400_000, None, Some(3600)),
            (1, 0, Some(90), Some(90)),
            (5, 600, Some(90), Some(480)),
            (200, 432_000, None, None),
        ];
        for (attempts, age, asked, expected) in table {
            let pause = next(attempts, seconds(age), asked.map(seconds));
            assert_eq!(pause, expected.map(seconds), "{attempts}");
        }
    }
}
