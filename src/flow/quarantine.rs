//! Workers whose builds break rest for a while: stock's quarantine.

use crate::model::{Results, Timestamp};

/// Seconds of the first rest, and of the longest.
const FIRST: i64 = 10;
const LONGEST: i64 = 60 * 60;

/// How a worker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// Gets no build before this time.
    pub until: Timestamp,
    /// Seconds that the next rest will last.
    next: i64,
}

impl Default for Rest {
    fn default() -> Rest {
        Rest { until: Timestamp::MIN, next: FIRST }
    }
}

impl Rest {
    /// A build of the worker ended. EXCEPTION sends it to rest, each time twice as long, unless it
    /// rests already; RETRY says nothing about it, every other result that it is well.
    #[must_use]
    pub fn after(self, results: Results, now: Timestamp) -> Rest {
        match results {
            Results::Exception if now < self.until => self,
            Results::Exception => {
                Rest { until: now + self.next, next: (self.next * 2).min(LONGEST) }
            }
            Results::Retry => self,
            _ => Rest { next: FIRST, ..self },
        }
    }

    /// Somebody ends the rest; the next one is longer all the same.
    #[must_use]
    pub fn ended(self) -> Rest {
        Rest { until: Timestamp::MIN, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_until_a_build_is_well() {
        use Results::*;
        // Result, time, and when the rest ends.
        let story = [
            (Success, 0, None),
            (Exception, 100, Some(110)),
            (Exception, 105, Some(110)), // rests already
            (Exception, 110, Some(130)),
            (Retry, 140, Some(130)),
            (Exception, 150, Some(190)),
            (Failure, 160, Some(190)), // started before; the rest goes on
            (Exception, 200, Some(210)),
        ];
        let mut rest = Rest::default();
        for (results, now, until) in story {
            rest = rest.after(results, now);
            assert_eq!(rest.until, until.unwrap_or(Timestamp::MIN), "{results} at {now}");
        }
        for now in (1..30).map(|day| day * 86_400) {
            rest = rest.after(Exception, now);
        }
        assert_eq!(rest.until, 29 * 86_400 + LONGEST);
        assert!(rest.ended().until < 0);
    }
}
