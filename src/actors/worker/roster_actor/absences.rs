//! Workers that stay away: after their `missing_timeout` everybody is told, once per absence.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::RosterActor;
use crate::events::Event;
use crate::model::WorkerId;

/// Since when configured workers are away. Counts from the master's start for those that have not
/// come yet, as in stock.
#[derive(Default)]
pub(super) struct Absences(HashMap<WorkerId, Absence>);

struct Absence {
    since: Instant,
    told: bool,
}

impl Absences {
    /// Notes who is away; answers those that became missing by now. A timeout of zero never does.
    fn look(&mut self, workers: &[(WorkerId, bool, Duration)], now: Instant) -> Vec<WorkerId> {
        self.0.retain(|id, _| workers.iter().any(|(other, present, _)| id == other && !present));
        let mut missing = Vec::new();
        for (id, _, timeout) in workers.iter().filter(|(_, present, _)| !present) {
            let absence = self.0.entry(*id).or_insert(Absence { since: now, told: false });
            if !absence.told && !timeout.is_zero() && now.duration_since(absence.since) >= *timeout
            {
                absence.told = true;
                missing.push(*id);
            }
        }
        missing
    }
}

impl RosterActor {
    /// Announces who became missing.
    pub(super) fn look_for_missing(&mut self) {
        let configured = self.wanted.config.workers.iter();
        let workers: Vec<(WorkerId, bool, Duration)> = configured
            .filter_map(|worker| {
                let entry = self.board.workers.get(&worker.name)?;
                Some((entry.id, entry.link.is_some(), worker.missing_timeout))
            })
            .collect();
        for worker in self.absences.look(&workers, Instant::now()) {
            tracing::warn!(%worker, "the worker is missing");
            self.setup.announcer.announce(Event::WorkerMissing { worker });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_absence_is_told_once() {
        let (mut absences, begin) = (Absences::default(), Instant::now());
        let (one, never) = (WorkerId(1), WorkerId(2));
        let hour = Duration::from_secs(3600);
        let mut look = |present, after| {
            let workers = [(one, present, hour), (never, false, Duration::ZERO)];
            absences.look(&workers, begin + after)
        };
        assert_eq!(look(false, Duration::ZERO), []);
        assert_eq!(look(false, hour - Duration::from_secs(1)), []);
        assert_eq!(look(false, hour), [one]);
        assert_eq!(look(false, hour * 5), []);
        assert_eq!(look(true, hour * 6), [], "it came back");
        assert_eq!(look(false, hour * 7), [], "a new absence begins");
        assert_eq!(look(false, hour * 8), [one]);
    }
}
