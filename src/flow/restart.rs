//! When may a child that died be started again, and after how long?

use std::time::Duration;

/// Restarts that are still normal: `restarts` within `within`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub restarts: usize,
    pub within: Duration,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { restarts: 5, within: Duration::from_secs(60) }
    }
}

/// What to do with a child that died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Restart {
        after: Duration,
    },
    /// The budget is used up; `after` applies where a child is tried for ever.
    OverBudget {
        after: Duration,
    },
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Decides from the ages of earlier deaths (how long ago each was, the present one not counted)
/// since the last life that was longer than the budget's window. The pause doubles with each of
/// them; the budget looks at those inside its window.
pub fn decide(budget: Budget, earlier: &[Duration]) -> Verdict {
    let recent = earlier.iter().filter(|age| **age <= budget.within).count();
    let doublings = u32::try_from(earlier.len()).unwrap_or(u32::MAX).min(16);
    let after = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
    if recent >= budget.restarts {
        Verdict::OverBudget { after }
    } else {
        Verdict::Restart { after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_the_budget_ends() {
        let budget = Budget { restarts: 3, within: Duration::from_secs(60) };
        let ages =
            |seconds: &[u64]| seconds.iter().map(|s| Duration::from_secs(*s)).collect::<Vec<_>>();
        let pause = |millis| Duration::from_millis(millis);
        let table = [
            (ages(&[]), Verdict::Restart { after: pause(100) }),
            (ages(&[1]), Verdict::Restart { after: pause(200) }),
            (ages(&[2, 1]), Verdict::Restart { after: pause(400) }),
            (ages(&[3, 2, 1]), Verdict::OverBudget { after: pause(800) }),
            (ages(&[300, 200, 100]), Verdict::Restart { after: pause(800) }),
            (ages(&[1; 40]), Verdict::OverBudget { after: LONGEST_PAUSE }),
        ];
        for (earlier, verdict) in table {
            assert_eq!(decide(budget, &earlier), verdict, "{earlier:?}");
        }
    }

    #[test]
    fn a_child_that_dies_at_birth_stays_at_the_longest_pause() {
        let (mut now, mut deaths) = (Duration::ZERO, Vec::new());
        let mut pauses = Vec::new();
        for _ in 0..30 {
            let ages: Vec<Duration> = deaths.iter().map(|death| now - *death).collect();
            let (Verdict::Restart { after } | Verdict::OverBudget { after }) =
                decide(Budget::default(), &ages);
            deaths.push(now);
            pauses.push(after);
            now += after;
        }
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert_eq!(pauses[10..], [LONGEST_PAUSE; 20]);
    }
}
